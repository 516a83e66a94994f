"""Schedules in which moving blocks takes time: against all schedules of tiny plans, and by the judge."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import pytest

import chainplan
from chainplan.errors import PlanError, SolverError
from chainplan.io.plan_file import document
from chainplan.plans.candidate import Candidate
from chainplan.plans.schedule import Schedule, check_schedule, moved_blocks
from chainplan.report.html.sections import schedule_drawn
from chainplan_cli.main import main

MODULES = [(50, 20, 8000), (15, 50, 6000), (40, 15, 9000), (25, 40, 3000), (30, 25, 5000)]
SLOW, FAST = 30_000_000, 10**13
"""Bytes per second at which a block takes as long as a step, and next to none."""


def modules(count: int) -> chainplan.Problem:
    return chainplan.chain([{"shape": [m, n], "tangent": c, "adjoint": c} for m, n, c in MODULES[:count]])


def scheduled(problem: chainplan.Problem, machines: int, bandwidth: int | None) -> tuple[Candidate, Schedule]:
    found = chainplan.plan(problem, machines=machines, bandwidth=bandwidth, objective="weighted", budget=20)
    assert found.candidate is not None
    assert found.schedule is not None
    return found.candidate, found.schedule


def shortest(candidate: Candidate, machines: int, bandwidth: int) -> int:
    """The least makespan of all orders of the tasks on all machines, each task as early as it can."""
    plan, prices = candidate.plan, candidate.priced.prices
    moving = [-(-8 * typed.block.nnz * 10**9 // bandwidth) for typed in candidate.replay.blocks]
    made, needs = list[set[int]](), dict[int, set[int]]()
    for step, price in zip(plan.steps, prices, strict=True):
        operands = set[int]().union(*(made[i] for i in step.operands()))
        if price:
            needs[len(made)] = operands
        made.append({len(made)} if price else operands)
    best = sum(prices)
    for order in permutations(needs):
        if any(order.index(s) > order.index(t) for t in needs for s in needs[t]):
            continue
        for places in product(range(machines), repeat=len(order)):
            on, end, free = dict(zip(order, places, strict=True)), dict[int, int](), [0] * machines
            for t in order:
                there = [end[s] + (moving[s] if on[s] != on[t] else 0) for s in needs[t]]
                end[t] = free[on[t]] = max([free[on[t]], *there]) + prices[t]
            best = min(best, max(end.values()))
    return best


@pytest.mark.parametrize("bandwidth", [SLOW, 300_000_000, FAST])
@pytest.mark.parametrize("machines", [2, 3])
def test_no_schedule_of_a_tiny_plan_is_shorter(machines: int, bandwidth: int) -> None:
    candidate, schedule = scheduled(modules(3), machines, bandwidth)
    least = shortest(candidate, machines, bandwidth)
    assert schedule.bound <= schedule.makespan
    assert schedule.makespan == least
    assert schedule.optimal or not schedule.this_plan
    check_schedule(candidate, schedule)


def test_transfers_make_schedules_longer_and_one_machine_is_always_there() -> None:
    problem = modules(5)
    free, fast, slow = (scheduled(problem, 3, bandwidth)[1] for bandwidth in (None, FAST, SLOW))
    assert free.makespan <= fast.makespan <= free.makespan + 100
    assert fast.makespan <= slow.makespan <= slow.one_machine
    still = scheduled(problem, 3, 1)[1]
    assert still.makespan == still.one_machine
    assert len({task.machine for task in still.tasks}) == 1


def test_a_task_that_does_not_await_a_transfer_is_refused() -> None:
    candidate, schedule = scheduled(modules(5), 3, FAST)
    check_schedule(candidate, schedule)
    with pytest.raises(PlanError, match=r"the block of step \d+ arrives from machine \d+ at \d+"):
        check_schedule(candidate, replace(schedule, bandwidth=SLOW))
    with pytest.raises(PlanError, match="expected at least 1 byte per second"):
        check_schedule(candidate, replace(schedule, bandwidth=0))


def test_a_plan_file_holds_the_bandwidth_and_is_proven_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, saved = tmp_path / "spec.json", tmp_path / "plan.json"
    chain = [{"shape": [m, n], "tangent": c, "adjoint": c} for m, n, c in MODULES[:4]]
    spec.write_text(json.dumps({"chain": chain}), encoding="utf-8")
    options = ["--machines", "2", "--bandwidth", "300000000", "--objective", "weighted"]
    assert main(["plan", str(spec), *options, "--format", "json", "-o", str(saved)]) == 0
    assert json.loads(saved.read_text(encoding="utf-8"))["schedule"]["bandwidth"] == 300_000_000
    assert main(["check", str(saved)]) == 0
    assert "refuted" not in capsys.readouterr().out
    assert main(["plan", str(spec), *options]) == 0
    assert "on 2 machines at 300,000,000 bytes/s" in capsys.readouterr().out
    assert main(["plan", str(spec), *options, "--format", "svg"]) == 0
    assert '<line class="move"' in capsys.readouterr().out


def test_a_bandwidth_needs_machines_and_an_objective_in_time() -> None:
    with pytest.raises(SolverError, match="bandwidth: found 5 without machines"):
        chainplan.plan(modules(2), bandwidth=5, objective="weighted")
    with pytest.raises(SolverError, match="an objective in fma; expected one in nanoseconds"):
        chainplan.plan(modules(2), machines=2, bandwidth=5)


def test_page_and_trace_show_the_blocks_that_move() -> None:
    """Two equal paths, each on its machine until one block goes over to be added."""
    sizes = {"x": 40, "a": 60, "b": 60, "c": 60, "d": 60, "y": 40}
    edges = [("x", "a"), ("x", "b"), ("a", "c"), ("b", "d"), ("c", "y"), ("d", "y")]
    dag = {"sizes": sizes, "inputs": ["x"], "outputs": ["y"], "jacobians": [{"edge": list(edge)} for edge in edges]}
    problem = chainplan.from_spec({"dag": dag})
    result = chainplan.plan(problem, machines=2, bandwidth=2 * 10**9, objective="weighted", budget=20)
    assert result.candidate is not None
    assert result.schedule is not None
    moved = moved_blocks(result.candidate, result.schedule)
    assert moved
    events = json.loads(chainplan.render(result, "trace"))["traceEvents"]
    begun = [event for event in events if event["ph"] == "b"]
    ended = {event["id"]: event["ts"] for event in events if event["ph"] == "e"}
    assert [(e["args"]["step"], e["tid"], e["ts"], ended[e["id"]], e["args"]["bytes"]) for e in begun] == moved
    drawn = str(schedule_drawn(document(result), result))
    assert drawn.count('class="move"') == len(moved)
    for one in moved:
        assert f"step {one.id}: {one.size:,} bytes to machine {one.machine}" in drawn
    assert f"Between machines: {len(moved)} block" in drawn
