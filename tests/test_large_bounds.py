"""Lower bounds of large graphs: against minimum cuts and optima of small ones, and what they reach on large ones."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from chainplan.problem.graph import Graph
from chainplan.solvers.elimination.bitset_graph import BitsetGraph
from chainplan.solvers.elimination.bitset_problem import EliminationCore, members
from chainplan.solvers.elimination.cut_sum import cut_sum, net_sides, work_sides
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.elimination.path_bound import path_bound, quick_bound
from chainplan.solvers.elimination.residue_vectors import FIELD_SIZE, ResidueSpace, ResidueSpan
from chainplan.solvers.elimination.window_bound import depth_first, window_bound
from chainplan.solvers.search.search import SearchStopped
from generators.graphs import FAMILIES, dag_problem, make
from tests.answers import least_elimination
from tests.oracles.cuts import cheapest_cut
from tests.problems import busy_dag


def test_spans_are_minimum_cuts() -> None:
    lower = 0
    for seed in range(40):
        net = BitsetGraph.of(EliminationCore(busy_dag(random.Random(seed), 4).graph))
        for side, step, ends in zip(net_sides(net), (net.pred, net.succ), (0, net.kept), strict=True):
            for v, found in side.cuts(side.linked()).items():
                cut = cheapest_cut(step, net.size, v, net.middle, 0, ends & ~(1 << v))
                assert found <= cut
                lower += found < cut
    assert lower == 0


def test_unions_are_minimum_cuts_of_a_vertex_that_reads_them() -> None:
    for seed in range(12):
        rng = random.Random(seed)
        net = BitsetGraph.of(EliminationCore(busy_dag(rng, 4).graph))
        side, n = net_sides(net)[0], len(net.size)
        spans = side.linked()
        near = [rng.sample(sorted(spans.sent), 2) for _ in range(2)]
        for chosen, found in enumerate(spans.unions(near)):
            read = {u for i, some in enumerate(near) if chosen >> i & 1 for u in some}
            step = [*net.pred, sum(1 << u for u in read)]
            assert found == cheapest_cut(step, [*net.size, 1], n, net.middle | 1 << n, 0, 0)


@pytest.mark.parametrize("count", [60, pytest.param(6_000, marks=pytest.mark.nightly)])
def test_windows_are_never_above_the_optimum(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    gained = 0
    for seed in range(count):
        graph = busy_dag(random.Random(seed), 3 + seed % 6).graph
        work, optimum = WorkGraph(graph), least_elimination(EliminationCore(graph))
        cuts = found = cut_sum(work_sides(work))
        for sizes in ((1,), (2,), (2, 4), (3,), (9,)):
            monkeypatch.setattr("chainplan.solvers.elimination.window_bound.WINDOW_SIZES", sizes)
            found = window_bound(work)
            assert cuts <= found <= optimum, seed
            assert sizes[0] > 1 or found == cuts
        assert found == optimum
        gained += found > cuts
    assert gained > count / 4


def test_windows_are_convex() -> None:
    for seed in range(50):
        work = WorkGraph(busy_dag(random.Random(seed), 12).graph)
        place = {v: i for i, v in enumerate(depth_first(work))}
        assert place.keys() == work.middle
        assert all(place[u] < place[v] for v in work.middle for u in work.into[v] if u in work.middle)


def test_the_sum_of_cuts_is_never_above_the_optimum() -> None:
    for seed in range(60):
        graph = busy_dag(random.Random(seed), 8).graph
        core = EliminationCore(graph)
        found = cut_sum(work_sides(WorkGraph(graph)))
        assert (
            path_bound(WorkGraph(graph)) <= found == cut_sum(net_sides(BitsetGraph.of(core))) <= least_elimination(core)
        ), seed


def test_large_sizes_are_rounded_down() -> None:
    for seed in range(20):
        net = BitsetGraph.of(EliminationCore(busy_dag(random.Random(seed), 4).graph))
        net.size = [37 * size for size in net.size]
        for side, step, ends in zip(net_sides(net), (net.pred, net.succ), (0, net.kept), strict=True):
            for v, found in side.cuts(side.linked()).items():
                cut = cheapest_cut(step, net.size, v, net.middle, 0, ends & ~(1 << v))
                assert 0.6 * cut <= found <= cut


def test_a_pass_that_is_stopped_leaves_paths() -> None:
    graph = large("local", 120, False)
    whole, work = path_bound(WorkGraph(graph)), WorkGraph(graph)
    for after in (0, 60, 250, 10_000):
        left = iter(range(after))

        def look(work: int, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise SearchStopped

        before, whole = whole, window_bound(work, look)
        assert before <= whole
    assert path_bound(WorkGraph(graph)) < cut_sum(work_sides(work)) < whole == quick_bound(WorkGraph(graph))


def large(family: str, n: int, block: bool) -> Graph:
    return dag_problem(make(family, n, block)).graph


@pytest.mark.parametrize("family", FAMILIES)
def test_large_graphs_are_bounded_at_once(family: str) -> None:
    graph = large(family, 150, False)
    core = EliminationCore(graph)
    net = BitsetGraph.of(core)
    assert quick_bound(WorkGraph(graph)) >= sum(net.size[v] for v in members(net.middle))


def test_vectors_follow_the_rules_of_the_field() -> None:
    rng = random.Random(1)
    space = ResidueSpace(3)

    def lanes(vector: int) -> list[int]:
        return [vector >> 64 * i & (1 << 64) - 1 for i in range(3)]

    for _ in range(200):
        a, b = space.random_vector(rng), space.random_vector(rng)
        factor = rng.choice((0, 1, FIELD_SIZE - 1, rng.randrange(FIELD_SIZE)))
        found = lanes(space.plus_multiple(a, factor, b))
        assert found == [(x + factor * y) % FIELD_SIZE for x, y in zip(lanes(a), lanes(b), strict=True)]
    span = ResidueSpan(space)
    first, second = space.random_vector(rng), space.random_vector(rng)
    assert [span.add(first), span.add(second), span.add(space.plus_multiple(first, 5, second))] == [True, True, False]
    assert span.add(0) is False
    assert len(span) == 2
