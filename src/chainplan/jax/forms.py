"""How a block is held inside JAX code: its form follows from the forms of its factors, not from how it is counted.

A function can branch on the forms of its blocks while it is traced, so that a form need not agree with the structure
that the planner counts with: every product looks at its two factors. What is known at trace time (indices, signs,
numbers of parts) stays out of the compiled program; arrays hold only what has to be computed. The forms are those of
`kernels.storage`, with picked rows and columns, and lists of nonzeros, in the place of sparse arrays, for which JAX has
no fast products.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jax import Array

from chainplan.jax.indexing import IndexArray, padded, taken

if TYPE_CHECKING:
    from jax.typing import DTypeLike


@dataclass(frozen=True)
class HeldZero:
    """A block of zeros."""

    rows: int
    cols: int


@dataclass(frozen=True)
class HeldDiagonal:
    """A diagonal that holds `vector`, or `sign` in every entry where there is no vector."""

    rows: int
    vector: Array | None = None
    sign: int = 1

    @property
    def cols(self) -> int:
        return self.rows


@dataclass(frozen=True, eq=False)
class HeldSelection:
    """A selection: one entry in every row, in column `index[row]`; it is one of `values`, or 1 where there are none.

    With `turned` it is the transpose: one entry in every column, in row `index[column]`. `width` is the size of the
    other side, into which `index` points.
    """

    index: IndexArray
    width: int
    values: Array | None = None
    turned: bool = False

    @property
    def rows(self) -> int:
        return self.width if self.turned else len(self.index)

    @property
    def cols(self) -> int:
        return len(self.index) if self.turned else self.width

    @cached_property
    def bijective(self) -> bool:
        """Whether every row and every column has one entry."""
        return self.rows == self.cols and len(np.unique(self.index)) == len(self.index)

    def from_other_side(self) -> HeldSelection:
        """Index the same block by its columns instead of its rows, or the other way round; it must be bijective."""
        back = np.argsort(self.index)
        values = None if self.values is None else taken(self.values, back)
        return HeldSelection(back, len(self.index), values, not self.turned)


@dataclass(frozen=True, eq=False)
class HeldEqualParts:
    """`count` parts of equal shape: blocks along the diagonal, or layers of A ⊗ I where `kronecker` is set.

    `values` is an array of count x r x c, or of 1 x r x c where all parts are equal.
    """

    count: int
    values: Array
    kronecker: bool = False

    @property
    def rows(self) -> int:
        return self.count * int(self.values.shape[1])

    @property
    def cols(self) -> int:
        return self.count * int(self.values.shape[2])


@dataclass(frozen=True, eq=False)
class HeldExplicit:
    """A list of the nonzeros `values` in the rows `i` and columns `j`, in any order, no two at the same place."""

    rows: int
    cols: int
    i: IndexArray
    j: IndexArray
    values: Array


@dataclass(frozen=True, eq=False)
class HeldDense:
    """An array of rows x cols."""

    values: Array

    @property
    def rows(self) -> int:
        return int(self.values.shape[0])

    @property
    def cols(self) -> int:
        return int(self.values.shape[1])


@dataclass(frozen=True, eq=False)
class HeldColumns:
    """A block of `width` columns, all of them zero but `columns`, which stand at the places `index`, in order."""

    columns: HeldDense
    index: IndexArray
    width: int

    @property
    def rows(self) -> int:
        return self.columns.rows

    @property
    def cols(self) -> int:
        return self.width


HeldBlock = HeldZero | HeldDiagonal | HeldSelection | HeldEqualParts | HeldExplicit | HeldColumns | HeldDense


def picked(index: IndexArray, width: int, values: Array | None = None, turned: bool = False) -> HeldBlock:
    """Make a block of picks, held as a diagonal where each row picks its own column."""
    index = np.asarray(index, np.int64)
    if len(index) == width and np.array_equal(index, np.arange(width)):
        return HeldDiagonal(width, values)
    return HeldSelection(index, width, values, turned)


def parts(count: int, values: Array, kronecker: bool = False) -> HeldBlock:
    """Make a block of parts in its simplest form: one part is a matrix, parts of one entry are a diagonal."""
    if count == 1:
        return HeldDense(values[0])
    if values.shape[1:] == (1, 1):
        return HeldDiagonal(count, jnp.broadcast_to(values[:, 0, 0], (count,)))
    return HeldEqualParts(count, values, kronecker)


def transposed(held: HeldBlock) -> HeldBlock:
    """Return the transposed block."""
    match held:
        case HeldZero(rows, cols):
            return HeldZero(cols, rows)
        case HeldDiagonal():
            return held
        case HeldSelection():
            return replace(held, turned=not held.turned)
        case HeldEqualParts(count, values, kronecker):
            return HeldEqualParts(count, values.transpose(0, 2, 1), kronecker)
        case HeldExplicit(rows, cols, i, j, values):
            return HeldExplicit(cols, rows, j, i, values)
        case HeldColumns(HeldDense(values)):
            return HeldDense(matrix(held, values.dtype).T)
        case HeldDense(values):
            return HeldDense(values.T)
    raise AssertionError(held)


def negated(held: HeldBlock) -> HeldBlock:
    """Return the block times -1."""
    match held:
        case HeldZero():
            return held
        case HeldDiagonal(_, None, sign):
            return replace(held, sign=-sign)
        case HeldDiagonal(vector=values) if values is not None:
            return replace(held, vector=-values)
        case HeldSelection(index=index, values=values):
            return replace(held, values=-np.ones(len(index), np.int8) if values is None else -values)
        case HeldColumns(columns=HeldDense(values)):
            return replace(held, columns=HeldDense(-values))
        case HeldEqualParts(values=values) | HeldExplicit(values=values) | HeldDense(values=values):
            return replace(held, values=-values)
    raise AssertionError(held)


def vector(held: HeldDiagonal, dtype: DTypeLike) -> Array:
    """Write the diagonal out as a vector."""
    return jnp.full(held.rows, held.sign, dtype) if held.vector is None else held.vector


def matrix(held: HeldBlock, dtype: DTypeLike | None) -> Array:
    """Write the block out as an array of rows x cols; `dtype` is that of values which the form alone says."""
    match held:
        case HeldZero(rows, cols):
            return jnp.zeros((rows, cols), dtype)
        case HeldDiagonal(rows, values, sign):
            return sign * jnp.eye(rows, dtype=dtype) if values is None else jnp.diag(values)
        case HeldSelection(index, width, values, turned):
            eye = np.arange(width) == index[:, None]
            whole = jnp.asarray(eye, dtype) if values is None else jnp.where(eye, values[:, None], 0).astype(dtype)
            return whole.T if turned else whole
        case HeldEqualParts(count, values, kronecker):
            return _spread(count, values, kronecker)
        case HeldExplicit(rows, cols, i, j, values):
            place = np.full(rows * cols, -1, np.int64)
            place[i * cols + j] = np.arange(len(i))
            return padded(values, place).reshape(rows, cols)
        case HeldColumns(columns, index, width):
            place = np.full(width, -1, np.int64)
            place[index] = np.arange(len(index))
            return padded(matrix(columns, dtype), place, 1)
        case HeldDense(values):
            return values


def _spread(count: int, values: Array, kronecker: bool) -> Array:
    """Write parts out as a matrix."""
    _, r, c = values.shape
    eye = np.eye(count, dtype=np.bool_)
    full = jnp.broadcast_to(values, (count, r, c))
    if kronecker:
        whole = jnp.where(eye[None, :, None, :], full.transpose(1, 0, 2)[:, :, :, None], 0)
    else:
        whole = jnp.where(eye[:, None, :, None], full[:, :, None, :], 0)
    return whole.reshape(count * r, count * c)


def as_parts(held: HeldBlock, like: HeldEqualParts, dtype: DTypeLike) -> Array | None:
    """Return the values of a block as parts like those of `like`, None where it does not fall into such parts."""
    count, kronecker = like.count, like.kronecker
    if held.rows % count or held.cols % count or isinstance(held, HeldZero | HeldExplicit | HeldColumns | HeldDense):
        return None
    if isinstance(held, HeldEqualParts):
        return held.values if (held.count, held.kronecker) == (count, kronecker) else None
    if isinstance(held, HeldSelection) and held.turned:
        back = as_parts(transposed(held), like, dtype)
        return None if back is None else back.transpose(0, 2, 1)
    rows, r, c = np.arange(held.rows), held.rows // count, held.cols // count
    index = rows if isinstance(held, HeldDiagonal) else held.index
    part, i = (rows % count, rows // count) if kronecker else (rows // r, rows % r)
    other, j = (index % count, index // count) if kronecker else (index // c, index % c)
    if not np.array_equal(part, other):
        return None
    values = vector(held, dtype) if isinstance(held, HeldDiagonal) else held.values
    if values is None:
        ones = np.zeros((count, r, c), dtype)
        ones[part, i, j] = 1
        return jnp.asarray(ones)
    place = np.full((count, r, c), -1, np.int64)
    place[part, i, j] = rows
    return padded(values, place.ravel()).reshape(count, r, c)
