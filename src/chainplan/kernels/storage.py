"""In which form the values of a block are held: a function of the block alone.

It must not depend on how a block came about, else the price of a product under a time model would depend on the
bracketing. A pattern is held sparse up to a density of 0.1; above, a sparse product costs more than a dense one of the
same shape: 5 to 10 ns per multiplication against 0.03 to 0.1.
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
"""Density from which a pattern is held as a matrix."""
LARGEST_MATRIX = 50_000_000
"""Entries above which a block that is only bounded from above is held sparse whatever its bound says."""


HeldValues = Any
"""The values of a block: an array, a `csr_array` or None. Its `Form` says which, so that no type can."""


class Form(Enum):
    """How values are held; all arrays are numpy's, sparse ones scipy's."""

    NOTHING = "nothing"
    """The structure says all: identity, negated identity, zero."""
    SCALAR = "scalar"
    """0-d array: the number on the whole diagonal."""
    VECTOR = "vector"
    """Array of rows: the diagonal."""
    STACK = "stack"
    """Array of b x r x c: block t holds rows t·r ... and columns t·c ...; of 1 x r x c where all blocks are equal."""
    LAYERS = "layers"
    """Array of k x r x c: layer t holds the entries (i·k + t, j·k + t); of 1 x r x c where all layers are equal."""
    SPARSE = "sparse"
    """`scipy.sparse.csr_array` of rows x cols."""
    MATRIX = "matrix"
    """Array of rows x cols."""


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
    """The form in which a block is held."""
    known = _BY_TYPE.get(type(block.structure))
    if known is not None:
        return known
    if block.density < SPARSE_BELOW:
        return Form.SPARSE
    bounded = type(block.structure) is Outline and block.rows * block.cols > LARGEST_MATRIX
    return Form.SPARSE if bounded else Form.MATRIX
