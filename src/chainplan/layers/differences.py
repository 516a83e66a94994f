"""Central differences of a program: the check that shares nothing with plans and edges but the values of the layers.

Column i is (f(x + h e_i) - f(x - h e_i)) / 2h with h = eps^(1/3) · max(1, |x_i|), which balances truncation h² and
rounding eps / h (Nocedal & Wright, *Numerical Optimization*, section 8.1). Either is of order eps^(2/3) ≈ 4e-11, times
third derivatives and |f|; the tolerance leaves a factor of 10^5 for both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from chainplan.kernels.convert import Array
from chainplan.layers.evaluation import evaluate
from chainplan.layers.program import Program

EPS = float(np.finfo(np.float64).eps)
TOLERANCE = 1e5 * EPS ** (2 / 3)
MOST_COLUMNS = 64
"""Columns that are compared; beyond, as many are drawn."""


@dataclass(frozen=True)
class Comparison:
    """The largest difference over max(max|J|, max|f|) among `compared` of `columns` columns, and seconds for all."""

    columns: int
    compared: int
    difference: float
    seconds: float

    @property
    def valid(self) -> bool:
        """Whether the difference is within the tolerance."""
        return bool(self.difference <= TOLERANCE)

    @property
    def evaluations(self) -> int:
        """Evaluations of the program that all columns take."""
        return 2 * self.columns


def compare(
    program: Program, point: Mapping[str, Array], jacobian: Mapping[tuple[str, str], Any], seed: int = 0
) -> Comparison:
    """Compare a Jacobian, matrices or vectors of diagonals by (output, input), with central differences.

    A pair that is left out is zero.
    """
    sizes = [(v, point[v].size) for v in program.variables]
    columns = [(v, i) for v, n in sizes for i in range(n)] if sum(n for _, n in sizes) <= MOST_COLUMNS else []
    total = sum(n for _, n in sizes)
    if not columns:
        ends = np.cumsum([n for _, n in sizes])
        for flat in np.sort(np.random.default_rng(seed).choice(total, MOST_COLUMNS, replace=False)):
            place = int(np.searchsorted(ends, flat, side="right"))
            columns.append((sizes[place][0], int(flat - (ends[place] - sizes[place][1]))))
    worst, scale = 0.0, _largest(jacobian.values())
    start = perf_counter()
    for variable, i in columns:
        for output, column, size in _column(program, point, variable, i):
            worst = max(worst, _largest([column - _entries(jacobian.get((output, variable)), i, column.size)]))
            scale = max(scale, size)
    seconds = (perf_counter() - start) * total / max(1, len(columns))
    return Comparison(total, len(columns), worst / scale if scale else worst, seconds)


def _column(program: Program, point: Mapping[str, Array], variable: str, i: int) -> list[tuple[str, Array, float]]:
    """(output, central difference, max|f|) for one entry of one variable."""
    x = point[variable]
    h = EPS ** (1 / 3) * max(1.0, abs(float(x.flat[i])))
    ends = []
    for sign in (1, -1):
        moved = x.copy()
        moved.flat[i] += sign * h
        ends.append(evaluate(program, {**point, variable: moved}).values)
    pairs = ((output, ends[0][output].ravel(), ends[1][output].ravel()) for output in program.outputs)
    return [(output, (up - down) / (2 * h), _largest([up])) for output, up, down in pairs]


def _entries(block: Any, i: int, rows: int) -> Array:
    """Column i of a block: a matrix, the vector of a diagonal, or nothing for zero."""
    if block is None:
        return np.zeros(rows)
    if block.ndim == 2:
        return np.asarray(block[:, i])
    column = np.zeros(rows)
    column[i] = block[i]
    return column


def _largest(arrays: Any) -> float:
    return max((float(np.abs(a).max(initial=0)) for a in arrays), default=0.0)
