"""Patterns as CSR arrays of ones, made row by row, and products of patterns, made strip by strip of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

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
