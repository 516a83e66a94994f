"""Planning for the fewest operations of scalar code: exact search against brute force on entries, and its laws."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from chainplan.costs.objectives import objective_model
from chainplan.costs.operations import SCALAR_OPERATIONS
from chainplan.costs.timed import WEIGHTED_COST
from chainplan.errors import SolverError
from chainplan.io.plan_file import parse_plan
from chainplan.io.plan_file_claims import verify
from chainplan.io.read import from_spec
from chainplan.planner import plan
from chainplan.plans.bound import Status
from chainplan.plans.replay import replay
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem
from chainplan.report.json import render
from chainplan.solvers.elimination.bitset_graph import BitsetGraph
from chainplan.solvers.elimination.bitset_problem import EliminationCore, members
from chainplan.solvers.elimination.block_classes import edge_classes
from chainplan.solvers.elimination.bounds import SetBounds
from chainplan.solvers.elimination.branch_and_bound import ExactSearch
from chainplan.solvers.elimination.elimination_graph import WorkGraph, order_plan
from chainplan.solvers.elimination.path_bound import path_bound, quick_bound
from chainplan.solvers.elimination.subset_dp import best_order
from chainplan.solvers.registry import SOLVERS
from tests.oracles.operations import OperationsDag
from tests.problems import busy_dag, classed_dag, dag_problem, random_dag

MOST_VERTICES = 5
MOST_TOTAL_SIZE = 16


def tiny(seed: int) -> Problem:
    """A graph with few intermediates: dense, or of dense blocks, units and other diagonals."""
    graph = classed_dag(seed, 4) if seed % 3 else busy_dag(random.Random(seed), 2 + seed % 4)
    return replace(graph, cost=SCALAR_OPERATIONS)


@pytest.mark.parametrize("first", [0, pytest.param(100_000, marks=pytest.mark.nightly)])
def test_exact_search_is_brute_force_on_entries(first: int) -> None:
    decided = units = 0
    for seed in count(first):
        problem = tiny(seed)
        if first == 0 and sum(problem.graph.sizes.values()) > MOST_TOTAL_SIZE:
            continue
        dag = OperationsDag(problem.to_spec())
        if len(dag.middle) > MOST_VERTICES:
            continue
        core = EliminationCore(problem.graph, problem.cost)
        search = ExactSearch(core)
        search.prepare()
        least = dag.least()
        assert search.bound + core.fixed <= least, seed
        assert search.run()
        assert search.order is not None
        assert search.bound + core.fixed == least == core.order_price(search.order) + core.fixed, seed
        assert least == dag.operations([core.work.names[v] for v in search.order])
        decided += 1
        units += core.work.classed and not core.dense
        if decided == 1000 + first // 10:
            break
    assert units > 300


def test_the_prices_of_an_order_are_those_of_its_plan() -> None:
    for seed in range(150):
        rng = random.Random(seed)
        for problem in (random_dag(rng, 6), classed_dag(seed, 8)):
            work = WorkGraph(problem.graph, None, SCALAR_OPERATIONS)
            order = rng.sample(sorted(work.middle), len(work.middle))
            price = work.order_price(order) + work.fixed_price.price
            assert price == replay(order_plan(problem.graph, order), SCALAR_OPERATIONS).total, seed


def test_in_time_they_are_where_blocks_are_dense() -> None:
    for seed in range(60):
        problem = busy_dag(random.Random(seed), 6)
        work = WorkGraph(problem.graph, None, WEIGHTED_COST)
        order = random.Random(seed).sample(sorted(work.middle), len(work.middle))
        price = work.order_price(order) + work.fixed_price.price
        assert price == replay(order_plan(problem.graph, order), WEIGHTED_COST).total, seed


def test_sets_are_priced_as_by_blocks() -> None:
    for seed in range(60):
        core = EliminationCore(classed_dag(seed, 7).graph, SCALAR_OPERATIONS)
        net = BitsetGraph.of(core, None, edge_classes(core))
        bounds = SetBounds(net)
        for mask in range(1, 1 << core.middle.bit_count()):
            inside = sum(1 << v for i, v in enumerate(members(core.middle)) if mask >> i & 1)
            scan = bounds.scan(inside)
            assert scan.last == [core.price_last(v, inside) for v in scan.vertices], seed
            assert all(low <= last for low, last in zip(scan.least, scan.last, strict=True))
        order = random.Random(seed).sample(list(members(core.middle)), core.middle.bit_count())
        assert sum(map(net.eliminate, order)) == core.order_price(order), seed


def test_fragments_are_ordered_exactly() -> None:
    for seed in range(60):
        problem = tiny(seed)
        work = WorkGraph(problem.graph, None, problem.cost)
        if not 1 < len(work.middle) <= MOST_VERTICES:
            continue
        order = best_order(work, sorted(work.middle), random.Random(seed))
        least = OperationsDag(problem.to_spec()).least()
        assert work.order_price(order) + work.fixed_price.price == least, seed


def test_no_bound_exceeds_the_best_plan() -> None:
    """Matrix-free elementals are accumulated in a work graph: plans that apply them are no plans of its class."""
    above = 0
    for seed in range(80):
        problem = tiny(seed) if seed % 2 else replace(random_dag(random.Random(seed), 5), cost=SCALAR_OPERATIONS)
        work = WorkGraph(problem.graph, None, problem.cost)
        best = plan(problem, "greedy").price
        assert best is not None
        assert max(path_bound(work), quick_bound(work)) <= best or not problem.graph.explicit, seed
        in_fma = WorkGraph(problem.graph)
        assert path_bound(work) >= path_bound(in_fma), seed
        assert quick_bound(work) >= quick_bound(in_fma), seed
        above += quick_bound(work) > 0
    assert above > 40


@pytest.mark.parametrize("name", ["dag-exact", "cp-sat", "edge", "face", "greedy", "local-search", "auto"])
def test_every_solver_of_graphs_takes_the_objective(name: str) -> None:
    taken, most = 0, 2 if name in ("edge", "face") else MOST_VERTICES
    for seed in range(48):
        problem = tiny(4 * seed)
        dag = OperationsDag(problem.to_spec())
        if SOLVERS[name].refusal(problem) is not None or not 1 < len(dag.middle) <= most or taken == 8:
            continue
        found, least = plan(problem, name, nodes=500 if name in ("edge", "face") else 5000), dag.least()
        assert found.plan is not None
        assert found.price == replay(found.plan, SCALAR_OPERATIONS).total
        assert found.bound <= found.price
        if name in ("dag-exact", "cp-sat", "auto"):
            assert (found.status, found.price, found.optimal_within) == (Status.OPTIMAL, least, "vertex elimination")
        elif name in ("edge", "face"):
            assert found.bound <= least
        taken += 1
    assert taken > 3


def test_the_fewest_operations_are_not_the_fewest_fma() -> None:
    different = 0
    for seed in range(60):
        problem = tiny(seed)
        by_fma = plan(replace(problem, cost=FMA), "dag-exact", budget=20).plan
        fewest = plan(problem, "dag-exact", budget=20)
        assert by_fma is not None
        assert fewest.price is not None
        different += replay(by_fma, SCALAR_OPERATIONS).total > fewest.price
    assert different >= 2


def test_a_plan_file_of_a_graph_is_proven_again() -> None:
    problem = replace(dag_problem(_square()), cost=objective_model("operations"))
    found = plan(problem)
    assert (found.price, found.bound, found.optimal_within) == (4, 4, "vertex elimination")
    saved = parse_plan(render(found), "plan.json")
    assert saved.document["objective"] == "operations"
    assert saved.document["bound"] == {"operations": 4, "within": "vertex elimination"}
    verify(saved)


def _square() -> dict[str, Any]:
    """Two paths that meet: a product, a product onto it, and a product of what results."""
    edges = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)]
    return {"name": "square", "sizes": [1] * 5, "edges": edges, "inputs": [0], "outputs": [4]}


@pytest.mark.parametrize(("sizes", "structure"), [([2, 0, 2, 2, 2], "dense"), ([2] * 5, "lower_triangular")])
def test_exact_search_refuses_what_it_cannot_prove(sizes: list[int], structure: str) -> None:
    spec = dag_problem({**_square(), "sizes": sizes}).to_spec()
    for jacobian in spec["dag"]["jacobians"]:
        jacobian["structure"] = structure
    problem = replace(from_spec(spec), cost=SCALAR_OPERATIONS)
    with pytest.raises(SolverError, match="it minimises operations where blocks are dense or diagonal and"):
        plan(problem, "dag-exact")
    found = plan(problem, budget=5)
    assert found.price is not None
    assert found.price <= found.price_baselines.best
