"""Chains under a memory limit: equal to brute force over all plans and orders, at every limit that matters."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from chainplan.planner import plan
from chainplan.plans.bound import Status
from chainplan.plans.check import check
from chainplan.plans.result import Result
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.compressed_intervals import ChainSweeps
from chainplan.solvers.chain.hill_valley import dominates, merge, single, steps_of, then
from chainplan.solvers.registry import SOLVERS
from tests.answers import front
from tests.problems import chain_problem, random_chain, random_structure


def skewed_chain(rng: random.Random, longest: int) -> Problem:
    """A chain of sizes far apart, with tapes that outweigh blocks."""
    q, pool = rng.randint(2, longest), rng.choice([(1, 2, 20), (1, 30), tuple(range(1, 41))])
    sizes = [rng.choice(pool) for _ in range(q + 1)]
    prices = [rng.choice([None, *[(rng.randrange(30), rng.randrange(30), rng.randrange(60))] * 2]) for _ in range(q)]
    structures = [random_structure(rng, sizes[i + 1], sizes[i]) for i in range(q)]
    return chain_problem(sizes, structures if rng.random() < 0.3 else None, prices if rng.random() < 0.7 else None)


def limits(points: list[tuple[int, int]]) -> Iterator[tuple[int, int | None]]:
    """Limits around every point of a Pareto front, with the least cost under each."""
    for limit in sorted({max(peak + d, 0) for peak, _ in points for d in (-1, 0, 1)} | {0, 2 * points[-1][0]}):
        yield limit, min((cost for peak, cost in points if peak <= limit), default=None)


def assert_matches(result: Result, cost: int | None, least: int) -> None:
    """The optimum by exact counts without coloured sweeps: other colourings than the oracle's may cost or hold less."""
    exact = result.problem.graph.exact and not ChainSweeps(result.problem.graph.chain, FMA).any
    if result.plan is None:
        assert cost is None
        assert result.needs is not None
        assert result.needs == least or (not exact and result.needs < least)
        assert result.status is Status.INFEASIBLE or (not exact and result.status is Status.BUDGET)
        return
    assert result.price is not None
    assert (result.price, result.bound) == (cost, cost) or not exact
    assert cost is None or result.price <= cost
    assert result.bound <= result.price
    assert result.status is (Status.OPTIMAL if result.bound == result.price else Status.FEASIBLE)
    assert (result.within or "").startswith("bracketings") or not result.problem.graph.exact
    assert check(result.plan, result.problem).total == result.price


@pytest.mark.parametrize(("first", "last"), [(0, 50), pytest.param(50, 20_000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("draw", [random_chain, skewed_chain])
def test_it_equals_brute_force_at_every_limit(draw: object, first: int, last: int) -> None:
    assert callable(draw)
    for seed in range(first, last):
        problem = draw(random.Random(seed), 6)
        points = front(problem)
        assert_matches(plan(problem, "chain-memory"), points[-1][1], points[0][0])
        for limit, cost in limits(points):
            assert_matches(plan(replace(problem, memory=limit), "chain-memory"), cost, points[0][0])


@pytest.mark.parametrize("last", [28, pytest.param(300, marks=pytest.mark.nightly)])
def test_every_order_of_the_steps_written_down_agrees(last: int) -> None:
    compared = 0
    for seed in range(last):
        problem = random_chain(random.Random(seed), 4 if last == 28 else 5)
        points = front(problem)
        sweeps = ChainSweeps(problem.graph.chain, FMA).moves != "bracketings"
        if not sweeps and SOLVERS["exhaustive"].refuses(replace(problem, memory=0)) is None and len(points) > 1:
            compared += 1
            for limit, cost in limits(points):
                assert_matches(plan(replace(problem, memory=limit), "exhaustive"), cost, points[0][0])
    assert compared > 3


def test_auto_keeps_the_limit() -> None:
    for seed in range(50):
        problem = random_chain(random.Random(seed), 6)
        points = front(problem)
        for limit, cost in limits(points):
            assert_matches(plan(replace(problem, memory=limit)), cost, points[0][0])


def test_interleaving_the_factors_beats_factor_by_factor() -> None:
    """x_0 ... x_5 of 20, 12, 27, 11, 16, 19: 821 elements suffice, one factor after the other takes 848."""
    problem = replace(chain_problem([20, 12, 27, 11, 16, 19]), memory=0)
    assert plan(problem, "chain-memory").needs == 821
    assert_matches(plan(replace(problem, memory=821)), 13_728, 821)
    assert_matches(plan(replace(problem, memory=820)), None, 821)


def test_a_lower_peak_does_not_stand_in_for_a_whole_profile() -> None:
    """Under 770 elements a dearer way is needed to an interval that a cheaper one makes with a peak as low."""
    problem = chain_problem([29, 14, 7, 22, 20, 12, 9, 27, 10])
    points = front(problem)
    assert points[0] == (770, 13_979)
    for limit, cost in limits(points):
        assert_matches(plan(replace(problem, memory=limit), "chain-memory"), cost, points[0][0])


def test_the_transposed_chain_has_the_same_optimum_where_no_adjoint_needs_a_tape() -> None:
    for seed in range(100):
        problem = random_chain(random.Random(seed), 8, random.Random(seed).choice(["dense", "structured"]))
        least = plan(replace(problem, memory=0), "chain-memory").needs or 0
        for limit in (least, least + 1, least + 5):
            bounds = [plan(replace(p, memory=limit), "chain-memory").bound for p in (problem, problem.transpose())]
            assert bounds[0] == bounds[1]


def test_a_longer_chain_is_feasible_from_the_limit_it_names() -> None:
    rng = random.Random(1)
    for _ in range(3):
        sizes = [rng.randint(1, 100) for _ in range(31)]
        prices = [(s * t, 2 * s * t, rng.randrange(20_000)) for s, t in pairwise(sizes)]
        problem = chain_problem(sizes, prices=prices)
        least = plan(replace(problem, memory=0), "chain-memory").needs or 0
        free = plan(problem, "chain-dp").bound
        costs = [plan(replace(problem, memory=least + k), "chain-memory").bound for k in (0, 2_000, 20_000, 40_000)]
        assert costs == sorted(costs, reverse=True)
        assert costs[-1] == free == plan(problem, "chain-memory").bound
        assert plan(replace(problem, memory=least - 1), "chain-memory").needs == least


def test_costs_beyond_64_bits_are_exact() -> None:
    problem = chain_problem(
        [10**12, 10**11, 10**12, 3 * 10**11, 10**12], prices=[None, (10**24, 10**25, 5), None, None]
    )
    points = front(problem)
    for limit, cost in limits(points):
        assert_matches(plan(replace(problem, memory=limit), "chain-memory"), cost, points[0][0])


def test_segments_fall_to_strict_hills_and_valleys() -> None:
    profile = then(then(then(single(9, 2, "a"), 5, 4, "b"), 6, 3, "c"), 4, 4, "d")
    assert [(hill, valley) for hill, valley, _ in profile] == [(9, 2), (6, 3), (4, 4)]
    assert list(steps_of(profile)) == ["a", "b", "c", "d"]


def test_the_higher_fall_goes_first() -> None:
    merged = merge(then(single(10, 1, "a"), 8, 6, "b"), then(single(9, 1, "c"), 7, 6, "d"))
    assert list(steps_of(merged)) == ["a", "c", "b", "d"]
    assert max(hill for hill, *_ in merged) == 13


def test_dominance_needs_every_segment_to_fit() -> None:
    low, early = then(single(9, 2, "a"), 5, 4, "b"), single(9, 4, "c")
    assert dominates(low, early)
    assert not dominates(early, low)
    assert dominates(low, low)
