"""Prices of the last product of every interval of a chain with listed patterns, for all splits at once.

As in `interval_products`, most products have a factor with the same number of nonzeros in all its lines. Of the others,
the vectors of counts are kept, equal ones once and in the narrowest type of numbers, and their products are evaluated
where the caller asks for them. Patterns are made from left ends on, so that one of them is alive at a time.

Cost: O(nonzeros and multiplications of the patterns of all intervals) time; memory for one of these patterns, and for
the distinct vectors of counts that are not constant.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from chainplan.problem.graph import Elemental
from chainplan.solvers.chain.derivation import sizes_of
from chainplan.solvers.chain.interval_bits import EndCounts, bits_fit, end_counts
from chainplan.structures import Block, Dense, OnDiagonal, Zero
from chainplan.structures.counts import spread
from chainplan.structures.explicit import Explicit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike

    from chainplan._util.arrays import Array

MAX_COUNT_BYTES = 400_000_000
"""Bytes that the counts of all intervals may take where patterns are not listed."""
_LONGEST_PADDED = 256
"""Lines up to which all vectors stand in one array, so that many products are evaluated at once."""
_NUMBERS_AT_ONCE = 2_000_000
"""Numbers of both factors that are multiplied at once."""


def counts_fit(chain: tuple[Elemental, ...]) -> bool:
    """Say whether the counts of all intervals can be kept, as they always can where all patterns fit into lists."""
    if all(isinstance(e.block.structure, Explicit | Dense | OnDiagonal | Zero) for e in chain):
        return True
    return len(chain) ** 2 * max(sizes_of(chain)) * 8 <= MAX_COUNT_BYTES


def _keeps_dense(block: Block) -> bool:
    """Say whether a product of the block with a dense one is dense, which it is where no row is empty."""
    if isinstance(block.structure, Explicit):
        return bool(block.structure.row_vector.all())
    return isinstance(block.times(Block(block.cols, 1)).structure, Dense)


class ListedProducts:
    """The price of the last product of every interval at each of its splits, in O(q²) vectors of counts at most.

    Parameters
    ----------
    chain : tuple[Elemental, ...]
        The elementals.
    dtype : DTypeLike
        The type of the prices.
    exact : bool
        Whether the counts of all intervals are exact.
    least : bool
        Whether nonzeros are counted from below.
    tick : Callable[[], None]
        What is called between intervals; it raises where the search ends.
    """

    def __init__(
        self, chain: tuple[Elemental, ...], dtype: DTypeLike, exact: bool, least: bool, tick: Callable[[], None]
    ) -> None:
        self.s, self.q = np.array(sizes_of(chain), dtype), len(chain)
        self.longest_not_dense = self.q
        self.longest_band = 0
        self._exact, self._least = exact, least
        shape = (self.q + 1, self.q + 1)
        self._nnz, self._row, self._column, self._uneven_nnz = (np.zeros(shape, dtype) for _ in range(4))
        self._left, self._right = np.full(shape, -1, np.int32), np.full(shape, -1, np.int32)
        self._vectors: list[Array] = []
        self._number: dict[tuple[int, str, bytes], int] = {}
        if exact and bits_fit(chain):
            for j, counts in enumerate(end_counts(chain), 1):
                if j > 1:
                    tick()
                self._enter_end(j, counts)
        else:
            keeps_dense = [_keeps_dense(e.block) for e in chain]
            for i in range(self.q):
                if i:
                    tick()
                self._enter_start(chain, i, keeps_dense)
        widest = max(sizes_of(chain))
        self._padded = None
        if widest <= _LONGEST_PADDED:
            self._padded = np.zeros((len(self._vectors), widest), np.int64)
            for number, vector in enumerate(self._vectors):
                self._padded[number, : len(vector)] = vector
            self._vectors.clear()

    def _enter_start(self, chain: tuple[Elemental, ...], i: int, keeps_dense: list[bool]) -> None:
        """Enter all intervals that begin at i; a dense block stays dense as long as no row is empty."""
        block = chain[i].block
        for j in range(i + 1, self.q + 1):
            if j > i + 1 and not (isinstance(block.structure, Dense) and keeps_dense[j - 1]):
                block = chain[j - 1].block.times(block)
            elif j > i + 1:
                block = Block(chain[j - 1].block.rows, block.cols)
            self._enter(i, j, block)

    def _enter_end(self, j: int, counts: EndCounts) -> None:
        """Enter all intervals that end at j."""
        rows, cols, offsets, units = counts
        i = np.arange(j)
        d = j - i
        nnz = np.where(units, 0, rows.sum(axis=0))
        even_rows = np.where(rows.min(axis=0) == rows.max(axis=0), rows[0], -1)
        least, most = np.minimum.reduceat(cols, offsets), np.maximum.reduceat(cols, offsets)
        self._nnz[i, d] = nnz
        self._row[i, d] = np.where(nnz > 0, np.maximum(even_rows, 0), 0)
        self._column[j, self.q - d] = np.where((nnz > 0) & (least == most), least, 0)
        ends = np.append(offsets, len(cols))
        for start in np.flatnonzero((nnz > 0) & (least < most)).tolist():
            back = self.q - (j - start)
            self._left[j, back] = self._keep(cols[ends[start] : ends[start + 1]].copy())
            self._uneven_nnz[j, back] = nnz[start]
            self.longest_band = max(self.longest_band, j - start)
        for start in np.flatnonzero((nnz > 0) & (even_rows < 0)).tolist():
            self._right[start, j - start] = self._keep(rows[:, start].copy())
            self.longest_band = max(self.longest_band, j - start)

    def _enter(self, i: int, j: int, block: Block) -> None:
        """Enter the counts of one block."""
        d, back = j - i, self.q - (j - i)
        structure, (rows, cols) = block.structure, block[:2]
        if structure.unit:
            return
        nnz = structure.least_nnz(rows, cols) if self._least else block.nnz
        self._nnz[i, d] = nnz
        if not nnz:
            return
        if isinstance(structure, Dense | OnDiagonal):
            dense = isinstance(structure, Dense)
            self._row[i, d], self._column[j, back] = (cols, rows) if dense else (1, 1)
            return
        self.longest_band = max(self.longest_band, d)
        vectors = structure.least_vectors(rows, cols) if self._least else structure.vectors(rows, cols)
        if vectors is None:
            vectors = spread(structure.column_counts(rows, cols)), spread(structure.row_counts(rows, cols))
        by_column, by_row = vectors
        if self._exact and by_column.min() == by_column.max():
            self._column[j, back] = by_column[0]
        else:
            self._left[j, back], self._uneven_nnz[j, back] = self._keep(by_column), nnz
        if self._exact and by_row.min() == by_row.max():
            self._row[i, d] = by_row[0]
        else:
            self._right[i, d] = self._keep(by_row)

    def _keep(self, vector: Array) -> int:
        """Return the number of a vector, which equal ones share."""
        narrow = np.ascontiguousarray(vector, np.min_scalar_type(vector.max(initial=0)))
        key = len(narrow), narrow.dtype.char, blake2b(narrow.data, digest_size=32).digest()
        number = self._number.setdefault(key, len(self._vectors))
        if number == len(self._vectors):
            self._vectors.append(narrow)
        return number

    def even_prices(self, a: int, b: int, d: int) -> Array:
        """Prices as those of `IntervalProducts`, too low where both factors are uneven."""
        q, first = self.q, max(1, d - self.longest_band)
        result: Array = self._column[a + d : b + d, q - d + 1 : q] * self._nnz[a:b, 1:d]
        result[:, first - 1 :] += self._uneven_nnz[a + d : b + d, q - d + first : q] * self._row[a:b, first:d]
        return result

    def uneven(self, a: int, b: int, d: int) -> tuple[Array, Array]:
        """Return the starts of these intervals, and the lengths of right factors, where both factors are uneven."""
        q, first, end = self.q, max(1, d - self.longest_band), min(d, self.longest_band + 1)
        if first >= end:
            return np.zeros(0, np.intp), np.zeros(0, np.intp)
        both = (self._left[a + d : b + d, q - d + first : q - d + end] >= 0) & (self._right[a:b, first:end] >= 0)
        rows, places = np.nonzero(both)
        return a + rows, first + places

    def uneven_prices(self, i: Array, t: Array, d: int) -> Array:
        """Prices of the products of two uneven blocks, (i + t, i + d) · (i, i + t)."""
        left, right = self._left[i + d, self.q - d + t], self._right[i, t]
        if self._padded is None:
            pairs = zip(left.tolist(), right.tolist(), strict=True)
            return np.array([self._inner(a, b) for a, b in pairs], self.s.dtype)
        most = max(1, _NUMBERS_AT_ONCE // self._padded.shape[1])
        pieces = [
            np.einsum("ij,ij->i", self._padded[left[at : at + most]], self._padded[right[at : at + most]])
            for at in range(0, len(left), most)
        ]
        return np.concatenate(pieces).astype(self.s.dtype) if pieces else np.zeros(0, self.s.dtype)

    def _inner(self, a: int, b: int) -> int:
        """Return the inner product of two vectors of counts."""
        x, y, most = self._vectors[a], self._vectors[b], _NUMBERS_AT_ONCE
        pieces = (slice(at, at + most) for at in range(0, len(x), most))
        return sum(int(x[piece].astype(np.int64) @ y[piece].astype(np.int64)) for piece in pieces)

    def product_fma(self, i: int, d: int) -> int:
        """Count the fma of a product of the block of (i, i+d) with a dense vector."""
        return int(self._nnz[i, d])

    def tables(self) -> tuple[Array, ...] | None:
        """Return None: `least_splits` knows no vectors of counts."""
        return None
