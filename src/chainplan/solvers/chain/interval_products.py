"""Prices of the last product of every interval of a chain, for all splits at once.

The price of left · right is `Σ_l c(l) · r(l)`, where c are the column counts of the left factor and r the row counts of
the right one. Where one of the two is constant (dense, diagonal, zero: nearly always) the sum collapses to a number
times the nonzeros of the other factor, and a whole anti-diagonal is a product of two tables. Where neither is constant
(two bands), the caller asks for the sums only where the two parts cost little enough, and they are evaluated for all
such pairs at once, piece by piece. Only short intervals are bands in most chains, so that few splits are looked at.

The compiled routine `least_splits` goes through the same tables, and finds the cheapest split of each interval.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from chainplan.problem.graph import Elemental
from chainplan.solvers.chain.derivation import sizes_of
from chainplan.solvers.chain.interval_structures import IntervalStructures, interval_structures
from chainplan.structures import Banded, Block, Dense, product_fma
from chainplan.structures.banded import band_nonzeros, band_products_fma

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from chainplan._util.arrays import Array

_NO_BAND = -1
"""The width of a block that is no band, or one with as many nonzeros in each row, and in each column."""
_FEW_PRODUCTS = 8
"""Products of bands that are counted one by one, because arrays would not pay."""


class LastProducts(Protocol):
    """What the last products of all intervals cost, with the methods of `IntervalProducts`."""

    s: Array
    longest_not_dense: int
    longest_band: int

    def even_prices(self, a: int, b: int, d: int) -> Array: ...
    def uneven(self, a: int, b: int, d: int) -> tuple[Array, Array]: ...
    def uneven_prices(self, i: Array, t: Array, d: int) -> Array: ...
    def tables(self) -> tuple[Array, ...] | None: ...
    def product_fma(self, i: int, d: int) -> int: ...


class IntervalProducts:
    """The price of the last product of every interval at each of its splits, from tables of O(q²) numbers."""

    def __init__(self, chain: tuple[Elemental, ...], dtype: DTypeLike) -> None:
        self.s = np.array(sizes_of(chain), dtype)
        self.q = len(chain)
        self.longest_band = self.longest_not_dense = 0
        self._dense = all(type(e.block.structure) is Dense for e in chain)
        if not self._dense:
            self._tabulate(chain, dtype)

    def even_prices(self, a: int, b: int, d: int) -> Array:
        """Prices for the intervals (i, i+d), i = a ... b-1: array of (b - a) x (d - 1), split k = i + 1 + column.

        They are too low where both factors are bands; what is missing there is in `uneven_prices`.
        """
        if self._dense:
            inner = np.lib.stride_tricks.sliding_window_view(self.s[a + 1 : b + d - 1], d - 1)
            ends: Array = self.s[a:b] * self.s[a + d : b + d]
            dense: Array = inner * ends[:, None]
            return dense
        q = self.q
        result: Array = self._column[a + d : b + d, q - d + 1 : q] * self._nnz[a:b, 1:d]
        if self.longest_band:
            first = max(1, d - self.longest_band)
            result[:, first - 1 :] += self._uneven_nnz[a + d : b + d, q - d + first : q] * self._row[a:b, first:d]
        return result

    def uneven(self, a: int, b: int, d: int) -> tuple[Array, Array]:
        """Return the starts of these intervals, and the lengths of right factors, where both factors are bands."""
        i, lengths = np.arange(a, b), np.arange(max(1, d - self.longest_band), min(d, self.longest_band + 1))
        left = (
            self._lower[i[:, None] + lengths, d - lengths] != _NO_BAND if len(lengths) else np.zeros((b - a, 0), bool)
        )
        rows, places = np.nonzero(left & (self._lower[a:b, lengths] != _NO_BAND) if len(lengths) else left)
        return i[rows], lengths[places]

    def uneven_prices(self, i: Array, t: Array, d: int) -> Array:
        """Prices of the products of two bands, (i + t, i + d) · (i, i + t)."""
        if len(i) <= _FEW_PRODUCTS:
            pairs = zip(i.tolist(), t.tolist(), strict=True)
            few = [product_fma(self._band(a + b, d - b), self._band(a, b)) for a, b in pairs]
            return np.array(few, self.s.dtype)
        k = i + t
        left = self._lower[k, d - t], self._upper[k, d - t]
        return band_products_fma((self.s[i + d], self.s[k], self.s[i]), left, (self._lower[i, t], self._upper[i, t]))

    def _band(self, i: int, d: int) -> Block:
        """Return the block of the interval (i, i+d), which is a band."""
        widths = Banded(int(self._lower[i, d]), int(self._upper[i, d]))
        return Block(int(self.s[i + d]), int(self.s[i]), widths)

    def product_fma(self, i: int, d: int) -> int:
        """Count the fma of a product of the block of (i, i+d) with a dense vector."""
        return int(self.s[i] * self.s[i + d] if self._dense else self._nnz[i, d])

    def tables(self) -> tuple[Array, ...] | None:
        """Return what `least_splits` needs beside the prices of intervals, or None where there are no such tables."""
        if self._dense:
            return None
        return self._column, self._nnz, self._uneven_nnz, self._row, self._lower, self._upper, self.s

    def _tabulate(self, chain: tuple[Elemental, ...], dtype: DTypeLike) -> None:
        """Fill the tables of constant counts and nonzeros: by start for right factors, by end for left factors."""
        shape = (self.q + 1, self.q + 1)
        self._nnz, self._row, self._column = (np.zeros(shape, dtype) for _ in range(3))
        banded = any(isinstance(e.block.structure, Banded) for e in chain)
        self._uneven_nnz = np.zeros(shape, dtype) if banded else self._column
        self._lower = np.full(shape, _NO_BAND, dtype) if banded else self._column
        self._upper = np.full(shape, _NO_BAND, dtype) if banded else self._column
        for found in interval_structures([e.block for e in chain]):
            self._enter(found)

    def _enter(self, found: IntervalStructures) -> None:
        """Enter the counts of some intervals."""
        i, d, q = found.start, found.length, self.q
        rows, cols = self.s[i + d], self.s[i]
        parts, single = np.maximum(found.parts, 1), found.scales.astype(np.int64)
        full = found.bands & (found.lower >= rows - 1) & (found.upper >= cols - 1)
        dense = (found.parts > 0) | full
        self._nnz[i, d] = np.where(dense, rows * cols // parts, single * rows)
        self._row[i, d] = np.where(dense, cols // parts, single)
        self._column[i + d, q - d] = np.where(dense, rows // parts, single)
        if not (dense & (parts == 1)).all():
            self.longest_not_dense = int(d[~(dense & (parts == 1))][-1])
        uneven = found.bands & ~full
        if uneven.any():
            i, d, rows, cols = (array[uneven] for array in (i, d, rows, cols))
            lower, upper = found.lower[uneven], found.upper[uneven]
            self._nnz[i, d] = self._uneven_nnz[i + d, q - d] = band_nonzeros(rows, cols, lower, upper)
            self._lower[i, d], self._upper[i, d] = lower, upper
            self.longest_band = int(d[-1])
