"""Second derivatives where elementals are equal: both derivatives of equal parts are made once, and stay exact."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chainplan.errors import PlanError
from chainplan.execution.executor import second_derivatives
from chainplan.execution.operator import operator
from chainplan.io.plan_file import document, parse_plan
from chainplan.io.plan_file_claims import verify
from chainplan.io.read import from_spec
from chainplan.planner import plan
from chainplan.plans.candidate import Candidate
from chainplan.plans.check import check
from chainplan.plans.second_links import chain_links
from chainplan.plans.second_steps import ApplySecond, LoadSecond
from chainplan.plans.sharing import shared
from chainplan.plans.steps import Again
from chainplan.problem.cost import FMA
from chainplan.problem.second import SecondOrder
from chainplan.solvers.second.interval_table import SecondIntervalTable
from chainplan.validation.second_reference import reference_second_derivatives
from chainplan.values.second import draw_all
from tests.oracles.second_order import least_with_carried_rows, least_with_equal_once


def power(size: int, times: int) -> dict[str, Any]:
    return {"chain": [{"name": "A", "shape": [size, size], "times": times}], "derivative": 2}


@pytest.mark.parametrize(("times", "joints"), [(4, 2), (8, 3), (16, 4)])
def test_both_derivatives_of_a_power_are_made_by_squaring(times: int, joints: int) -> None:
    """Each joint takes 1,375 fma of contractions, and all but the last one 125 for the product of Jacobians."""
    result = plan(from_spec(power(5, times)))
    assert result.price == joints * 1375 + (joints - 1) * 125
    assert result.within is None
    assert result.plan is not None
    again = [step for step in result.plan.steps if isinstance(step, Again)]
    assert len(again) == 2 * (joints - 1)


@pytest.mark.parametrize("seed", [*range(40), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(40, 2000))])
def test_no_bracketing_of_few_elementals_that_makes_equal_parts_once_costs_less(seed: int) -> None:
    rng = random.Random(seed)
    for count in (2, 3, 4):
        sizes, kinds, items = [rng.choice([1, 2, 3, 5])], list[str](), list[dict[str, Any]]()
        shapes: dict[str, tuple[int, int]] = {}
        for i in range(count):
            same = [name for name, (_, cols) in shapes.items() if cols == sizes[-1]]
            name = rng.choice(same) if same and rng.random() < 0.75 else f"A{i}"
            item: dict[str, Any] = {"same_as": name}
            if name not in shapes:
                shapes[name] = rng.choice([1, 2, 3, 5, sizes[-1], sizes[-1], sizes[0]]), sizes[-1]
                item = {"name": name, "shape": list(shapes[name])}
            kinds, items = [*kinds, name], [*items, item]
            sizes.append(shapes[name][0])
        problem = from_spec({"chain": items, "derivative": 2})
        result = plan(problem)
        assert result.price is not None
        assert result.price <= min(least_with_equal_once(sizes, kinds), least_with_carried_rows(sizes))
        table = SecondIntervalTable(chain_links(problem.graph, SecondOrder()), FMA, lambda: None, kinds=kinds)
        assert table.price == least_with_equal_once(sizes, kinds)
        values = draw_all(problem, seed, np.int64)
        ((_, found),) = second_derivatives(result, values).items()
        ((_, expected),) = reference_second_derivatives(problem, values).items()
        assert np.array_equal(found, expected)


def test_a_second_derivative_that_stands_again_stands_for_equal_elementals_alone() -> None:
    items: list[dict[str, Any]] = [{"name": "A", "shape": [2, 2], "times": 4}, {"shape": [2, 2]}]
    problem = from_spec({"chain": items, "derivative": 2})
    made = plan(problem).plan
    assert made is not None
    check(made, problem)
    at = next(p for p, s in enumerate(made.steps) if isinstance(s, Again) and (s.source, s.target) == ("x0", "x2"))
    for forged, words in (
        (Again(made.steps[at].operands()[0], "x1", "x3"), "meet|leads|every term exactly once"),
        (Again(made.steps[at].operands()[0], "x3", "x5"), "no elementals equal to those in it"),
    ):
        steps = (*made.steps[:at], forged, *made.steps[at + 1 :])
        with pytest.raises(PlanError, match=words):
            check(replace(made, steps=steps), problem)


def test_calls_of_equal_elementals_are_made_once() -> None:
    item = {"name": "A", "shape": [3, 3], "second_tangent": 50, "times": 8}
    problem = from_spec({"chain": [item], "derivative": 2})
    result = plan(problem)
    assert result.plan is not None
    assert sum(isinstance(step, ApplySecond) for step in result.plan.steps) <= 3
    values = draw_all(problem, 1, np.int64)
    ((_, found),) = second_derivatives(result, values, wrap=True).items()
    ((_, expected),) = reference_second_derivatives(problem, values).items()
    assert np.array_equal(found, expected)


def test_what_is_shared_of_random_chains_and_graphs_stays_exact() -> None:
    fewer = 0
    for seed in range(25):
        rng = random.Random(seed)
        spec = equal_chain(rng) if seed % 2 else equal_graph(rng)
        problem = from_spec(spec)
        result = plan(problem)
        assert result.plan is not None
        assert check(result.plan, problem).total == result.price
        values = draw_all(problem, seed, np.int64)
        found, expected = second_derivatives(result, values, wrap=True), reference_second_derivatives(problem, values)
        for key, block in expected.items():
            assert np.array_equal(found.get(key, np.zeros_like(block)), block), seed
        fewer += any(isinstance(step, Again) for step in result.plan.steps)
        again = shared(Candidate(result.plan, FMA))
        assert again.price <= Candidate(result.plan, FMA).price
        assert check(again.plan, problem)
    assert fewer >= 3


def equal_chain(rng: random.Random) -> dict[str, Any]:
    size = rng.choice([2, 3, 4])
    first: dict[str, Any] = {"name": "A", "shape": [size, size], "times": rng.choice([4, 4, 8])}
    if rng.random() < 0.3:
        first |= {"structure": "lower_triangular"}
    items = [first, {"shape": [size, size]}, {"same_as": "A", "times": rng.randint(1, 4)}, {"shape": [1, size]}]
    options: list[dict[str, Any]] = [{}, {}, {"weights": True}, {"directions": {"right": 1}}]
    asked = rng.choice(options)
    return {"chain": items[: rng.choice([1, 1, 3, 4])], "derivative": 2, **asked}


def equal_graph(rng: random.Random) -> dict[str, Any]:
    size, last = 3, rng.randint(3, 6)
    items: list[dict[str, Any]] = [{"name": "F", "edge": ["v0", "v1"]}]
    for i in range(1, last):
        items.append({"name": f"F{i}", "edge": [f"v{i}", f"v{i + 1}"], "same_as": "F"})
        if rng.random() < 0.5:
            items.append({"name": f"G{i}", "edge": [f"v{i - 1}", f"v{i + 1}"], "structure": "diagonal"})
    sizes = {f"v{i}": size for i in range(last + 1)}
    dag = {"sizes": sizes, "inputs": ["v0"], "outputs": [f"v{last}"], "jacobians": items}
    return {"dag": dag, "derivative": 2}


@pytest.mark.parametrize(("size", "times"), [(1, 5), (2, 7), (1, 11)])
def test_products_with_hessians_prove_what_stands_again_inside_of_what_stands_again(size: int, times: int) -> None:
    """A block that is made once, of one that itself stands elsewhere, is moved with what that one is made of."""
    powers = {"name": "A", "shape": [size, size], "times": times, "adjoint": 1}
    rest: dict[str, Any] = {"derivative": 2, "weights": True, "products": {"right": 50}}
    problem = from_spec({"chain": [{"shape": [size, 3]}, powers, {"shape": [1, size]}], **rest})
    result = plan(problem)
    assert result.plan is not None
    assert check(result.plan, problem).total == result.price
    values = draw_all(problem, times, np.int64)
    (expected,) = reference_second_derivatives(replace(problem, products=None), values).values()
    found = operator(result, values, dtype=np.int64) @ np.eye(3, dtype=np.int64)
    assert np.array_equal(found, expected[0])


def test_a_plan_of_second_order_that_shares_is_written_and_verified() -> None:
    import json

    result = plan(from_spec(power(3, 4)))
    saved = document(result)
    assert any(step["op"] == "again" for step in saved["steps"])
    verify(parse_plan(json.dumps(saved), "plan.json"))


def test_a_search_within_a_budget_has_a_plan_before_it_is_done() -> None:
    problem = from_spec({"chain": [5] * 120, "derivative": 2})
    result = plan(problem, nodes=3)
    assert result.plan is not None
    assert result.price == result.baselines.best
    assert sum(isinstance(step, LoadSecond) for step in result.plan.steps) == 119
