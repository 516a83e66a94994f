"""Trace: the schedule as Chrome trace JSON, for chrome://tracing and ui.perfetto.dev.

One complete event ("ph": "X") per task; a thread is a machine, a microsecond stands for one unit of the objective. Each
block that moves to another machine is an asynchronous event of the machine that reads it, because several may be on
their way at once.
"""

from __future__ import annotations

import json

from chainplan._util.json_value import JsonValue
from chainplan.plans.result import Result
from chainplan.plans.schedule import moved_blocks
from chainplan.plans.transfers import Transfer
from chainplan.problem.units import unit_text
from chainplan.report._schedule import scheduled, step_name
from chainplan.report.words.gantt import rows
from chainplan.report.words.steps import step_cells
from chainplan.report.words.table import describe


def render(result: Result) -> str:
    """Write the events of the schedule of a result, one per line.

    Raises
    ------
    PlanError
        If the result has no schedule.
    """
    plan, schedule = scheduled(result)
    events: list[dict[str, JsonValue]] = [_named("process_name", 0, describe(result.problem))]
    events += [_named("thread_name", machine, f"machine {machine}") for machine in rows(schedule)]
    for task in schedule.tasks:
        events.append(
            {
                "ph": "X",
                "pid": 0,
                "tid": task.machine,
                "ts": task.start,
                "dur": task.end - task.start,
                "name": step_name(result, task.id),
                "cat": step_cells(plan.steps[task.id])[0],
                "args": {"step": task.id, "reads": list(plan.steps[task.id].operands())},
            }
        )
    machine_of = {task.id: task.machine for task in schedule.tasks}
    moved = [] if result.candidate is None else moved_blocks(result.candidate, schedule)
    for number, one in enumerate(moved):
        events += _transfer(number, one, machine_of[one.id])
    about = {"machines": schedule.machines, "makespan": schedule.makespan, "unit": unit_text(result.problem)}
    about["objective"] = result.problem.cost.objective
    lines = ",\n  ".join(json.dumps(event, ensure_ascii=False) for event in events)
    return f'{{"traceEvents": [\n  {lines}\n ],\n "otherData": {json.dumps(about)}}}\n'


def _transfer(number: int, one: Transfer, origin: int) -> list[dict[str, JsonValue]]:
    """Write a block on its way as two events, its start and its end."""
    name = f"#{one.id} from machine {origin}: {one.size:,} bytes"
    shared: dict[str, JsonValue] = {"cat": "transfer", "id": number, "pid": 0, "tid": one.machine, "name": name}
    args: dict[str, JsonValue] = {"step": one.id, "from": origin, "to": one.machine, "bytes": one.size}
    return [{"ph": "b", "ts": one.start, **shared, "args": args}, {"ph": "e", "ts": one.end, **shared}]


def _named(what: str, thread: int, name: str) -> dict[str, JsonValue]:
    return {"ph": "M", "pid": 0, "tid": thread, "name": what, "args": {"name": name}}
