"""Decides in which form the values of a block are held.

The form depends on the block alone, not on how the block came about: otherwise the price of a product under a time
model would depend on the bracketing. A pattern is held sparse below a density of 0.1. From there on a sparse product
costs more than a dense one of the same shape, because it takes 5 to 10 ns per multiplication against 0.03 to 0.1 ns.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from chainplan.structures import (
    Block,
    BlockDiagonal,
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    NegatedIdentity,
    Outline,
    ScaledIdentity,
    Shifts,
    Sign,
    Zero,
)

MAX_SPARSE_DENSITY = 0.1
"""Density from which on a pattern is held as a matrix."""
MAX_BOUNDED_MATRIX_ENTRIES = 50_000_000
"""Entries of the largest block that is held as a matrix where only an upper bound of its pattern is known."""


HeldValues = Any
"""The values of a block: an array, a `csr_array` or None. Its `StorageForm` says which, so that no type can."""


class StorageForm(Enum):
    """The ways to hold the values of a block: arrays of numpy, or sparse arrays of scipy."""

    IMPLIED = "implied"
    """No array, because the structure determines all values: identity, negated identity, zero."""
    SCALED_IDENTITY = "scaled_identity"
    """A 0-d array with the number that stands all along the diagonal."""
    DIAGONAL = "diagonal"
    """An array of `rows` numbers, the diagonal."""
    BLOCK_DIAGONAL = "block_diagonal"
    """An array of b x r x c: block t holds rows t·r ... and columns t·c ...; 1 x r x c where all blocks are equal."""
    KRONECKER = "kronecker"
    """An array of k x r x c: layer t holds entries (i·k + t, j·k + t); of 1 x r x c where all layers are equal."""
    SHIFTS = "shifts"
    """An array of one coefficient for each run."""
    SPARSE = "sparse"
    """A `scipy.sparse.csr_array` of rows x cols."""
    DENSE = "dense"
    """An array of rows x cols."""


_FORM_OF_STRUCTURE = {
    Identity: StorageForm.IMPLIED,
    NegatedIdentity: StorageForm.IMPLIED,
    Zero: StorageForm.IMPLIED,
    ScaledIdentity: StorageForm.SCALED_IDENTITY,
    Diagonal: StorageForm.DIAGONAL,
    Sign: StorageForm.DIAGONAL,
    BlockDiagonal: StorageForm.BLOCK_DIAGONAL,
    Kronecker: StorageForm.KRONECKER,
    Shifts: StorageForm.SHIFTS,
    Dense: StorageForm.DENSE,
}


def form(block: Block) -> StorageForm:
    """Return the form in which a block is held."""
    known = _FORM_OF_STRUCTURE.get(type(block.structure))
    if known is not None:
        return known
    if block.density < MAX_SPARSE_DENSITY:
        return StorageForm.SPARSE
    bounded = type(block.structure) is Outline and block.rows * block.cols > MAX_BOUNDED_MATRIX_ENTRIES
    return StorageForm.SPARSE if bounded else StorageForm.DENSE
