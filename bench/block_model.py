"""A model of blocks that is accumulated again and again: an accumulator against the kernels of its own plan by hand.

The model is of the size of one from macroeconomics: 28 vertices and 73 blocks of 300 x 300, bands and full ones. By
hand is a loop over the steps of the plan with its kernels chosen and its blocks brought into form beforehand. Forward
order eliminates the vertices in topological order, prepared in the same way. `python -m bench.block_model` prints the
table, on one thread.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import chainplan
from bench.modules import least_milliseconds
from chainplan.execution.executor import taken
from chainplan.execution.program import lowered
from chainplan.plans.liveness import last_uses
from chainplan.plans.steps import Plan

Blocks = dict[Any, Any]


def block_model(vertices: int = 28, count: int = 73, size: int = 300) -> tuple[Blocks, list[str], list[str]]:
    """Blocks between numbered vertices, half of them bands; the first three are inputs, the last three asked for."""
    draw, rng = Random(0), np.random.default_rng(0)
    pairs = {(f"v{i}", f"v{draw.randrange(max(0, i - 6), i)}") for i in range(3, vertices)}
    pairs |= {(f"v{i}", f"v{i - 1}") for i in range(4, vertices)}
    while len(pairs) < count:
        j, i = sorted(draw.sample(range(vertices), 2))
        if i >= 3:
            pairs.add((f"v{i}", f"v{j}"))
    blocks: Blocks = {}
    for pair in sorted(pairs):
        lower, upper = draw.randint(0, 3), draw.randint(0, 3)
        matrix = rng.standard_normal((size, size)) / size
        if draw.random() < 0.5:
            row, col = np.indices(matrix.shape)
            matrix = np.where((row - col <= lower) & (col - row <= upper), size * matrix / 9, 0)
        blocks[pair] = matrix
    return blocks, [f"v{i}" for i in range(3)], [f"v{i}" for i in range(vertices - 3, vertices)]


def by_hand(plan: Plan, jacobians: dict[str, Any]) -> Callable[[], dict[Any, Any]]:
    """Run the kernels of a plan on blocks that are already in form."""
    code, loaded = lowered(plan).code, taken(plan, jacobians)
    ends = last_uses(plan)
    dropped: list[list[int]] = [[] for _ in plan.steps]
    for position, _, _ in code:
        if ends[position] < len(plan.steps):
            dropped[ends[position]].append(position)
    held = list(loaded.values)

    def run() -> dict[Any, Any]:
        loaded.values[:] = held
        for position, kernel, _ in code:
            kernel(loaded)
            for end in dropped[position]:
                loaded.values[end] = None
        return {(output, source): loaded.values[step] for output, source, step in plan.outputs}

    return run


def main(size: int = 300, rounds: int = 9) -> None:
    """Print the milliseconds of each way in its fastest round."""
    blocks, inputs, outputs = block_model(size=size)
    total = chainplan.accumulator(blocks, inputs, outputs)
    result = total.result
    assert result.plan is not None
    assert result.cost is not None
    graph = result.problem.graph
    names = {f"{output}/{source}": matrix for (output, source), matrix in blocks.items()}
    names = {name: matrix for name, matrix in names.items() if name in graph}
    forward = chainplan.prepare(chainplan.plan(result.problem, solver="forward"))
    ways: dict[str, Callable[[], Any]] = {
        "kernels by hand": by_hand(result.plan, names),
        "accumulator": lambda: total(blocks),
        "forward order": lambda: forward(names),
    }
    expected = {f"{pair}": value for pair, value in total(blocks).items()}
    for name in ("kernels by hand", "forward order"):
        for pair, value in ways[name]().items():
            if not np.allclose(expected[f"{pair}"], value, rtol=1e-9, atol=1e-12):
                raise ValueError(f"{name} and the accumulator disagree")
    best = least_milliseconds(ways, rounds)
    sys.stdout.write(f"{len(blocks)} blocks of {size} x {size}, {len(graph.useful)} on paths\n")
    for name, milliseconds in best.items():
        sys.stdout.write(f"  {name:16}{milliseconds:9.2f} ms{milliseconds / best['kernels by hand']:7.2f}\n")
    sys.stdout.write(f"  cost over forward order {result.cost.fma / result.baselines.forward:.2f}\n")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
