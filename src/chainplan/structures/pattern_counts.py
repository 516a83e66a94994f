"""How many nonzeros each row and each column of a pattern has: exactly, or between two bounds.

A product of large patterns may be too large to be listed, and still be counted exactly, a strip of rows at a time.
Where that takes too long as well, its counts are bounded on both sides by those of its factors. Row i of left · right
is the union of those rows l of `right` for which left[i, l] may be nonzero. So it has at least as many nonzeros as the
longest of them, and at most as many as all of them together. The same holds for columns.

Cost: O(multiplications) for exact counts, O(nonzeros of the listed factor) for bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array, vstack

from chainplan.structures.base import Structure
from chainplan.structures.counts import LineCounts, runs, spread
from chainplan.structures.csr import product_strips
from chainplan.structures.envelope import Outline, outline

if TYPE_CHECKING:
    from chainplan._util.arrays import Array


@dataclass(frozen=True, eq=False)
class PatternCounts:
    """The nonzeros of each row and of each column of a pattern: at most `rows`, `cols`; at least the other two.

    `csr` lists the pattern, where it is listed, and `frame` is an outline of it.
    """

    rows: Array
    cols: Array
    least_rows: Array
    least_cols: Array
    frame: Outline
    csr: csr_array | None = None

    @cached_property
    def exact(self) -> bool:
        """Whether the bounds on both sides agree."""
        pairs = (self.rows, self.least_rows), (self.cols, self.least_cols)
        return all(most is least or bool((most == least).all()) for most, least in pairs)

    @cached_property
    def nnz(self) -> int:
        """The most nonzeros that the pattern may have."""
        return min(int(self.rows.sum()), int(self.cols.sum()))

    @cached_property
    def least_nnz(self) -> int:
        """The fewest nonzeros that the pattern may have."""
        return max(int(self.least_rows.sum()), int(self.least_cols.sum()))

    @cached_property
    def row_runs(self) -> LineCounts:
        """The counts of the rows as pieces."""
        return runs(self.rows)

    @cached_property
    def column_runs(self) -> LineCounts:
        """The counts of the columns as pieces."""
        return runs(self.cols)

    @cached_property
    def columns(self) -> csr_array | None:
        """The transposed list."""
        return None if self.csr is None else self.csr.T.tocsr()

    @property
    def held_bytes(self) -> int:
        """The bytes of the counts and of the list with its transpose."""
        listed = 0 if self.csr is None else 16 * int(self.csr.nnz)
        return listed + 40 * (len(self.rows) + len(self.cols))

    def transpose(self) -> PatternCounts:
        """Return the counts of the transposed pattern."""
        frame = self.frame.transpose()
        assert isinstance(frame, Outline)
        return PatternCounts(self.cols, self.rows, self.least_cols, self.least_rows, frame, self.columns)


def listed(csr: csr_array, frame: Outline) -> PatternCounts:
    """Return the counts of a listed pattern, which is held in single precision: numbers of paths then never wrap."""
    if csr.dtype != np.float32:
        csr = csr_array((np.ones(csr.nnz, np.float32), csr.indices, csr.indptr), shape=csr.shape)
    rows = np.diff(csr.indptr).astype(np.int64)
    cols = np.bincount(csr.indices, minlength=csr.shape[1]).astype(np.int64)
    return PatternCounts(rows, cols, rows, cols, frame, csr)


def symbolic(structure: Structure, rows: int, cols: int) -> PatternCounts:
    """Return the counts of a structure that is not listed."""
    by_row, by_col = (
        spread(counts) for counts in (structure.row_counts(rows, cols), structure.column_counts(rows, cols))
    )
    return PatternCounts(by_row, by_col, by_row, by_col, framed(structure, rows, cols))


def framed(structure: Structure, rows: int, cols: int) -> Outline:
    """Return an outline of a structure."""
    made = outline(structure, rows, cols)
    return made if isinstance(made, Outline) else Outline(0, 0)


def multiplications(left: PatternCounts, right: PatternCounts) -> int:
    """Count, from above, the pairs of entries that meet in left · right."""
    return int(left.cols @ right.rows)


def counted(start: csr_array, rest: Sequence[csr_array], frame: Outline, room: int) -> PatternCounts:
    """Count the product of `start` and the patterns of `rest` exactly; list it if it has at most `room` nonzeros.

    Only the list and one strip are ever held.
    """
    (m, _), (_, n) = start.shape, rest[-1].shape
    rows, cols = np.zeros(m, np.int64), np.zeros(n, np.int64)
    strips: list[csr_array] = []
    held = 0
    for first, strip in product_strips(start, rest):
        rows[first : first + strip.shape[0]] = np.diff(strip.indptr)
        cols += np.bincount(strip.indices, minlength=n)
        held += int(strip.nnz)
        if held <= room:
            strips.append(strip)
        else:
            strips.clear()
    csr = None
    if held <= room:
        csr = strips[0] if len(strips) == 1 else vstack(strips, format="csr")
        csr = csr_array((np.ones(csr.nnz, np.float32), csr.indices, csr.indptr), shape=(m, n))
    return PatternCounts(rows, cols, rows, cols, frame, csr)


def product_bounds(left: PatternCounts, right: PatternCounts) -> PatternCounts:
    """Bound the counts of left · right by those of its factors, one of which may be listed."""
    frame = left.frame.times(right.frame)
    assert isinstance(frame, Outline)
    m, n = len(left.rows), len(right.cols)
    rows, least_rows = _row_bounds(left.csr, (left.rows, left.least_rows), (right.rows, right.least_rows))
    cols, least_cols = _row_bounds(right.columns, (right.cols, right.least_cols), (left.cols, left.least_cols))
    rows = np.minimum(np.minimum(rows, n), spread(frame.row_counts(m, n)))
    cols = np.minimum(np.minimum(cols, m), spread(frame.column_counts(m, n)))
    return PatternCounts(rows, cols, least_rows, least_cols, frame)


def _row_bounds(csr: csr_array | None, own: tuple[Array, Array], rows: tuple[Array, Array]) -> tuple[Array, Array]:
    """Bound the rows of a product from above and from below by the rows of its right factor.

    A row of the left factor with c nonzeros that are not listed meets c rows of the right factor, all of which have at
    most as many nonzeros as the longest row, and one of which has at least as many as the c-th shortest.
    """
    (most_own, least_own), (most, least) = own, rows
    if csr is None:
        shortest = np.concatenate([[0], np.sort(least)])
        return most_own * int(most.max(initial=0)), shortest[least_own]
    longest = np.zeros(csr.shape[0], np.int64)
    filled = np.flatnonzero(np.diff(csr.indptr))
    if len(filled):
        longest[filled] = np.maximum.reduceat(least[csr.indices], csr.indptr[filled])
    return (csr @ most.astype(np.float64)).astype(np.int64), longest


def tightest(one: PatternCounts, other: PatternCounts) -> PatternCounts:
    """Return the better of two bounds on the same pattern, line by line."""
    return PatternCounts(
        np.minimum(one.rows, other.rows),
        np.minimum(one.cols, other.cols),
        np.maximum(one.least_rows, other.least_rows),
        np.maximum(one.least_cols, other.least_cols),
        one.frame,
    )


def summed(one: PatternCounts, other: PatternCounts, room: int) -> PatternCounts:
    """Return the counts of the union of two patterns, which is listed if it has at most `room` nonzeros."""
    frame = one.frame.plus(other.frame)
    assert isinstance(frame, Outline)
    if one.csr is not None and other.csr is not None and one.nnz + other.nnz <= room:
        csr = (one.csr + other.csr).tocsr()
        csr.data[:] = 1
        return listed(csr, frame)
    (m, n), maximum = (len(one.rows), len(one.cols)), np.maximum
    return PatternCounts(
        np.minimum(np.minimum(one.rows + other.rows, n), spread(frame.row_counts(m, n))),
        np.minimum(np.minimum(one.cols + other.cols, m), spread(frame.column_counts(m, n))),
        maximum(one.least_rows, other.least_rows),
        maximum(one.least_cols, other.least_cols),
        frame,
    )
