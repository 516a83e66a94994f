"""Second derivatives where elementals are equal: their Jacobians are made once, and numbers stay exact."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from chainplan.execution.executor import second_derivatives
from chainplan.io.plan_file import document, parse_plan
from chainplan.io.plan_file_claims import verify
from chainplan.io.read import from_spec
from chainplan.planner import plan
from chainplan.plans.candidate import Candidate
from chainplan.plans.check import check
from chainplan.plans.sharing import shared
from chainplan.plans.steps import Again, LoadSecond
from chainplan.problem.cost import FMA
from chainplan.validation.second_reference import reference_second_derivatives
from chainplan.values.second import draw_all


def power(size: int, times: int) -> dict[str, Any]:
    return {"chain": [{"name": "A", "shape": [size, size], "times": times}], "derivative": 2}


@pytest.mark.parametrize(("times", "products"), [(4, 1), (8, 2), (16, 3)])
def test_the_jacobians_of_a_power_are_made_by_squaring(times: int, products: int) -> None:
    """Each of the joints takes 1,375 fma of contractions whatever the order, and 125 are one product."""
    result = plan(from_spec(power(5, times)))
    assert result.price == (times - 1) * 1375 + products * 125
    assert result.within is None
    assert result.plan is not None
    assert any(isinstance(step, Again) for step in result.plan.steps)


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
