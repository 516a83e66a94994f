"""Exact vertex elimination: against all orders, against proven optima, and the laws of its bounds and reductions."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from chainplan.errors import SolverError
from chainplan.planner import plan
from chainplan.plans.bound import Status
from chainplan.plans.result import Result
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem
from chainplan.solvers.elimination.bitset_graph import BitsetGraph
from chainplan.solvers.elimination.bitset_problem import EliminationCore, members
from chainplan.solvers.elimination.block_classes import edge_classes
from chainplan.solvers.elimination.bounds import GroupTable, SetBounds
from chainplan.solvers.elimination.branch_and_bound import ExactSearch, solve_set
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.elimination.mincut import CutNetwork
from chainplan.solvers.elimination.path_bound import lower_bound, quick_bound
from chainplan.solvers.elimination.reductions import reduce
from chainplan.solvers.search.search import SearchStopped
from chainplan.structures import DENSE, Block
from tests.answers import least_elimination
from tests.oracles.cuts import cheapest_cut
from tests.problems import busy_dag, chain_problem, classed_dag, dag_problem, random_dag
from tests.reference import instances

SLOW = {"block_dag_n25", "real_roe1d", "scalar_layer_n32"}


def dense(problem: Problem) -> Problem:
    """The same graph with dense explicit blocks."""
    elementals = tuple(
        replace(e, block=Block(e.block.rows, e.block.cols, DENSE), tangent=None, adjoint=None, tape=0)
        for e in problem.graph.elementals
    )
    return Problem(replace(problem.graph, elementals=elementals))


def cores(first: int, count: int, most: int) -> list[tuple[int, EliminationCore]]:
    """Random problems that leave something to decide; two in three are dense."""
    found = []
    for seed in itertools.count(first):
        problem = random_dag(random.Random(seed), most)
        core = EliminationCore((dense(problem) if seed % 3 else problem).graph)
        if core.middle.bit_count() > 1:
            found.append((seed, core))
        if len(found) == count:
            return found
    raise AssertionError


def twinned(problem: Problem, seed: int) -> Problem:
    """The graph with a second vertex, of another size, beside one of its intermediates."""
    graph, rng = problem.graph, random.Random(seed)
    core = EliminationCore(graph)
    inner = [v for i, v in enumerate(WorkGraph(graph).names) if core.middle >> i & 1]
    if not inner:
        return problem
    old, new, size = rng.choice(inner), "twin", rng.choice((1, 2, 7))
    more = []
    for e in graph.elementals:
        if old in (e.source, e.target):
            ends = (new, e.target) if e.source == old else (e.source, new)
            rows, cols = ((e.block.rows, size), (size, e.block.cols))[ends[1] == new]
            more.append(Elemental(f"{e.name}'", *ends, Block(rows, cols, DENSE)))
    sizes = {**graph.sizes, new: size}
    return Problem(Graph(sizes, graph.inputs, graph.outputs, (*graph.elementals, *more)))


def optimum(problem: Problem) -> int:
    result = plan(problem, "dag-exact")
    assert result.status is Status.OPTIMAL
    assert result.optimal_within == "vertex elimination"
    assert result.cost is not None
    assert result.cost.fma == result.bound
    return result.bound


@pytest.mark.parametrize("first", [0, pytest.param(100_000, marks=pytest.mark.nightly)])
def test_exact_is_the_best_of_all_orders(first: int) -> None:
    for seed, core in cores(first, 400 + first // 50, 5):
        search = ExactSearch(core)
        assert search.run()
        assert search.order is not None
        assert search.bound == core.order_price(search.order) == least_elimination(core), seed


@pytest.mark.parametrize("count", [600, pytest.param(8000, marks=pytest.mark.nightly)])
def test_exact_is_the_best_of_all_sequences_of_sets(count: int) -> None:
    for seed, core in cores(1000 * count, count, 7):
        best = least_elimination(core)
        assert lower_bound(core) <= best, seed
        price, order = solve_set(core)
        assert order is not None
        assert price == best == core.order_price(order), seed
        assert solve_set(core, upper=best + 1)[0] == best
        assert solve_set(core, upper=best)[0] >= best


@pytest.mark.parametrize("count", [300, pytest.param(3000, marks=pytest.mark.nightly)])
def test_exact_on_busy_graphs(count: int) -> None:
    for seed in range(count):
        core = EliminationCore(busy_dag(random.Random(seed), 4 + seed % 6).graph)
        price, order = solve_set(core)
        assert order is not None
        assert price == least_elimination(core) == core.order_price(order), seed


@pytest.mark.parametrize("count", [300, pytest.param(4000, marks=pytest.mark.nightly)])
def test_exact_where_dense_and_diagonal_blocks_mix(count: int) -> None:
    bounds = first = 0
    for seed in range(count):
        core = EliminationCore(classed_dag(seed, 8).graph)
        best = least_elimination(core)
        search = ExactSearch(core)
        first += len(search.reduced.first)
        assert search.bound <= best, seed
        search.prepare()
        assert search.bound <= best, seed
        bounds += search.bound > 0
        search.run()
        assert search.order is not None
        assert search.bound == best == core.order_price(search.order), seed
    assert bounds > count // 2
    assert first > count // 2


def test_classes_price_every_set_as_blocks_do() -> None:
    for seed in range(200):
        core = EliminationCore(classed_dag(seed, 7).graph)
        classes = edge_classes(core)
        assert classes is not None
        net = BitsetGraph.of(core, None, classes)
        bounds = SetBounds(net)
        for mask in range(1, 1 << core.middle.bit_count()):
            inside = sum(1 << v for i, v in enumerate(members(core.middle)) if mask >> i & 1)
            scan = bounds.scan(inside)
            assert scan.last == [core.price_last(v, inside) for v in scan.vertices], seed
        order = random.Random(seed).sample(list(members(core.middle)), core.middle.bit_count())
        assert sum(map(net.eliminate, order)) == core.order_price(order), seed


def test_a_set_is_eliminated_with_the_others_kept() -> None:
    for seed in range(150):
        rng = random.Random(seed)
        core = EliminationCore(busy_dag(rng, 8).graph)
        mask = sum(1 << v for v in members(core.middle) if rng.random() < 0.6)
        price, order = solve_set(core, mask)
        assert order is not None
        assert sorted(order) == list(members(mask))
        assert lower_bound(core, mask) <= price
        assert price == core.order_price(order) == least_elimination(core, mask)


@pytest.mark.parametrize(
    "instance",
    [entry for entry in instances("dag_optimal.json") if entry.id not in SLOW],
)
def test_proven_optima(instance: dict[str, object]) -> None:
    assert optimum(dag_problem(instance)) == instance["vertex_optimum"]


@pytest.mark.nightly
@pytest.mark.parametrize("instance", [entry for entry in instances("dag_optimal.json") if entry.id in SLOW])
def test_proven_optima_of_seconds(instance: dict[str, object]) -> None:
    assert optimum(dag_problem(instance)) == instance["vertex_optimum"]


def test_path_graphs_cost_what_the_chain_solver_says() -> None:
    for seed in range(100):
        rng = random.Random(seed)
        problem = chain_problem([rng.randint(1, 30) for _ in range(rng.randint(3, 16))])
        assert optimum(problem) == plan(problem, "chain-dp").bound


def test_the_transposed_graph_has_the_same_optimum() -> None:
    for seed in range(60):
        problem = busy_dag(random.Random(seed), 12)
        graph = problem.graph
        if any(e.source in graph.outputs for e in graph.useful):
            continue
        assert optimum(problem) == optimum(problem.transpose())


def test_a_stopped_search_has_a_plan_and_a_bound() -> None:
    stopped = 0
    for seed in range(25):
        core = EliminationCore(busy_dag(random.Random(seed), 16).graph)
        best = solve_set(core)[0]
        for ticks in (0, 1, 5, 25, 100):
            search = ExactSearch(core)
            left = itertools.count(ticks, -1)

            def tick(left: itertools.count[int] = left) -> None:
                if next(left) <= 0:
                    raise SearchStopped

            try:
                search.run(None, tick)
            except SearchStopped:
                stopped += 1
            assert search.bound <= best
            assert search.order is None or core.order_price(search.order) == best
    assert stopped > 40


def test_no_time_at_all() -> None:
    result: Result = plan(busy_dag(random.Random(4), 30), "dag-exact", budget=0.0)
    assert result.status in (Status.FEASIBLE, Status.OPTIMAL)
    assert result.plan is not None
    assert result.cost is not None
    assert result.bound <= result.cost.fma


def test_minimum_cuts_against_all_cuts() -> None:
    for seed in range(300):
        rng = random.Random(seed)
        net = BitsetGraph.of(EliminationCore(busy_dag(rng, 6).graph))
        for v in members(net.middle):
            for step, ends in ((net.pred, 0), (net.succ, net.kept & ~(1 << v))):
                region = 1 << v | sum(1 << u for u in members(net.middle) if rng.random() < 0.8)
                locked = sum(1 << u for u in members(region & ~(1 << v)) if rng.random() < 0.3)
                found = CutNetwork(step, net.size).cut(v, region, locked, ends)
                assert found == cheapest_cut(step, net.size, v, region, locked, ends)


def test_group_bounds_hold_for_every_subset() -> None:
    for seed in range(150):
        rng = random.Random(seed)
        core = EliminationCore(busy_dag(rng, 7).graph)
        net = BitsetGraph.of(core)
        group = sum(1 << v for v in members(net.middle) if rng.random() < 0.6)
        bounds = SetBounds(net)
        table = GroupTable(bounds, net.middle, group)
        for _ in range(8):
            mask = sum(1 << v for v in members(net.middle) if rng.random() < 0.7)
            found, _, least, _ = bounds.scan(mask)
            alone = sum(low for v, low in zip(found, least, strict=True) if not group >> v & 1)
            assert table.least[group & mask] + alone <= least_elimination(core, mask)


def test_reductions_keep_the_optimum() -> None:
    first, merged = 0, 0
    for seed in range(400):
        core = EliminationCore(twinned(busy_dag(random.Random(seed), 3 + seed % 3), seed).graph)
        reduced = reduce(BitsetGraph.of(core))
        first, merged = first + len(reduced.first), merged + len(reduced.merged)
        rest = itertools.permutations(members(reduced.net.middle))
        best = min(core.order_price(reduced.expand(list(order))) for order in rest)
        assert best == least_elimination(core), seed
    assert first > 300
    assert merged > 100


def test_too_large_a_graph_is_refused() -> None:
    problem = chain_problem([1] * 500)
    with pytest.raises(SolverError, match="498 intermediate vertices"):
        plan(problem, "dag-exact")
    assert lower_bound(EliminationCore(problem.graph)) == 498


def test_the_bound_that_was_stopped_is_a_bound() -> None:
    def stopping(after: int) -> Callable[[], None]:
        left = iter(range(after))

        def tick() -> None:
            if next(left, None) is None:
                raise SearchStopped

        return tick

    weaker = 0
    for seed in range(60):
        graph = busy_dag(random.Random(seed), 9).graph
        whole, optimum = (
            quick_bound(WorkGraph(graph)),
            EliminationCore(graph).fixed + least_elimination(EliminationCore(graph)),
        )
        for after in (0, 3):
            found = quick_bound(WorkGraph(graph), stopping(after))
            assert 0 < found <= whole <= optimum
            weaker += found < whole
    assert weaker
