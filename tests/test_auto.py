"""auto on graphs that are not chains: the published graphs, bounds, memory limits, matrix-free elementals."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from chainplan.execution.executor import execute
from chainplan.planner import plan
from chainplan.plans.bound import Status
from chainplan.plans.check import check
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem
from chainplan.solvers.registry import SOLVERS
from chainplan.solvers.search.search import Search
from chainplan.structures import Block
from chainplan.validation.reference import reference_jacobian
from chainplan.values.draw import draw
from tests.oracles.graph import Dag, least_vertex_cost
from tests.problems import dag_problem, random_dag
from tests.reference import instances

SLOW = {
    ("KerrSenn_metric", "unit_free"),
    ("RoeFlux_1d", "plain"),
    ("RoeFlux_1d", "unit_free"),
    ("SteadyStateCombustion", "unit_free"),
    ("BlackScholes_Jacobian_vmap1", "plain"),
    ("BlackScholes_Jacobian_vmap1", "unit_free"),
    ("MLP_scalarized", "unit_free"),
}


def published() -> list[object]:
    """(instance, metric) of every published graph; the ones that take a search for the nightly run."""
    result: list[object] = []
    for parameter in instances("dag_elimination.json"):
        (instance,) = parameter.values
        for metric in ("plain", "unit_free"):
            slow = instance is not None and (instance["name"], metric) in SLOW
            marks = [*parameter.marks, *([pytest.mark.nightly] if slow else [])]
            result.append(pytest.param(instance, metric, marks=marks, id=f"{parameter.id}-{metric}"))
    return result


@pytest.mark.parametrize(("instance", "metric"), published())
def test_published_graphs_reach_the_best_known(instance: dict[str, object], metric: str) -> None:
    problem = dag_problem(instance, units=metric == "unit_free")
    result = plan(problem, budget=20)
    figures = instance[metric]
    assert isinstance(figures, dict)
    assert result.plan is not None
    assert result.cost is not None
    assert 0 < result.bound <= result.cost.fma <= figures["best_known"]
    check(result.plan, problem)
    values = draw(problem.graph, 0, np.int64)
    found = execute(result.plan, values)
    for pair, expected in reference_jacobian(problem, values).items():
        assert np.array_equal(found.get(pair, np.zeros_like(expected)), expected)


@pytest.mark.parametrize("count", [60, 150])
def test_a_search_ends_where_its_bound_proves_the_plan(count: int) -> None:
    vertices = [f"v{i}" for i in range(count + 2)]
    blocks = [Elemental(f"e{i}", a, b, Block(2, 2)) for i, (a, b) in enumerate(pairwise(vertices))]
    blocks.append(Elemental("aside", vertices[-2], "w", Block(2, 2)))
    ends = (vertices[0],), (vertices[-1], "w")
    search = Search(nodes=100_000)
    outcome = SOLVERS["auto"].solve(Problem(Graph(dict.fromkeys([*vertices, "w"], 2), *ends, tuple(blocks))), search)
    assert outcome.status is Status.OPTIMAL
    assert outcome.candidate is not None
    assert outcome.candidate.price == outcome.bound.value == 8 * (count + 1)
    assert search.ticks < 1000


def test_small_graphs_are_proven_and_no_solver_is_cheaper() -> None:
    for seed in range(60):
        problem = random_dag(random.Random(seed))
        result = plan(problem, budget=5)
        assert result.cost is not None
        explicit = all(e.explicit for e in problem.graph.useful)
        if explicit and problem.graph.not_a_chain is not None:
            assert result.status is Status.OPTIMAL
            assert result.optimal_within == "vertex elimination"
            assert result.bound == result.cost.fma == least_vertex_cost(Dag(problem.to_spec())), seed
        for name in ("forward", "reverse", "greedy", "local-search", "dag-exact"):
            other = plan(problem, name).cost
            assert other is not None
            assert result.cost.fma <= other.fma, (seed, name)


def test_a_memory_limit_on_a_graph_is_kept_or_said_to_be_missed() -> None:
    kept = missed = 0
    for seed in range(60):
        problem = random_dag(random.Random(seed))
        free = plan(problem, budget=5)
        if problem.graph.not_a_chain is None or free.cost is None or free.cost.peak_elements < 4:
            continue
        for limit in (free.cost.peak_elements, free.cost.peak_elements - 1, 1):
            result = plan(replace(problem, memory=limit), budget=0.2)
            if result.cost is None:
                missed += 1
                assert result.status in (Status.BUDGET, Status.INFEASIBLE)
                assert f"limits.memory is {limit:,}. Raise it." in result.notes[0]
            else:
                kept += 1
                assert result.cost.peak_elements <= limit
    assert kept > 20
    assert missed > 20


def test_a_tiny_budget_still_gives_a_plan() -> None:
    for seed in range(20):
        problem = random_dag(random.Random(seed), 8)
        result = plan(problem, budget=0)
        assert result.cost is not None
        assert result.bound <= result.cost.fma
