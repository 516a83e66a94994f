"""What tasks of matrix-free modules add to a run: chains of them on a cluster against the same plan in this process.

Nothing is said of how long the modules take. The scheduler and the workers are processes of their own on this machine.
`python -m bench.cluster_modules` runs 10⁴ modules of 4 x 4, and as many that take so many milliseconds as the second
argument says, `python -m bench.cluster_modules 300 10`. What bare Dask takes for a task of a chain stands beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from time import perf_counter
from typing import Any

import distributed
import numpy as np

import chainplan
from bench.cluster_processes import processes

SIZE = 4
"""Rows and columns of a module."""
MOST_BARE_TASKS = 1000
"""Tasks of the chain of bare Dask."""


def tangent(matrix: Any, milliseconds: float, block: Any) -> Any:
    """Multiply from the left, and take so long."""
    end = perf_counter() + milliseconds / 1000
    while perf_counter() < end:
        pass
    return matrix @ block


def modules(count: int, milliseconds: float) -> tuple[chainplan.Result, dict[str, Any]]:
    """The forward order of a chain of modules, which are permutations, and their functions."""
    spec = [{"name": f"M{i}", "shape": [SIZE, SIZE], "tangent": SIZE * SIZE} for i in range(count)]
    given = {
        f"M{i}": (partial(tangent, np.eye(SIZE)[np.random.default_rng(i).permutation(SIZE)], milliseconds), None)
        for i in range(count)
    }
    return chainplan.plan(chainplan.chain(spec), solver="forward"), given


def seconds_of(run: Any) -> tuple[float, Any]:
    """The seconds of a call, and its result."""
    start = perf_counter()
    found = run()
    return perf_counter() - start, found


def bare(client: distributed.Client, count: int) -> float:
    """Milliseconds of a task in a chain of tasks that do nothing."""

    def chain() -> Any:
        future = client.submit(np.eye, SIZE, pure=False)
        for _ in range(count):
            future = client.submit(np.transpose, future, pure=False)
        return future.result()

    return 1e3 * seconds_of(chain)[0] / count


def main(count: int = 10_000, milliseconds: float = 0.0) -> None:
    """Print what the first run and a later one of a prepared plan add to each module."""
    result, given = modules(count, milliseconds)
    here, expected = seconds_of(lambda: chainplan.execute(result, given))
    with processes(4, "1GB") as client:
        times = [seconds_of(lambda: chainplan.execute(result, given, backend="dask", scheduler=client))]
        run = chainplan.prepare(result, backend="dask", scheduler=client)
        times += [seconds_of(lambda: run(given)) for _ in range(2)]
        dask = bare(client, min(count, MOST_BARE_TASKS))
    for _, found in times:
        if any(not np.array_equal(found[pair], expected[pair]) for pair in expected):
            raise ValueError("the cluster and this process disagree")
    added = [f"{1e3 * (seconds - here) / count:.2f}" for seconds, _ in times]
    sys.stdout.write(
        f"{count} modules, {1e3 * here / count:.3f} ms each in this process; the cluster adds, ms each: {added[0]} in "
        f"execute, {added[1]} and {added[2]} where the plan is prepared; a task of bare Dask takes {dask:.2f} ms\n"
    )


def _arguments(given: Sequence[str]) -> tuple[int, float]:
    return (int(given[0]) if given else 10_000), (float(given[1]) if len(given) > 1 else 0.0)


if __name__ == "__main__":
    main(*_arguments(sys.argv[1:]))
