"""A simulation of forty modules that runs again and again: plans that are prepared against the loop by hand.

By hand is the loop that one writes without a plan: the adjoints of all modules, last to first, by the fastest call that
numpy and scipy have for each kind. `python -m bench.modules` prints the table, on one thread; every way gets its turn
in each round, a few runs one behind the other as in a loop, and the fastest run counts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from scipy.sparse import csc_array, csr_array
from scipy.sparse.linalg import splu
from threadpoolctl import threadpool_limits

import chainplan

Adjoint = Callable[[Any], Any]
RUNS_PER_TURN = 3
"""Runs of a way one behind the other; the first of them finds what another way has left in the caches."""
BOTTLENECK = 10
"""Entries of the narrowest vector of the loop with a bottleneck."""


@dataclass
class Loop:
    """Modules in evaluation order: their specs, their values, the same as functions, and their adjoints by hand."""

    spec: list[dict[str, Any]] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    matrices: dict[str, Any] = field(default_factory=dict)
    adjoints: list[Adjoint] = field(default_factory=list)

    def add(self, spec: dict[str, Any], value: Any, matrix: Any, adjoint: Adjoint) -> None:
        """Add a module; `matrix` is its Jacobian written out."""
        self.spec.append(spec)
        if value is not None:
            self.values[spec["name"]] = value
        self.matrices[spec["name"]] = matrix
        self.adjoints.append(adjoint)

    def by_hand(self) -> Any:
        """Multiply from the last module to the first."""
        w = next(reversed(self.matrices.values()))
        for adjoint in reversed(self.adjoints[:-1]):
            w = adjoint(w)
        return w


def forty_modules(size: int, rows: int, bottleneck: bool = False) -> Loop:
    """Eight times a sparse solve, a band, a permutation, a diagonal and a matrix, closed by `rows` observations."""
    rng, loop = np.random.default_rng(0), Loop()
    for k in range(8):
        _solve(loop, f"solve{k}", size)
        _band(loop, f"band{k}", rng.random((3, size)))
        _permutation(loop, f"order{k}", rng.permutation(size))
        _diagonal(loop, f"scale{k}", rng.random(size))
        narrow = BOTTLENECK if bottleneck and k in (3, 4) else size
        _matrix(loop, f"mix{k}", rng.random((narrow if k == 3 else size, size)) / size)
        if bottleneck and k == 3:
            _matrix(loop, "spread", rng.random((size, narrow)) / narrow)
    _matrix(loop, "observe", rng.random((rows, size)))
    return loop


def _solve(loop: Loop, name: str, n: int) -> None:
    main = 4 + np.arange(n) / n
    matrix = csc_array(np.diag(main) - np.eye(n, k=1) - np.eye(n, k=-1))
    factors: Any = splu(matrix)

    def tangent(block: Any) -> Any:
        return factors.solve(np.ascontiguousarray(block))

    def adjoint(block: Any) -> Any:
        return factors.solve(np.ascontiguousarray(block.T), "T").T

    spec = {"name": name, "shape": [n, n], "tangent": 6 * n, "adjoint": 6 * n}
    loop.add(spec, (tangent, adjoint), np.linalg.inv(matrix.toarray()), adjoint)


def _band(loop: Loop, name: str, diagonals: Any) -> None:
    n = diagonals.shape[1]
    matrix = csr_array(np.diag(diagonals[0, 1:], 1) + np.diag(diagonals[1]) + np.diag(diagonals[2, :-1], -1))
    transposed = matrix.T
    spec = {"name": name, "shape": [n, n], "structure": {"banded": [1, 1]}}
    loop.add(spec, diagonals, matrix.toarray(), lambda w: (transposed @ w.T).T)


def _permutation(loop: Loop, name: str, picked: Any) -> None:
    n, back = len(picked), np.argsort(picked)
    spec = {"name": name, "shape": [n, n], "structure": {"permutation": picked.tolist()}}
    loop.add(spec, None, np.eye(n)[picked], lambda w: np.take(w, back, axis=1))


def _diagonal(loop: Loop, name: str, diagonal: Any) -> None:
    n = len(diagonal)
    spec = {"name": name, "shape": [n, n], "structure": "diagonal"}
    loop.add(spec, diagonal, np.diag(diagonal), lambda w: w * diagonal)


def _matrix(loop: Loop, name: str, matrix: Any) -> None:
    loop.add({"name": name, "shape": list(matrix.shape)}, matrix, matrix, lambda w: np.dot(w, matrix))


def ways(loop: Loop, solver: str) -> dict[str, Callable[[], Any]]:
    """The ways to run the loop, by name; all but `by hand` run a prepared plan of a solver."""
    dense = [part if "tangent" in part else {"name": part["name"], "shape": part["shape"]} for part in loop.spec]
    pairs = {part["name"]: adjoint for part, adjoint in zip(loop.spec, loop.adjoints, strict=True)}
    functions = [{"name": p["name"], "shape": p["shape"], "adjoint": p.get("adjoint", 1)} for p in loop.spec[:-1]]
    matrices = {p["name"]: loop.values[p["name"]] if "tangent" in p else loop.matrices[p["name"]] for p in loop.spec}
    observe = {loop.spec[-1]["name"]: loop.matrices[loop.spec[-1]["name"]]}
    given = {name: (None, adjoint) for name, adjoint in pairs.items()} | observe
    return {
        "by hand": loop.by_hand,
        "structured": _prepared(loop.spec, loop.values, solver),
        "matrices": _prepared(dense, matrices, solver),
        "functions": _prepared([*functions, loop.spec[-1]], given, "reverse"),
    }


def _prepared(spec: list[dict[str, Any]], values: Mapping[str, Any], solver: str) -> Callable[[], Any]:
    run = chainplan.prepare(chainplan.plan(chainplan.from_spec({"chain": spec}), solver=solver))
    return lambda: next(iter(run(values).values()))


def measured(runs: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The milliseconds of each way in its fastest round; all must agree first."""
    expected = runs["by hand"]()
    for name, run in runs.items():
        if not np.allclose(run(), expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max()):
            raise ValueError(f"{name} and by hand disagree")
    return least_milliseconds(runs, rounds)


def least_milliseconds(runs: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The milliseconds of the fastest run of each way, over rounds in which every way gets its turn."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            for _ in range(RUNS_PER_TURN):
                start = perf_counter()
                run()
                best[name] = min(best[name], 1e3 * (perf_counter() - start))
    return best


def main(size: int = 400, rows: int = 8, rounds: int = 40) -> None:
    """Print the times of the loop where plans are equal, and of one with a bottleneck, where the plan is ahead."""
    for title, loop, solver in (
        (f"40 modules of {size}, {rows} rows, reverse order", forty_modules(size, rows), "reverse"),
        (f"the same with {BOTTLENECK} in the middle, 40 rows", forty_modules(size, 40, bottleneck=True), "auto"),
    ):
        times = measured(ways(loop, solver), rounds)
        sys.stdout.write(f"{title}\n")
        for name, milliseconds in times.items():
            sys.stdout.write(f"  {name:12}{milliseconds:8.3f} ms{milliseconds / times['by hand']:7.2f}\n")
        result = chainplan.plan(chainplan.from_spec({"chain": loop.spec}), solver=solver)
        if result.cost is not None:
            sys.stdout.write(f"  cost over reverse order {result.cost.fma / result.baselines.reverse:.2f}\n")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
