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
from chainplan.jax.types import EntryValues

if TYPE_CHECKING:
    from jax.typing import DTypeLike

MAX_CELLS_PER_GATHERED_ENTRY = 4
"""The most places of a matrix for each entry of a list that is read into all of them."""


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
    """A selection: one entry in every row, in column `index[row]`; it is one of `values`, or `sign` without them.

    With `turned` it is the transpose: one entry in every column, in row `index[column]`. `width` is the size of the
    other side, into which `index` points.
    """

    index: IndexArray
    width: int
    values: Array | None = None
    turned: bool = False
    sign: int = 1

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
        return HeldSelection(back, len(self.index), values, not self.turned, self.sign)


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
    """A list of the nonzeros `values` in the rows `i` and columns `j`, in any order, no two at the same place.

    Values that are known while tracing, such as signs, are an array of numpy.
    """

    rows: int
    cols: int
    i: IndexArray
    j: IndexArray
    values: EntryValues


@dataclass(frozen=True, eq=False)
class HeldDense:
    """An array of rows x cols; `symmetric` says that it is computed so that it equals its transpose to the bit."""

    values: Array
    symmetric: bool = False

    @property
    def rows(self) -> int:
        return int(self.values.shape[0])

    @property
    def cols(self) -> int:
        return int(self.values.shape[1])


HeldBlock = HeldZero | HeldDiagonal | HeldSelection | HeldEqualParts | HeldExplicit | HeldDense


def picked(
    index: IndexArray, width: int, values: Array | None = None, turned: bool = False, sign: int = 1
) -> HeldBlock:
    """Make a block of picks, held as a diagonal where each row picks its own column."""
    index = np.asarray(index, np.int64)
    if len(index) == width and np.array_equal(index, np.arange(width)):
        return HeldDiagonal(width, values, sign)
    return HeldSelection(index, width, values, turned, sign)


def parts(count: int, values: Array, kronecker: bool = False) -> HeldBlock:
    """Make a block of parts in its simplest form: one part is a matrix, parts of one entry are a diagonal."""
    if count == 1:
        return HeldDense(values[0])
    if values.shape[1:] == (1, 1):
        return HeldDiagonal(count, jnp.broadcast_to(values[:, 0, 0], (count,)))
    return HeldEqualParts(count, values, kronecker)


def is_known(held: HeldBlock) -> bool:
    """Say whether the form alone says all entries of a block."""
    match held:
        case HeldZero() | HeldDiagonal(vector=None) | HeldSelection(values=None):
            return True
    return False


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
        case HeldDense(values, symmetric):
            return held if symmetric else HeldDense(values.T)
    raise AssertionError(held)


def negated(held: HeldBlock) -> HeldBlock:
    """Return the block times -1."""
    match held:
        case HeldZero():
            return held
        case HeldDiagonal(vector=None, sign=sign) | HeldSelection(values=None, sign=sign):
            return replace(held, sign=-sign)
        case HeldDiagonal(vector=values) if values is not None:
            return replace(held, vector=-values)
        case HeldSelection(values=values) if values is not None:
            return replace(held, values=-values)
        case HeldEqualParts(values=values) | HeldExplicit(values=values) | HeldDense(values=values):
            return replace(held, values=-values)
    raise AssertionError(held)


def vector(held: HeldDiagonal, dtype: DTypeLike) -> Array:
    """Write the diagonal out as a vector."""
    return jnp.full(held.rows, held.sign, dtype) if held.vector is None else held.vector


def listed(held: HeldBlock, dtype: DTypeLike) -> HeldExplicit:
    """Return the block as a list of its entries; those of a matrix are all listed, zeros among them."""
    rows, cols = held.rows, held.cols
    match held:
        case HeldExplicit():
            return held
        case HeldZero():
            return HeldExplicit(rows, cols, np.arange(0), np.arange(0), np.zeros(0, dtype))
        case HeldDiagonal(_, values, sign):
            known = np.full(rows, sign, dtype) if values is None else values
            return HeldExplicit(rows, rows, np.arange(rows), np.arange(rows), known)
        case HeldSelection(index, _, values, turned, sign):
            own = np.arange(len(index))
            i, j = (index, own) if turned else (own, index)
            return HeldExplicit(rows, cols, i, j, np.full(len(index), sign, dtype) if values is None else values)
        case HeldEqualParts(count, values, kronecker):
            _, r, c = values.shape
            part, row, col = (a.ravel() for a in np.indices((count, r, c)))
            i, j = (row * count + part, col * count + part) if kronecker else (part * r + row, part * c + col)
            return HeldExplicit(rows, cols, i, j, jnp.broadcast_to(values, (count, r, c)).ravel())
        case HeldDense(values):
            i, j = (a.ravel() for a in np.indices((rows, cols)))
            return HeldExplicit(rows, cols, i, j, values.ravel())
    raise AssertionError(held)


def in_order(held: HeldExplicit) -> HeldExplicit:
    """Return the list row by row, each row from left to right."""
    place = held.i * held.cols + held.j
    if (np.diff(place) > 0).all():
        return held
    order = np.argsort(place)
    return HeldExplicit(held.rows, held.cols, held.i[order], held.j[order], taken(held.values, order))


def mirrored(held: HeldExplicit) -> HeldExplicit:
    """Return a list that is known to be symmetric with the values below the diagonal read from above it.

    An entry whose mirror image is not listed is zero.
    """
    place, mirror = held.i * held.cols + held.j, held.j * held.cols + held.i
    order = np.argsort(place)
    at = np.minimum(np.searchsorted(place, mirror, sorter=order), len(place) - 1) if len(place) else order
    image = order[at]
    both = np.flatnonzero(place[image] == mirror)
    source = np.where(held.i <= held.j, np.arange(len(place)), image)[both]
    return HeldExplicit(held.rows, held.cols, held.i[both], held.j[both], taken(held.values, source))


def reflected(held: HeldExplicit) -> HeldExplicit:
    """Return the symmetric list of which the entries on and above the diagonal are given, row by row."""
    below = np.flatnonzero(held.i < held.j)
    i, j = np.concatenate([held.i, held.j[below]]), np.concatenate([held.j, held.i[below]])
    source = np.concatenate([np.arange(len(held.i)), below])
    order = np.argsort(i * held.cols + j)
    return HeldExplicit(held.rows, held.cols, i[order], j[order], taken(held.values, source[order]))


def matrix(held: HeldBlock, dtype: DTypeLike) -> Array:
    """Write the block out as an array of rows x cols; `dtype` is that of values which the form alone says.

    A list goes to its places by one scatter, because the numbers of the entries at all places would be a constant of
    rows x cols in the program; only where the list fills a good part of the matrix is it read from there.
    """
    if isinstance(held, HeldDense):
        return held.values
    if isinstance(held, HeldDiagonal) and held.vector is None:
        return held.sign * jnp.eye(held.rows, dtype=dtype)
    rows, cols = held.rows, held.cols
    entries = in_order(listed(held, dtype))
    if isinstance(entries.values, np.ndarray) and entries.values.size == 0:
        return jnp.zeros((rows, cols), dtype)
    values = jnp.asarray(entries.values)
    if rows * cols <= MAX_CELLS_PER_GATHERED_ENTRY * len(entries.i):
        place = np.full(rows * cols, -1, np.int64)
        place[entries.i * cols + entries.j] = np.arange(len(entries.i))
        return padded(values, place).reshape(rows, cols)
    flat = rows * cols <= np.iinfo(np.int32).max
    where = ((entries.i * cols + entries.j).astype(np.int32),) if flat else (entries.i, entries.j)
    zeros = jnp.zeros(rows * cols if flat else (rows, cols), values.dtype)
    options = {"indices_are_sorted": True, "unique_indices": True, "mode": "promise_in_bounds"}
    return zeros.at[where].set(values, **options).reshape(rows, cols)


def as_parts(held: HeldBlock, like: HeldEqualParts, dtype: DTypeLike) -> Array | None:
    """Return the values of a block as parts like those of `like`, None where it does not fall into such parts."""
    count, kronecker = like.count, like.kronecker
    if held.rows % count or held.cols % count or isinstance(held, HeldZero | HeldExplicit | HeldDense):
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
        ones[part, i, j] = held.sign
        return jnp.asarray(ones)
    place = np.full((count, r, c), -1, np.int64)
    place[part, i, j] = rows
    return padded(values, place.ravel()).reshape(count, r, c)
