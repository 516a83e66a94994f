"""Products of a matrix with a few columns, in parts that a BLAS multiplies without copying the matrix first.

OpenBLAS brings its factors into an order of its own before it multiplies, which for a few columns takes longer than the
product. With the instructions of AVX-512 it leaves that out up to a million multiplications. Measured there, products
in parts below this bound take 0.4 to 0.5 of the time for up to 16 columns, and from 24 columns on more in some sizes;
where OpenBLAS has no such rule they take 0.96 to 1.08.
"""

from __future__ import annotations

import numpy as np

from chainplan._util.arrays import Array
from chainplan.structures import Block

MAX_NARROW_COLUMNS = 16
"""Columns up to which a product is computed in parts."""
MAX_UNCOPIED_MULTIPLICATIONS = 1_000_000
"""Multiplications up to which OpenBLAS may leave the copies out."""


class NarrowProduct:
    """The product of two matrices by groups of rows; it writes into an array that stands behind the factors."""

    def __init__(self, left: Block, right: Block) -> None:
        parts = -(-left.rows * left.cols * right.cols // MAX_UNCOPIED_MULTIPLICATIONS)
        size = -(-left.rows // parts)
        self._groups = [slice(first, first + size) for first in range(0, left.rows, size)]

    def __call__(self, left: Array, right: Array, out: Array | None = None) -> Array:
        if left.dtype != right.dtype:
            return np.dot(left, right, out)
        made = np.empty((len(left), right.shape[1]), left.dtype) if out is None else out
        columns = np.ascontiguousarray(right)
        for rows in self._groups:
            np.dot(left[rows], columns, made[rows])
        return made


def narrow_product(left: Block, right: Block) -> NarrowProduct | None:
    """Return the product in parts of two matrices, where it pays."""
    m, k, n = left.rows, left.cols, right.cols
    narrow = 1 < n <= MAX_NARROW_COLUMNS and n < m
    return NarrowProduct(left, right) if narrow and m * k * n > MAX_UNCOPIED_MULTIPLICATIONS else None
