"""Elimination with matrix-free elementals: what is accumulated and what is propagated, and what is proven."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import chainplan
from chainplan.errors import SolverError
from chainplan.execution.executor import execute
from chainplan.plans.bound import Status
from chainplan.plans.check import check
from chainplan.plans.classes import AFTER_ACCUMULATION, PROPAGATION
from chainplan.plans.compressed_sweep import UNREACHED_PRICE
from chainplan.plans.recorder import Recorder
from chainplan.plans.steps import Plan, Propagate
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.problem.problem import Problem
from chainplan.solvers.elimination.propagation_bound import propagation_bound
from chainplan.solvers.elimination.propagation_graph import PropagationGraph, propagation_plan
from chainplan.solvers.elimination.route_choice import Route, RoutePrices, choose_routes
from chainplan.structures import Block, Diagonal
from chainplan.structures import from_spec as structure_of
from chainplan.validation.reference import reference_jacobian
from chainplan.values.draw import draw
from generators.matrix_free import MODULES, simulation
from tests.oracles.propagation import FreeDag, least_propagation_cost
from tests.problems import random_chain, random_dag

MAX_FREE_ELEMENTALS = 7
"""Matrix-free elementals up to which every plan is tried."""


def bottleneck(skip: str | None) -> Problem:
    """x(100) -> h(100) -> b(2) -> g(100) -> y(100), its ends matrix-free, and a diagonal edge from x to `skip`."""
    sizes = {"x": 100, "h": 100, "b": 2, "g": 100, "y": 100}
    elementals = [
        Elemental("in", "x", "h", Block(100, 100), 10_000, 10_000),
        Elemental("narrow", "h", "b", Block(2, 100)),
        Elemental("wide", "b", "g", Block(100, 2)),
        Elemental("out", "g", "y", Block(100, 100), 10_000, 10_000),
    ]
    if skip is not None:
        elementals.append(Elemental("skip", "x", skip, Block(100, 100, Diagonal())))
    return Problem(Graph(sizes, ("x",), ("y",), tuple(elementals)))


def with_solve(second: str | None = None) -> Problem:
    """x(10) -> a(160) -> r(24) sparse, r -> y(24) a solve, y -> c(1), and a second output v that reads one of them."""
    sizes = {"x": 10, "a": 160, "r": 24, "y": 24, "c": 1}
    elementals = [
        Elemental("assemble", "x", "a", _sparse(160, 10, 160)),
        Elemental("residual", "a", "r", _sparse(24, 160, 100)),
        Elemental("solve", "r", "y", Block(24, 24), 576, 576),
        Elemental("measure", "y", "c", Block(1, 24)),
    ]
    outputs = ["c"]
    if second is not None:
        sizes["v"] = sizes[second]
        elementals.append(Elemental("second", second, "v", Block(sizes[second], sizes[second], Diagonal())))
        outputs.append("v")
    return Problem(Graph(sizes, ("x",), tuple(outputs), tuple(elementals)))


def _sparse(rows: int, cols: int, count: int) -> Block:
    """A block of so many nonzeros, one after the other down a diagonal that starts again at the edges."""
    places = [[i % rows, i % cols] for i in range(count)]
    return Block(rows, cols, structure_of("coo", places, (rows, cols), Path()))


def free_problems(first: int, last: int) -> Iterator[tuple[int, Problem, int]]:
    """Random DAGs and chains with matrix-free elementals, with the cost of the cheapest of all plans."""
    for seed in range(first, last):
        rng = random.Random(seed)
        problem = random_dag(rng, 4) if seed % 4 else random_chain(rng, 5)
        free = sum(not e.explicit for e in problem.graph.useful)
        if 0 < free <= MAX_FREE_ELEMENTALS:
            best = least_propagation_cost(FreeDag(problem.to_spec()))
            if best is not None:
                yield seed, problem, best


def assert_computes(plan: Plan, problem: Problem) -> None:
    """The plan passes the checker, and run on integers it gives the Jacobian exactly."""
    check(plan, problem)
    values = draw(problem.graph, 0, np.int64)
    found = execute(plan, values, wrap=True)
    for pair, expected in reference_jacobian(problem, values).items():
        assert np.array_equal(found.get(pair, np.zeros_like(expected)), expected)


@pytest.mark.parametrize(("skip", "cost"), [("y", 60_000), ("g", 1_040_000), ("h", 60_200)])
def test_a_narrow_place_beside_an_edge_that_skips_it_is_used(skip: str, cost: int) -> None:
    problem = bottleneck(skip)
    result = chainplan.plan(problem)
    assert result.cost is not None
    assert result.plan is not None
    assert (result.cost.fma, result.bound, result.optimal_within) == (cost, cost, PROPAGATION)
    assert_computes(result.plan, problem)


def test_a_plan_written_by_hand_costs_the_same() -> None:
    problem = bottleneck("y")
    recorder = Recorder(problem.graph)
    right = recorder.propagate("in", recorder.load("narrow"), Mode.ADJOINT)
    left = recorder.propagate("out", recorder.load("wide"), Mode.TANGENT)
    plan = recorder.plan([("y", "x", recorder.multiply(left, right, recorder.load("skip")))])
    assert check(plan, problem).total == 60_000


def test_an_optimum_after_accumulation_says_so_and_is_not_that_of_auto() -> None:
    for name in ("dag-exact", "edge", "face"):
        result = chainplan.plan(bottleneck("y"), name)
        assert result.bound == 2_060_000
        assert (result.within or "").endswith(AFTER_ACCUMULATION)
    for seed in range(60):
        assert not (chainplan.plan(random_dag(random.Random(seed)), nodes=50).within or "").endswith(AFTER_ACCUMULATION)


@pytest.mark.parametrize(("first", "last"), [(0, 300), pytest.param(300, 9_000, marks=pytest.mark.nightly)])
def test_plans_are_those_of_trying_everything(first: int, last: int) -> None:
    exact = proven = propagated = 0
    for seed, problem, best in free_problems(first, last):
        result = chainplan.plan(problem, "propagation")
        assert result.cost is not None
        assert result.plan is not None
        assert result.bound <= best <= result.cost.fma, seed
        assert propagation_bound(problem.graph) <= best, seed
        assert_computes(result.plan, problem)
        work = PropagationGraph(problem.graph)
        if not work.shared:
            assert result.cost.fma == best, seed
            exact += 1
            if work.tight:
                assert result.status is Status.OPTIMAL, seed
        proven += result.status is Status.OPTIMAL
        propagated += any(isinstance(step, Propagate) for step in result.plan.steps)
    assert exact > (last - first) // 5
    assert proven > (last - first) // 5
    assert propagated > (last - first) // 20


def test_the_price_of_an_order_is_that_of_its_plan() -> None:
    for seed in range(300):
        problem = random_dag(random.Random(seed), 6)
        work = PropagationGraph(problem.graph)
        order = random.Random(seed).sample(sorted(work.middle), len(work.middle))
        plan = propagation_plan(problem.graph, order)
        assert check(plan, problem).total == work.fixed + sum(work.eliminate(v) for v in order), seed


def test_on_a_path_the_optimum_is_that_of_the_intervals() -> None:
    compared = 0
    for seed in range(300):
        problem = random_chain(random.Random(seed), 6, "matrix-free")
        if all(e.explicit for e in problem.graph.useful):
            continue
        chain, graph = chainplan.plan(problem, "chain-dp"), chainplan.plan(problem, "propagation")
        assert graph.price == chain.price, seed
        compared += 1
    assert compared > 200


def test_cuts_alone_prove_the_narrow_place() -> None:
    assert propagation_bound(bottleneck(None).graph) == 60_000
    assert propagation_bound(bottleneck("y").graph) == 40_000


@pytest.mark.parametrize("second", ["x", "a", "r"])
def test_a_second_output_does_not_make_a_solve_dearer(second: str) -> None:
    assert chainplan.plan(with_solve(), "chain-dp").price == 776
    result = chainplan.plan(with_solve(second))
    more = {"x": 0, "a": 160, "r": 100}[second]  # products of sparse blocks for the second output
    assert (result.price, result.bound, result.within) == (776 + more, 776 + more, PROPAGATION)


def test_modules_with_parameters_cost_less_than_half_of_the_better_baseline() -> None:
    ratios = []
    for family in MODULES:
        problem = simulation(family, 8)
        result = chainplan.plan(problem, "propagation", nodes=100)
        assert result.cost is not None
        assert result.plan is not None
        assert 0 < result.bound <= result.cost.fma
        assert_computes(result.plan, problem)
        ratios.append(result.baselines.best / result.cost.fma)
    assert min(ratios) > 2


def test_routes_are_the_cheapest_of_all_decisions() -> None:
    rng = random.Random(0)
    for _ in range(300):
        rows, cols = rng.randint(1, 4), rng.randint(1, 4)
        out, into = (
            [(rng.choice((0, 3, UNREACHED_PRICE)), rng.randint(3, 30)) for _ in range(count)] for count in (rows, cols)
        )
        routes = [[RoutePrices(*(rng.choice((*range(20), UNREACHED_PRICE)) for _ in Route)) for _ in into] for _ in out]
        prices = []
        for whole in product((False, True), repeat=rows + cols):
            price = sum(edge[w] for edge, w in zip([*out, *into], whole, strict=True))
            for i, row in enumerate(routes):
                for j, pair in enumerate(row):
                    left, right = whole[i], whole[rows + j]
                    open_routes = [pair.tangents] * right + [pair.adjoints] * left + [pair.product] * (left and right)
                    price += min(open_routes, default=UNREACHED_PRICE)
            prices.append(price)
        assert choose_routes(out, into, routes).price == min(prices)


def test_a_graph_without_matrix_free_elementals_is_refused() -> None:
    with pytest.raises(SolverError, match="it has no matrix-free elementals"):
        chainplan.plan(chainplan.chain([2, 3, 4]), "propagation")
