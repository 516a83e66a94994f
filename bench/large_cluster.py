"""Chains that no worker could hold, on workers of bounded memory: do they pass, and how many bytes move?

The Jacobians are files, the scheduler and the workers are processes of their own on this machine, and the output is
written by the workers. All entries are small whole numbers, and the result is compared with one computed here, to the
bit. `python -m bench.large_cluster` runs all cases, `python -m bench.large_cluster blocks 10` one of them ten times.
What must move is every input once, every output once, and what the placement of the steps moves between workers. A run
that moves or keeps more than `MOST_MOVED` and `MOST_GROWTH` say counts as failed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
from scipy.sparse import csr_array, save_npz

import chainplan
from bench.cluster_processes import Traffic, TrafficMeter, processes
from chainplan.problem.graph import Elemental, Graph
from chainplan.structures import Block
from chainplan.structures.explicit import Explicit

MIB = 2**20


@dataclass(frozen=True)
class LargeCase:
    """A chain: what its blocks are made of, how many workers of which memory run it."""

    make: Callable[[Path], tuple[chainplan.Problem, dict[str, str]]]
    workers: int
    memory: str


def dense(sizes: Sequence[int], folder: Path) -> tuple[chainplan.Problem, dict[str, str]]:
    """Dense blocks with about three nonzeros of -1 and 1 in a row, so that no product leaves the whole numbers."""
    given = {}
    for i, (n, m) in enumerate(pairwise(sizes), 1):
        rng = np.random.default_rng(i)
        value = np.zeros((m, n))
        for _ in range(3):
            value[np.arange(m), rng.integers(0, n, m)] = rng.integers(-1, 2, m)
        np.save(folder / f"{i}.npy", value)
        given[f"F{i}"] = str(folder / f"{i}.npy")
    return chainplan.chain(list(sizes)), given


def sparse(blocks: int, size: int, per_row: int, folder: Path) -> tuple[chainplan.Problem, dict[str, str]]:
    """Sparse blocks, each with a pattern of its own: full blocks at random places, one in each row of blocks."""
    indptr = np.arange(0, per_row * size + 1, per_row, dtype=np.int32)
    elementals, given = [], {}
    for i in range(1, blocks + 1):
        rng = np.random.default_rng(i)
        groups = np.repeat(rng.permutation(size // per_row).astype(np.int32) * per_row, per_row)
        indices = (groups[:, None] + np.arange(per_row, dtype=np.int32)).ravel()
        pattern = csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=(size, size))
        elementals.append(Elemental(f"F{i}", f"x{i - 1}", f"x{i}", Block(size, size, Explicit(pattern))))
        values = rng.integers(-1, 2, len(indices)).astype(float)
        save_npz(folder / f"{i}.npz", csr_array((values, indices, indptr), shape=(size, size)), compressed=False)
        given[f"F{i}"] = str(folder / f"{i}.npz")
    vertices = {f"x{i}": size for i in range(blocks + 1)}
    return chainplan.Problem(Graph(vertices, ("x0",), (f"x{blocks}",), tuple(elementals))), given


CASES = {
    "blocks": LargeCase(lambda folder: dense([2005] * 33, folder), 4, "400MiB"),
    "wide": LargeCase(lambda folder: dense([12000, 12000, 40], folder), 4, "1GB"),
    "tall": LargeCase(lambda folder: dense([40, 12000, 12000], folder), 4, "1GB"),
    "sparse": LargeCase(lambda folder: sparse(20, 10**6, 4, folder), 4, "1GB"),
}
"""The cases by name."""
SMALL_CASES = {
    "small-blocks": LargeCase(lambda folder: dense([700] * 17, folder), 4, "400MiB"),
    "small-wide": LargeCase(lambda folder: dense([4000, 4000, 40], folder), 4, "400MiB"),
    "small-tall": LargeCase(lambda folder: dense([40, 4000, 4000], folder), 4, "400MiB"),
    "small-sparse": LargeCase(lambda folder: sparse(20, 10**5, 4, folder), 4, "400MiB"),
}
"""The same of a tenth of the bytes and less, which run every night."""
MOST_MOVED = 1.2
"""How many bytes may move for each that must."""
MOST_GROWTH = 50 * MIB
"""Bytes by which the scheduler and the client may grow."""


def run(case: LargeCase, folder: Path) -> tuple[float, Traffic, int]:
    """Run a case once on a cluster of its own: seconds, what it moved, and the bytes of what was given."""
    problem, given = case.make(folder)
    result = chainplan.plan(problem)
    with processes(case.workers, case.memory) as client:
        meter, start = TrafficMeter(client), perf_counter()
        options: dict[str, Any] = {"backend": "dask", "scheduler": client, "to": folder, "dense": False}
        ((pair, path),) = chainplan.execute(result, given, **options).items()
        seconds = perf_counter() - start
        traffic = meter.traffic(Path(str(path)).stat().st_size)
    expected: Any = chainplan.execute(result, given, dense=False)[pair]
    if not _equal(str(path), expected):
        raise ValueError("the cluster and this process disagree")
    return seconds, traffic, sum(Path(file).stat().st_size for file in given.values())


def _equal(path: str, expected: Any) -> bool:
    if path.endswith(".npy"):
        return bool(np.array_equal(np.load(path, mmap_mode="r"), expected))
    from scipy.sparse import load_npz

    return int((load_npz(path) != expected).nnz) == 0


def main(names: Sequence[str], times: int) -> int:
    """Print a line for each run; the exit code is 1 where one fails, moves too much, or leaves too much here."""
    sys.stdout.write(
        "case         seconds  given   read  between  written  moved/needed  scheduler  client  worker (MiB)\n"
    )
    failed = 0
    for name in names:
        for _ in range(times):
            with TemporaryDirectory() as folder:
                try:
                    seconds, moved, size = run((CASES | SMALL_CASES)[name], Path(folder))
                except (chainplan.ChainplanError, ValueError) as error:
                    sys.stdout.write(f"{name:12} failed: {error}\n")
                    failed += 1
                    continue
            share = (moved.read + moved.transferred + moved.written) / (size + moved.transferred + moved.written)
            failed += share > MOST_MOVED or max(moved.scheduler_growth, moved.client_growth) > MOST_GROWTH
            sys.stdout.write(
                f"{name:12}{seconds:8.1f}{size / MIB:7.0f}{moved.read / MIB:7.0f}{moved.transferred / MIB:9.0f}"
                f"{moved.written / MIB:9.0f}{share:14.2f}{moved.scheduler_growth / MIB:11.0f}"
                f"{moved.client_growth / MIB:8.0f}{moved.worker_peak / MIB:8.0f}\n"
            )
            sys.stdout.flush()
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:2] or list(CASES), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
