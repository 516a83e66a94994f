"""Targets on chains: listed patterns, structures, length, recomputation, the first execution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import comb
from random import Random
from time import perf_counter
from typing import Any

import numpy as np

from bench.memory import peak_memory
from bench.planners import dense_chain
from bench.targets.target import Effort, Figure
from chainplan.execution.executor import prepared
from chainplan.planner import plan
from chainplan.plans.replay import replay
from chainplan.plans.steps import Plan, plan_of
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem, chain_vertex
from chainplan.structures import Block
from chainplan.values.draw import draw
from generators.chains import mixed_chain, pattern_chain

PATTERN_FMA = 2.5e8
LARGEST_RUN = 20_000
"""Rows of patterns up to which a chain of them has a goal for its cost and is also run."""


def patterns(effort: Effort, count: int, n: int, goal: float) -> Iterator[Figure]:
    """A chain of sparse patterns: planning it, what its plan costs, and running it."""
    runs, n = n <= LARGEST_RUN, effort.sized(n, least=100)
    problem = pattern_chain(count, n, (effort.sized(200), effort.sized(50)))
    name = f"{count} patterns of {n:,} x {n:,}"
    start = perf_counter()
    result = plan(problem)
    planned = perf_counter() - start
    assert result.price is not None
    assert result.plan is not None
    yield Figure(f"planning {name}", planned, goal, "s", note=f"{result.status.value}, counts: {result.counts}")
    if not runs:
        note = f"bound {result.bound:,} within {result.within or 'nothing'}"
        yield Figure(f"cost of {name}", result.price, None, "fma", note=note)
        return
    yield Figure(f"cost of {name}", result.price, PATTERN_FMA, "fma", note=f"bound {result.bound:,}")
    if result.price > 40 * PATTERN_FMA:
        yield Figure(f"running {name}", None, 0.5, "s", status=f"not run: {result.price:,} fma")
        return
    run = prepared(result.plan, draw(problem.graph, 0), workers=1)
    yield Figure(f"running {name}", min(_timed(run) for _ in range(3)), 0.5, "s")


def _timed(run: Any) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


def structured(effort: Effort, q: int, goal: float) -> Iterator[Figure]:
    """Planning a chain of q structured factors, the best of three."""
    q, seconds, price = effort.sized(q, least=10), list[float](), 0
    for _ in range(3):
        problem = mixed_chain(q)
        start = perf_counter()
        price = plan(problem, "chain-dp").price or 0
        seconds.append(perf_counter() - start)
    what = f"planning {q:,} dense, diagonal, banded and triangular factors"
    yield Figure(what, min(seconds), goal, "s", note=f"{price:,} fma")


def dense(effort: Effort, q: int, seconds: float, memory: float | None) -> Iterator[Figure]:
    """Planning a chain of q dense factors, the chain given, and the memory of it all."""
    q = effort.sized(q, least=10)
    random = Random(f"dense {q}")
    problem = dense_chain([random.randint(1, 1000) for _ in range(q + 1)])
    start = perf_counter()
    result = plan(problem)
    name = f"planning {q:,} dense factors"
    yield Figure(name, perf_counter() - start, seconds, "s", note=f"{result.price:,} fma, {result.status.value}")
    yield Figure(f"memory of {name}", peak_memory() / 1024, memory, "MiB")


def first_execution(effort: Effort) -> Iterator[Figure]:
    """What the first execution of a plan that was just planned takes more than a later one, per step."""
    q = effort.sized(10_000, least=10)
    random = Random(f"tiny {q}")
    sizes = [random.randint(1, 8) for _ in range(q + 1)]
    results = [plan(dense_chain(sizes)) for _ in range(3)]
    values = {f"F{i + 1}": np.ones((sizes[i + 1], sizes[i])) / sizes[i] for i in range(q)}
    seconds = [_first_and_later(plan_of(result), values) for result in results]
    first, later = min(seconds, key=lambda pair: pair[0] - pair[1])
    steps = len(plan_of(results[0]).steps)
    note = f"{steps:,} steps; a later execution takes {later / steps * 1e6:.2g} µs per step"
    yield Figure("first execution, beyond a later one, per step", (first - later) / steps * 1e6, 3.0, "µs", note=note)


def _first_and_later(found: Plan, values: dict[str, Any]) -> tuple[float, float]:
    """The seconds of the first execution of a plan, and the least of three later ones."""
    start = perf_counter()
    run = prepared(found, values, workers=1)
    run()
    first = perf_counter() - start
    return first, min(_timed(lambda: prepared(found, values, workers=1)()) for _ in range(3))


def recomputed(effort: Effort, q: int, states: int) -> Iterator[Figure]:
    """Equal steps under recomputation, within the memory of `states` checkpoints, against the closed form."""
    q = effort.sized(q, least=10)
    problem = equal_steps(q, 30 + 10 * states)
    least = 100 * q + (q - 1) + revolve(q, states) - (2 * q - 1)
    start = perf_counter()
    result = plan(problem)
    name = f"{q:,} equal steps with {states} checkpoints"
    yield Figure(f"planning {name}", perf_counter() - start, 30.0, "s", note=f"{result.status.value}")
    if result.plan is None:
        yield Figure(f"cost of {name}, over that of the closed form", None, 1.0, "times", status=result.status.value)
        return
    price = replay(result.plan).total
    note = f"{price:,} fma, bound {result.bound:,}"
    yield Figure(f"cost of {name}, over that of the closed form", price / least, 1.0, "times", note=note)


def revolve(steps: int, states: int) -> int:
    """The forward steps of binomial checkpointing (Griewank & Walther 2000, section 2): t·N - C(s + t, t - 1) + N."""
    t = 1
    while comb(states + t, states) < steps:
        t += 1
    return t * steps - comb(states + t, t - 1) + steps


def equal_steps(q: int, memory: int) -> Problem:
    """q matrix-free steps of 10 entries, the last one to a single entry; each has a tape of 10, the last of 20."""
    sizes = [10] * q + [1]
    elementals = tuple(
        Elemental(f"F{i + 1}", chain_vertex(i), chain_vertex(i + 1), Block(sizes[i + 1], 10), 100, 100, 10, 1)
        for i in range(q)
    )
    last = replace(elementals[-1], tape=20)
    vertices = {chain_vertex(i): size for i, size in enumerate(sizes)}
    graph = Graph(vertices, (chain_vertex(0),), (chain_vertex(q),), (*elementals[:-1], last))
    return Problem(graph, memory=memory, recompute=True, name=f"{q} equal steps")
