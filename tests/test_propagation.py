"""Elimination with matrix-free elementals: what is accumulated and what is propagated, and what is proven."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest

import chainplan
from chainplan.errors import SolverError
from chainplan.execution.executor import execute
from chainplan.plans.bound import AFTER_ACCUMULATION, Status
from chainplan.plans.check import check
from chainplan.plans.classes import PROPAGATION, SWEPT_PROPAGATION
from chainplan.plans.compressed_sweep import UNREACHED_PRICE
from chainplan.plans.forward_reverse import Pricer, order_price, sweep
from chainplan.plans.recorder import Recorder
from chainplan.plans.replay import replay
from chainplan.plans.steps import Accumulate, Plan, Propagate, Seed
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.problem.problem import Problem
from chainplan.proofs.claims import prove_again
from chainplan.solvers.elimination.propagation_bound import propagation_bound
from chainplan.solvers.elimination.propagation_graph import PropagationGraph
from chainplan.solvers.elimination.route_choice import EdgeDecisions, Route, RoutedProduct, choose_routes
from chainplan.solvers.registry import SOLVERS
from chainplan.solvers.search.search import Search
from chainplan.structures import Block, Diagonal
from chainplan.structures import from_spec as structure_of
from chainplan.validation.reference import reference_jacobian
from chainplan.values.draw import draw
from generators.matrix_free import MODULES, simulation
from tests.oracles.propagation import FreeDag, least_propagation_cost
from tests.problems import random_chain, random_dag, sparse_dag

MAX_FREE_ELEMENTALS = 7
"""Matrix-free elementals up to which every plan is tried."""


FIRST_NIGHTLY = 200
"""The first seed of the problems that are tried at night, some of which have up to six intermediates."""


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
        large = seed % 2 and seed >= FIRST_NIGHTLY
        problem = random_dag(rng, 6 if large else 4) if seed % 4 else random_chain(rng, 5)
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


def test_nothing_is_called_optimal_after_accumulation() -> None:
    for name in ("dag-exact", "edge", "face"):
        result = chainplan.plan(bottleneck("y"), name)
        assert (result.price, result.bound, result.status) == (2_060_000, 2_060_000, Status.FEASIBLE)
        assert (result.within or "").endswith(AFTER_ACCUMULATION)
        assert result.optimal_within is None
        assert "optimal" not in chainplan.render(result, "text")
        assert f"no plan costs less within {result.within}" in chainplan.render(result, "text")
    for seed in range(60):
        assert not (chainplan.plan(random_dag(random.Random(seed)), nodes=50).within or "").endswith(AFTER_ACCUMULATION)


@pytest.mark.parametrize(
    ("first", "last"), [(0, FIRST_NIGHTLY), pytest.param(FIRST_NIGHTLY, 9_000, marks=pytest.mark.nightly)]
)
def test_plans_are_those_of_trying_everything(first: int, last: int) -> None:
    exact = proven = propagated = 0
    for seed, problem, best in free_problems(first, last):
        result = chainplan.plan(problem, "propagation")
        assert result.cost is not None
        assert result.plan is not None
        assert result.bound <= result.cost.fma <= best, seed
        assert propagation_bound(problem.graph).total <= best, seed
        assert_computes(result.plan, problem)
        assert result.cost.fma == best or _sweeps(result.plan) or _parallel_units(problem.graph), seed
        exact += problem.graph.exact
        proven += result.status is Status.OPTIMAL
        if PropagationGraph(problem.graph).tight and problem.graph.exact:
            assert result.status is Status.OPTIMAL, seed
        propagated += any(isinstance(step, Propagate) for step in result.plan.steps)
    assert exact > (last - first) // 5
    assert proven > exact * 9 // 10
    assert propagated > (last - first) // 20


def _sweeps(plan: Plan) -> bool:
    """Whether a seed is carried through several elementals, which the oracle of single products does not do."""
    carried = {position for position, typed in enumerate(replay(plan).blocks) if typed.whole is not None}
    carried -= {position for position, step in enumerate(plan.steps) if isinstance(step, Seed)}
    return any(not carried.isdisjoint(plan.steps[position].operands()) for position in carried)


def _parallel_units(graph: Graph) -> bool:
    """Whether a unit elemental has another beside it, which the oracle adds up before it multiplies."""
    ends = Counter((e.source, e.target) for e in graph.useful)
    return any(ends[e.source, e.target] > 1 and e.block.structure.units is not None for e in graph.useful)


def test_the_price_of_an_order_is_that_of_its_plan() -> None:
    for seed in range(300):
        problem, rng = random_dag(random.Random(seed), 6), random.Random(seed)
        shared = PropagationGraph(problem.graph).shared
        work = PropagationGraph(problem.graph, formed=frozenset(name for name in shared if rng.random() < 0.5))
        order = rng.sample(sorted(work.middle), len(work.middle))
        price = work.order_price(order)
        if price < UNREACHED_PRICE:
            plan = work.order_plan(order)
            assert check(plan, problem).total == work.fixed + price, seed


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


@pytest.mark.parametrize(("skip", "bound"), [(None, 60_000), ("y", 60_000), ("g", 1_040_000), ("h", 60_000)])
def test_cuts_alone_prove_the_narrow_place(skip: str | None, bound: int) -> None:
    assert propagation_bound(bottleneck(skip).graph).total == bound


@pytest.mark.parametrize("second", ["x", "a", "r"])
def test_a_second_output_does_not_make_a_solve_dearer(second: str) -> None:
    assert chainplan.plan(with_solve(), "chain-dp").price == 776
    result = chainplan.plan(with_solve(second))
    more = {"x": 0, "a": 160, "r": 100}[second]  # products of sparse blocks for the second output
    assert (result.price, result.bound, result.within) == (776 + more, 776 + more, SWEPT_PROPAGATION)


def test_bounds_after_accumulation_are_not_those_of_auto() -> None:
    problem, search = simulation("feedback", 3), Search(nodes=300)
    outcome = SOLVERS["auto"].solve(problem, search)
    assert search.bound.within == outcome.bound.within == PROPAGATION
    assert search.bound.value >= propagation_bound(problem.graph).total


def test_a_bound_from_cuts_is_proven_again_without_planning(tmp_path: Path) -> None:
    problem = simulation("feedback", 10)
    result = chainplan.plan(problem, "propagation", nodes=5)
    assert result.bound == propagation_bound(problem.graph).total
    path = tmp_path / "plan.json"
    path.write_text(chainplan.render(result, "json"))
    assert str(prove_again(chainplan.read_plan(path), budget=0.2)) == "proven again"


def test_the_baselines_of_dense_graphs_are_those_of_the_walk() -> None:
    for seed in range(100):
        graph = random_dag(random.Random(seed), 6).graph
        dense = (replace(e, block=Block(e.block.rows, e.block.cols)) for e in graph.elementals)
        graph = Graph(graph.sizes, graph.inputs, graph.outputs, tuple(dense))
        for mode in Mode:
            pricer = Pricer(graph)
            sweep(graph, pricer, mode)
            assert order_price(graph, mode) == pricer.price


def test_modules_with_parameters_cost_less_than_half_of_the_better_baseline() -> None:
    ratios = []
    for family in MODULES:
        problem = simulation(family, 4)
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
        out, into = ([_drawn_decisions(rng) for _ in range(rng.randint(1, 3))] for _ in range(2))
        ways = [[_drawn_ways(rng, left, right) for right in into] for left in out]
        prices = []
        for made in product(*(range(len(edge.sets)) for edge in (*out, *into))):
            price = sum(edge.prices[i] for edge, i in zip((*out, *into), made, strict=True))
            sets = [edge.sets[i] for edge, i in zip((*out, *into), made, strict=True)]
            for left, row in zip(sets, ways, strict=False):
                for right, pair in zip(sets[len(out) :], row, strict=True):
                    fit = [way.price for way in pair if left | way.out == left and right | way.into == right]
                    price += min(fit, default=UNREACHED_PRICE)
            prices.append(price)
        assert choose_routes(out, into, ways).price == min(prices)


def _drawn_decisions(rng: random.Random) -> EdgeDecisions:
    """Decisions on up to two elementals."""
    sets = tuple(range(rng.choice((1, 2, 4))))
    return EdgeDecisions(sets, tuple(rng.randint(0, 30) if some else 0 for some in sets))


def _drawn_ways(rng: random.Random, left: EdgeDecisions, right: EdgeDecisions) -> list[RoutedProduct]:
    """A product of both whole blocks, and some ways that need less."""
    found = [RoutedProduct(Route.PRODUCT, rng.randrange(20), 0, left.sets[-1], right.sets[-1])]
    for _ in range(rng.randrange(4)):
        route = rng.choice((Route.TANGENTS, Route.ADJOINTS))
        needs = rng.choice(left.sets), rng.choice(right.sets)
        found.append(RoutedProduct(route, rng.randrange(20), 1, *needs))
    return found


def test_a_graph_without_matrix_free_elementals_is_refused() -> None:
    with pytest.raises(SolverError, match="it has no matrix-free elementals"):
        chainplan.plan(chainplan.chain([2, 3, 4]), "propagation")


def sparse_problems(first: int, last: int, most: int) -> Iterator[tuple[int, Problem, FreeDag]]:
    """Sparse graphs with a few matrix-free elementals."""
    for seed in range(first, last):
        problem = sparse_dag(random.Random(seed), most)
        if 0 < sum(not e.explicit for e in problem.graph.useful) <= MAX_FREE_ELEMENTALS:
            yield seed, problem, FreeDag(problem.to_spec())


@pytest.mark.parametrize(
    ("first", "last", "most"), [(20, 60, 3), pytest.param(60, 2_000, 4, marks=pytest.mark.nightly)]
)
def test_sweeps_over_parts_are_those_of_trying_everything(first: int, last: int, most: int) -> None:
    cheaper = proven = count = 0
    for seed, problem, dag in sparse_problems(first, last, most):
        best, narrow = least_propagation_cost(dag, sweeps=True), least_propagation_cost(dag)
        assert best is not None
        assert narrow is not None
        result, swept = chainplan.plan(problem, "propagation"), PropagationGraph(problem.graph).parts.within
        assert result.plan is not None
        assert_computes(result.plan, problem)
        assert propagation_bound(problem.graph, swept=swept).total <= best, seed
        assert (result.price, result.bound) == (best, best), seed
        assert swept or best == narrow, seed
        count, proven, cheaper = count + 1, proven + (result.status is Status.OPTIMAL), cheaper + (best < narrow)
    assert proven == count
    assert cheaper >= (last - first) // 40


def test_on_a_path_sweeps_are_those_of_the_intervals() -> None:
    swept = 0
    for seed in range(40):
        problem = sparse_dag(random.Random(seed), 4, path=True)
        if not problem.graph.explicit:
            chain, graph = chainplan.plan(problem, "chain-dp"), chainplan.plan(problem, "propagation")
            assert (graph.price, graph.bound) == (chain.price, chain.bound), seed
            assert graph.plan is not None
            assert_computes(graph.plan, problem)
            swept += bool(PropagationGraph(problem.graph).parts.any)
    assert swept > 25


def substeps(count: int) -> Problem:
    """Steps on a grid of 40, each beside what stays, with a total in every step that nothing reads."""
    band = [[i, j] for i in range(40) for j in range(max(0, i - 1), min(40, i + 2))]
    step = Block(41, 40, structure_of("coo", [*band, *([40, j] for j in range(40))], (41, 40), Path()))
    read = Block(40, 41, structure_of("coo", [[i, i] for i in range(40)], (40, 41), Path()))
    sizes = {"p": 2, "x0": 40}
    elementals = list[Elemental]()
    for i in range(count):
        state, inner, after = f"x{i}", f"h{i}", f"x{i + 1}"
        sizes |= {inner: 41, after: 40}
        elementals.append(Elemental(f"step{i}", state, inner, step, 200))
        elementals.append(Elemental(f"read{i}", inner, after, read))
        elementals.append(Elemental(f"stay{i}", state, after, Block(40, 40, Diagonal())))
        elementals.append(Elemental(f"enter{i}", "p", after, Block(40, 2)))
    return Problem(Graph(sizes, ("x0", "p"), (f"x{count}",), tuple(elementals)))


def test_what_nothing_reads_takes_no_colours() -> None:
    problem = substeps(3)
    result, work = chainplan.plan(problem), PropagationGraph(problem.graph).unswept()
    assert result.plan is not None
    assert result.price is not None
    assert_computes(result.plan, problem)
    assert {max(step.colours) + 1 for step in result.plan.steps if isinstance(step, Seed)} == {3}
    assert min(work.order_price(order) for order in permutations(work.middle)) > 5 * result.price
    assert (result.bound, result.optimal_within) == (result.price, SWEPT_PROPAGATION)
    swept = PropagationGraph(problem.graph).parts.within
    assert 0 < propagation_bound(problem.graph, swept=swept).total <= result.price
    assert propagation_bound(problem.graph).total > result.price


def measured_twice(seed: int) -> Problem:
    """Two vertices, four outputs that a last one reads, and seven matrix-free elementals from the first to these."""
    rng = random.Random(seed)
    sizes = {v: rng.randint(1, 6) for v in ("x", "a", "b", "c", "d", "e", "f", "y")}
    edges = [("x", "a"), ("x", "b"), *[*product("ab", "cdef")][:7], *product("cdef", "y")]
    elementals = []
    for source, target in edges:
        free = source in "ab"
        prices = (rng.randint(1, 60), rng.randint(1, 60)) if free else (None, None)
        elementals.append(Elemental(source + target, source, target, Block(sizes[target], sizes[source]), *prices))
    return Problem(Graph(sizes, ("x",), ("c", "d", "e", "f", "y"), tuple(elementals)))


def test_any_number_of_elementals_that_are_used_twice_is_decided() -> None:
    mixed = 0
    for seed in range(2):
        problem = measured_twice(seed)
        assert len(PropagationGraph(problem.graph).shared) == 7
        best, result = least_propagation_cost(FreeDag(problem.to_spec())), chainplan.plan(problem, "propagation")
        assert (result.price, result.bound, result.optimal_within) == (best, best, PROPAGATION)
        assert result.plan is not None
        assert_computes(result.plan, problem)
        kinds = {type(step) for step in result.plan.steps if getattr(step, "elemental", "")[:1] in "ab"}
        mixed += {Accumulate, Propagate} <= kinds
    assert mixed


def test_widest_paths_never_claim_more_than_the_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    """On graphs with known optima, where no graph is small enough for cuts."""
    cuts = [propagation_bound(simulation(family, 4).graph).total for family in MODULES]
    monkeypatch.setattr("chainplan.solvers.elimination.propagation_bound.MAX_CUT_INTERMEDIATES", 0)
    positive = 0
    for seed, problem, best in free_problems(0, FIRST_NIGHTLY):
        bound = propagation_bound(problem.graph).total
        assert bound <= best, seed
        positive += bound > 0
    for seed, problem, dag in sparse_problems(0, 60, 3):
        assert propagation_bound(problem.graph).total <= (least_propagation_cost(dag) or 0), seed
    assert positive > 30
    assert propagation_bound(bottleneck(None).graph).total == 60_000
    for family, bound in zip(MODULES, cuts, strict=True):
        assert bound // 4 < propagation_bound(simulation(family, 4).graph).total <= bound
