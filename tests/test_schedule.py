"""The search for schedules on p machines: against brute force, the stored instances, and its own laws."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan.errors import ArgumentError, PlanError, SolverError
from chainplan.io.plan_file import document, parse_plan
from chainplan.io.plan_file_claims import verify
from chainplan.plans.bound import Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.replay import replay
from chainplan.plans.result import Outcome
from chainplan.plans.schedule import Schedule, check_schedule, held, made
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem
from chainplan.report.registry import RENDERERS
from chainplan.solvers.chain.derivation import ChainInterval, Derivation, write
from chainplan.solvers.schedule.best import best_schedule
from chainplan.solvers.schedule.bounds import WorkPathBounds
from chainplan.solvers.schedule.list_scheduling import list_schedule, lower_bound
from chainplan.solvers.schedule.machine_dp import ScheduledDp
from chainplan.solvers.schedule.priced_tails import PricedTails, option_table
from chainplan.solvers.schedule.tasks import ChainTasks, ChainTree
from chainplan.solvers.schedule.work_span_front import frontier
from chainplan.solvers.search.search import Search
from chainplan.values.draw import draw
from tests.answers import best_makespan, plan_makespan
from tests.oracles.schedules import critical_path, nests
from tests.problems import chain_problem, modules, random_chain, random_dag, random_problem
from tests.reference import instances

STORED = instances("chain_scheduled.json")


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
        expected = min(map(critical_path, nests(problem.to_spec())))
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
    entries = [p.values[0] for p in STORED if p.values[0] is not None and len(p.values[0]["tape"]) <= 6][::3]
    if not entries:
        pytest.skip("chain_scheduled.json is absent")
    for entry in entries:
        reach(entry, prove=True)


@pytest.mark.nightly
@pytest.mark.parametrize("entry", STORED)
def test_all_stored_optima_are_reached(entry: Any) -> None:
    reach(entry, prove=True)


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
        every = {(work(nest), critical_path(nest)) for nest in nests(problem.to_spec())}
        kept = {p for p in every if not any(o != p and o[0] <= p[0] and o[1] <= p[1] for o in every)}
        found = frontier(tasks, WorkPathBounds(tasks, 2), 2, 10**9, Search())
        assert found is not None
        assert {(point.work, point.path) for point in found} == kept
        longest = max(longest, len(kept))
    assert longest > 2


@pytest.mark.parametrize("last", [40, pytest.param(600, marks=pytest.mark.nightly)])
def test_prices_of_tails_refute_no_makespan_that_a_plan_has(last: int) -> None:
    rng, one_less, beyond = random.Random(12), 0, 0
    for _ in range(last):
        problem = modules(rng, rng.randint(2, 4), explicit=0.2)
        tasks = ChainTasks(problem.graph.chain, FMA)
        for machines in (2, 3):
            bounds, best = WorkPathBounds(tasks, machines), best_makespan(problem, machines)
            table = option_table(tasks, bounds, machines)
            assert all(
                bounds.with_option(interval, option) == least
                for interval, columns in table.items()
                for option, least in zip(columns.options, columns.least.tolist(), strict=True)
            )
            for steps in (3, 20, 768):
                for most in (best, best + 1, 2 * best):
                    program = PricedTails(table, bounds, machines, most, steps, Search())
                    assert not program.refuted()
                    assert program.trees
            found = PricedTails(table, bounds, machines, best - 1, 768, Search()).refuted()
            one_less += found
            beyond += found and bounds.makespan < best
    assert one_less > last // 2
    assert beyond > last // 20


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
            check_schedule(Candidate(plan, FMA), made(machines, tasks, Bound(least, "this plan"), sum(prices)))
            best = plan_makespan(plan, prices, machines)
            assert least <= best <= makespan
            assert machines * makespan <= (2 * machines - 1) * best
            schedule = scheduled(problem, machines, solver="forward")
            assert (schedule.makespan, schedule.bound, schedule.optimal) == (best, best, True)
            tight += makespan == best
    assert tight > 20


def test_list_schedules_from_both_ends_are_no_longer_than_from_the_beginning() -> None:
    rng, shorter = random.Random(11), 0
    for _ in range(20):
        problem = modules(rng, 16)
        tasks = ChainTasks(problem.graph.chain, FMA)
        tree = ScheduledDp(tasks, 4, Search()).schedule(4)[0]
        plan = write(problem.graph, tasks.root, partial(_derived, tree))
        prices = replay(plan).prices
        for machines in (2, 3):
            once = _from_the_beginning(prices, [step.operands() for step in plan.steps], machines)
            found = list_schedule(plan, prices, machines)
            makespan, least = max(task.end for task in found), lower_bound(plan, prices, machines)
            check_schedule(Candidate(plan, FMA), made(machines, found, Bound(least, "this plan"), sum(prices)))
            assert makespan <= once
            shorter += makespan < once
    assert shorter > 5


def _derived(tree: ChainTree, interval: ChainInterval) -> Derivation:
    return tree[interval].derivation


def _from_the_beginning(prices: Sequence[int], reads: Sequence[Sequence[int]], machines: int) -> int:
    """The makespan of the list schedule by longest paths, minute by minute."""
    rank = list(prices)
    for step in reversed(range(len(prices))):
        for operand in reads[step]:
            rank[operand] = max(rank[operand], prices[operand] + rank[step])
    left, done, running, now = list(prices), set[int](), set[int](), 0
    while len(done) < len(prices):
        free = [s for s in range(len(prices)) if s not in done | running and all(r in done for r in reads[s])]
        nothing = [s for s in free if not prices[s]]
        if nothing:
            done |= set(nothing)
            continue
        running |= set(sorted(free, key=lambda s: (-rank[s], s))[: machines - len(running)])
        gone = min(left[s] for s in running)
        now += gone
        for s in running:
            left[s] -= gone
        done |= {s for s in running if not left[s]}
        running -= done
    return now


def test_schedules_of_random_problems_are_right_and_their_plans_too() -> None:
    for seed in range(40):
        problem = random_problem(seed)
        result = chainplan.plan(problem, machines=2, budget=1.0)
        assert result.candidate is not None
        assert result.schedule is not None
        check_schedule(result.candidate, result.schedule)
        values = draw(problem.graph, seed, "int64")
        expected, found = chainplan.reference_jacobian(problem.graph, values), chainplan.execute(result, values)
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
    assert (result.schedule.optimal, result.schedule.within) == (True, "this plan"), "forward order is a path"
    assert any("out of budget" in note for note in result.notes)


def test_an_interrupted_search_leaves_the_best_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("chainplan.solvers.schedule.chain_search.ChainScheduleSearch._by_constraints", interrupted)
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

        shortest = [nest for nest in nests(problem.to_spec()) if critical_path(nest) == result.schedule.makespan]
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
    with pytest.raises(ArgumentError, match=rf"machines: found {machines}; expected a whole number from 1"):
        chainplan.plan(modules(random.Random(0), 2), machines=machines)


def test_a_memory_limit_is_kept() -> None:
    """Side by side only plans that could hold all they make are sure to keep it; on one machine, what is alive."""
    problem = modules(random.Random(0), 4)
    alone = chainplan.plan(problem)
    assert alone.candidate is not None
    assert alone.cost is not None
    tight, enough = alone.cost.peak_elements, held(alone.candidate)
    assert tight < enough
    assert scheduled(replace(problem, memory=tight), 1).makespan == alone.cost.fma
    with pytest.raises(SolverError, match=rf"limits.memory = {tight:,}, but .* take {enough:,} elements together"):
        chainplan.plan(replace(problem, memory=tight), machines=2)
    free, limited = chainplan.plan(problem, machines=4), chainplan.plan(replace(problem, memory=enough), machines=4)
    assert limited.candidate is not None
    assert limited.schedule is not None
    assert free.schedule is not None
    assert free.candidate is not None
    assert held(limited.candidate) <= enough < held(free.candidate)
    assert free.schedule.makespan < limited.schedule.makespan
    assert limited.schedule.bound <= limited.schedule.makespan
    with pytest.raises(PlanError, match=r"schedule.machines: 4; the blocks and tapes of the plan take"):
        check_schedule(free.candidate, free.schedule, enough)


def test_other_solvers_give_the_plan() -> None:
    problem = modules(random.Random(14), 5)
    for solver in ("forward", "reverse", "chain-dp"):
        alone, result = chainplan.plan(problem, solver), chainplan.plan(problem, solver, machines=3)
        assert alone.plan is not None
        assert result.plan is not None
        assert result.plan.steps == alone.plan.steps


def test_where_sweeps_compete_a_bound_counts_them() -> None:
    """Bracketings are searched, sweeps are not: what is proven of the first is no bound on plans that may have both."""
    circle = [[i, (i + shift) % 12] for i in range(12) for shift in (0, 1)]
    module = {"shape": [12, 12], "structure": {"coo": circle}, "tangent": 70, "adjoint": 60}
    problem = chainplan.chain([module, module, {"shape": [9, 12], "tangent": 50}])
    alone = chainplan.plan(problem)
    assert alone.within == "bracketings and coloured sweeps"
    outcome = Outcome(alone.status, alone.candidate, alone.lower_bound)
    best, _ = best_schedule(problem, outcome, 2, Search(budget=5.0), replan=True)
    assert best.bound == Bound(-(-alone.bound // 2), alone.within)
    assert best.makespan <= alone.bound
    assert (best.schedule().optimal, best.schedule().within) == (True, "this plan"), "its steps are a path"
