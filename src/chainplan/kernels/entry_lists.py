"""Sparse blocks by their entries alone, where the lists of rows and columns stay the same from run to run.

The lists are those of one sparse array; a product or a sum finds the lists of its result, and which entries meet in
each of its entries, once. What is left for a run are a few calls of numpy on vectors of entries.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_array

from chainplan._util.arrays import Array

MAX_LISTED_PAIRS = 4_000_000
"""Pairs of entries of a product that are listed; beyond, the lists take more memory than they are worth."""

EntriesProduct = Callable[[Array, Array], Array]
"""A function from the entries of two blocks to those of their product or sum."""


def rows_of(lists: csr_array) -> Array:
    """Return the row of every entry."""
    rows: Array = np.repeat(np.arange(lists.shape[0]), np.diff(lists.indptr))
    return rows


def entry_places(lists: csr_array) -> Array:
    """Return where every entry stands in a matrix that is written out row by row."""
    places: Array = rows_of(lists) * lists.shape[1] + lists.indices
    return places


def product_of_lists(
    left: csr_array, right: csr_array, left_ones: bool, right_ones: bool
) -> tuple[csr_array, EntriesProduct] | None:
    """Return the lists of a product and the function of its entries, or None where too many pairs of entries meet.

    Parameters
    ----------
    left, right : csr_array
        The lists of the factors, of m x k and k x n.
    left_ones, right_ones : bool
        Whether all entries of a factor are known to be one, so that they need not be multiplied.
    """
    counts = np.diff(right.indptr)[left.indices]
    pairs = int(counts.sum())
    if pairs > MAX_LISTED_PAIRS:
        return None
    own: Array = np.repeat(np.arange(left.nnz), counts)
    behind = np.arange(pairs) - np.repeat(np.cumsum(counts) - counts, counts)
    other: Array = np.repeat(right.indptr[left.indices], counts) + behind
    shape = left.shape[0], right.shape[1]
    places = rows_of(left)[own] * shape[1] + right.indices[other]
    order = np.argsort(places, kind="stable")
    own, other, places = own[order], other[order], places[order]
    distinct, first = np.unique(places, return_index=True)
    return _lists(distinct, shape), _entries_of(own, other, first, left_ones, right_ones)


def _entries_of(own: Array, other: Array, first: Array, left_ones: bool, right_ones: bool) -> EntriesProduct:
    """Return the function that multiplies entries in pairs, and adds the pairs up from each `first` on."""
    if left_ones:
        multiplied: EntriesProduct = lambda a, b: b.take(other)  # noqa: E731
    elif right_ones:
        multiplied = lambda a, b: a.take(own)  # noqa: E731
    else:
        multiplied = lambda a, b: a.take(own) * b.take(other)  # noqa: E731
    if len(first) == len(own):
        return multiplied
    return lambda a, b: np.add.reduceat(multiplied(a, b), first)


def sum_of_lists(left: csr_array, right: csr_array) -> tuple[csr_array, EntriesProduct]:
    """Return the lists of a sum and the function of its entries."""
    one, other = entry_places(left), entry_places(right)
    distinct = np.union1d(one, other)
    at, onto = np.searchsorted(distinct, one), np.searchsorted(distinct, other)
    size = len(distinct)

    def total(a: Array, b: Array) -> Array:
        entries: Array = np.zeros(size, a.dtype)
        entries[at] = a
        entries[onto] += b
        return entries

    return _lists(distinct, (left.shape[0], left.shape[1])), total


def matrix_of_lists(lists: csr_array) -> Callable[[Array], Array]:
    """Return the function that writes entries out as a matrix."""
    places, shape = entry_places(lists), lists.shape

    def matrix(entries: Array) -> Array:
        made: Array = np.zeros(shape, entries.dtype)
        made.reshape(-1)[places] = entries
        return made

    return matrix


def _lists(places: Array, shape: tuple[int, int]) -> csr_array:
    """Make the lists of entries that stand at some places, in order, of a matrix written out row by row."""
    rows, columns = np.divmod(places, max(shape[1], 1))
    ends = np.cumsum(np.bincount(rows, minlength=shape[0]))
    starts = np.concatenate(([0], ends)) if shape[0] else np.zeros(1, np.intp)
    ones = np.ones(len(places), np.int8)
    return csr_array((ones, columns.astype(np.int32), starts.astype(np.int32)), shape=shape)
