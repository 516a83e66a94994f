"""Patterns as CSR arrays of ones, made row by row: what several structures need to list their nonzeros."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from chainplan._util.arrays import Array


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
