"""Greedy keys, fragments, annealing and local search: published figures, brute force, and what must never happen."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from chainplan.planner import plan
from chainplan.plans.check import check
from chainplan.problem.graph import Graph
from chainplan.problem.problem import Problem
from chainplan.solvers.elimination.annealing import annealed
from chainplan.solvers.elimination.elimination_graph import WorkGraph, order_plan
from chainplan.solvers.elimination.greedy import by_all_keys, greedy, randomised, ranks
from chainplan.solvers.elimination.greedy_keys import GREEDY_KEYS
from chainplan.solvers.elimination.large_neighbourhood import cut, parents, sweep
from chainplan.solvers.elimination.local_search import improve
from chainplan.solvers.elimination.subset_dp import best_order
from chainplan.solvers.search.search import Search, SearchStopped
from generators.graphs import FAMILIES, make
from tests.problems import chain_problem, dag_problem, random_dag
from tests.reference import instances

METRICS = ("plain", "unit_free")


def price_of(work: WorkGraph, order: list[int]) -> int:
    """Price of an order by elimination, one vertex after the other."""
    now = work.copy()
    return sum(now.eliminate(v) for v in order)


def declared(work: WorkGraph, ties: str) -> list[int]:
    """Ranks by which ties go to the vertex declared first (`low`) or last, as in the published figures."""
    place = {name: i for i, name in enumerate(work.graph.sizes)}
    return [place[name] if ties == "low" else -place[name] for name in work.names]


def shuffled(work: WorkGraph, rng: random.Random) -> list[int]:
    order = sorted(work.middle)
    rng.shuffle(order)
    return order


def exact(rng: random.Random) -> Any:
    return lambda work, fragment: best_order(work, fragment, rng)


def best_price(problem: Problem, **limits: Any) -> int:
    return min(improve(WorkGraph(problem.graph), random.Random(0), **limits)).price


@pytest.mark.parametrize("ties", ["low", "high"])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("instance", instances("dag_elimination.json"))
def test_markowitz_figures_of_the_benchmark_functions(instance: dict[str, Any], metric: str, ties: str) -> None:
    work = WorkGraph(dag_problem(instance, units=metric == "unit_free").graph)
    found = greedy(work, GREEDY_KEYS["markowitz"], declared(work, ties))
    assert found is not None
    assert found.price == instance[metric][f"markowitz_{ties}"]


@pytest.mark.parametrize("instance", instances("dag_optimal.json"))
def test_block_markowitz_figures_and_the_optimum(instance: dict[str, Any]) -> None:
    work = WorkGraph(dag_problem(instance).graph)
    for ties in ("low", "high"):
        if f"markowitz_{ties}" in instance:
            found = greedy(work.copy(), GREEDY_KEYS["price"], declared(work, ties))
            assert found is not None
            assert found.price == instance[f"markowitz_{ties}"]
    price = best_price(dag_problem(instance), visits=2000)
    assert instance["vertex_optimum"] <= price <= 1.02 * instance["vertex_optimum"]


@pytest.mark.nightly
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("instance", instances("dag_elimination.json"))
def test_best_known_orders_of_the_benchmark_functions(instance: dict[str, Any], metric: str) -> None:
    problem = dag_problem(instance, units=metric == "unit_free")
    assert best_price(problem, patience=40, visits=400_000) <= instance[metric]["best_known"]


def test_ties_matter_on_the_published_graphs() -> None:
    """Two vertices of equal degree: the one declared last first, and the other way round."""
    problem = dag_problem({"name": "tie", "edges": [(0, 1), (0, 2), (1, 3), (2, 3)], "inputs": [0], "outputs": [3]})
    for ties, order in (("low", [1, 2]), ("high", [2, 1])):
        work = WorkGraph(problem.graph)
        found = greedy(work, GREEDY_KEYS["markowitz"], declared(work, ties))
        assert found is not None
        assert [work.names[v] for v in found.order] == [str(v) for v in order]


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_orders_do_not_depend_on_how_the_graph_is_declared(family: str) -> None:
    problem, prices = dag_problem(make(family, 120, False)), []
    for seed in range(4):
        rng = random.Random(seed)
        graph = problem.graph
        names, elementals = list(graph.sizes), list(graph.elementals)
        if seed:
            rng.shuffle(names)
            rng.shuffle(elementals)
        other = Graph({v: graph.sizes[v] for v in names}, graph.inputs, graph.outputs, tuple(elementals))
        prices.append({found.name: found.price for found in by_all_keys(WorkGraph(other))})
    assert all(found == prices[0] for found in prices)
    assert len(prices[0]) > 10


def test_keys_by_their_definitions() -> None:
    """Local figures of LMMD, MOMR and fill against a copy of the graph that is really eliminated."""
    for seed in range(150):
        work = WorkGraph(random_dag(random.Random(seed), 6).graph)
        for v in work.middle if work.dense else ():
            after = work.copy()
            after.eliminate(v)
            before = {u: work.price(u) for u in work.middle}
            change = sum(after.price(u) - before[u] for u in after.middle)
            assert GREEDY_KEYS["momr"].of(work)(work, v) == change - before[v]
            assert GREEDY_KEYS["lmmd"].of(work)(work, v) == before[v] + change / 2
            entries = [
                sum(g.size[p] * g.size[s] for p, row in enumerate(g.out) for s in row if v not in (p, s))
                for g in (work, after)
            ]
            assert GREEDY_KEYS["fill"].of(work)(work, v) == entries[1] - entries[0]


def test_greedy_orders_have_the_price_they_claim() -> None:
    for seed in range(60):
        rng = random.Random(seed)
        work = WorkGraph(random_dag(rng, 7).graph)
        for found in itertools.chain(by_all_keys(work), randomised(work, rng, 3)):
            assert sorted(found.order) == sorted(work.middle)
            assert found.price == price_of(work, found.order), found.name


@pytest.mark.parametrize("dense", [False, True])
def test_the_order_of_a_few_vertices_is_the_best_of_all(dense: bool) -> None:
    for seed in range(300):
        rng = random.Random(seed)
        work = WorkGraph(random_dag(rng, 6, dense).graph)
        order = shuffled(work, rng)
        first, rest = order[:1], order[1:5]
        for v in first:
            work.eliminate(v)
        if rest:
            best = min(price_of(work, list(other)) for other in itertools.permutations(rest))
            assert price_of(work, best_order(work, rest, rng)) == best, seed
            assert price_of(work, annealed(work, rest, rng, 300)) >= best


def test_huge_sizes_are_exact() -> None:
    for seed in range(20):
        rng = random.Random(seed)
        problem = chain_problem([rng.randint(10**11, 10**12) for _ in range(9)])
        assert best_price(problem) == plan(problem, "chain-dp").bound


def test_the_tree_of_an_order() -> None:
    """The parent is the first later vertex that the component of eliminated vertices touches."""
    for seed in range(100):
        rng = random.Random(seed)
        work = WorkGraph(random_dag(rng, 9).graph)
        order = shuffled(work, rng)
        parent = parents(work, order)
        for i, v in enumerate(order):
            component, border = {v}, [v]
            while border:
                u = border.pop()
                near = {*work.into[u], *work.out[u]} & set(order[: i + 1]) - component
                component |= near
                border += near
            touched = {u for w in component for u in (*work.into[w], *work.out[w])}
            assert parent.get(v) == next((u for u in order[i + 1 :] if u in touched), None)
        for most in (1, 2, 4, 20):
            fragments = cut(order, parent, most, rng)
            assert sorted(v for fragment in fragments for v in fragment) == sorted(order)
            for fragment in fragments:
                assert len(fragment) <= most
                assert all(parent[v] in fragment for v in fragment[:-1])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("block", [False, True])
def test_fragments_never_worsen(family: str, block: bool) -> None:
    rng = random.Random(1)
    work = WorkGraph(dag_problem(make(family, 40, block)).graph)
    order, price = shuffled(work, rng), 10**12
    for most in (2, 5, 8, 10):
        found, _ = sweep(work, order, most, rng, exact(rng))
        assert found.price == price_of(work, found.order) <= min(price, price_of(work, order))
        order, price = found.order, found.price


def test_fragments_of_structured_graphs_never_worsen_and_whole_ones_are_optimal() -> None:
    whole = 0
    for seed in range(200):
        rng = random.Random(seed)
        work = WorkGraph(random_dag(rng, 6).graph)
        order = shuffled(work, rng)
        for most in (2, 4, 8):
            result = sweep(work, order, most, rng, exact(rng))
            assert result.priced.price == price_of(work, result.priced.order) <= price_of(work, order)
            if result.whole and len(order) <= 5:
                whole += 1
                assert result.priced.price == min(price_of(work, list(o)) for o in itertools.permutations(order))
    assert whole > 100


def test_a_search_is_a_function_of_its_seed() -> None:
    for family in ("global", "residual"):
        graph = dag_problem(make(family, 30, True)).graph
        runs = [list(improve(WorkGraph(graph), random.Random(5), visits=1500)) for _ in range(2)]
        assert runs[0] == runs[1]


def test_local_search_solves_chains() -> None:
    for seed in range(10):
        rng = random.Random(seed)
        problem = chain_problem([rng.randint(1, 30) for _ in range(12)])
        result = plan(problem, "local-search", seed=seed)
        assert result.cost is not None
        assert result.cost.fma == plan(problem, "chain-dp").bound


def test_a_stopped_search_keeps_its_best_order() -> None:
    problem = dag_problem(make("local", 60, True))
    found: list[int] = []
    asked = itertools.count()
    for better in improve(WorkGraph(problem.graph), random.Random(0), lambda: next(asked) < 40):
        found.append(better.price)
        assert better.price == price_of(WorkGraph(problem.graph), better.order)
    result = plan(problem, "local-search", budget=0)
    assert result.cost is not None
    assert result.cost.fma <= result.baselines.forward


def test_an_interrupted_search_makes_the_plan_that_was_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = dag_problem(make("local", 60, True))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("chainplan.solvers.search.search.Search.tick", interrupt)
    result = plan(problem, "local-search")
    assert result.cost is not None
    assert result.cost.fma <= result.baselines.forward
    assert "interrupted" in result.notes[0]


def test_going_says_when_the_budget_is_over() -> None:
    search = Search(budget=0)
    assert not search.going()
    with pytest.raises(SearchStopped):
        search.tick()
    assert Search().going()


@pytest.mark.nightly
def test_a_hundred_thousand_vertices() -> None:
    problem = dag_problem(make("degree", 100_000, False))
    work = WorkGraph(problem.graph)
    found = greedy(work, GREEDY_KEYS["markowitz"], ranks(work, "high"))
    assert found is not None
    order = GREEDY_KEYS["forward"]
    forward = greedy(WorkGraph(problem.graph), order, ranks(work, "low"))
    assert forward is not None
    best = min(found, forward)
    assert check(order_plan(problem.graph, best.order), problem).total == best.price
