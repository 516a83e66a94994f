"""Schedules on p machines: against brute force, the stored instances, their own laws, and what is wrong with others."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import chainplan
from chainplan.cost import FMA
from chainplan.errors import PlanError, SolverError, SpecError
from chainplan.frontends.plan_file import document, parse_plan, verify
from chainplan.jacobians import draw
from chainplan.problem import Problem
from chainplan.replayer import replay
from chainplan.report.table import RENDERERS
from chainplan.result import Status
from chainplan.schedule import Schedule, check_schedule, held, made
from chainplan.scheduling.bounds import Bounds
from chainplan.scheduling.dp import ScheduledDp
from chainplan.scheduling.frontier import frontier
from chainplan.scheduling.listing import list_schedule, lower_bound
from chainplan.scheduling.tasks import ChainTasks
from chainplan.search import Search
from chainplan.steps import operands
from tests.brute_schedules import best_makespan, critical_path, nests, plan_makespan
from tests.problems import chain_problem, random_chain, random_dag, random_problem
from tests.reference import instances

STORED = instances("chain_scheduled.json")


def modules(rng: random.Random, q: int, explicit: float = 0.0) -> Problem:
    """A chain of matrix-free elementals of unlike sizes, some of them explicit: several machines help on most."""
    sizes = [rng.randint(15, 50) for _ in range(q + 1)]
    free = [rng.random() < explicit for _ in range(q)]
    prices = [None if f else (rng.randint(1000, 9000), rng.randint(1000, 9000), 3) for f in free]
    return chain_problem(sizes, prices=prices)


def stored(entry: Any) -> Problem:
    """The problem of a stored instance: tangent = adjoint = tape."""
    return chain_problem(entry["sizes"], prices=[(tape, tape, tape) for tape in entry["tape"]])


def scheduled(problem: Problem, machines: int, **options: Any) -> Schedule:
    schedule = chainplan.plan(problem, machines=machines, **options).schedule
    assert schedule is not None
    return schedule


def test_one_machine_is_the_chain_optimum() -> None:
    for seed in range(60):
        problem = random_problem(seed)
        alone = chainplan.plan(problem)
        result = chainplan.plan(problem, machines=1)
        assert alone.cost is not None
        assert result.schedule is not None
        assert result.plan is not None
        assert result.schedule.makespan == alone.cost.fma
        assert result.schedule.optimal or alone.status is not Status.OPTIMAL
        costly = [step for step, price in enumerate(replay(result.plan).prices) if price]
        assert [task.id for task in result.schedule.tasks] == costly


def test_enough_machines_are_the_shortest_critical_path() -> None:
    rng, shorter = random.Random(1), 0
    for _ in range(25):
        problem = modules(rng, rng.randint(1, 5), explicit=0.3)
        q = len(problem.graph.chain)
        expected = min(map(critical_path, nests(problem)))
        for machines in (q, q + 1, 10**12):
            schedule = scheduled(problem, machines)
            assert (schedule.makespan, schedule.optimal, schedule.within) == (expected, True, "bracketings")
        shorter += expected < schedule.one_machine
    assert shorter > 10


def test_small_chains_equal_brute_force() -> None:
    rng, heuristic_missed = random.Random(2), 0
    for _ in range(40):
        problem = modules(rng, rng.randint(2, 4), explicit=0.2)
        dp = ScheduledDp(ChainTasks(problem.graph.chain, FMA), 3, Search())
        for machines in (2, 3):
            expected = best_makespan(problem, machines)
            schedule = scheduled(problem, machines)
            assert (schedule.makespan, schedule.optimal) == (expected, True)
            heuristic_missed += dp.makespan(machines) > expected
    assert heuristic_missed > 4


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(40))
def test_longer_chains_equal_brute_force(seed: int) -> None:
    rng = random.Random(100 + seed)
    problem = modules(rng, 5, explicit=0.1) if seed % 4 else random_chain(rng, 5, "matrix-free")
    for machines in (2, 3):
        schedule = scheduled(problem, machines)
        assert schedule.optimal
        if schedule.within == "bracketings":
            assert schedule.makespan == best_makespan(problem, machines)


def test_structured_chains_equal_brute_force() -> None:
    rng, compared = random.Random(3), 0
    for _ in range(100):
        problem = random_chain(rng, 4, rng.choice(["structured", "mixed"]))
        schedule = scheduled(problem, 2)
        if schedule.within == "bracketings":
            assert (schedule.makespan, schedule.optimal) == (best_makespan(problem, 2), True)
            compared += schedule.makespan > 0
    assert compared > 20


def test_more_machines_are_never_slower_and_bounds_hold() -> None:
    rng = random.Random(4)
    for _ in range(8):
        problem = modules(rng, 5)
        alone = chainplan.plan(problem).bound
        before = alone
        for machines in range(1, 6):
            schedule = scheduled(problem, machines)
            assert schedule.bound <= schedule.makespan <= before
            assert schedule.one_machine == alone
            assert schedule.makespan * machines >= alone
            before = schedule.makespan


def test_the_transposed_problem_has_the_same_makespan() -> None:
    rng = random.Random(5)
    for _ in range(10):
        problem = modules(rng, 5, explicit=0.2)
        for machines in (2, 3):
            assert scheduled(problem, machines).makespan == scheduled(problem.transpose(), machines).makespan


@pytest.mark.parametrize("entry", STORED)
def test_the_published_heuristic_is_reproduced(entry: Any) -> None:
    dp = ScheduledDp(ChainTasks(stored(entry).graph.chain, FMA), len(entry["tape"]), Search())
    for machines, makespan in entry["dp_heuristic"].items():
        assert dp.makespan(int(machines)) == makespan
        assert (makespan == entry["makespan"][machines]) or 1 < int(machines) < dp.machines


def reach(entry: Any, prove: bool) -> None:
    problem = stored(entry)
    for machines, makespan in entry["makespan"].items():
        schedule = scheduled(problem, int(machines), budget=60.0)
        assert schedule.makespan == makespan
        assert schedule.optimal or not prove


def test_stored_optima_are_reached_and_proven() -> None:
    entries = [p.values[0] for p in STORED if p.values[0] is not None and len(p.values[0]["tape"]) <= 6][::6]
    if not entries:
        pytest.skip("chain_scheduled.json is absent")
    for entry in entries:
        reach(entry, prove=True)


@pytest.mark.nightly
@pytest.mark.parametrize("entry", STORED)
def test_all_stored_optima_are_reached(entry: Any) -> None:
    reach(entry, prove=len(entry["tape"]) <= 6)


def test_the_scheduled_program_keeps_its_word() -> None:
    """Its own schedules take what its table says, on the machines that they name."""
    rng = random.Random(6)
    for _ in range(30):
        problem = modules(rng, rng.randint(1, 7), explicit=0.3)
        dp = ScheduledDp(ChainTasks(problem.graph.chain, FMA), 4, Search())
        for t in range(1, dp.machines + 1):
            tree, placed = dp.schedule(t)
            ends = {i: placed[i][1] + option.duration for i, option in tree.items()}
            assert ends[0, len(problem.graph.chain)] == dp.makespan(t) == max(ends.values())
            busy: dict[int, list[tuple[int, int]]] = {}
            for interval, (machine, start) in placed.items():
                assert 0 <= machine < t
                assert start >= max((ends[arg] for arg in tree[interval].reads), default=0)
                busy.setdefault(machine, []).append((start, ends[interval]))
            for spans in busy.values():
                spans = sorted(s for s in spans if s[0] < s[1])
                assert all(a[1] <= b[0] for a, b in pairwise(spans))


def test_the_frontier_is_that_of_all_plans() -> None:
    def work(nest: Any) -> int:
        return int(nest[0]) + sum(map(work, nest[1]))

    rng, longest = random.Random(7), 0
    for _ in range(25):
        problem = modules(rng, rng.randint(1, 4), explicit=0.2)
        tasks = ChainTasks(problem.graph.chain, FMA)
        every = {(work(nest), critical_path(nest)) for nest in nests(problem)}
        kept = {p for p in every if not any(o != p and o[0] <= p[0] and o[1] <= p[1] for o in every)}
        found = frontier(tasks, Bounds(tasks, 2), 2, 10**9, Search())
        assert found is not None
        assert {(point.work, point.path) for point in found} == kept
        longest = max(longest, len(kept))
    assert longest > 2


def test_list_schedules_of_dags_keep_grahams_bound() -> None:
    rng, tight = random.Random(8), 0
    for _ in range(100):
        problem = random_dag(rng, 3)
        plan = chainplan.plan(problem, "forward").plan
        assert plan is not None
        prices = replay(plan).prices
        if not 2 <= sum(map(bool, prices)) <= 6:
            continue
        for machines in (2, 3):
            tasks = list_schedule(plan, prices, machines)
            makespan, least = max(task.end for task in tasks), lower_bound(plan, prices, machines)
            check_schedule(plan, made(machines, tasks, least, "this plan", sum(prices)))
            best = plan_makespan(plan, prices, machines)
            assert least <= best <= makespan
            assert machines * makespan <= (2 * machines - 1) * best
            schedule = scheduled(problem, machines, solver="forward")
            assert (schedule.makespan, schedule.bound, schedule.optimal) == (best, best, True)
            tight += makespan == best
    assert tight > 20


def test_schedules_of_random_problems_are_right_and_their_plans_too() -> None:
    for seed in range(40):
        problem = random_problem(seed)
        result = chainplan.plan(problem, machines=2, budget=1.0)
        assert result.plan is not None
        assert result.schedule is not None
        check_schedule(result.plan, result.schedule)
        values = draw(problem.graph, seed, "int64")
        expected, found = chainplan.jacobian(problem.graph, values), chainplan.execute(result.plan, values)
        for pair, block in found.items():
            assert np.array_equal(_plain(block), _plain(expected[pair])), seed


def _plain(block: Any) -> Any:
    return block.toarray() if hasattr(block, "toarray") else np.asarray(block)


def test_a_long_chain_is_list_scheduled() -> None:
    rng = random.Random(9)
    schedule = scheduled(modules(rng, 130), 4, budget=2.0)
    assert schedule.speedup > 1.5
    assert 0 < schedule.bound < schedule.makespan or schedule.this_plan


def test_without_time_there_is_a_schedule() -> None:
    problem = modules(random.Random(10), 20)
    result = chainplan.plan(problem, machines=3, budget=0.0)
    assert result.schedule is not None
    assert result.schedule.bound < result.schedule.makespan
    assert any("out of budget" in note for note in result.notes)


def test_an_interrupted_search_leaves_the_best_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("chainplan.scheduling.chain_search.ChainSearch._by_constraints", interrupted)
    problem = stored({"sizes": [9, 11, 3, 8, 12, 5, 7], "tape": [80, 31, 75, 90, 44, 61]})
    result = chainplan.plan(problem, machines=2)
    assert result.schedule is not None
    assert result.schedule.makespan < result.schedule.one_machine
    assert any("interrupted" in note for note in result.notes)


def test_the_same_seed_gives_the_same_plan_file() -> None:
    problem = modules(random.Random(11), 7)
    first, second = (document(chainplan.plan(problem, machines=3, seed=4)) for _ in range(2))
    assert first.pop("seconds") != second.pop("seconds") or True
    assert first == second


def test_nodes_give_the_same_plan_however_fast_the_machine_is() -> None:
    problem = modules(random.Random(18), 12)
    for nodes in (0, 20, 600):
        first, second = (document(chainplan.plan(problem, machines=3, nodes=nodes)) for _ in range(2))
        first["seconds"] = second["seconds"] = 0
        assert first == second


def test_a_plan_to_start_from_competes() -> None:
    problem = modules(random.Random(19), 12)
    best = chainplan.plan(problem, machines=3, budget=2.0)
    again = chainplan.plan(problem, machines=3, budget=0.0, warm_start=best)
    without = chainplan.plan(problem, machines=3, budget=0.0)
    assert best.schedule is not None
    assert again.schedule is not None
    assert without.schedule is not None
    assert best.schedule.makespan < without.schedule.makespan
    assert again.schedule.makespan < without.schedule.makespan


def test_ties_go_to_less_work() -> None:
    """A side branch off the critical path may take its time, but not more work than it needs."""
    rng = random.Random(12)
    for _ in range(10):
        problem = modules(rng, 4)
        result = chainplan.plan(problem, machines=4)
        assert result.schedule is not None
        assert result.cost is not None

        def work(nest: Any) -> int:
            return int(nest[0]) + sum(map(work, nest[1]))

        shortest = [nest for nest in nests(problem) if critical_path(nest) == result.schedule.makespan]
        assert result.cost.fma == min(map(work, shortest))


def test_an_objective_in_time_gives_durations() -> None:
    result = chainplan.plan(modules(random.Random(13), 4), machines=2, objective="weighted")
    assert result.plan is not None
    assert result.schedule is not None
    prices = replay(result.plan, result.problem.cost).prices
    assert all(task.end - task.start == prices[task.id] for task in result.schedule.tasks)
    verify(parse_plan(RENDERERS["json"](result), "plan.json"))


@pytest.mark.parametrize("machines", [0, -3])
def test_too_few_machines_are_refused(machines: int) -> None:
    with pytest.raises(SolverError, match=rf"machines: found {machines}; expected at least 1"):
        chainplan.plan(modules(random.Random(0), 2), machines=machines)


def test_a_memory_limit_is_kept() -> None:
    """Side by side only plans that could hold all they make are sure to keep it; on one machine, what is alive."""
    problem = modules(random.Random(0), 4)
    alone = chainplan.plan(problem)
    assert alone.plan is not None
    assert alone.cost is not None
    tight, enough = alone.cost.peak_elements, held(alone.plan)
    assert tight < enough
    assert scheduled(replace(problem, memory=tight), 1).makespan == alone.cost.fma
    with pytest.raises(SolverError, match=rf"limits.memory = {tight:,}, but .* take {enough:,} elements together"):
        chainplan.plan(replace(problem, memory=tight), machines=2)
    free, limited = chainplan.plan(problem, machines=4), chainplan.plan(replace(problem, memory=enough), machines=4)
    assert limited.plan is not None
    assert limited.schedule is not None
    assert free.schedule is not None
    assert free.plan is not None
    assert held(limited.plan) <= enough < held(free.plan)
    assert free.schedule.makespan < limited.schedule.makespan
    assert limited.schedule.bound <= limited.schedule.makespan
    with pytest.raises(PlanError, match=r"schedule.machines: 4; the blocks and tapes of the plan take"):
        check_schedule(free.plan, free.schedule, FMA, enough)


def test_other_solvers_give_the_plan() -> None:
    problem = modules(random.Random(14), 5)
    for solver in ("forward", "reverse", "chain-dp"):
        alone, result = chainplan.plan(problem, solver), chainplan.plan(problem, solver, machines=3)
        assert alone.plan is not None
        assert result.plan is not None
        assert result.plan.steps == alone.plan.steps


# What is wrong with a schedule

CHAIN = chain_problem([6, 9, 4, 8, 7], prices=[(20, 21, 1), (30, 31, 1), None, (25, 20, 2)])
RESULT = chainplan.plan(CHAIN, machines=2)


def mutated(**changes: Any) -> Schedule:
    assert RESULT.schedule is not None
    return replace(RESULT.schedule, **changes)


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
        i for i, task in enumerate(tasks) if any(replay(plan).prices[o] for o in operands(plan.steps[task.id]))
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
        "bound above": (mutated(bound=schedule.makespan + 1), r"bound: \d+; expected at least 0 and at most"),
        "bound below zero": (mutated(bound=-1), r"bound: -1"),
        "not optimal": (mutated(bound=schedule.makespan - 1, status=Status.OPTIMAL), r"status: 'optimal', with bound"),
        "optimal after all": (mutated(bound=schedule.makespan, status=Status.FEASIBLE), r"status: 'feasible'"),
        "within": (mutated(within="all plans"), r"within: 'all plans'; expected one of this plan"),
        "one machine": (
            mutated(one_machine=schedule.makespan - 1),
            r"one_machine: \d+; expected at least the makespan",
        ),
        "one machine above": (mutated(one_machine=10**9), r"one_machine: 1000000000; expected .* at most the cost"),
    }


@pytest.mark.parametrize("case", wrong_schedules())
def test_a_wrong_schedule_is_rejected(case: str) -> None:
    assert RESULT.plan is not None
    assert RESULT.schedule is not None
    check_schedule(RESULT.plan, RESULT.schedule)
    schedule, message = wrong_schedules()[case]
    with pytest.raises(PlanError, match=r"^schedule\.") as caught:
        check_schedule(RESULT.plan, schedule)
    assert caught.match(message)


def test_random_mutations_are_rejected() -> None:
    """Any change of a task's number, machine, start or end that is accepted leaves a schedule by brute comparison."""
    assert RESULT.plan is not None
    assert RESULT.schedule is not None
    rng, accepted = random.Random(15), 0
    for _ in range(500):
        index = rng.randrange(len(RESULT.schedule.tasks))
        field = rng.choice(["id", "machine", "start", "end"])
        value = getattr(RESULT.schedule.tasks[index], field) + rng.choice([-50, -1, 1, 50])
        schedule = with_task(index, **{field: value})
        try:
            check_schedule(RESULT.plan, schedule)
        except PlanError:
            continue
        accepted += 1
        times = [(task, t) for task in schedule.tasks for t in range(task.start, task.end)]
        assert len({(task.machine, t) for task, t in times}) == len(times)
        assert field == "machine"
    assert accepted < 250


# Plan file and renderers


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


def test_a_false_schedule_in_a_file_is_a_bad_plan() -> None:
    root = saved()
    root["schedule"]["makespan"] += 1
    with pytest.raises(PlanError, match=r"^plan.json: schedule.makespan: is claimed"):
        verify(parse_plan(json.dumps(root), "plan.json"))


def test_text_shows_the_chart_in_100_columns() -> None:
    for seed in range(30):
        result = chainplan.plan(random_problem(seed), machines=3, budget=1.0)
        chart = [line for line in str(result).splitlines() if line.startswith("  machine ")]
        assert result.schedule is not None
        assert len(chart) == len({task.machine for task in result.schedule.tasks})
        assert all(len(line) <= 100 for line in chart)
        assert "makespan" in str(result)


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


def test_where_sweeps_compete_a_bound_counts_them() -> None:
    """Bracketings are searched, sweeps are not: what is proven of the first is no bound on plans that may have both."""
    circle = [[i, (i + shift) % 12] for i in range(12) for shift in (0, 1)]
    module = {"shape": [12, 12], "structure": {"coo": circle}, "tangent": 70, "adjoint": 60}
    problem = chainplan.chain([module, module, {"shape": [9, 12], "tangent": 50}])
    alone = chainplan.plan(problem)
    assert alone.within == "bracketings and coloured sweeps"
    schedule = scheduled(problem, 2)
    assert schedule.within == alone.within
    assert schedule.bound == -(-alone.bound // 2)
    assert schedule.makespan <= alone.bound
