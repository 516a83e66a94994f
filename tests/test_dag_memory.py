"""Graphs under a memory limit: orders of steps against all orders, floors against all eliminations, limits kept."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

import chainplan
from chainplan.execution.executor import execute
from chainplan.planner import plan
from chainplan.plans.bound import Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.check import check
from chainplan.plans.forward_reverse import sweep
from chainplan.plans.recorder import Recorder
from chainplan.plans.reorder import peak_floor, reordered
from chainplan.plans.replay import replay
from chainplan.plans.steps import Load, Plan
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.solvers.elimination.elimination_graph import WorkGraph, order_plan
from chainplan.solvers.registry import SOLVERS
from chainplan.validation.reference import reference_jacobian
from chainplan.values.draw import draw
from tests.answers import least_peak
from tests.problems import random_dag


def explicit(seed: int, most: int) -> Problem:
    """A graph of explicit blocks, so that no tape is shared by two steps."""
    problem = random_dag(random.Random(seed), most)
    links = tuple(replace(e, tangent=None, adjoint=None, tape=0) for e in problem.graph.elementals)
    return replace(problem, graph=replace(problem.graph, elementals=links))


def plans(problem: Problem) -> Iterator[Plan]:
    for mode in Mode:
        recorder = Recorder(problem.graph)
        yield recorder.plan(sweep(problem.graph, recorder, mode))


def steps_of(found: Plan) -> int:
    return sum(not isinstance(step, Load) for step in found.steps)


def test_the_order_of_steps_is_nearly_that_of_least_peak() -> None:
    compared = missed = gained = 0
    for seed in range(250):
        for found in plans(explicit(seed, 4)):
            if 1 < steps_of(found) <= 11:
                least, before, peak = least_peak(found), replay(found).peak, reordered(Candidate(found, FMA)).peak
                assert least <= peak <= before
                compared, missed, gained = compared + 1, missed + (peak > least), gained + (peak < before)
    assert compared > 100
    assert gained > 15
    assert missed <= compared // 20


def test_another_order_computes_and_costs_the_same() -> None:
    for seed in range(120):
        problem = random_dag(random.Random(seed), 6)
        values = draw(problem.graph, seed, np.int64)
        expected = reference_jacobian(problem, values)
        for found in plans(problem):
            other = reordered(Candidate(found, FMA)).plan
            one, two = check(found, problem), check(other, problem)
            assert (one.total, one.adds) == (two.total, two.adds)
            assert two.peak <= one.peak
            result = execute(other, values)
            for pair, block in expected.items():
                assert np.array_equal(result.get(pair, np.zeros_like(block)), block)


def test_no_elimination_goes_below_the_floor() -> None:
    reached = compared = 0
    for seed in range(120):
        problem = explicit(seed, 3)
        middle = WorkGraph(problem.graph).middle
        found = [order_plan(problem.graph, order) for order in permutations(sorted(middle))]
        if max(map(steps_of, found)) <= 9:
            least = min(map(least_peak, (*found, *(p for p in plans(problem) if steps_of(p) <= 9))))
            assert peak_floor(problem.graph) <= least
            compared, reached = compared + 1, reached + (peak_floor(problem.graph) == least)
    assert compared > 60
    assert reached > compared // 3


def test_a_limit_is_kept_or_the_smallest_peak_is_said() -> None:
    kept = dearer = 0
    for seed in range(40):
        problem = random_dag(random.Random(seed), 6)
        free = plan(problem, budget=2)
        assert free.replay is not None
        assert free.price is not None
        for limit in (free.replay.peak, 9 * free.replay.peak // 10, max(0, peak_floor(problem.graph) - 1)):
            result = plan(replace(problem, memory=limit), budget=2)
            if result.plan is not None:
                assert check(result.plan, result.problem).peak <= limit
                assert result.price is not None
                assert result.price >= free.bound
                kept, dearer = kept + 1, dearer + (result.price > free.price)
            elif problem.graph.not_a_chain is not None and limit < peak_floor(problem.graph):
                assert result.status is Status.INFEASIBLE
                assert f"no plan holds fewer than {peak_floor(problem.graph):,} elements" in result.notes[0]
            elif problem.graph.not_a_chain is not None:
                assert result.status is Status.BUDGET
                assert "the smallest peak found is" in result.notes[0]
                assert "no plan holds fewer than" in result.notes[0]
    assert kept > 50
    assert dearer > 0


def test_a_solver_that_knows_no_limit_has_its_steps_reordered() -> None:
    """Two inputs of 9 through a wide vertex of 30 each: one after the other they hold less than side by side."""
    edges = [("x0", "a"), ("x1", "b"), ("a", "y"), ("b", "z")]
    sizes = {"x0": 9, "x1": 9, "a": 30, "b": 30, "y": 2, "z": 2}
    spec = {"sizes": sizes, "inputs": ["x0", "x1"], "outputs": ["y", "z"], "jacobians": [{"edge": e} for e in edges]}
    problem = chainplan.from_spec({"dag": spec, "limits": {"memory": 380}})
    for name in ("forward", "reverse", "greedy", "local-search", "dag-exact", "dag-memory", "auto"):
        result = plan(problem, name, budget=2)
        assert result.cost is not None, name
        assert result.cost.peak_elements <= 380


def test_a_limit_is_kept_under_an_objective_in_time() -> None:
    kept = missed = 0
    for seed in range(25):
        problem = random_dag(random.Random(seed), 5)
        free = plan(problem, budget=1)
        assert free.replay is not None
        for limit in (free.replay.peak, free.replay.peak // 2):
            result = plan(replace(problem, memory=limit), objective="weighted", budget=1)
            assert (result.plan is None) == (result.status in (Status.BUDGET, Status.INFEASIBLE))
            kept, missed = kept + (result.plan is not None), missed + (result.plan is None)
            assert result.replay is None or result.replay.peak <= limit
    assert kept > 20
    assert missed > 5


def test_what_dag_memory_refuses() -> None:
    problem = random_dag(random.Random(3))
    assert SOLVERS["dag-memory"].refusal(problem) == "there is no limits.memory to keep"


@pytest.mark.parametrize("seed", range(3))
def test_it_is_deterministic(seed: int) -> None:
    problem = replace(random_dag(random.Random(seed), 8), memory=40)
    found = [plan(problem, "dag-memory", seed=1) for _ in range(2)]
    assert found[0].notes == found[1].notes
    assert (found[0].plan and found[0].plan.steps) == (found[1].plan and found[1].plan.steps)
