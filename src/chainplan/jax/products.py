"""Products and sums of held blocks in JAX, as `kernels.products` has them for numpy.

Every kernel is written for both sides: a transposed factor would cost XLA its fast products of matrices, and a copy.
Where two forms have no kernel of their own, one factor is written out as a matrix.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jax import Array

from chainplan.jax.coo import entry_count, list_product, list_times_matrix, list_total, narrowed, widened
from chainplan.jax.forms import (
    HeldBlock,
    HeldDense,
    HeldDiagonal,
    HeldEqualParts,
    HeldExplicit,
    HeldSelection,
    HeldZero,
    as_parts,
    matrix,
    negated,
    parts,
    picked,
    transposed,
    vector,
)
from chainplan.jax.indexing import added, taken

if TYPE_CHECKING:
    from jax.typing import DTypeLike

MAX_UNROLLED_INNER_SIZE, MAX_UNROLLED_FMA = 8, 512
"""The largest inner size, and the most multiply-adds, of a matrix product that is written out entry by entry."""


def product(left: HeldBlock, right: HeldBlock, dtype: DTypeLike) -> HeldBlock:
    """Return left · right; `dtype` is that of values which a form alone says."""
    if not entry_count(left) or not entry_count(right):
        return HeldZero(left.rows, right.cols)
    if isinstance(left, HeldDiagonal):
        return _scaled(left, right, 0)
    if isinstance(right, HeldDiagonal):
        return _scaled(right, left, 1)
    by_parts = _in_parts(left, right, dtype)
    if by_parts is not None:
        return by_parts
    if isinstance(left, HeldSelection) and isinstance(right, HeldSelection):
        found = _picked(left, right)
        if found is not None:
            return found
    by_list = list_product(left, right, dtype)
    if by_list is not None:
        return by_list
    if isinstance(left, HeldDense):
        few = narrowed(right)
        if few is not None:
            return widened(product(left, few[0], dtype), few[1], right.cols, dtype)
        return HeldDense(_matrix_times(left.values, right))
    if isinstance(right, HeldDense):
        few = narrowed(transposed(left))
        if few is not None:
            rows = product(transposed(few[0]), right, dtype)
            return transposed(widened(transposed(rows), few[1], left.rows, dtype))
        return HeldDense(_times_matrix(left, right.values))
    return HeldDense(_times_matrix(left, matrix(right, dtype)))


def total(left: HeldBlock, right: HeldBlock, dtype: DTypeLike) -> HeldBlock:
    """Return left + right."""
    if isinstance(left, HeldZero):
        return right
    if isinstance(right, HeldZero):
        return left
    if isinstance(left, HeldDiagonal) and isinstance(right, HeldDiagonal):
        return HeldDiagonal(left.rows, vector(left, dtype) + vector(right, dtype))
    if isinstance(left, HeldSelection) and isinstance(right, HeldSelection) and _alike(left, right):
        both = [jnp.full(len(p.index), p.sign, dtype) if p.values is None else p.values for p in (left, right)]
        return replace(left, values=both[0] + both[1])
    for a, b in ((left, right), (right, left)):
        if isinstance(a, HeldEqualParts):
            values = as_parts(b, a, dtype)
            if values is not None:
                return HeldEqualParts(a.count, a.values + values, a.kronecker)
    by_list = list_total(left, right, dtype)
    if by_list is not None:
        return by_list
    symmetric = all(isinstance(held, HeldDense) and held.symmetric for held in (left, right))
    return HeldDense(matrix(left, dtype) + matrix(right, dtype), symmetric)


def _alike(left: HeldSelection, right: HeldSelection) -> bool:
    """Say whether two blocks of picks have their entries at the same places."""
    return left.turned == right.turned and np.array_equal(left.index, right.index)


def _scaled(diagonal: HeldDiagonal, held: HeldBlock, axis: int) -> HeldBlock:
    """Multiply the rows of a block, or its columns where `axis` is 1, by the entries of a diagonal."""
    if diagonal.vector is None:
        return held if diagonal.sign == 1 else negated(held)
    v = diagonal.vector
    match held:
        case HeldDiagonal(rows, None, sign):
            return HeldDiagonal(rows, sign * v)
        case HeldDiagonal(rows, w):
            return HeldDiagonal(rows, v * w)
        case HeldSelection(index, width, values, turned, sign):
            along = taken(v, index) if turned == (axis == 0) else v
            return HeldSelection(index, width, along * (sign if values is None else values), turned)
        case HeldEqualParts(count, values, kronecker):
            split = v.reshape(-1, count).T if kronecker else v.reshape(count, -1)
            return HeldEqualParts(count, jnp.expand_dims(split, 2 - axis) * values, kronecker)
        case HeldExplicit(_, _, i, j, values):
            return replace(held, values=taken(v, j if axis else i) * values)
        case HeldDense(values):
            return HeldDense(jnp.expand_dims(v, 1 - axis) * values)
    raise AssertionError(held)


def _in_parts(left: HeldBlock, right: HeldBlock, dtype: DTypeLike) -> HeldBlock | None:
    """Multiply two blocks by their parts, None where their parts do not fit together."""
    like = left if isinstance(left, HeldEqualParts) else right
    if not isinstance(like, HeldEqualParts):
        return None
    a, b = as_parts(left, like, dtype), as_parts(right, like, dtype)
    if a is not None and b is not None:
        return parts(like.count, matmul(a, b), like.kronecker)
    if crossing(left, right, left.cols):
        return HeldDense(_crossed(left, right))
    return (
        transposed(HeldDense(_crossed(transposed(right), transposed(left))))
        if crossing(right, left, left.cols)
        else None
    )


def crossing(one: HeldBlock, other: HeldBlock, inner: int) -> bool:
    """Say whether layers meet blocks along a diagonal, and every layer crosses every block."""
    if (
        not isinstance(one, HeldEqualParts)
        or not isinstance(other, HeldEqualParts)
        or not one.kronecker
        or other.kronecker
    ):
        return False
    return inner % (one.count * other.count) == 0


def _crossed(left: HeldBlock, right: HeldBlock) -> Array:
    """Multiply layers by blocks along the diagonal: entry k of the inner dimension lies in one part of each factor.

    With a layers of r x (b·s) and b blocks of (s·a) x q: out[r, a, b, q] = Σ_s L[a, r, b, s] · R[b, s, a, q].
    """
    assert isinstance(left, HeldEqualParts), "layers"
    assert isinstance(right, HeldEqualParts), "blocks along the diagonal"
    a, b = left.count, right.count
    (_, r, c), q = left.values.shape, right.values.shape[2]
    one = jnp.broadcast_to(left.values, (a, r, c)).reshape(a, r, b, c // b)
    other = jnp.broadcast_to(right.values, (b, c // b * a, q)).reshape(b, c // b, a, q)
    terms = (one[:, :, :, s, None].transpose(1, 0, 2, 3) * other[:, s].transpose(1, 0, 2) for s in range(c // b))
    return sum(terms, jnp.zeros((), one.dtype)).reshape(r * a, b * q)


def _picked(left: HeldSelection, right: HeldSelection) -> HeldBlock | None:
    """Multiply two blocks of picks that are indexed by the same side, None where they cannot be."""
    if left.turned != right.turned:
        if left.bijective:
            left = left.from_other_side()
        elif right.bijective:
            right = right.from_other_side()
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


def _times_matrix(left: HeldBlock, right: Array) -> Array:
    """Return left · right for a matrix on the right."""
    match left:
        case HeldSelection(index, width, values, turned, sign):
            weighted = sign * right if values is None else right
            if not turned:
                rows = taken(weighted, index)
                return rows if values is None else values[:, None] * rows
            return added(weighted if values is None else values[:, None] * right, index, width)
        case HeldEqualParts():
            return _parts_times_matrix(left, right)
        case HeldExplicit():
            return list_times_matrix(left, right, 0)
    raise AssertionError(left)


def matmul(
    left: Array, right: Array, most_inner: int = MAX_UNROLLED_INNER_SIZE, most_fma: int = MAX_UNROLLED_FMA
) -> Array:
    """Multiply matrices, m x k times k x n, with equal axes in front; small ones without a call to a library."""
    (m, k), n = left.shape[-2:], right.shape[-1]
    if not 0 < k <= most_inner or m * k * n > most_fma:
        return jnp.matmul(left, right)
    terms = [left[..., :, i, None] * right[..., None, i, :] for i in range(k)]
    return sum(terms[1:], terms[0])


def _matrix_times(left: Array, right: HeldBlock) -> Array:
    """Return left · right for a matrix on the left."""
    match right:
        case HeldSelection(index, width, values, turned, sign):
            weighted = sign * left if values is None else left
            if turned:
                columns = taken(weighted, index, 1)
                return columns if values is None else columns * values
            return added(weighted if values is None else left * values, index, width, 1)
        case HeldExplicit():
            return list_times_matrix(right, left, 1)
        case HeldEqualParts():
            return _matrix_times_parts(left, right)
        case HeldDense(values):
            return matmul(left, values)
    raise AssertionError(right)


def _parts_times_matrix(left: HeldEqualParts, right: Array) -> Array:
    """Return left · right for a matrix on the right, its rows multiplied where they lie."""
    c, n = left.values.shape[2], right.shape[1]
    if not left.kronecker:
        return matmul(left.values, right.reshape(left.count, c, n)).reshape(left.rows, n)
    if len(left.values) == 1:
        return matmul(left.values[0], right.reshape(c, left.count * n)).reshape(left.rows, n)
    return jnp.einsum("trc,ctn->rtn", left.values, right.reshape(c, left.count, n)).reshape(left.rows, n)


def _matrix_times_parts(left: Array, right: HeldEqualParts) -> Array:
    """Return left · right for a matrix on the left, its columns multiplied where they lie."""
    m, r = left.shape[0], right.values.shape[1]
    equal = len(right.values) == 1
    if right.kronecker:
        split, rule = left.reshape(m, r, right.count), "mrt,rc->mct" if equal else "mrt,trc->mct"
    elif equal:
        return matmul(left.reshape(m * right.count, r), right.values[0]).reshape(m, right.cols)
    else:
        split, rule = left.reshape(m, right.count, r), "mtr,trc->mtc"
    return jnp.einsum(rule, split, right.values[0] if equal else right.values).reshape(m, right.cols)
