"""What a plan holds when it runs, by tracemalloc, is what the replayer says: 200 random plans, chains and layers.

Every Jacobian, tape and state is allocated by the run itself, 8 bytes to an element. Besides them a run may hold
part of an identity that a matrix-free elemental is applied to and what comes of it, `MAX_SEEDED_ENTRIES` entries each,
a copy of one state while a layer evaluates it, and Python's own objects: `OVERHEAD` bytes, whatever the sizes are.
"""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan._util.arrays import Array
from chainplan._util.bytesize import BYTES_PER_ELEMENT
from chainplan.execution.chunked_apply import MAX_SEEDED_ENTRIES
from chainplan.execution.executor import prepared
from chainplan.planner import plan
from chainplan.plans.replay import replay
from chainplan.plans.steps import Plan
from chainplan.problem.graph import Graph
from chainplan.problem.problem import Problem
from chainplan.programs.stepwise import Stepwise
from chainplan.structures import DENSE, DIAGONAL, Structure
from chainplan.tradeoff import pareto
from chainplan.values.draw import draw
from chainplan.values.primal import FixedJacobians, Primal
from tests.problems import chain_problem

OVERHEAD = 2 * MAX_SEEDED_ENTRIES * BYTES_PER_ELEMENT + 16 * 1024
SIZES = (8, 40, 64, 120)


class Fresh(Primal):
    """A primal whose Jacobians are allocated when they are asked for, as those of a real one are, tapes included."""

    def __init__(self, graph: Graph, inner: Primal) -> None:
        self._graph, self._inner = graph, inner

    @property
    def dtype(self) -> Any:
        return self._inner.dtype

    def start(self) -> Any:
        return self._inner.start()

    def advance(self, elemental: str, state: Any) -> Any:
        return self._inner.advance(elemental, state)

    def linearise(self, elemental: str, state: Any) -> Any:
        e, given = self._graph[elemental], self._inner.linearise(elemental, state)
        assert given is not None
        return np.array(given) if e.explicit else functions(given, e.tape)

    def __getitem__(self, name: str) -> Any:
        return self._inner[name]

    def __iter__(self) -> Any:
        return iter(self._inner)

    def __len__(self) -> int:
        return len(self._inner)


def functions(matrix: Array, tape: int) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """A tangent and an adjoint that records a tape."""

    return (lambda block: matrix @ block), lambda block: taped(block, matrix, tape)


def taped(block: Array, matrix: Array, tape: int) -> Array:
    recorded = np.ones(tape)
    result = block @ matrix
    del recorded
    return result


def measured(found: Plan, jacobians: Mapping[str, Any]) -> int:
    """Bytes allocated at the peak of a run, over those before it; warmed up, so that caches are there."""
    run = prepared(found, jacobians)
    run()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def assert_agrees(found: Plan, jacobians: Mapping[str, Any]) -> None:
    simulated = replay(found).peak * BYTES_PER_ELEMENT
    assert simulated <= measured(found, jacobians) <= simulated + OVERHEAD


def drawn_chain(rng: random.Random, explicit: bool) -> Problem:
    """A chain of large blocks: dense, diagonal, and matrix-free with tapes."""
    q = rng.randint(2, 6)
    sizes = [rng.choice(SIZES if explicit else SIZES[:3]) for _ in range(q + 1)]
    for i in range(q):
        if rng.random() < 0.3:
            sizes[i + 1] = sizes[i]
    structures: list[Structure] = [DENSE] * q
    prices: list[tuple[int, int, int] | None] = []
    for i in range(q):
        made = (sizes[i] * sizes[i + 1], 2 * sizes[i] * sizes[i + 1], rng.choice((0, 500, 8000)))
        prices.append(made if not explicit or rng.random() < 0.6 else None)
        if prices[-1] is None and sizes[i] == sizes[i + 1] and rng.random() < 0.5:
            structures[i] = DIAGONAL
    return chain_problem(sizes, structures, prices)


def drawn_net(rng: random.Random) -> dict[str, Any]:
    layers: list[dict[str, Any]] = []
    for _ in range(rng.randint(2, 5)):
        layers.append({"op": "linear", "out": rng.choice(SIZES)})
        if rng.random() < 0.7:
            layers.append({"op": rng.choice(["tanh", "sigmoid", "relu"])})
    return {"input": {"x": rng.choice(SIZES)}, "layers": layers, "limits": {"recompute": True}}


@pytest.mark.parametrize("part", range(4))
def test_chains_that_evaluate_their_states(part: int) -> None:
    for seed in range(20 * part, 20 * part + 20):
        rng = random.Random(seed)
        problem = replace(drawn_chain(rng, True), recompute=True)
        point = rng.choice(pareto(problem).points)
        limited = plan(replace(problem, memory=point.memory)).plan
        assert limited is not None
        assert replay(limited).peak <= point.memory
        assert_agrees(limited, Fresh(problem.graph, FixedJacobians(problem.graph, draw(problem.graph, seed))))


@pytest.mark.parametrize("part", range(2))
def test_chains_whose_states_are_given(part: int) -> None:
    for seed in range(30 * part, 30 * part + 30):
        rng = random.Random(seed)
        problem = drawn_chain(rng, False)
        values = {e.name: functions(draw(problem.graph, seed)[e.name], e.tape) for e in problem.graph.chain}
        needs = plan(replace(problem, memory=0)).needs
        assert needs is not None
        limited = plan(replace(problem, memory=rng.choice((needs, 2 * needs)))).plan
        assert limited is not None
        assert_agrees(limited, values)


@pytest.mark.parametrize("part", range(3))
def test_layers_that_are_evaluated_step_by_step(part: int) -> None:
    for seed in range(20 * part, 20 * part + 20):
        rng = random.Random(seed)
        program = chainplan.program(drawn_net(rng))
        problem, point = program.problem, chainplan.draw_point(program, seed)
        chosen = rng.choice(pareto(problem).points)
        assert_agrees(chosen.plan, Fresh(problem.graph, Stepwise(program, point)))
        assert measured(chosen.plan, Stepwise(program, point)) <= chosen.memory * BYTES_PER_ELEMENT + OVERHEAD
