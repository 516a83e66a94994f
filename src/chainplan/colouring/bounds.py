"""What any direct colouring must cost: counting arguments, no search.

A row with w nonzeros needs w colours where columns alone are coloured: any two of its columns conflict. In a two-sided
colouring with c column and a row colours split the nonzeros by a side that recovers them (either one where both do).
Those of one row recovered by columns have different colours, so they are at most c; those of one column recovered by
rows at most a. Hence for any set I of rows and any set J of columns

    nnz(I, J) ≤ c·|I| + a·|J|,

and every set gives one inequality. The bound is the cheapest pair of whole numbers that meets those tried: with c = 0
or a = 0 it is one-sided. The sets tried are what is left of the pattern after sparse rows and columns are taken away
step by step, as in the search for a densest subgraph (Charikar, APPROX 2000). On an arrowhead the whole pattern says
3n − 2 ≤ (c + a)·n, so three sweeps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainplan.colouring.recovery import entries

if TYPE_CHECKING:
    from chainplan.colouring.recovery import Pattern

ROUNDS = 60
CHUNK = 1024


class Cut(NamedTuple):
    """nnz(I, J), |I| and |J| of one inequality."""

    nonzeros: int
    rows: int
    columns: int


def lower_bound(pattern: Pattern, tangent: int | None, adjoint: int | None) -> int:
    """A cost that no direct colouring of the pattern undercuts; None is a mode that is not available.

    O(nnz) numpy operations a few hundred times at most.

    Raises
    ------
    ValueError
        If no mode is available, or a price is negative.
    """
    check_prices(tangent, adjoint)
    i, j = entries(pattern)
    if not i.size:
        return 0
    rows = int(np.bincount(i).max())
    columns = int(np.bincount(j).max())
    one_sided = [price * most for price, most in ((tangent, rows), (adjoint, columns)) if price is not None]
    if tangent is None or adjoint is None or rows == 1 or columns == 1:
        return min(one_sided)
    return min(*one_sided, _two_sided(list(_cuts(pattern, tangent, adjoint)), tangent, adjoint, min(one_sided)))


def check_prices(tangent: int | None, adjoint: int | None) -> None:
    """Raise ValueError unless at least one mode has a price, and none is negative."""
    if tangent is None and adjoint is None:
        raise ValueError("neither a tangent nor an adjoint is available; a colouring needs the price of at least one.")
    for mode, price in (("tangent", tangent), ("adjoint", adjoint)):
        if price is not None and price < 0:
            raise ValueError(f"the price of a {mode} is {price}; prices count from 0.")


def _two_sided(cuts: list[Cut], tangent: int, adjoint: int, best: int) -> int:
    """The least price of c ≥ 1 tangents and a ≥ 1 adjoints within all inequalities, or `best` where that is less."""
    start = 1
    while start * tangent + adjoint < best:
        c = np.arange(start, start + CHUNK)
        a = np.ones_like(c)
        for cut in cuts:
            np.maximum(a, -((c * cut.rows - cut.nonzeros) // cut.columns), out=a)
        first = np.flatnonzero(np.diff(a, prepend=a[0] + 1))
        best = min(best, *(int(c[k]) * tangent + int(a[k]) * adjoint for k in first))
        if int(a[-1]) == 1:
            break
        start += CHUNK
    return best


def _cuts(pattern: Pattern, tangent: int, adjoint: int) -> Iterator[Cut]:
    """Inequalities of ever denser parts; what counts as dense depends on the weight of a row against a column."""
    for weight in dict.fromkeys((1.0, adjoint / tangent if tangent else 1.0, pattern.shape[1] / pattern.shape[0])):
        yield from _denser(*entries(pattern), weight or 1.0)


def _denser(i: np.ndarray, j: np.ndarray, weight: float) -> Iterator[Cut]:
    densest = 0.0
    for _ in range(ROUNDS):
        in_row, in_column = np.bincount(i), np.bincount(j)
        rows, columns = np.count_nonzero(in_row), np.count_nonzero(in_column)
        yield Cut(i.size, int(rows), int(columns))
        densest = max(densest, i.size / (weight * rows + columns))
        row, column = in_row[i] / weight, in_column[j]
        least = max(densest, 1.02 * min(float(row.min()), float(column.min())))
        keep = (row > least) & (column > least)
        if not keep.any():
            return
        i, j = i[keep], j[keep]
