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
    Sign,
    Zero,
)

SPARSE_BELOW = 0.1
"""Density from which on a pattern is held as a matrix."""
LARGEST_MATRIX = 50_000_000
"""Entries of the largest block that is held as a matrix where only an upper bound of its pattern is known."""


HeldValues = Any
"""The values of a block: an array, a `csr_array` or None. Its `Form` says which, so that no type can."""


class Form(Enum):
    """The ways to hold the values of a block: arrays of numpy, or sparse arrays of scipy."""

    NOTHING = "nothing"
    """No array, because the structure determines all values: identity, negated identity, zero."""
    SCALAR = "scalar"
    """A 0-d array with the number that stands all along the diagonal."""
    VECTOR = "vector"
    """An array of `rows` numbers, the diagonal."""
    STACK = "stack"
    """An array of b x r x c: block t holds rows t·r ... and columns t·c ...; 1 x r x c where all blocks are equal."""
    LAYERS = "layers"
    """An array of k x r x c: layer t holds entries (i·k + t, j·k + t); of 1 x r x c where all layers are equal."""
    SPARSE = "sparse"
    """A `scipy.sparse.csr_array` of rows x cols."""
    MATRIX = "matrix"
    """An array of rows x cols."""


_BY_TYPE = {
    Identity: Form.NOTHING,
    NegatedIdentity: Form.NOTHING,
    Zero: Form.NOTHING,
    ScaledIdentity: Form.SCALAR,
    Diagonal: Form.VECTOR,
    Sign: Form.VECTOR,
    BlockDiagonal: Form.STACK,
    Kronecker: Form.LAYERS,
    Dense: Form.MATRIX,
}


def form(block: Block) -> Form:
    """Return the form in which a block is held."""
    known = _BY_TYPE.get(type(block.structure))
    if known is not None:
        return known
    if block.density < SPARSE_BELOW:
        return Form.SPARSE
    bounded = type(block.structure) is Outline and block.rows * block.cols > LARGEST_MATRIX
    return Form.SPARSE if bounded else Form.MATRIX
