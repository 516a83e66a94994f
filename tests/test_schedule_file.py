"""What is wrong with a schedule, schedules in plan files, and how they are drawn."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

import chainplan
from chainplan.errors import PlanError, SpecError
from chainplan.io.plan_file import document, parse_plan
from chainplan.io.plan_file_claims import verify
from chainplan.plans.bound import Bound, Status
from chainplan.plans.replay import replay
from chainplan.plans.schedule import Schedule, check_schedule
from chainplan.report.registry import RENDERERS
from tests.problems import chain_problem, modules, random_problem
from tests.test_plan_file import mutate

CHAIN = chain_problem([6, 9, 4, 8, 7], prices=[(20, 21, 1), (30, 31, 1), None, (25, 20, 2)])
RESULT = chainplan.plan(CHAIN, machines=2)


def mutated(**changes: Any) -> Schedule:
    assert RESULT.schedule is not None
    return replace(RESULT.schedule, **changes)


def bounded(value: int, within: str | None = None, **changes: Any) -> Schedule:
    assert RESULT.schedule is not None
    return mutated(lower_bound=Bound(value, within or RESULT.schedule.within), **changes)


def with_task(index: int, **changes: Any) -> Schedule:
    assert RESULT.schedule is not None
    tasks = list(RESULT.schedule.tasks)
    tasks[index] = tasks[index]._replace(**changes)
    return mutated(tasks=tuple(tasks))


def free_step() -> int:
    assert RESULT.plan is not None
    return next(step for step, price in enumerate(replay(RESULT.plan).prices) if not price)


def wrong_schedules() -> dict[str, tuple[Schedule, str]]:
    schedule, plan = RESULT.schedule, RESULT.plan
    assert schedule is not None
    assert plan is not None
    tasks = schedule.tasks
    reader = max(
        i for i, task in enumerate(tasks) if any(replay(plan).prices[o] for o in plan.steps[task.id].operands())
    )
    last, early = tasks[reader], tasks[0]
    price = last.end - last.start
    shared = tuple(task._replace(machine=0, start=0, end=task.end - task.start) for task in tasks)
    sources = [task for task in tasks if not task.start]
    assert len(sources) > 1, "two tasks are ready at once"
    pair = {task.id: task for task in shared if task.id in {s.id for s in sources}}
    later = [task._replace(start=task.start + 10**4, end=task.end + 10**4) for task in tasks if task.id not in pair]
    return {
        "no machines": (mutated(machines=0), r"machines: 0; expected at least 1"),
        "no such step": (with_task(0, id=99), r"tasks\[0\]: there is no step 99"),
        "negative step": (with_task(0, id=-1), r"tasks\[0\]: there is no step -1"),
        "twice": (mutated(tasks=(*tasks, tasks[0])), r"stands twice"),
        "missing": (mutated(tasks=tasks[:-1]), r"is missing; expected every step with a price"),
        "free step": (with_task(0, id=free_step()), r"is free"),
        "no such machine": (with_task(0, machine=2), r"there is no machine 2; expected 0 to 1"),
        "before time": (with_task(0, start=-1, end=early.end - 1), r"starts at -1; expected 0 or later"),
        "too short": (with_task(0, end=early.end - 1), r"expected its price"),
        "too early": (with_task(reader, start=0, end=price), r"starts at 0, but what it reads is there at"),
        "overlap": (mutated(tasks=(*pair.values(), *later)), r"overlap on machine 0"),
        "makespan": (mutated(makespan=schedule.makespan - 1), r"makespan: is claimed"),
        "bound above": (
            bounded(schedule.makespan + 1),
            r"bound: \d+; expected at least 0 and at most",
        ),
        "bound below zero": (bounded(-1), r"bound: -1"),
        "not optimal": (
            bounded(schedule.makespan - 1, status=Status.OPTIMAL),
            r"status: 'optimal', with bound",
        ),
        "optimal after all": (
            bounded(schedule.makespan, status=Status.FEASIBLE),
            r"status: 'feasible'",
        ),
        "within": (
            bounded(schedule.bound, within="all plans"),
            r"within: 'all plans'; expected one of this plan",
        ),
        "one machine": (
            mutated(one_machine=schedule.makespan - 1),
            r"one_machine: \d+; expected at least the makespan",
        ),
        "one machine above": (mutated(one_machine=10**9), r"one_machine: 1000000000; expected .* at most the cost"),
    }


@pytest.mark.parametrize("case", wrong_schedules())
def test_a_wrong_schedule_is_rejected(case: str) -> None:
    assert RESULT.candidate is not None
    assert RESULT.schedule is not None
    check_schedule(RESULT.candidate, RESULT.schedule)
    schedule, message = wrong_schedules()[case]
    with pytest.raises(PlanError, match=r"^schedule\.") as caught:
        check_schedule(RESULT.candidate, schedule)
    assert caught.match(message)


def test_random_mutations_are_rejected() -> None:
    """Any change of a task's number, machine, start or end that is accepted leaves a schedule by brute comparison."""
    assert RESULT.candidate is not None
    assert RESULT.schedule is not None
    rng, accepted = random.Random(15), 0
    for _ in range(500):
        index = rng.randrange(len(RESULT.schedule.tasks))
        field = rng.choice(["id", "machine", "start", "end"])
        value = getattr(RESULT.schedule.tasks[index], field) + rng.choice([-50, -1, 1, 50])
        schedule = with_task(index, **{field: value})
        try:
            check_schedule(RESULT.candidate, schedule)
        except PlanError:
            continue
        accepted += 1
        times = [(task, t) for task in schedule.tasks for t in range(task.start, task.end)]
        assert len({(task.machine, t) for task, t in times}) == len(times)
        assert field == "machine"
    assert accepted < 250


def saved() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RENDERERS["json"](RESULT))
    return found


def test_round_trip_of_the_plan_file() -> None:
    for seed in range(25):
        result = chainplan.plan(random_problem(seed), machines=2, budget=1.0)
        read = parse_plan(RENDERERS["json"](result), "plan.json")
        assert read.schedule == result.schedule
        verify(read)
        assert read.document == json.loads(json.dumps(document(result)))


MALFORMED: dict[str, tuple[tuple[Any, ...], Any, str]] = {
    "no object": (("schedule",), [1], r"schedule is \[1\]; expected an object"),
    "machines": (("schedule", "machines"), "2", r"schedule.machines is \"2\"; expected a whole number"),
    "machines without end": (
        ("schedule", "machines"),
        10**15 + 1,
        r"^plan.json: schedule.machines is 1000000000000001; expected a whole number from 1 to 10\^15\. Correct it, or",
    ),
    "true": (("schedule", "bound"), True, r"schedule.bound is true; expected a whole number"),
    "status": (("schedule", "status"), "budget", r"schedule.status is 'budget'; expected optimal or feasible"),
    "unknown": (("schedule", "threads"), 2, r"schedule.threads is no field of a schedule; expected machines"),
    "tasks": (("schedule", "tasks"), {}, r"schedule.tasks is \{\}; expected a list"),
    "task": (("schedule", "tasks", 0), 7, r"schedule.tasks\[0\] is 7; expected an object"),
    "start": (("schedule", "tasks", 0, "start"), 0.5, r"schedule.tasks\[0\].start is 0.5; expected a whole number"),
    "step": (("schedule", "tasks", 0, "step"), 0, r"schedule.tasks\[0\].step is no field"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_schedule_is_bad_input(case: str) -> None:
    path, value, message = MALFORMED[case]
    root = saved()
    at: Any = root
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with pytest.raises(SpecError, match=message):
        parse_plan(json.dumps(root), "plan.json")


def test_a_missing_field_of_a_schedule_is_named() -> None:
    for name in saved()["schedule"]:
        root = saved()
        del root["schedule"][name]
        with pytest.raises(SpecError, match=rf"schedule.{name} is missing"):
            parse_plan(json.dumps(root), "plan.json")


def test_a_schedule_is_bound_within_a_class_that_the_problem_has_plans_of() -> None:
    root = saved()
    root["schedule"].update(bound=0, status="feasible", within="bracketings and nested checkpoints")
    with pytest.raises(
        PlanError, match=r"schedule.within is 'bracketings and nested .* has no such plans: limits\.rec"
    ):
        verify(parse_plan(json.dumps(root), "plan.json"))


def test_a_false_schedule_in_a_file_is_a_bad_plan() -> None:
    root = saved()
    root["schedule"]["makespan"] += 1
    with pytest.raises(PlanError, match=r"^plan.json: schedule.makespan: is claimed"):
        verify(parse_plan(json.dumps(root), "plan.json"))


def test_text_shows_the_chart_in_100_columns() -> None:
    for seed in range(30):
        result = chainplan.plan(random_problem(seed), machines=3, budget=1.0)
        chart = [line for line in chainplan.render(result).splitlines() if line.startswith("  machine ")]
        assert result.schedule is not None
        assert len(chart) == len({task.machine for task in result.schedule.tasks})
        assert all(len(line) <= 100 for line in chart)
        assert "makespan" in chainplan.render(result)


def test_the_svg_is_xml_that_names_every_task() -> None:
    problem = replace(modules(random.Random(16), 5), name='a<b & "c"\x07 → d')
    result = chainplan.plan(problem, machines=3)
    assert result.schedule is not None
    root = ElementTree.fromstring(RENDERERS["svg"](result))
    space = "{http://www.w3.org/2000/svg}"
    assert (root.findtext(f"{space}title") or "").startswith('a<b & "c" → d: x0')
    assert f"makespan {result.schedule.makespan:,} fma" in (root.findtext(f"{space}desc") or "")
    bars = root.findall(f"{space}g")
    assert len(bars) == len(result.schedule.tasks)
    for bar, task in zip(bars, sorted(result.schedule.tasks, key=lambda t: (t.machine, t.start)), strict=True):
        assert (bar.findtext(f"{space}title") or "").startswith(f"#{task.id} ")
    assert not [e for e in root.iter() if any("href" in name or "src" in name for name in e.attrib)]


def test_the_trace_has_an_event_per_task() -> None:
    result = chainplan.plan(modules(random.Random(17), 5), machines=3)
    assert result.schedule is not None
    trace = json.loads(RENDERERS["trace"](result))
    events = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert [(e["args"]["step"], e["tid"], e["ts"], e["ts"] + e["dur"]) for e in events] == [*result.schedule.tasks]
    assert trace["otherData"]["makespan"] == result.schedule.makespan


@pytest.mark.parametrize("form", ["svg", "trace"])
def test_a_result_without_a_schedule_is_not_drawn(form: str) -> None:
    with pytest.raises(PlanError, match=r"schedule: found none .* --machines 2"):
        RENDERERS[form](chainplan.plan(CHAIN))


def test_fuzz_of_mutated_schedules() -> None:
    """A file with one place of its schedule changed is refused, or says the truth about a schedule that is right."""
    codes = {SpecError: 0, PlanError: 0, None: 0}
    for seed in range(600):
        rng, root = random.Random(seed), saved()
        root["schedule"] = mutate(rng, root["schedule"])
        try:
            read = parse_plan(json.dumps(root), "plan.json")
            verify(read)
        except (SpecError, PlanError) as error:
            codes[type(error)] += 1
            continue
        codes[None] += 1
        assert read.plan is not None
        assert read.schedule is not None
        assert RESULT.schedule is not None
        prices = replay(read.plan).prices
        ends = {task.id: task.end for task in read.schedule.tasks}
        assert max(ends.values()) == read.schedule.makespan >= RESULT.schedule.makespan
        assert {step: task.end - task.start for task in read.schedule.tasks for step in [task.id]} == {
            step: price for step, price in enumerate(prices) if price
        }
    assert min(codes.values()) > 0, codes
