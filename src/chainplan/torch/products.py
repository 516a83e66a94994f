"""Products and sums of held blocks in PyTorch, as `kernels.products` has them for numpy.

Where two forms have no kernel of their own, one factor is written out as a matrix. `like` is a tensor of the dtype of
values which a form alone says.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from chainplan.torch.forms import (
    TensorBlock,
    TensorDiagonal,
    TensorList,
    TensorMatrix,
    TensorParts,
    TensorSelection,
    TensorZero,
    as_parts,
    entry_count,
    listed,
    matrix,
    negated,
    parts,
    picked,
    transposed,
    vector,
)
from chainplan.torch.indexing import added, taken

MIN_CELLS_PER_ENTRY = 8
"""The places of a matrix for each entry from which on a block is held as a list."""


def product(left: TensorBlock, right: TensorBlock, like: Tensor) -> TensorBlock:
    """Return left · right."""
    if isinstance(left, TensorZero) or isinstance(right, TensorZero):
        return TensorZero(left.rows, right.cols)
    if isinstance(left, TensorDiagonal):
        return _scaled(left, right, 0)
    if isinstance(right, TensorDiagonal):
        return _scaled(right, left, 1)
    by_parts = _in_parts(left, right)
    if by_parts is not None:
        return by_parts
    if isinstance(left, TensorSelection) and isinstance(right, TensorSelection):
        found = _picked(left, right)
        if found is not None:
            return found
    by_lists = _of_lists(left, right, like)
    if by_lists is not None:
        return by_lists
    if isinstance(left, TensorMatrix):
        return TensorMatrix(_matrix_times(left.values, right))
    return TensorMatrix(_times_matrix(left, matrix(right, like)))


def total(left: TensorBlock, right: TensorBlock, like: Tensor) -> TensorBlock:
    """Return left + right."""
    if isinstance(left, TensorZero):
        return right
    if isinstance(right, TensorZero):
        return left
    if isinstance(left, TensorDiagonal) and isinstance(right, TensorDiagonal):
        return TensorDiagonal(left.rows, vector(left, like) + vector(right, like))
    if isinstance(left, TensorSelection) and isinstance(right, TensorSelection) and _alike(left, right):
        both = [like.new_full((len(p.index),), p.sign) if p.values is None else p.values for p in (left, right)]
        return replace(left, values=both[0] + both[1])
    for a, b in ((left, right), (right, left)):
        if isinstance(a, TensorParts):
            values = as_parts(b, a)
            if values is not None:
                return TensorParts(a.count, a.values + values, a.kronecker)
    few = MIN_CELLS_PER_ENTRY * (entry_count(left) + entry_count(right)) <= left.rows * left.cols
    if few and not isinstance(left, TensorMatrix) and not isinstance(right, TensorMatrix):
        a, b = listed(left, like), listed(right, like)
        i, j = np.concatenate([a.i, b.i]), np.concatenate([a.j, b.j])
        return TensorList(a.rows, a.cols, i, j, torch.cat([a.values, b.values]))
    return TensorMatrix(matrix(left, like) + matrix(right, like))


def _of_lists(left: TensorBlock, right: TensorBlock, like: Tensor) -> TensorBlock | None:
    """Multiply two blocks by the pairs of their entries that meet, None where matrices are faster."""
    if isinstance(left, TensorMatrix | TensorZero) or isinstance(right, TensorMatrix | TensorZero):
        return None
    a, b = listed(left, like), listed(right, like)
    counts = np.bincount(b.i, minlength=b.rows)
    each = counts[a.j]
    pairs = int(each.sum())
    if not pairs:
        return TensorZero(a.rows, b.cols)
    if MIN_CELLS_PER_ENTRY * pairs > a.rows * b.cols:
        return None
    order, starts = np.argsort(b.i, kind="stable"), np.cumsum(counts) - counts
    p = np.repeat(np.arange(len(a.j)), each)
    q = order[starts[a.j][p] + np.arange(pairs) - np.repeat(np.cumsum(each) - each, each)]
    return TensorList(a.rows, b.cols, a.i[p], b.j[q], taken(a.values, p) * taken(b.values, q))


def _alike(left: TensorSelection, right: TensorSelection) -> bool:
    """Say whether two blocks of picks have their entries at the same places."""
    return left.turned == right.turned and np.array_equal(left.index, right.index)


def _scaled(diagonal: TensorDiagonal, held: TensorBlock, axis: int) -> TensorBlock:
    """Multiply the rows of a block, or its columns where `axis` is 1, by the entries of a diagonal."""
    if diagonal.vector is None:
        return held if diagonal.sign == 1 else negated(held)
    v = diagonal.vector
    match held:
        case TensorDiagonal(rows, None, sign):
            return TensorDiagonal(rows, v if sign == 1 else -v)
        case TensorDiagonal(rows):
            return TensorDiagonal(rows, v * vector(held, v))
        case TensorSelection(index, width, values, turned, sign):
            along = taken(v, index) if turned == (axis == 0) else v
            whole = along * values if values is not None else along if sign == 1 else -along
            return TensorSelection(index, width, whole, turned)
        case TensorParts(count, values, kronecker):
            split = v.reshape(-1, count).t() if kronecker else v.reshape(count, -1)
            return TensorParts(count, split.unsqueeze(2 - axis) * values, kronecker)
        case TensorList(rows, cols, i, j, values):
            return TensorList(rows, cols, i, j, taken(v, j if axis else i) * values)
        case TensorMatrix(values):
            return TensorMatrix(v.unsqueeze(1 - axis) * values)
    raise AssertionError(held)


def _in_parts(left: TensorBlock, right: TensorBlock) -> TensorBlock | None:
    """Multiply two blocks by their parts, None where their parts do not fit together."""
    like = left if isinstance(left, TensorParts) else right
    if not isinstance(like, TensorParts):
        return None
    a, b = as_parts(left, like), as_parts(right, like)
    if a is not None and b is not None:
        return parts(like.count, _matmul(a, b), like.kronecker)
    if _crossing(left, right, left.cols):
        return TensorMatrix(_crossed(left, right))
    if _crossing(right, left, left.cols):
        return transposed(TensorMatrix(_crossed(transposed(right), transposed(left))))
    return None


def _crossing(one: TensorBlock, other: TensorBlock, inner: int) -> bool:
    """Say whether layers meet blocks along a diagonal, and every layer crosses every block."""
    if not isinstance(one, TensorParts) or not isinstance(other, TensorParts) or not one.kronecker or other.kronecker:
        return False
    return inner % (one.count * other.count) == 0


def _crossed(left: TensorBlock, right: TensorBlock) -> Tensor:
    """Multiply layers by blocks along the diagonal: entry k of the inner dimension lies in one part of each factor.

    With a layers of r x (b·s) and b blocks of (s·a) x q: out[r, a, b, q] = Σ_s L[a, r, b, s] · R[b, s, a, q].
    """
    assert isinstance(left, TensorParts), "layers"
    assert isinstance(right, TensorParts), "blocks along the diagonal"
    a, b = left.count, right.count
    (_, r, c), q = left.values.shape, right.values.shape[2]
    one = left.values.expand(a, r, c).reshape(a, r, b, c // b)
    other = right.values.expand(b, c // b * a, q).reshape(b, c // b, a, q)
    return torch.einsum("arbs,bsaq->rabq", one, other).reshape(r * a, b * q)


def _picked(left: TensorSelection, right: TensorSelection) -> TensorBlock | None:
    """Multiply two blocks of picks that are indexed by the same side, None where they cannot be."""
    if left.turned != right.turned:
        if left.bijective:
            left = _from_other_side(left)
        elif right.bijective:
            right = _from_other_side(right)
        else:
            return None
    first, second = (right, left) if left.turned else (left, right)
    values = None if second.values is None else taken(second.values, first.index)
    if first.values is not None:
        values = first.values if values is None else first.values * values
    sign = (first.sign if first.values is None else 1) * (second.sign if second.values is None else 1)
    if values is not None and sign == -1:
        values, sign = -values, 1
    return picked(second.index[first.index], second.width, values, left.turned, sign)


def _from_other_side(held: TensorSelection) -> TensorSelection:
    """Index a bijective block by its columns instead of its rows, or the other way round."""
    back = np.argsort(held.index)
    values = None if held.values is None else taken(held.values, back)
    return TensorSelection(back, len(back), values, not held.turned, held.sign)


def _times_matrix(left: TensorBlock, right: Tensor) -> Tensor:
    """Return left · right for a matrix on the right."""
    match left:
        case TensorSelection(index, width, values, turned, sign):
            weighted = -right if sign == -1 and values is None else right
            if not turned:
                rows = taken(weighted, index)
                return rows if values is None else values[:, None] * rows
            return added(weighted if values is None else values[:, None] * right, index, width)
        case TensorParts():
            return _parts_times_matrix(left, right)
        case TensorList(rows, _, i, j, values):
            return added(values[:, None] * taken(right, j), i, rows)
    raise AssertionError(left)


def _matrix_times(left: Tensor, right: TensorBlock) -> Tensor:
    """Return left · right for a matrix on the left."""
    match right:
        case TensorSelection(index, width, values, turned, sign):
            weighted = -left if sign == -1 and values is None else left
            if turned:
                columns = taken(weighted, index, 1)
                return columns if values is None else columns * values
            return added(weighted if values is None else left * values, index, width, 1)
        case TensorParts():
            turned_product = _parts_times_matrix(transposed(right), left.t())
            return turned_product.t()
        case TensorList(_, cols, i, j, values):
            return added(taken(left, i, 1) * values, j, cols, 1)
        case TensorMatrix(values):
            return _matmul(left, values)
    raise AssertionError(right)


def _parts_times_matrix(left: TensorBlock, right: Tensor) -> Tensor:
    """Return left · right for a matrix on the right, its rows multiplied where they lie."""
    assert isinstance(left, TensorParts), "parts"
    c, n = left.values.shape[2], right.shape[1]
    if not left.kronecker:
        blocks = right.reshape(left.count, c, n)
        return _matmul(left.values, blocks).reshape(left.rows, n)
    if len(left.values) == 1:
        return _matmul(left.values[0], right.reshape(c, left.count * n)).reshape(left.rows, n)
    layers = right.reshape(c, left.count, n).transpose(0, 1)
    return _matmul(left.values, layers).transpose(0, 1).reshape(left.rows, n)


def _matmul(left: Tensor, right: Tensor) -> Tensor:
    """Multiply matrices with equal axes in front, or one where there are several; of two dtypes the wider decides."""
    if left.dtype != right.dtype:
        dtype = torch.promote_types(left.dtype, right.dtype)
        left, right = left.to(dtype), right.to(dtype)
    k = left.shape[-1]
    if k == 1:
        return left * right
    return torch.matmul(left, right)
