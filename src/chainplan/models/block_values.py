"""The kinds of blocks that a model may have: each is read once for its shape and structure, and converted in every run.

A new kind is one function in `_READERS`, and a line in `given_value` where `execute` does not take it as it is.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator

from chainplan.errors import ArgumentError
from chainplan.kernels.storage import HeldValues
from chainplan.models.recognised import structure_of_values
from chainplan.structures import DENSE, DIAGONAL, Block, ScaledIdentity, Structure
from chainplan.values.jacobians import NUMBER_KINDS, GivenJacobian, is_sparse
from chainplan.values.shifts_block import ShiftsBlock, shifts_structure

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

BlockPlace = tuple[Hashable, Hashable]
"""An output and an input of a block: the vertex of its rows and the vertex of its columns."""
ModelBlock = HeldValues
"""A block of a model in any of its kinds; in mappings its place, too, since keys of narrower types would not pass."""
GivenBlocks = Mapping[ModelBlock, ModelBlock]
"""The blocks of a model by their places."""


@dataclass(frozen=True, eq=False)
class DiagonalBlock:
    """A vector that is meant as the diagonal of a block.

    Parameters
    ----------
    diagonal : ArrayLike
        The n entries on the diagonal of a block of n x n.

    Examples
    --------
    >>> DiagonalBlock([1.0, 2.0]).diagonal
    [1.0, 2.0]
    """

    diagonal: ArrayLike


class ReadBlock(NamedTuple):
    """What is known of a block: rows and columns where it says them, and its structure.

    `functions` says of a block that is given by functions whether there are a tangent and an adjoint; `shifts` are what
    the structure of shifts in time follows from once the size is known.
    """

    rows: int | None
    cols: int | None
    structure: Structure
    functions: tuple[bool, bool] | None = None
    shifts: ShiftsBlock | None = None

    @property
    def square(self) -> bool:
        """Whether rows and columns are as many, and the block does not say how many."""
        return self.rows is None and (self.shifts is not None or isinstance(self.structure, ScaledIdentity))

    def block(self, rows: int, cols: int) -> Block:
        """Return the block of rows x cols."""
        return Block(rows, cols, self.structure if self.shifts is None else shifts_structure(self.shifts, rows, cols))


def read_block(place: BlockPlace, value: ModelBlock) -> ReadBlock:
    """Read a block of a model.

    Raises
    ------
    ArgumentError
        Where it is of no kind that a model may have.
    """
    for reader in _READERS:
        if (found := reader(place, value)) is not None:
            return found
    kinds = "an array of rows x cols, a sparse array, DiagonalBlock(vector), ShiftsBlock({-1: 0.5}), a number"
    expected = f"expected {kinds}, a LinearOperator or a pair (tangent, adjoint). Pass one of them."
    raise refused(place, f"found {_shown(value)}", expected)


def given_value(value: ModelBlock) -> GivenJacobian:
    """Return a block of a model as `execute` takes it: an array, a sparse array, shifts, or a pair of functions."""
    if isinstance(value, DiagonalBlock):
        return np.asarray(value.diagonal)
    if isinstance(value, LinearOperator):
        return value.matmat, lambda block: np.asarray(value.rmatmat(block.conj().T)).conj().T
    if isinstance(value, tuple | ShiftsBlock):
        return value
    if is_sparse(value):
        return value if type(value) is csr_array else csr_array(value)
    return np.asarray(value)


def refused(place: BlockPlace, found: str, expected: str) -> ArgumentError:
    """Return the error for a block."""
    output, source = place
    return ArgumentError(f"blocks[{output!r}, {source!r}]: {found}; {expected}")


def _shown(value: ModelBlock) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of dtype {value.dtype} and shape {value.shape}"
    return f"an object of type {type(value).__name__}"


def _number(place: BlockPlace, value: ModelBlock) -> ReadBlock | None:
    """Read a multiple of the identity."""
    numeric = isinstance(value, int | float | complex | np.number) and not isinstance(value, bool)
    if not numeric and not (isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in NUMBER_KINDS):
        return None
    return ReadBlock(None, None, ScaledIdentity())


def _diagonal(place: BlockPlace, value: ModelBlock) -> ReadBlock | None:
    if not isinstance(value, DiagonalBlock):
        return None
    vector = np.asarray(value.diagonal)
    if vector.ndim != 1 or vector.dtype.kind not in NUMBER_KINDS:
        raise refused(place, f"found a diagonal that is {_shown(vector)}", "expected a vector of numbers. Pass one.")
    return ReadBlock(len(vector), len(vector), DIAGONAL)


def _shifts(place: BlockPlace, value: ModelBlock) -> ReadBlock | None:
    """Read shifts in time."""
    return ReadBlock(value.size, value.size, DENSE, None, value) if isinstance(value, ShiftsBlock) else None


def _sparse(place: BlockPlace, value: ModelBlock) -> ReadBlock | None:
    if not is_sparse(value) or value.ndim != 2:
        return None
    return _by_values(place, value)


def _by_values(place: BlockPlace, value: HeldValues) -> ReadBlock:
    if value.dtype == np.float16:
        raise refused(place, "found dtype float16", "expected one that sparse arrays have. Pass float32.")
    rows, cols = value.shape
    return ReadBlock(rows, cols, structure_of_values(value))


def _operator(place: BlockPlace, value: ModelBlock) -> ReadBlock | None:
    if not isinstance(value, LinearOperator):
        return None
    rows, cols = value.shape
    return ReadBlock(rows, cols, DENSE, (True, _has_adjoint(value)))


def _has_adjoint(operator: LinearOperator) -> bool:
    """Say whether a linear operator has products from the left."""
    try:
        operator.rmatmat(np.zeros((operator.shape[0], 1)))
    except (NotImplementedError, TypeError, AttributeError):
        return False
    return True


def _pair(place: BlockPlace, value: ModelBlock) -> ReadBlock | None:
    if not isinstance(value, tuple) or len(value) != 2 or not all(f is None or callable(f) for f in value):
        return None
    tangent, adjoint = (function is not None for function in value)
    if not tangent and not adjoint:
        raise refused(place, "found no function", "expected a tangent, an adjoint, or both. Pass one.")
    return ReadBlock(None, None, DENSE, (tangent, adjoint))


def _array(place: BlockPlace, value: ModelBlock) -> ReadBlock | None:
    if not isinstance(value, np.ndarray | list):
        return None
    try:
        array = np.asarray(value)
    except ValueError:
        raise refused(place, "found a list with rows of several lengths", "expected rows x cols. Correct it.") from None
    if array.ndim == 1:
        found = f"found a vector of {len(array)}"
        todo = "Write DiagonalBlock(v) for a diagonal, v[:, None] for a column, v[None] for a row."
        raise refused(place, found, f"expected an array of rows x cols. {todo}")
    if array.ndim != 2 or array.dtype.kind not in NUMBER_KINDS:
        return None
    return _by_values(place, array)


_READERS = (_number, _diagonal, _shifts, _operator, _sparse, _pair, _array)
"""The readers of each kind, which answer None where a value is of another kind."""
