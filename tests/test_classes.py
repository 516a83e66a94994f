"""The classes of plans: that each includes what the table says, and which one a plan shows itself to be of."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

import chainplan
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import PLAN_CLASSES, PROPAGATION, SWEEPS, SWEPT_PROPAGATION, class_of, includes, misfit
from chainplan.plans.recorder import Recorder
from chainplan.plans.result import Result
from chainplan.plans.steps import Add, Decompress, Plan, Seed
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem
from chainplan.solvers.registry import SOLVERS
from tests.problems import random_chain, random_dag

EXACT = ("chain-dense", "chain-dp", "chain-memory", "exhaustive", "dag-exact", "propagation", "edge", "face", "auto")


def solved(problem: Problem) -> list[Result]:
    """What every exact solver that takes a problem proves."""
    names = [name for name in EXACT if SOLVERS[name].refusal(problem) is None]
    found = [chainplan.plan(problem, name, budget=2.0) for name in names]
    return [result for result in found if result.within is not None and result.price == result.bound]


def problems() -> list[Problem]:
    chains = [random_chain(random.Random(seed), 5) for seed in range(60)]
    dags = [random_dag(random.Random(seed), 3) for seed in range(60)]
    return chains + [problem for problem in dags if len(problem.graph.useful) <= 12]


def test_the_table_is_closed_and_orders_what_a_problem_has_plans_of() -> None:
    assert {wider for row in PLAN_CLASSES.values() for wider in row} <= PLAN_CLASSES.keys()
    dense, free = chainplan.chain([2, 3, 4]), chainplan.chain([banded(tangent=1)])
    dag = next(p for p in problems()[60:] if p.graph.not_a_chain and all(e.explicit for e in p.graph.useful))
    for problem in (dense, free, dag):
        assert all(includes(name, name, problem) == (misfit(name, problem) is None) for name in PLAN_CLASSES)
    assert includes("face elimination", "vertex elimination", dag)
    assert not includes("vertex elimination", "face elimination", dag)
    assert includes("vertex elimination", "face elimination", dense)
    assert includes(PROPAGATION, "vertex elimination after accumulation", free)
    assert not includes("vertex elimination after accumulation", PROPAGATION, free)
    assert includes(PROPAGATION, "bracketings", free)
    assert not includes(PROPAGATION, SWEEPS, free)
    assert includes(SWEPT_PROPAGATION, PROPAGATION, dag_of_free())
    assert not includes(PROPAGATION, SWEPT_PROPAGATION, dag_of_free())
    assert includes(SWEPT_PROPAGATION, SWEEPS, free)
    assert includes(SWEEPS, SWEPT_PROPAGATION, free)
    assert includes("bracketings and coloured sweeps", "bracketings", free)
    assert not includes("bracketings", "bracketings and coloured sweeps", free)
    assert not includes("vertex elimination after accumulation", "face elimination after accumulation", free)
    assert not includes("bracketings", "anything else", free)


def dag_of_free() -> Problem:
    """A DAG that is no chain, with a matrix-free elemental."""
    problems_with_free = (random_dag(random.Random(seed), 3) for seed in range(100))
    return next(p for p in problems_with_free if p.graph.not_a_chain and not p.graph.explicit)


def test_an_optimum_of_a_wider_class_is_no_dearer() -> None:
    """By every pair of exact solvers on chains and DAGs; classes that include each other have one optimum."""
    pairs = set()
    for problem in problems():
        for one, other in permutations(solved(problem), 2):
            assert one.within is not None
            assert other.within is not None
            assert misfit(one.within, problem) is None
            if one.within != other.within and includes(one.within, other.within, problem):
                assert one.bound <= other.bound, (problem, one.within, other.within)
                pairs.add((one.within, other.within))
    assert ("bracketings", "vertex elimination") in pairs
    assert ("vertex elimination", "bracketings") in pairs
    assert ("bracketings and coloured sweeps", "face elimination after accumulation") in pairs
    assert ("face elimination after accumulation", "vertex elimination after accumulation") in pairs
    assert (PROPAGATION, "vertex elimination after accumulation") in pairs
    assert (PROPAGATION, "bracketings") in pairs


def test_a_plan_is_of_the_class_that_its_solver_names() -> None:
    """An elimination that accumulates an elemental by colours shows a coloured sweep, of that elemental alone."""
    known = 0
    for problem in problems():
        for result in solved(problem):
            assert result.candidate is not None
            assert result.within is not None
            shown = class_of(result.candidate, problem)
            known += shown is not None
            chain = problem.graph.not_a_chain is None
            assert (shown is not None) == chain
            coloured = result.within in (PROPAGATION, SWEPT_PROPAGATION) and shown == SWEEPS
            if shown is not None and "accumulation" not in result.within and not coloured:
                assert includes(result.within, shown, problem)
    assert known > 100


def test_what_is_no_bracketing_shows_no_class() -> None:
    problem = chainplan.chain([2, 3, 4])
    recorder = Recorder(problem.graph)
    product = recorder.multiply(recorder.load("F2"), recorder.load("F1"))
    plan = recorder.plan([("x2", "x0", product)])
    assert class_of(Candidate(plan, FMA), problem) == "bracketings"
    doubled = Plan(plan.graph, (*plan.steps, Add(2, 2)), plan.outputs)
    assert class_of(Candidate(doubled, FMA), problem) is None


def banded(**costs: int) -> dict[str, Any]:
    """Three diagonals of 9 x 9, in three colours."""
    return {"shape": [9, 9], "structure": {"banded": [1, 1]}, **costs}


def test_a_sweep_applies_single_elementals() -> None:
    """A seed multiplied by a product of two elementals is no sweep of a run."""
    problem = chainplan.chain([banded(tangent=1), {"shape": [9, 9], "structure": "diagonal"}, banded()])
    result = chainplan.plan(problem, "chain-dp")
    assert result.plan is not None
    assert any(isinstance(step, Seed) for step in result.plan.steps)
    assert class_of(Candidate(result.plan, FMA), problem) == "bracketings and coloured sweeps"
    recorder, mode = Recorder(problem.graph), chainplan.Mode.TANGENT
    product = recorder.multiply(recorder.load("F3"), recorder.load("F2"))
    swept = recorder.propagate("F1", recorder.seed("x0", mode, tuple(range(9))), mode)
    whole = recorder.decompress(recorder.multiply(product, swept), None)
    plan = recorder.plan([("x3", "x0", whole)])
    chainplan.check(plan, problem)
    assert class_of(Candidate(plan, FMA), problem) is None


def test_under_a_limit_of_memory_the_steps_of_a_sweep_stand_together() -> None:
    problem = chainplan.chain([banded(tangent=1), banded(tangent=1)])
    recorder, mode = Recorder(problem.graph), chainplan.Mode.TANGENT
    seeds = [recorder.seed(vertex, mode, tuple(range(9))) for vertex in ("x0", "x1")]
    swept = [recorder.propagate(name, seed, mode) for name, seed in zip(("F1", "F2"), seeds, strict=True)]
    right, left = (recorder.decompress(arg, None) for arg in swept)
    plan = recorder.plan([("x2", "x0", recorder.multiply(left, right))])
    assert chainplan.check(plan, problem).peak < 1000
    assert class_of(Candidate(plan, FMA), problem) == "bracketings and coloured sweeps"
    assert class_of(Candidate(plan, FMA), replace(problem, memory=1000)) is None
    apart = chainplan.plan(replace(problem, memory=1000), "chain-memory").plan
    assert apart is not None
    assert any(isinstance(step, Decompress) for step in apart.steps)
    assert class_of(Candidate(apart, FMA), replace(problem, memory=1000)) == "bracketings and coloured sweeps"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("all plans", "there is no such class of plans; expected one of bracketings"),
        ("vertex elimination after accumulation", "it has no matrix-free elementals"),
        ("bracketings and nested checkpoints", "limits.recompute is not set"),
        ("vertex elimination", None),
        ("bracketings", None),
    ],
)
def test_a_class_fits_a_chain_or_not(name: str, reason: str | None) -> None:
    found = misfit(name, chainplan.chain([2, 3, 4]))
    assert found is None if reason is None else reason in (found or "")


def test_a_dag_has_no_bracketings() -> None:
    problem = random_dag(random.Random(3), 3)
    assert "a chain" in (misfit("bracketings", problem) or "")
