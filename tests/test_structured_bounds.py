"""Lower bounds of graphs with structures: never above the optimum of the oracle, and as high as closed forms say."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from chainplan.planner import plan
from chainplan.problem.graph import Graph
from chainplan.problem.problem import Problem
from chainplan.solvers.elimination.bitset_graph import BitsetGraph
from chainplan.solvers.elimination.bitset_problem import EliminationCore, members
from chainplan.solvers.elimination.bounds import GroupTable
from chainplan.solvers.elimination.branch_and_bound import ExactSearch
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.elimination.entry_bounds import EntryBounds
from chainplan.solvers.elimination.entry_graph import EntryGraph
from chainplan.solvers.elimination.path_bound import lower_bound, path_bound, quick_bound
from chainplan.structures import DENSE, Block, Identity, NegatedIdentity, Structure
from chainplan.structures.banded import band
from generators.graphs import dag_problem, make
from tests.answers import least_elimination
from tests.problems import busy_dag, random_dag
from tests.reference import instances
from tests.structures import any_structure


def structured_graph(seed: int) -> Graph:
    """A random graph: of any structures, of these on a busy graph, or of dense blocks and units on a busy graph."""
    rng = random.Random(seed)
    if seed % 3 == 0:
        return random_dag(rng, 6).graph
    graph, units = busy_dag(rng, 3 + seed % 6).graph, seed // 3 % 3 == 0
    elementals = []
    for e in graph.elementals:
        m, n = e.block.rows, e.block.cols
        structure: Structure = DENSE
        if not units:
            structure = any_structure(rng, m, n)
        elif m == n:
            structure = rng.choice((DENSE, Identity(), NegatedIdentity()))
        elementals.append(replace(e, block=Block(m, n, structure)))
    return replace(graph, elementals=tuple(elementals))


@pytest.mark.parametrize("count", [120, pytest.param(20_000, marks=pytest.mark.nightly)])
def test_bounds_are_never_above_the_optimum(count: int) -> None:
    shares = []
    for seed in range(count):
        graph = structured_graph(seed)
        core = EliminationCore(graph)
        net, entries = BitsetGraph.of(core), EntryGraph.of(core, 10_000)
        if entries is None or not 1 < net.middle.bit_count() < 9:
            continue
        optimum, bounds = least_elimination(core), EntryBounds(net, entries)
        table = GroupTable(bounds, net.middle, net.middle)
        alone, together = sum(bounds.lows(net.middle)), table.least[net.middle]
        assert alone <= together <= optimum, seed
        assert max(path_bound(WorkGraph(graph)), quick_bound(WorkGraph(graph))) - core.least_fixed <= optimum, seed
        mask = random.Random(seed).getrandbits(len(core.size)) & net.middle
        assert table.least[mask] <= least_elimination(core, mask), seed
        shares.append(together / optimum if optimum else 1.0)
    assert sum(shares) > 0.98 * len(shares) > 0.6 * count


def test_groups_and_single_vertices_add_up_on_every_subset() -> None:
    for seed in range(80):
        core, rng = EliminationCore(structured_graph(seed)), random.Random(seed)
        net, entries = BitsetGraph.of(core), EntryGraph.of(core, 10_000)
        if entries is None or not 1 < net.middle.bit_count() < 8:
            continue
        bounds = EntryBounds(net, entries)
        group, mask = (sum(1 << v for v in members(net.middle) if rng.random() < 0.7) for _ in range(2))
        alone = sum(low for v, low in zip(members(mask), bounds.lows(mask), strict=True) if not group >> v & 1)
        least = least_elimination(core, mask)
        assert GroupTable(bounds, net.middle, group).least[group & mask] + alone <= least, seed
        assert lower_bound(core, mask) <= least, seed


def scalar_graph(n: int, edges: list[tuple[int, ...]], inputs: int) -> Graph:
    """A graph of n scalar vertices, of which the first are inputs and the last is the output."""
    entry = {"name": "scalar", "sizes": [1] * n, "inputs": range(inputs), "outputs": [n - 1], "edges": edges}
    return dag_problem(entry, units=True).graph


def euler_steps(steps: int) -> Graph:
    """Explicit Euler steps x + dt · f(x, p): x and the parameter p enter each, x is passed on by a unit edge."""
    edges: list[tuple[int, ...]] = []
    x, n = 0, 2
    for _ in range(steps):
        edges += [(x, n, 0), (1, n, 0), (n, n + 1, 0), (x, n + 1, 1)]
        x, n = n + 1, n + 2
    return scalar_graph(n, edges, 2)


def test_steps_that_pass_a_state_on_are_bounded() -> None:
    for steps in (2, 4):
        graph = euler_steps(steps)
        core = EliminationCore(graph)
        optimum = least_elimination(core)
        assert path_bound(WorkGraph(graph)) >= 2 * steps - 1
        assert quick_bound(WorkGraph(graph)) == optimum


def test_units_are_free() -> None:
    one = scalar_graph(5, [(0, 1, 1), (1, 2, -1), (2, 3, 0), (3, 4, 0)], 1)
    two = scalar_graph(6, [(0, 1, 1), (0, 2, 1), (1, 3, 1), (2, 3, -1), (3, 4, 0), (4, 5, 0)], 1)
    assert quick_bound(WorkGraph(one)) == least_elimination(EliminationCore(one)) == 1
    assert quick_bound(WorkGraph(two)) == least_elimination(EliminationCore(two)) == 1


def test_entries_are_told_apart_where_structures_need_it() -> None:
    problem = random_dag(random.Random(3), 4, dense=True)
    core = EliminationCore(problem.graph)
    entries = EntryGraph.of(core, 10_000)
    assert entries is not None
    assert entries.single
    assert entries.net.size == core.size
    assert EntryGraph.of(core, len(core.size) - 1) is None


@pytest.mark.parametrize("entry", instances("dag_elimination.json"))
def test_bounds_of_published_graphs(entry: dict[str, object]) -> None:
    problem = dag_problem(entry, units=True)
    figures = entry["unit_free"]
    assert isinstance(figures, dict)
    assert 0 < path_bound(WorkGraph(problem.graph)) <= figures["best_known"]
    core = EliminationCore(problem.graph)
    assert 0 < ExactSearch(core).bound <= figures["best_known"]


def test_graphs_of_too_many_entries_for_the_search_are_bounded() -> None:
    spec = make("local", 30, False, seed=1)
    graph = dag_problem({**spec, "sizes": [12] * len(spec["sizes"])}).graph
    banded = tuple(replace(e, block=Block(12, 12, band(1, 1))) for e in graph.elementals)
    result = plan(Problem(replace(graph, elementals=banded)), nodes=60)
    assert result.cost is not None
    assert 0 < result.bound <= result.cost.fma
