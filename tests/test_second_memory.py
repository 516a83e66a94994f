"""Second derivatives under a memory limit: plans keep it, and no order of elimination that keeps it costs less."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from chainplan.execution.executor import second_derivatives
from chainplan.io.read import from_spec
from chainplan.planner import plan
from chainplan.plans.bound import Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.check import check
from chainplan.plans.reorder import reordered
from chainplan.plans.second_elimination import SecondElimination, elimination_plan
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem
from chainplan.validation.second_reference import reference_second_derivatives
from chainplan.values.second import draw_all
from tests.test_second import asked
from tests.test_second_graphs import random_second_dag


def under_limit(problem: Problem, share: float) -> Problem:
    """The problem with a limit between the largest result or second derivative and what its cheapest plan needs."""
    free = plan(problem)
    assert free.cost is not None
    most = [own.block.nnz for own in problem.graph.useful_seconds.values()]
    floor = max([*most, 1])
    return replace(problem, memory=floor + int(share * max(0, free.cost.peak_elements - floor)))


@pytest.mark.parametrize(("first", "last"), [(0, 12), pytest.param(12, 400, marks=pytest.mark.nightly)])
def test_plans_keep_the_limit_and_no_order_that_keeps_it_costs_less(first: int, last: int) -> None:
    tight = dearer = 0
    for seed in range(first, last):
        rng = random.Random(seed)
        whole = (
            asked([rng.choice([1, 2, 3, 5]) for _ in range(rng.randint(3, 5))])
            if seed % 2
            else random_second_dag(rng, 3, explicit=True, dense=True)
        )
        problem = under_limit(whole, rng.choice([0.4, 0.7, 0.9]))
        assert problem.second is not None
        assert problem.memory is not None
        result = plan(problem)
        middle = SecondElimination(problem.graph, problem.second).middle
        plans = [elimination_plan(problem.graph, problem.second, order) for order in permutations(middle)]
        made = [reordered(Candidate(one, FMA), problem.memory) for one in plans]
        fitting = [one.price for one in made if one.fits(problem.memory)]
        if result.plan is None:
            assert not fitting, seed
            assert result.status in (Status.BUDGET, Status.INFEASIBLE)
            tight += 1
            continue
        assert check(result.plan, problem).peak <= problem.memory
        assert result.price is not None
        assert result.price <= min(fitting, default=result.price), seed
        free = plan(whole)
        assert free.price is not None
        assert result.price >= free.price or free.status is not Status.OPTIMAL
        dearer += result.price > free.price
        values = draw_all(problem, seed, np.int64)
        found = second_derivatives(result, values)
        for key, block in reference_second_derivatives(problem, values).items():
            assert np.array_equal(found.get(key, np.zeros_like(block)), block), seed
    assert tight < last - first


def test_a_limit_that_the_cheapest_plan_exceeds_takes_another_order() -> None:
    spec = {"chain": [3, 5, 5, 3, 5, 2], "derivative": 2}
    free = plan(from_spec(spec))
    limited = plan(from_spec({**spec, "limits": {"memory": 208}}))
    assert free.cost is not None
    assert limited.cost is not None
    assert limited.cost.peak_elements <= 208 < free.cost.peak_elements
    assert free.price is not None
    assert limited.price is not None
    assert limited.price > free.price
    assert limited.status is Status.FEASIBLE
    assert limited.bound == free.price


def test_limits_below_the_result_or_a_second_derivative_are_proven_to_be_too_low() -> None:
    for sizes, memory, least in (([6, 2, 5, 1, 7, 3], 146, 147), ([9, 1, 2], 160, 162)):
        result = plan(from_spec({"chain": sizes, "derivative": 2, "limits": {"memory": memory}}))
        assert result.status is Status.INFEASIBLE
        assert f"no plan holds fewer than {least} elements" in result.notes[0]


def test_matrix_free_second_derivatives_need_not_be_held() -> None:
    items = [{"shape": [9, 9], "second_adjoint": 100}] * 3
    spec = {"chain": [*items, {"shape": [1, 9], "second": "zero"}], "derivative": 2, "limits": {"memory": 400}}
    result = plan(from_spec(spec))
    assert result.cost is not None
    assert result.cost.peak_elements <= 400 < 9**3


def test_larger_graphs_and_directions_are_searched_by_nodes() -> None:
    rng = random.Random(3)
    names = [f"v{i}" for i in range(12)]
    edges = [[names[i], names[j]] for j in range(1, 12) for i in sorted(rng.sample(range(max(0, j - 3), j), min(j, 2)))]
    sizes = {v: rng.choice([2, 3, 4]) for v in names}
    dag = {"sizes": sizes, "inputs": names[:1], "outputs": names[-1:], "jacobians": [{"edge": e} for e in edges]}
    for more in ({}, {"directions": {"right": 1}}):
        whole = from_spec({"dag": dag, "derivative": 2, **more})
        free = plan(whole, nodes=30)
        assert free.cost is not None
        limit = free.cost.peak_elements * 9 // 10
        one, other = (plan(replace(whole, memory=limit), nodes=60) for _ in range(2))
        assert one.status is other.status
        if one.plan is not None:
            assert other.plan is not None
            assert one.plan.steps == other.plan.steps
            assert check(one.plan, replace(whole, memory=limit)).peak <= limit
