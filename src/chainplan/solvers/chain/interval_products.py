"""Prices of the last product of every interval of a chain, for all splits at once.

The price of left · right is `Σ_l c(l) · r(l)`, where c are the column counts of the left factor and r the row counts of
the right one. Where one of the two is constant (dense, diagonal, zero: nearly always) the sum collapses to a number
times the nonzeros of the other factor, and a whole anti-diagonal is a product of two tables. Where neither is constant
(two bands), the sums are evaluated for all such pairs at once, piece by piece.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainplan.problem.graph import Elemental
from chainplan.solvers.chain.derivation import sizes_of
from chainplan.structures import Banded, Block, Dense
from chainplan.structures.banded import band_products_fma
from chainplan.structures.counts import LineCounts

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from chainplan._util.arrays import Array


class IntervalProducts:
    """The price of the last product of every interval at each of its splits, from tables of O(q²) numbers."""

    def __init__(self, chain: tuple[Elemental, ...], dtype: DTypeLike) -> None:
        self.s = np.array(sizes_of(chain), dtype)
        self.q = len(chain)
        self._dense = all(type(e.block.structure) is Dense for e in chain)
        if not self._dense:
            self._tabulate(chain, dtype)

    def prices(self, a: int, b: int, d: int) -> Array:
        """Prices for the intervals (i, i+d), i = a ... b-1: array of (b - a) x (d - 1), split k = i + 1 + column."""
        q = self.q
        if self._dense:
            inner = np.lib.stride_tricks.sliding_window_view(self.s[a + 1 : b + d - 1], d - 1)
            ends: Array = self.s[a:b] * self.s[a + d : b + d]
            dense: Array = inner * ends[:, None]
            return dense
        ends_at, starts_at = np.s_[a + d : b + d, q - d + 1 : q], np.s_[a:b, 1:d]
        result: Array = self._column[ends_at] * self._nnz[starts_at]
        if self._uneven:
            result += self._uneven_nnz[ends_at] * self._row[starts_at]
            both = self._uneven_left[ends_at] & self._uneven_right[starts_at]
            rows, splits = np.nonzero(both)
            result[rows, splits] = self._band_prices(a + rows, a + rows + 1 + splits, a + rows + d)
        return result

    def _band_prices(self, i: Array, k: Array, j: Array) -> Array:
        """Prices of the products of two bands, (k, j) · (i, k)."""
        left = self._lower[k, j], self._upper[k, j]
        right = self._lower[i, k], self._upper[i, k]
        return band_products_fma((self.s[j], self.s[k], self.s[i]), left, right)

    def _tabulate(self, chain: tuple[Elemental, ...], dtype: DTypeLike) -> None:
        """Fill the tables of constant counts and nonzeros: by start for right factors, by end for left factors."""
        q, s = self.q, self.s
        shape = (q + 1, q + 1)
        self._nnz, self._row = np.zeros(shape, dtype), np.zeros(shape, dtype)
        self._column, self._uneven_nnz = np.zeros(shape, dtype), np.zeros(shape, dtype)
        self._uneven_left, self._uneven_right = np.zeros(shape, bool), np.zeros(shape, bool)
        self._lower, self._upper = np.zeros(shape, dtype), np.zeros(shape, dtype)
        self._uneven = False
        for i in range(q):
            lengths = np.arange(1, q - i + 1)
            self._nnz[i, 1 : q - i + 1] = s[i] * s[i + 1 :]
            self._row[i, 1 : q - i + 1] = s[i]
            self._column[lengths + i, q - lengths] = s[i + 1 :]
        for i in range(q):
            block = chain[i].block
            for j in range(i + 1, q + 1):
                block = chain[j - 1].block.times(block) if j > i + 1 else block
                if type(block.structure) is not Dense:
                    self._enter(i, j, block)

    def _enter(self, i: int, j: int, block: Block) -> None:
        """Enter the counts of one block that is not dense."""
        d, back = j - i, self.q - (j - i)
        if block.structure.unit:
            self._nnz[i, d] = self._row[i, d] = self._column[j, back] = 0
            return
        column = _constant(block.structure.column_counts(block.rows, block.cols))
        row = _constant(block.structure.row_counts(block.rows, block.cols))
        nnz = block.nnz
        self._nnz[i, d] = nnz
        self._row[i, d] = row or 0
        self._column[j, back] = column or 0
        if column is None:
            self._uneven_nnz[j, back] = nnz
            self._uneven_left[j, back] = True
        if row is None:
            self._uneven_right[i, d] = True
        if isinstance(block.structure, Banded):
            self._lower[i, j], self._upper[i, j] = block.structure.lower, block.structure.upper
            self._uneven = True


def _constant(counts: LineCounts) -> int | None:
    """The count that all rows (or columns) share, None where they differ."""
    values = {first for _, first, slope in counts} if not any(slope for *_, slope in counts) else {0, 1}
    return values.pop() if len(values) == 1 else None if values else 0
