"""How a block is held in PyTorch code: its form follows from the forms of its factors, not from how it is counted.

What is known while the plan is traced (indices, signs, numbers of parts) stays out of the program; tensors hold only
what has to be computed. The forms are those of `kernels.storage`, with picked rows and columns in the place of sparse
arrays, for which PyTorch has no fast products.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from chainplan.torch.indexing import added, padded
from chainplan.torch.types import Index


@dataclass(frozen=True)
class TensorZero:
    """A block of zeros."""

    rows: int
    cols: int


@dataclass(frozen=True, eq=False)
class TensorDiagonal:
    """A diagonal that holds `vector`, or `sign` in every entry where there is no vector."""

    rows: int
    vector: Tensor | None = None
    sign: int = 1

    @property
    def cols(self) -> int:
        return self.rows


@dataclass(frozen=True, eq=False)
class TensorSelection:
    """A selection: one entry in every row, in column `index[row]`; it is one of `values`, or `sign` without them.

    With `turned` it is the transpose: one entry in every column, in row `index[column]`. `width` is the size of the
    other side, into which `index` points.
    """

    index: Index
    width: int
    values: Tensor | None = None
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


@dataclass(frozen=True, eq=False)
class TensorParts:
    """`count` parts of equal shape: blocks along the diagonal, or layers of A ⊗ I where `kronecker` is set.

    `values` is a tensor of count x r x c, or of 1 x r x c where all parts are equal.
    """

    count: int
    values: Tensor
    kronecker: bool = False

    @property
    def rows(self) -> int:
        return self.count * int(self.values.shape[1])

    @property
    def cols(self) -> int:
        return self.count * int(self.values.shape[2])


@dataclass(frozen=True, eq=False)
class TensorList:
    """A list of entries `values` in the rows `i` and columns `j`, in any order; those at one place are to be added."""

    rows: int
    cols: int
    i: Index
    j: Index
    values: Tensor


@dataclass(frozen=True, eq=False)
class TensorMatrix:
    """A tensor of rows x cols."""

    values: Tensor

    @property
    def rows(self) -> int:
        return int(self.values.shape[0])

    @property
    def cols(self) -> int:
        return int(self.values.shape[1])


TensorBlock = TensorZero | TensorDiagonal | TensorSelection | TensorParts | TensorList | TensorMatrix


MAX_MASKED_ROWS = 64
"""The most rows of a diagonal that is written out by a mask, which is one operation and reads more."""


def picked(index: Index, width: int, values: Tensor | None = None, turned: bool = False, sign: int = 1) -> TensorBlock:
    """Make a block of picks, held as a diagonal where each row picks its own column."""
    if len(index) == width and np.array_equal(index, np.arange(width)):
        return TensorDiagonal(width, values, sign)
    return TensorSelection(index, width, values, turned, sign)


def parts(count: int, values: Tensor, kronecker: bool = False) -> TensorBlock:
    """Make a block of parts in its simplest form: one part is a matrix, parts of one entry are a diagonal."""
    if count == 1:
        return TensorMatrix(values[0])
    if values.shape[1:] == (1, 1):
        return TensorDiagonal(count, values[:, 0, 0].expand(count))
    return TensorParts(count, values, kronecker)


def transposed(held: TensorBlock) -> TensorBlock:
    """Return the transposed block."""
    match held:
        case TensorZero(rows, cols):
            return TensorZero(cols, rows)
        case TensorDiagonal():
            return held
        case TensorSelection():
            return replace(held, turned=not held.turned)
        case TensorParts(count, values, kronecker):
            return TensorParts(count, values.transpose(1, 2), kronecker)
        case TensorList(rows, cols, i, j, values):
            return TensorList(cols, rows, j, i, values)
        case TensorMatrix(values):
            return TensorMatrix(values.t())
    raise AssertionError(held)


def negated(held: TensorBlock) -> TensorBlock:
    """Return the block times -1."""
    match held:
        case TensorZero():
            return held
        case TensorDiagonal(vector=None, sign=sign) | TensorSelection(values=None, sign=sign):
            return replace(held, sign=-sign)
        case TensorDiagonal(rows):
            return TensorDiagonal(rows, None if held.vector is None else -held.vector)
        case TensorSelection() | TensorParts() | TensorList() | TensorMatrix():
            assert held.values is not None, "signs alone are above"
            return replace(held, values=-held.values)
    raise AssertionError(held)


def vector(held: TensorDiagonal, like: Tensor) -> Tensor:
    """Write the diagonal out as a vector, of the dtype and device of `like` where it has no values."""
    return like.new_full((held.rows,), held.sign) if held.vector is None else held.vector


def matrix(held: TensorBlock, like: Tensor) -> Tensor:
    """Write the block out as a tensor of rows x cols; values that the form alone says are of the dtype of `like`."""
    match held:
        case TensorMatrix(values):
            return values
        case TensorZero(rows, cols):
            return like.new_zeros((rows, cols))
        case TensorDiagonal(rows):
            return _spaced(vector(held, like), rows)
        case TensorParts():
            return _parts_matrix(held)
        case TensorSelection() | TensorList():
            return _placed(listed(held, like))
    raise AssertionError(held)


def _spaced(diagonal: Tensor, rows: int) -> Tensor:
    """Write a diagonal out by padding: entry i is followed by `rows` zeros, which is one pass over the matrix."""
    if rows <= MAX_MASKED_ROWS:
        own = torch.eye(rows, dtype=torch.bool, device=diagonal.device)
        return torch.where(own, diagonal, 0).to(diagonal.dtype)
    spaced = torch.constant_pad_nd(diagonal.reshape(rows, 1), [0, rows])
    return spaced.reshape(-1)[: rows * rows].reshape(rows, rows)


def listed(held: TensorSelection | TensorDiagonal | TensorParts | TensorList, like: Tensor) -> TensorList:
    """Return the block as a list of its entries."""
    match held:
        case TensorList():
            return held
        case TensorDiagonal(rows):
            return TensorList(rows, rows, np.arange(rows), np.arange(rows), vector(held, like))
        case TensorSelection(index, _, values, turned, sign):
            own = np.arange(len(index))
            i, j = (index, own) if turned else (own, index)
            known = like.new_full((len(index),), sign) if values is None else values
            return TensorList(held.rows, held.cols, i, j, known)
        case TensorParts(count, values, kronecker):
            _, r, c = values.shape
            part, row, col = (a.ravel() for a in np.indices((count, r, c)))
            i, j = (row * count + part, col * count + part) if kronecker else (part * r + row, part * c + col)
            return TensorList(held.rows, held.cols, i, j, values.expand(count, r, c).reshape(-1))
    raise AssertionError(held)


def entry_count(held: TensorBlock) -> int:
    """Count the entries of the list of a block."""
    match held:
        case TensorZero():
            return 0
        case TensorDiagonal(rows):
            return rows
        case TensorSelection(index) | TensorList(i=index):
            return len(index)
        case TensorParts(count):
            return held.rows * held.cols // count
    return held.rows * held.cols


def _placed(held: TensorList) -> Tensor:
    """Write a list out: every entry is added to its place among zeros."""
    whole = added(held.values, held.i * held.cols + held.j, held.rows * held.cols)
    return whole.reshape(held.rows, held.cols)


def _parts_matrix(held: TensorParts) -> Tensor:
    """Write parts out: one pass, in which every entry of the matrix is an entry of a part or zero."""
    count, values = held.count, held.values
    _, r, c = values.shape
    own = torch.eye(count, dtype=torch.bool, device=values.device)
    if held.kronecker:
        whole = torch.where(own[None, :, None, :], values.permute(1, 0, 2)[:, :, :, None], 0)
    elif r == 1 and len(values) == count:
        spaced = torch.constant_pad_nd(values.reshape(count, c), [0, count * c])
        return spaced.reshape(-1)[: count * count * c].reshape(count, count * c)
    else:
        whole = torch.where(own[:, None, :, None], values[:, :, None, :], 0)
    return whole.to(values.dtype).reshape(held.rows, held.cols)


def as_parts(held: TensorBlock, like: TensorParts) -> Tensor | None:
    """Return the values of a block as parts like those of `like`, None where it does not fall into such parts."""
    count, kronecker = like.count, like.kronecker
    if held.rows % count or held.cols % count or isinstance(held, TensorZero | TensorList | TensorMatrix):
        return None
    if isinstance(held, TensorParts):
        return held.values if (held.count, held.kronecker) == (count, kronecker) else None
    if isinstance(held, TensorSelection) and held.turned:
        back = as_parts(transposed(held), like)
        return None if back is None else back.transpose(1, 2)
    rows, r, c = np.arange(held.rows), held.rows // count, held.cols // count
    index = rows if isinstance(held, TensorDiagonal) else held.index
    part, i = (rows % count, rows // count) if kronecker else (rows // r, rows % r)
    other, j = (index % count, index // count) if kronecker else (index // c, index % c)
    if not np.array_equal(part, other):
        return None
    values = held.vector if isinstance(held, TensorDiagonal) else held.values
    if values is None:
        ones = np.zeros((count, r, c))
        ones[part, i, j] = held.sign
        ones = ones[:1] if (ones == ones[:1]).all() else ones
        return torch.from_numpy(ones).to(like.values)
    place = np.full((count, r, c), -1, np.int64)
    place[part, i, j] = rows
    return padded(values, place.ravel()).reshape(count, r, c)
