"""Edge and face elimination: plans against checker and oracle, optima against the reference graphs."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chainplan.execution.executor import execute
from chainplan.plans.check import check
from chainplan.problem.graph import Graph
from chainplan.solvers.elimination.edge_moves import EdgeMoves
from chainplan.solvers.elimination.face_moves import FaceMoves
from chainplan.solvers.elimination.state_search import EliminationMoves, cheapest, improve
from chainplan.solvers.search.search import Search
from chainplan.validation.reference import reference_jacobian
from chainplan.values.draw import draw
from tests.oracles.faces import least_face_cost
from tests.oracles.graph import Dag, least_edge_cost, least_vertex_cost
from tests.problems import dag_problem, random_dag
from tests.reference import instances

KINDS = ("edge", "face")
NOTHING: tuple[int, list[Any]] = (1 << 200, [])
SLOW = {"bat", "block_expr_n5", "edge_beats_vertex_12", "edge_beats_vertex_16", "edge_beats_vertex_10"}
OUT_OF_REACH = {("face", "bat"), ("edge", "block_expr_n5"), ("face", "block_expr_n5"), ("face", "edge_beats_vertex_12")}
"""Optima that are not proven within 30,000 states."""


def make(kind: str, graph: Graph) -> EliminationMoves[Any, Any]:
    return EdgeMoves(graph) if kind == "edge" else FaceMoves(graph)


@pytest.mark.parametrize("kind", KINDS)
def test_random_sequences_give_right_plans_of_the_predicted_price(kind: str) -> None:
    tried = 0
    for seed in range(150):
        problem = random_dag(random.Random(seed), 3)
        if len(problem.graph.useful) > 12:
            continue
        tried += 1
        total, moves = improve(make(kind, problem.graph), NOTHING, 2, Search(seed=seed))
        plan = make(kind, problem.graph).plan(moves)
        replayed = check(plan, problem)
        if all(e.explicit for e in problem.graph.elementals):
            assert replayed.total == total
        values = draw(problem.graph, seed, np.int64)
        found = execute(plan, values)
        for pair, expected in reference_jacobian(problem, values).items():
            assert np.array_equal(found.get(pair, np.zeros_like(expected)), expected)
    assert tried > 60


@pytest.mark.parametrize(("kind", "most"), [("edge", 11), ("face", 7)])
def test_it_is_the_shortest_path_over_all_states(kind: str, most: int) -> None:
    compared = below = 0
    for seed in range(400):
        problem = random_dag(random.Random(seed), 4, dense=True)
        links = tuple(replace(e, tangent=None, adjoint=None, tape=0) for e in problem.graph.elementals)
        problem = replace(problem, graph=replace(problem.graph, elementals=links))
        dag = Dag(problem.to_spec())
        if len(dag.middle) < 2 or len(dag.edges) > most:
            continue
        found = cheapest(make(kind, problem.graph), NOTHING, 100_000, Search())
        vertices = least_vertex_cost(dag)
        due = least_edge_cost(dag) if kind == "edge" else least_face_cost(dag)
        assert found is not None
        assert found[0] == due <= vertices, seed
        compared, below = compared + 1, below + (due < vertices)
    assert compared > 20
    assert below > 0


def known_optima() -> list[object]:
    """(kind, instance) for every optimum that the reference holds; the slow ones for the nightly run."""
    result: list[object] = []
    for parameter in instances("dag_optimal.json"):
        (instance,) = parameter.values
        for kind in KINDS:
            if instance is not None and (kind, instance["name"]) in OUT_OF_REACH:
                continue
            if instance is None or f"{kind}_optimum" in instance:
                marks = list(parameter.marks)
                if instance is not None and instance["name"] in SLOW:
                    marks.append(pytest.mark.nightly)
                result.append(pytest.param(kind, instance, marks=marks, id=f"{kind}-{parameter.id}"))
    return result


@pytest.mark.parametrize(("kind", "instance"), known_optima())
def test_reference_optima(kind: str, instance: dict[str, object]) -> None:
    problem = dag_problem(instance)
    moves = make(kind, problem.graph)
    found = cheapest(moves, improve(moves, NOTHING, 100, Search()), 30_000, Search())
    assert found is not None
    assert found[0] == instance[f"{kind}_optimum"] == check(moves.plan(found[1]), problem).total
