"""The work graph and the core: prices against brute force, plans against checker and oracle."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest

from chainplan.execution.executor import execute
from chainplan.plans.check import check
from chainplan.plans.forward_reverse import order_price
from chainplan.plans.recorder import Recorder
from chainplan.problem.graph import Mode
from chainplan.solvers.elimination.bitset_problem import EliminationCore, members
from chainplan.solvers.elimination.elimination_graph import WorkGraph, order_plan
from chainplan.validation.reference import reference_jacobian
from chainplan.values.draw import draw
from generators.graphs import FAMILIES, make
from tests.answers import least_elimination
from tests.oracles.graph import Dag, order_cost
from tests.problems import dag_problem, random_dag
from tests.reference import instances


def test_every_order_gives_a_right_plan_of_the_predicted_price() -> None:
    for seed in range(200):
        rng = random.Random(seed)
        problem = random_dag(rng, 6)
        core = EliminationCore(problem.graph)
        order = list(members(core.middle))
        rng.shuffle(order)
        plan = order_plan(problem.graph, order)
        assert check(plan, problem).total == core.order_price(order) + core.fixed
        dag = Dag(problem.to_spec())
        assert core.order_price(order) == order_cost(dag, [WorkGraph(problem.graph).names[v] for v in order])
        assert dag.fixed in (core.fixed, None)
        values = draw(problem.graph, seed, np.int64)
        found = execute(plan, values)
        for pair, expected in reference_jacobian(problem, values).items():
            assert np.array_equal(found.get(pair, np.zeros_like(expected)), expected)


def test_dense_graphs_have_the_steps_that_a_work_graph_records() -> None:
    for seed in range(60):
        rng = random.Random(seed)
        problem = dag_problem(make(rng.choice(list(FAMILIES)), rng.randint(1, 14), True, seed))
        graph = problem.graph
        if seed % 2:  # an intermediate is an output too
            inner = rng.choice([v for v in graph.out_of if v not in graph.inputs])
            graph = replace(graph, outputs=(*graph.outputs, inner))
        work = WorkGraph(graph, Recorder(graph))
        order = sorted(work.middle)
        rng.shuffle(order)
        for v in order:
            work.eliminate(v)
        recorded, written = work.plan(), order_plan(graph, order)
        assert written.steps == recorded.steps
        assert list(map(type, written.steps)) == list(map(type, recorded.steps))
        assert written.outputs == recorded.outputs


def test_topological_orders_are_forward_and_reverse() -> None:
    for seed in range(200):
        graph = random_dag(random.Random(seed), 6).graph
        if any(not e.explicit for e in graph.useful):
            continue
        core = EliminationCore(graph)
        order = list(members(core.middle))
        assert core.order_price(order) == order_price(graph, Mode.TANGENT)
        assert core.order_price(order[::-1]) == order_price(graph, Mode.ADJOINT)


def recurrence(core: EliminationCore) -> int:
    """The optimum by the recurrence over sets: which vertex of a component goes last."""
    known: dict[int, int] = {}

    def best(inside: int) -> int:
        if inside not in known:
            known[inside] = min(
                core.price_last(v, inside) + sum(best(part) for part in core.components(inside & ~(1 << v)))
                for v in members(inside)
            )
        return known[inside]

    return sum(best(part) for part in core.components(core.middle))


@pytest.mark.parametrize("count", [300, pytest.param(3000, marks=pytest.mark.nightly)])
def test_the_recurrence_over_sets_is_the_best_of_all_orders(count: int) -> None:
    for seed in range(count):
        core = EliminationCore(random_dag(random.Random(seed), 5).graph)
        orders = itertools.permutations(members(core.middle))
        best = least_elimination(core)
        assert recurrence(core) == min(core.order_price(order) for order in orders) == best, seed


@pytest.mark.parametrize("instance", instances("dag_optimal.json"))
def test_reference_graphs_forward_and_reverse(instance: dict[str, object]) -> None:
    problem = dag_problem(instance)
    work, core = WorkGraph(problem.graph), EliminationCore(problem.graph)
    order = sorted(work.middle, key=lambda i: int(work.names[i]))
    assert core.order_price(order) == instance["forward"]
    assert core.order_price(order[::-1]) == instance["reverse"]
    if len(order) <= 8:
        assert recurrence(core) == instance["vertex_optimum"]
