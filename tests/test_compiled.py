"""The compiled routines give the same numbers as the Python code that they stand in for, and tell the same work."""

from __future__ import annotations

import json
import random

import pytest

from chainplan import render
from chainplan.compiled.loader import compiled_core
from chainplan.costs.operations import SCALAR_OPERATIONS
from chainplan.planner import plan
from chainplan.problem.cost import FMA
from chainplan.solvers.elimination.bitset_problem import EliminationCore
from chainplan.solvers.elimination.branch_and_bound import ExactSearch
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.elimination.greedy import PricedOrder, by_all_keys, greedy, randomised
from chainplan.solvers.elimination.greedy_keys import GREEDY_KEYS
from chainplan.solvers.elimination.mincut import CutNetwork
from chainplan.solvers.elimination.subset_dp import best_order
from tests.problems import busy_dag, classed_dag, dag_problem
from tests.reference import instances

needs_compiled = pytest.mark.skipif(compiled_core() is None, reason="not compiled; run python hatch_build.py")


def random_steps(rng: random.Random, n: int) -> list[int]:
    """The neighbours of each vertex of a random DAG, as bit sets."""
    density = rng.choice((0.05, 0.2, 0.5))
    return [sum(1 << u for u in range(v) if rng.random() < density) for v in range(n)]


@needs_compiled
def test_minimum_cuts_take_the_same_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(300):
        rng = random.Random(seed)
        n = rng.choice((5, 20, 64, 65, 90))
        step, size = random_steps(rng, n), [rng.choice((1, 3, 50, 1 << 40)) for _ in range(n)]

        def drawn(share: float, rng: random.Random = rng, n: int = n) -> int:
            return sum(1 << u for u in range(n) if rng.random() < share)

        v = rng.randrange(n)
        region, starts = drawn(0.8) | 1 << v, rng.choice((None, drawn(0.3) & ((1 << v) - 1)))
        locked, ends = drawn(0.2) & region & ~(1 << v), drawn(0.1)
        found: list[tuple[int, list[int]]] = []
        for compiled in ("1", "0"):
            monkeypatch.setenv("CHAINPLAN_COMPILED", compiled)
            work: list[int] = []
            found.append((CutNetwork(step, size).cut(v, region, locked, ends, work.append, starts), work))
        assert found[0] == found[1], seed


@needs_compiled
def test_what_a_watcher_raises_ends_a_cut() -> None:
    def look(work: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        CutNetwork([0, 1, 2], [1, 1, 1]).cut(2, 6, look=look)


STORED = [entry for entry in instances("dag_optimal.json") if entry.id != "scalar_layer_n32"]


def told(instance: dict[str, object], solver: str, nodes: int) -> dict[str, object]:
    """The plan file of a search that ends after so many nodes, without its seconds."""
    result = plan(dag_problem(instance), solver, nodes=nodes)
    file: dict[str, object] = json.loads(render(result, "json"))
    del file["seconds"]
    return file


@needs_compiled
@pytest.mark.parametrize("instance", STORED[::4])
def test_stored_instances_have_the_same_plans(instance: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for compiled in ("1", "0"):
        monkeypatch.setenv("CHAINPLAN_COMPILED", compiled)
        found.append([told(instance, "dag-exact", nodes) for nodes in (30, 300)])
    assert found[0] == found[1]


def went(core: EliminationCore) -> list[object]:
    """How an exact search goes: its bounds at first, by groups and in the end, its order, and its ticks."""
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1

    search = ExactSearch(core, tick=tick)
    bounds = [search.bound]
    search.prepare(tick)
    bounds.append(search.bound)
    search.run(None, tick)
    return [*bounds, search.bound, search.order, ticks]


@needs_compiled
def test_a_search_that_forgets_candidates_goes_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainplan.solvers.elimination.branch_and_bound.MAX_SETS_WITH_CANDIDATES", 20)
    for seed in range(6):
        core = EliminationCore(busy_dag(random.Random(seed), 17).graph)
        found = []
        for compiled in ("1", "0"):
            monkeypatch.setenv("CHAINPLAN_COMPILED", compiled)
            found.append(went(core))
        assert found[0] == found[1], seed


@needs_compiled
@pytest.mark.parametrize("n", [5, 7, pytest.param(9, marks=pytest.mark.nightly)])
def test_searches_of_mixed_blocks_go_the_same_way(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(30):
        core = EliminationCore(classed_dag(seed, n).graph)
        found = []
        for compiled in ("1", "0"):
            monkeypatch.setenv("CHAINPLAN_COMPILED", compiled)
            found.append(went(core))
        assert found[0] == found[1], seed


@needs_compiled
def test_fragments_are_priced_and_ordered_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(60):
        rng = random.Random(seed)
        work = WorkGraph(busy_dag(rng, rng.choice((9, 14, 40))).graph, None, (FMA, SCALAR_OPERATIONS)[seed % 2])
        assert work.dense
        order = rng.sample(sorted(work.middle), len(work.middle))
        fragment = [order.pop() for _ in range(min(len(order), rng.randint(1, 9)))]
        for v in order[: rng.randrange(20)]:
            work.eliminate(v)
        found = []
        for compiled in ("1", "0"):
            monkeypatch.setenv("CHAINPLAN_COMPILED", compiled)
            found.append([best_order(work, fragment, random.Random(seed), heat) for heat in (0.0, 0.3)])
        assert found[0] == found[1], seed


def greedily(work: WorkGraph, seed: int) -> tuple[list[PricedOrder], int]:
    """All greedy orders of a graph, also by keys drawn at random, and how often they asked whether to go on."""
    asked = 0

    def going() -> bool:
        nonlocal asked
        asked += 1
        return True

    found = [*by_all_keys(work, going), *randomised(work, random.Random(seed), 10, going)]
    return found, asked


@needs_compiled
def test_greedy_orders_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(20):
        graph = busy_dag(random.Random(seed), random.Random(seed).choice((3, 30, 60, 100))).graph
        work = WorkGraph(graph, None, (FMA, SCALAR_OPERATIONS)[seed % 2])
        found = []
        for compiled in ("1", "0"):
            monkeypatch.setenv("CHAINPLAN_COMPILED", compiled)
            found.append(greedily(work, seed))
        assert found[0] == found[1], seed


@needs_compiled
def test_a_greedy_order_ends_where_it_is_told_to() -> None:
    work = WorkGraph(busy_dag(random.Random(0), 600).graph)
    key, ranks = GREEDY_KEYS["lmmd"], range(len(work.size))
    assert greedy(work.copy(), key, ranks, going=lambda: False) is None
    order = greedy(work.copy(), key, ranks)
    assert order is not None
    assert greedy(work.copy(), key, ranks, order.price) is None
    assert greedy(work.copy(), key, ranks, order.price + 1) == order
