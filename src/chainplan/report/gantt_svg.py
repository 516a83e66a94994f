"""SVG: the schedule as a Gantt chart that stands alone.

Colours follow the kind of the step and never stand alone: every bar wide enough says what it is, and all have a title
that is read out and shown on hovering. The colour scheme of the page around it is followed.
"""

from __future__ import annotations

from chainplan.plans.result import Result
from chainplan.plans.schedule import Schedule, Task, moved_blocks
from chainplan.plans.steps import Accumulate, Add, Multiply, Propagate, Step
from chainplan.problem.units import in_fma, unit_text
from chainplan.report._schedule import scheduled, step_name
from chainplan.report.gantt_chart import GANTT_SVG_WIDTH, GanttBar, GanttChart, GanttMove, escaped
from chainplan.report.words.gantt import rows
from chainplan.report.words.table import describe, schedule_text

GANTT_TOP = 56
"""Pixels above the first row, for two lines of text."""
BAR_CLASSES: dict[type[Step], tuple[str, str]] = {
    Accumulate: ("accumulate", "#b3541e"),
    Propagate: ("propagate", "#1f6f8b"),
    Multiply: ("multiply", "#3d6b35"),
    Add: ("add", "#6b4c8a"),
}
"""Classes of bars, and fills that white text is read on, on a light page and on a dark one."""
BAR_FILLS = "".join(f".{kind} rect{{fill:{fill}}}" for kind, fill in (("task", "#555555"), *BAR_CLASSES.values()))
GANTT_STYLE = f"""text{{font:12px sans-serif;fill:#222;text-anchor:middle}}.left{{text-anchor:start}}.right{{\
text-anchor:end}}
.name{{font-weight:bold}}.in{{fill:#fff}}.rule{{stroke:#bbb}}\
.move{{stroke:#c00;stroke-dasharray:3 2}}{BAR_FILLS}
@media (prefers-color-scheme:dark){{text{{fill:#ddd}}.in{{fill:#fff}}.rule{{stroke:#555}}}}"""


def render(result: Result) -> str:
    """Draw the schedule of a result.

    Raises
    ------
    PlanError
        If the result has no schedule.
    """
    plan, schedule = scheduled(result)
    machines, unit = rows(schedule), unit_text(result.problem)
    bars = [
        _bar(task, row, plan.steps[task.id], step_name(result, task.id))
        for row, tasks in enumerate(machines.values())
        for task in tasks
    ]
    labels = [f"machine {machine}" for machine in machines]
    chart = GanttChart(bars, labels, schedule.makespan, unit, GANTT_TOP, _moves(result, schedule))
    under = "" if in_fma(result.problem) else f" by '{result.problem.cost.objective}'"
    title, about = escaped(describe(result.problem)), escaped(schedule_text(schedule, unit) + under)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {GANTT_SVG_WIDTH} {chart.height}" role="img" '
        'aria-labelledby="title desc">',
        f'<title id="title">{title}</title>',
        f'<desc id="desc">{about}</desc>',
        f"<style>{GANTT_STYLE}</style>",
        f'<text class="name left" x="10" y="20">{title}</text>',
        f'<text class="left" x="10" y="38">{about}</text>',
        *chart.lines(),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _moves(result: Result, schedule: Schedule) -> list[GanttMove]:
    """The transfers of a schedule, from the row of the machine that made a block to that which reads it."""
    row = {machine: i for i, machine in enumerate(rows(schedule))}
    place = {task.id: row[task.machine] for task in schedule.tasks}
    moved = [] if result.candidate is None else moved_blocks(result.candidate, schedule)
    return [
        GanttMove((place[one.id], row[one.machine]), one.start, one.end, f"#{one.id}: {one.size:,} bytes")
        for one in moved
    ]


def _bar(task: Task, row: int, step: Step, name: str) -> GanttBar:
    kind, _ = BAR_CLASSES.get(type(step), ("other", ""))
    title = f"{name}: machine {task.machine}, {task.start:,} to {task.end:,}"
    return GanttBar(row, task.start, task.end, str(task.id), title, (name, f"#{task.id}"), kind)
