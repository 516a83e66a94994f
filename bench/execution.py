"""The executor against the same products by hand: what interpreting a plan costs per step.

By hand is a loop over the products of the plan, in its order and with its frees, that calls `np.dot`. The first run
of a plan, which chooses the kernels of its steps, is timed apart from the later ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from time import perf_counter
from typing import Any

import numpy as np

from bench.planners import plan_chain
from bench.rows import Row
from chainplan.plans.liveness import last_uses
from chainplan.plans.replay import replay
from chainplan.plans.steps import Load, Multiply, Plan

Array = np.ndarray[Any, np.dtype[np.float64]]
Product = tuple[int, int, int, tuple[int, ...]]


@dataclass(frozen=True)
class Execution:
    """A chain of `n` dense factors with sizes from `least` to `most`, multiplied `repeats` times."""

    name: str
    family: str
    n: int
    least: int
    most: int
    repeats: int


def measure_execution(case: Execution) -> list[Row]:
    """Rows of `execute`, `execute-first` (a plan not seen before) and `by-hand`, interleaved."""
    draw = Random(case.name)
    sizes = [draw.randint(case.least, case.most) for _ in range(case.n + 1)]
    plan = plan_chain(sizes)
    rng = np.random.default_rng(0)
    jacobians = {
        f"F{i}": rng.standard_normal((sizes[i], sizes[i - 1])) / sizes[i - 1] ** 0.5 for i in range(1, case.n + 1)
    }
    runs = _runs(plan, jacobians)
    _agree({name: make()() for name, make in runs.items()})
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(case.repeats):
        for name, make in runs.items():
            run = make()
            start = perf_counter()
            run()
            best[name] = min(best[name], perf_counter() - start)
    fma = replay(plan).total
    return [
        Row("execute", case.name, case.family, case.n, name, 0, "ok", fma, fma, 1.0, seconds, case.repeats)
        for name, seconds in best.items()
    ]


def _runs(plan: Plan, jacobians: dict[str, Array]) -> dict[str, Callable[[], Callable[[], Array]]]:
    """By name, what readies a run outside the clock."""
    from chainplan.execution.executor import execute

    output = plan.outputs[0]
    pair = (output.output, output.input)
    held, products = _listed(plan, jacobians)

    def seen() -> Callable[[], Array]:
        return lambda: np.asarray(execute(plan, jacobians)[pair])

    def unseen() -> Callable[[], Array]:
        copy = replace(plan)
        return lambda: np.asarray(execute(copy, jacobians)[pair])

    def by_hand() -> Callable[[], Array]:
        return lambda: _multiply(held.copy(), products, output.step)

    return {"by-hand": by_hand, "execute": seen, "execute-first": unseen}


def _listed(plan: Plan, jacobians: dict[str, Array]) -> tuple[list[Any], list[Product]]:
    """The arrays at their places, and the products as (place, left, right, places to free)."""
    held: list[Any] = [None] * len(plan.steps)
    freed: list[list[int]] = [[] for _ in range(len(plan.steps) + 1)]
    for position, last in enumerate(last_uses(plan)):
        freed[last].append(position)
    products = []
    for position, step in enumerate(plan.steps):
        match step:
            case Load(name):
                held[position] = jacobians[name]
            case Multiply(left, right, None):
                products.append((position, left, right, tuple(freed[position])))
            case _:
                raise ValueError(f"{step} has no place in the plan of a dense chain")
    return held, products


def _multiply(held: list[Any], products: list[Product], end: int) -> Array:
    for position, left, right, freed in products:
        held[position] = np.dot(held[left], held[right])
        for place in freed:
            held[place] = None
    result: Array = held[end]
    return result


def _agree(results: dict[str, Array]) -> None:
    expected = results["by-hand"]
    scale = float(np.abs(expected).max())
    for name, result in results.items():
        if result.shape != expected.shape or float(np.abs(result - expected).max()) > 1e-10 * scale:
            raise ValueError(f"{name} and by-hand disagree")
