"""Products with unit blocks: selections and permutations take rows or columns of a matrix, scatters put them.

Which rows or columns is listed once, when the kernel is made. Where all signs are +1, the values of the block are not
read at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from chainplan._util.arrays import Array
from chainplan.kernels.storage import HeldValues
from chainplan.structures import Block

if TYPE_CHECKING:
    from scipy.sparse import csr_array

PickProduct = Callable[[HeldValues, HeldValues], HeldValues]
"""A function from the values of the left and of the right block to the matrix that is their product."""


def take_rows(left: Block, right: Block) -> PickProduct:
    """Return the kernel by which a unit block with one entry in each row picks rows of a matrix."""
    rows = left.structure.pattern(left.rows, left.cols).indices
    if _plus_ones(left):
        return lambda a, b: b[rows]
    return lambda a, b: b[a.indices] * a.data[:, None]


def take_columns(left: Block, right: Block) -> PickProduct:
    """Return the kernel by which a unit block with one entry in each column picks columns of a matrix."""
    columns = right.structure.pattern(right.rows, right.cols).tocsc().indices
    if _plus_ones(right):
        return lambda a, b: np.take(a, columns, axis=1)

    def kernel(a: Array, b: csr_array) -> HeldValues:
        by_column = b.tocsc()
        return np.take(a, by_column.indices, axis=1) * by_column.data

    return kernel


def across_taken(right: Block) -> Callable[[Array], Array] | None:
    """Return the function that takes columns of a matrix and holds them column by column; None where signs differ."""
    if not _plus_ones(right):
        return None
    columns = right.structure.pattern(right.rows, right.cols).tocsc().indices.astype(np.intp)
    return lambda a: a.T.take(columns, 0).T


def put_rows(left: Block) -> PickProduct | None:
    """Return the kernel by which a unit block puts rows of a matrix among zeros, where every row comes from one."""
    units = left.structure.units
    if units is None or not units.rows or units.sign != 1:
        return None
    entries = left.structure.pattern(left.rows, left.cols).tocoo()
    places, sources, m = entries.row, entries.col, left.rows

    def kernel(a: csr_array, b: Array) -> Array:
        made: Array = np.zeros((m, b.shape[1]), b.dtype)
        made[places] = b[sources]
        return made

    return kernel


def put_columns(right: Block) -> PickProduct | None:
    """Return the kernel by which a unit block puts columns of a matrix among zeros, where every column comes from one.

    The dense factor stands on the left.
    """
    units = right.structure.units
    if units is None or not units.cols or units.sign != 1:
        return None
    entries = right.structure.pattern(right.rows, right.cols).tocoo()
    places, sources, n = entries.col, entries.row, right.cols
    every = len(sources) == right.rows and bool((sources == np.arange(right.rows)).all())

    def kernel(a: Array, b: csr_array) -> Array:
        made: Array = np.zeros((a.shape[0], n), a.dtype)
        made[:, places] = a if every else a[:, sources]
        return made

    return kernel


def _plus_ones(block: Block) -> bool:
    """Say whether all entries of a unit block are +1."""
    return block.structure.units is not None and block.structure.units.sign == 1
