"""What every direct colouring must cost at least, by counting arguments without a search.

A row with w nonzeros needs w colours where columns alone are coloured, because any two of its columns conflict. In a
two-sided colouring with c column and a row colours, split the nonzeros by the side that recovers them (either one where
both do). The nonzeros of one row that columns recover have different colours, so they are at most c; those of one
column that rows recover are at most a. Hence for any set I of rows and any set J of columns

    nnz(I, J) ≤ c·|I| + a·|J|,

and every pair of sets gives one inequality. The bound is the price of the cheapest pair (c, a) of whole numbers that
meets the inequalities tried; with c = 0 or a = 0 it is one-sided. The sets tried are what remains of the pattern while
sparse rows and columns are removed step by step, as in the search for a densest subgraph (Charikar, APPROX 2000). On an
arrowhead the whole pattern says 3n − 2 ≤ (c + a)·n, so three sweeps are needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainplan.colouring.recovery import entries

if TYPE_CHECKING:
    from chainplan.colouring.recovery import Pattern

MAX_CUT_ROUNDS = 60
"""Most sets that are tried for one weight of rows against columns."""


class ColouringCut(NamedTuple):
    """nnz(I, J), |I| and |J| of one inequality."""

    nonzeros: int
    rows: int
    columns: int


SweepCounts = tuple[int, int]
"""A number of tangents and a number of adjoints."""


def lower_bound(pattern: Pattern, tangent: int | None, adjoint: int | None) -> int:
    """A cost that no direct colouring of the pattern undercuts; None is a mode that is not available.

    Cost: numpy operations on O(nnz) numbers, a few hundred times at most.

    Raises
    ------
    ValueError
        If no mode is available, or a price is negative.
    """
    return least(ColouringNeeds.of(pattern, tangent, adjoint).pairs, tangent, adjoint)


def check_prices(tangent: int | None, adjoint: int | None) -> None:
    """Raise ValueError unless at least one mode has a price, and none is negative."""
    if tangent is None and adjoint is None:
        raise ValueError("neither a tangent nor an adjoint is available; a colouring needs the price of at least one.")
    for mode, price in (("tangent", tangent), ("adjoint", adjoint)):
        if price is not None and price < 0:
            raise ValueError(f"the price of a {mode} is {price}; prices count from 0.")


def least(pairs: Sequence[SweepCounts], tangent: int | None, adjoint: int | None) -> int:
    """The price of the cheapest pair."""
    return min(c * (tangent or 0) + a * (adjoint or 0) for c, a in pairs)


class ColouringNeeds(NamedTuple):
    """What every direct colouring needs: so many tangents alone, or so many adjoints alone, or both to meet all cuts.

    None is a mode that is not available.
    """

    tangents: int | None
    adjoints: int | None
    cuts: tuple[ColouringCut, ...]

    @classmethod
    def of(cls, pattern: Pattern, tangent: int | None, adjoint: int | None) -> ColouringNeeds:
        """The lengths of the longest row and column, and the cuts that bound most at these prices."""
        check_prices(tangent, adjoint)
        i, j = entries(pattern)
        rows, columns = (int(np.bincount(line).max(initial=0)) for line in (i, j))
        one_side = tangent is None or adjoint is None or min(rows, columns) < 2
        cuts = () if one_side else tuple(_cuts(pattern, tangent or 0, adjoint or 0))
        return cls(None if tangent is None else rows, None if adjoint is None else columns, cuts)

    @property
    def pairs(self) -> tuple[SweepCounts, ...]:
        """Pairs (tangents, adjoints): every direct colouring has at least as many of both as one of these pairs.

        A pair of both modes is left out where it needs as many sweeps of one mode as that mode needs alone.
        """
        alone = []
        if self.tangents is not None:
            alone.append((self.tangents, 0))
        if self.adjoints is not None and (0, 0) not in alone:
            alone.append((0, self.adjoints))
        if self.tangents is None or self.adjoints is None or self.tangents < 2:
            return tuple(alone)
        c = np.arange(1, self.tangents)
        a = np.ones_like(c)
        for cut in self.cuts:
            np.maximum(a, -((c * cut.rows - cut.nonzeros) // cut.columns), out=a)
        first = np.flatnonzero(np.diff(a, prepend=a[0] + 1))
        return (*alone, *((int(c[k]), int(a[k])) for k in first if a[k] < self.adjoints))


def _cuts(pattern: Pattern, tangent: int, adjoint: int) -> Iterator[ColouringCut]:
    """The inequalities of ever denser parts, for several weights of a row against a column."""
    for weight in dict.fromkeys((1.0, adjoint / tangent if tangent else 1.0, pattern.shape[1] / pattern.shape[0])):
        yield from _denser(*entries(pattern), weight or 1.0)


def _denser(i: np.ndarray, j: np.ndarray, weight: float) -> Iterator[ColouringCut]:
    """The inequalities of ever denser parts, where a row counts `weight` columns."""
    densest = 0.0
    for _ in range(MAX_CUT_ROUNDS):
        in_row, in_column = np.bincount(i), np.bincount(j)
        rows, columns = np.count_nonzero(in_row), np.count_nonzero(in_column)
        yield ColouringCut(i.size, int(rows), int(columns))
        densest = max(densest, i.size / (weight * rows + columns))
        row, column = in_row[i] / weight, in_column[j]
        least = max(densest, 1.02 * min(float(row.min()), float(column.min())))
        keep = (row > least) & (column > least)
        if not keep.any():
            return
        i, j = i[keep], j[keep]
