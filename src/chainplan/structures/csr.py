"""Patterns as CSR arrays of ones, made row by row, and products of patterns, made strip by strip of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from chainplan._util.arrays import Array

_STRIP_MULTIPLICATIONS = 2_000_000
"""Multiplications per strip of rows, where a product is made strip by strip and never held as a whole."""


def csr_of_rows(columns: Iterable[int], cols: int) -> csr_array:
    """Return the pattern that has one entry in each row, in the column given."""
    indices = np.fromiter(columns, np.int64)
    return csr_array(
        (np.ones(len(indices), np.float32), indices, np.arange(len(indices) + 1)), shape=(len(indices), cols)
    )


def csr_of_ranges(start: Array, stop: Array, cols: int) -> csr_array:
    """Return the pattern whose rows reach from column `start` up to `stop`, exclusive."""
    lengths = np.maximum(stop - start, 0)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    indices = np.arange(indptr[-1]) - np.repeat(indptr[:-1] - start, lengths)
    return csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=(len(lengths), cols))


def product_strips(start: csr_array, rest: Sequence[csr_array]) -> Iterator[tuple[int, csr_array]]:
    """Yield strips of rows of the product of `start` and the patterns of `rest`, each with its first row.

    A strip takes about `_STRIP_MULTIPLICATIONS` if no two paths meet. Its values count paths, and its indices are not
    sorted.
    """
    paths = np.diff(rest[-1].indptr).astype(np.float64)
    for pattern in reversed(rest[:-1]):
        paths = pattern @ paths
    done = np.cumsum(start @ paths)
    ends = np.searchsorted(done, np.arange(_STRIP_MULTIPLICATIONS, done[-1], _STRIP_MULTIPLICATIONS)) + 1
    for first, stop in pairwise(np.unique([0, *ends, len(done)]).tolist()):
        strip = start[first:stop]
        for pattern in rest:
            strip = strip @ pattern
        yield first, strip


class DistinctRows(NamedTuple):
    """A pattern of sorted rows of which neighbouring equal ones, as blocks of unknowns have them, stand once in `csr`.

    `groups` has the number of the row of `csr` that each row is; None where each row stands for itself.
    """

    csr: csr_array
    groups: Array | None

    def spread(self) -> csr_array:
        """Return the pattern with each row as often as it occurs."""
        return self.csr if self.groups is None else self.csr[self.groups]

    def repeats(self) -> Array:
        """Return how many rows each row of `csr` stands for."""
        return np.ones(self.csr.shape[0], np.int64) if self.groups is None else np.bincount(self.groups)

    def over(self, right: DistinctRows) -> csr_array:
        """Return the pattern whose columns are the distinct rows of `right`: what meets one of equal rows meets all."""
        return self.csr if right.groups is None else _merged_columns(self.csr, right.groups)


def distinct_rows(csr: csr_array) -> DistinctRows:
    """Return the distinct rows of a pattern; all rows where fewer than half of them repeat."""
    groups = row_groups(csr)
    return DistinctRows(csr if groups is None else csr[np.flatnonzero(np.diff(groups, prepend=-1))], groups)


def pattern_product(x: DistinctRows, y: DistinctRows) -> DistinctRows:
    """Return x · y of two patterns, with the groups of x; its values are ones, and its rows are sorted.

    Cost: O(entries of the distinct rows of x, y and the product), and one multiplication for each entry of a distinct
    row of x and each entry of a distinct row of y that it meets; where each row of x meets one of y, none.
    """
    met = x.over(y)
    if (np.diff(met.indptr) == 1).all():
        return DistinctRows(y.csr[met.indices], x.groups)
    made: csr_array = (met @ y.csr).tocsr()
    made.sort_indices()
    made.data[:] = 1
    return DistinctRows(made, x.groups)


def pairs_met(x: csr_array, y: csr_array) -> int:
    """Count the pairs of entries that meet in x · y, at least as many as its nonzeros."""
    return int(np.diff(y.indptr)[x.indices].sum(dtype=np.int64))


def row_groups(csr: csr_array) -> Array | None:
    """Number the runs of neighbouring equal rows, for each row; None where fewer than half of the rows repeat."""
    lengths = np.diff(csr.indptr)
    alike = lengths[1:] == lengths[:-1]
    if 2 * np.count_nonzero(alike) < len(lengths) or not csr.nnz:
        return None
    if alike.all():
        rows = csr.indices.reshape(len(lengths), -1)
        repeats = (rows[1:] == rows[:-1]).all(axis=1)
    else:
        before = np.arange(csr.nnz) - np.repeat(lengths, lengths)
        other = np.zeros(csr.nnz + 1, np.int64)
        np.cumsum(csr.indices != csr.indices[np.maximum(before, 0)], out=other[1:])
        repeats = alike & (other[csr.indptr[2:]] == other[csr.indptr[1:-1]])
    if 2 * np.count_nonzero(repeats) < len(lengths):
        return None
    groups: Array = np.zeros(len(lengths), csr.indices.dtype)
    np.cumsum(~repeats, out=groups[1:])
    return groups


def _merged_columns(csr: csr_array, groups: Array) -> csr_array:
    """Return the pattern of sorted rows whose columns are the groups, which are numbered in the order of columns."""
    columns = groups[csr.indices]
    new = np.ones(csr.nnz, bool)
    np.not_equal(columns[1:], columns[:-1], out=new[1:])
    new[csr.indptr[:-1][np.diff(csr.indptr) > 0]] = True
    ends = np.zeros(csr.nnz + 1, csr.indptr.dtype)
    np.cumsum(new, out=ends[1:])
    merged = columns[new]
    lists = np.ones(len(merged), np.float32), merged, ends[csr.indptr]
    return csr_array(lists, shape=(csr.shape[0], int(groups[-1]) + 1))
