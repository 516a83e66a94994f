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

from chainplan.jax.indexing import Index, padded, taken

if TYPE_CHECKING:
    from jax.typing import DTypeLike


@dataclass(frozen=True)
class Zero:
    """A block of zeros."""

    rows: int
    cols: int


@dataclass(frozen=True)
class Diagonal:
    """A diagonal that holds `vector`, or `sign` in every entry where there is no vector."""

    rows: int
    vector: Array | None = None
    sign: int = 1

    @property
    def cols(self) -> int:
        return self.rows


@dataclass(frozen=True, eq=False)
class Picked:
    """A selection: one entry in every row, in column `index[row]`; it is one of `values`, or 1 where there are none.

    With `turned` it is the transpose: one entry in every column, in row `index[column]`. `width` is the size of the
    other side, into which `index` points.
    """

    index: Index
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

    def from_other_side(self) -> Picked:
        """Index the same block by its columns instead of its rows, or the other way round; it must be bijective."""
        back = np.argsort(self.index)
        values = None if self.values is None else taken(self.values, back)
        return Picked(back, len(self.index), values, not self.turned)


@dataclass(frozen=True, eq=False)
class Parts:
    """`count` parts of equal shape: blocks along the diagonal, or layers of A ⊗ I where `layered` is set.

    `values` is an array of count x r x c, or of 1 x r x c where all parts are equal.
    """

    count: int
    values: Array
    layered: bool = False

    @property
    def rows(self) -> int:
        return self.count * int(self.values.shape[1])

    @property
    def cols(self) -> int:
        return self.count * int(self.values.shape[2])


@dataclass(frozen=True, eq=False)
class Listed:
    """A list of the nonzeros `values` in the rows `i` and columns `j`, in any order, no two at the same place."""

    rows: int
    cols: int
    i: Index
    j: Index
    values: Array


@dataclass(frozen=True, eq=False)
class Full:
    """An array of rows x cols."""

    values: Array

    @property
    def rows(self) -> int:
        return int(self.values.shape[0])

    @property
    def cols(self) -> int:
        return int(self.values.shape[1])


@dataclass(frozen=True, eq=False)
class Narrow:
    """A block of `width` columns, all of them zero but `columns`, which stand at the places `index`, in order."""

    columns: Full
    index: Index
    width: int

    @property
    def rows(self) -> int:
        return self.columns.rows

    @property
    def cols(self) -> int:
        return self.width


Held = Zero | Diagonal | Picked | Parts | Listed | Narrow | Full


def picked(index: Index, width: int, values: Array | None = None, turned: bool = False) -> Held:
    """Make a block of picks, held as a diagonal where each row picks its own column."""
    index = np.asarray(index, np.int64)
    if len(index) == width and np.array_equal(index, np.arange(width)):
        return Diagonal(width, values)
    return Picked(index, width, values, turned)


def parts(count: int, values: Array, layered: bool = False) -> Held:
    """Make a block of parts in its simplest form: one part is a matrix, parts of one entry are a diagonal."""
    if count == 1:
        return Full(values[0])
    if values.shape[1:] == (1, 1):
        return Diagonal(count, jnp.broadcast_to(values[:, 0, 0], (count,)))
    return Parts(count, values, layered)


def transposed(held: Held) -> Held:
    """Return the transposed block."""
    match held:
        case Zero(rows, cols):
            return Zero(cols, rows)
        case Diagonal():
            return held
        case Picked():
            return replace(held, turned=not held.turned)
        case Parts(count, values, layered):
            return Parts(count, values.transpose(0, 2, 1), layered)
        case Listed(rows, cols, i, j, values):
            return Listed(cols, rows, j, i, values)
        case Narrow(Full(values)):
            return Full(matrix(held, values.dtype).T)
        case Full(values):
            return Full(values.T)
    raise AssertionError(held)


def negated(held: Held) -> Held:
    """Return the block times -1."""
    match held:
        case Zero():
            return held
        case Diagonal(_, None, sign):
            return replace(held, sign=-sign)
        case Diagonal(vector=values) if values is not None:
            return replace(held, vector=-values)
        case Picked(index=index, values=values):
            return replace(held, values=-np.ones(len(index), np.int8) if values is None else -values)
        case Narrow(columns=Full(values)):
            return replace(held, columns=Full(-values))
        case Parts(values=values) | Listed(values=values) | Full(values=values):
            return replace(held, values=-values)
    raise AssertionError(held)


def vector(held: Diagonal, dtype: DTypeLike) -> Array:
    """Write the diagonal out as a vector."""
    return jnp.full(held.rows, held.sign, dtype) if held.vector is None else held.vector


def matrix(held: Held, dtype: DTypeLike | None) -> Array:
    """Write the block out as an array of rows x cols; `dtype` is that of values which the form alone says."""
    match held:
        case Zero(rows, cols):
            return jnp.zeros((rows, cols), dtype)
        case Diagonal(rows, values, sign):
            return sign * jnp.eye(rows, dtype=dtype) if values is None else jnp.diag(values)
        case Picked(index, width, values, turned):
            eye = np.arange(width) == index[:, None]
            whole = jnp.asarray(eye, dtype) if values is None else jnp.where(eye, values[:, None], 0).astype(dtype)
            return whole.T if turned else whole
        case Parts(count, values, layered):
            return _spread(count, values, layered)
        case Listed(rows, cols, i, j, values):
            place = np.full(rows * cols, -1, np.int64)
            place[i * cols + j] = np.arange(len(i))
            return padded(values, place).reshape(rows, cols)
        case Narrow(columns, index, width):
            place = np.full(width, -1, np.int64)
            place[index] = np.arange(len(index))
            return padded(matrix(columns, dtype), place, 1)
        case Full(values):
            return values


def _spread(count: int, values: Array, layered: bool) -> Array:
    """Write parts out as a matrix."""
    _, r, c = values.shape
    eye = np.eye(count, dtype=values.dtype)
    rule = "tij,ts->itjs" if layered else "tij,ts->tisj"
    full = jnp.broadcast_to(values, (count, r, c))
    return jnp.einsum(rule, full, eye).reshape(count * r, count * c)


def as_parts(held: Held, like: Parts, dtype: DTypeLike) -> Array | None:
    """Return the values of a block as parts like those of `like`, None where it does not fall into such parts."""
    count, layered = like.count, like.layered
    if held.rows % count or held.cols % count or isinstance(held, Zero | Listed | Narrow | Full):
        return None
    if isinstance(held, Parts):
        return held.values if (held.count, held.layered) == (count, layered) else None
    if isinstance(held, Picked) and held.turned:
        back = as_parts(transposed(held), like, dtype)
        return None if back is None else back.transpose(0, 2, 1)
    rows, r, c = np.arange(held.rows), held.rows // count, held.cols // count
    index = rows if isinstance(held, Diagonal) else held.index
    part, i = (rows % count, rows // count) if layered else (rows // r, rows % r)
    other, j = (index % count, index // count) if layered else (index // c, index % c)
    if not np.array_equal(part, other):
        return None
    values = vector(held, dtype) if isinstance(held, Diagonal) else held.values
    if values is None:
        ones = np.zeros((count, r, c), dtype)
        ones[part, i, j] = 1
        return jnp.asarray(ones)
    place = np.full((count, r, c), -1, np.int64)
    place[part, i, j] = rows
    return padded(values, place.ravel()).reshape(count, r, c)
