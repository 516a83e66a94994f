"""How many seconds modules take on a cluster that could run them beside each other, and how long a repeated run takes.

`python -m bench.parallel_modules` starts a scheduler and four workers as processes of this machine. The modules sleep,
so that the number of processors does not matter: four branches of two modules of a second each, declared as cheap and
as dear; one module that takes 10 ms for each of 400 columns, once declared and once learned by a prepared plan; and
repeated runs of a chain of thirty blocks of 50 x 50.
"""

from __future__ import annotations

import sys
from functools import partial
from statistics import median
from time import sleep
from typing import Any

import numpy as np

import chainplan
from bench.cluster_modules import bare, seconds_of
from bench.cluster_processes import processes
from chainplan.values.draw import draw

WORKERS = 4
"""Workers, and branches of modules."""
REPEATED_RUNS = 30
"""Runs of the chain of blocks, of which the median counts."""


def sleeping(seconds: float, block: Any) -> Any:
    """Return the block as it is, after so long."""
    sleep(seconds)
    return block


def sleeping_by_column(seconds: float, block: Any) -> Any:
    """Return the block as it is, after so long for each of its columns."""
    sleep(seconds * block.shape[1])
    return block


def branches(client: Any, price: int) -> float:
    """Seconds of four branches of two modules of a second, whose tangents are declared to cost so many fma."""
    edges = [edge for i in range(WORKERS) for edge in (("x", f"h{i}"), (f"h{i}", "y"))]
    jacobians = [{"edge": list(edge), "tangent": price, "adjoint": price} for edge in edges]
    sizes = {name: 4 for edge in edges for name in edge}
    spec = {"sizes": sizes, "inputs": ["x"], "outputs": ["y"], "jacobians": jacobians}
    result = chainplan.plan(chainplan.from_spec({"dag": spec}))
    given = {f"{edge[1]}/{edge[0]}": (partial(sleeping, 1.0),) * 2 for edge in edges}
    seconds, found = seconds_of(lambda: chainplan.execute(result, given, backend="dask", scheduler=client))
    _require_equal(found["y", "x"], WORKERS * np.eye(4))
    return seconds


def wide(client: Any, columns: int = 400, per_column: float = 0.01) -> tuple[float, list[float]]:
    """Seconds of a module that is applied to many columns: declared, and in the runs of a plan that learns them."""
    result = chainplan.plan(chainplan.chain([{"name": "sim", "shape": [columns, columns], "tangent": 1}]), "forward")
    given: Any = {"sim": (partial(sleeping_by_column, per_column), None)}
    options: Any = {"backend": "dask", "scheduler": client}
    declared, found = seconds_of(lambda: chainplan.execute(result, given, seconds={"sim": per_column}, **options))
    run: Any = chainplan.prepare(result, **options)
    learned = [seconds_of(lambda: run(given)) for _ in range(2)]
    run.close()
    for each in (found, *(later for _, later in learned)):
        _require_equal(each["x1", "x0"], np.eye(columns))
    return declared, [seconds for seconds, _ in learned]


def repeated(client: Any, count: int = 30, size: int = 50) -> float:
    """Milliseconds of a later run of a chain of blocks."""
    problem = chainplan.chain([size] * (count + 1))
    result = chainplan.plan(problem)
    values = draw(problem.graph, 0, np.float64)
    run: Any = chainplan.prepare(result, backend="dask", scheduler=client)
    times = [seconds_of(lambda: run(values)) for _ in range(REPEATED_RUNS)]
    run.close()
    expected = chainplan.execute(result, values)
    for _, found in times:
        for pair in expected:
            _require_equal(found[pair], expected[pair])
    return 1e3 * median(seconds for seconds, _ in times)


def _require_equal(found: Any, expected: Any) -> None:
    if not np.array_equal(found, expected):
        raise ValueError("the cluster and this process disagree")


def main() -> None:
    """Print the seconds of all cases."""
    with processes(WORKERS, "1GB") as client:
        repeated(client)  # so that all workers have loaded what they need
        for price in (1, 10**9):
            taken = branches(client, price)
            sys.stdout.write(f"four branches of two modules of 1 s, {price} fma each: {taken:.2f} s\n")
        declared, learned = wide(client)
        sys.stdout.write(
            f"400 columns at 10 ms: {declared:.2f} s where that is declared, {learned[0]:.2f} s and then "
            f"{learned[1]:.2f} s where it is learned\n"
        )
        later, alone = repeated(client), median(bare(client, 1) for _ in range(REPEATED_RUNS))
        sys.stdout.write(
            f"thirty blocks of 50 x 50, a later run: {later:.1f} ms; two tasks of bare Dask take {alone:.1f} ms\n"
        )


if __name__ == "__main__":
    main()
