"""Products and sums of held blocks in JAX, as `kernels.products` has them for numpy.

Kernels that move entries are written for both sides. Those of a diagonal and of parts are written for a factor on the
left; for one on the right the same kernel runs on transposed blocks, which XLA turns into layouts rather than copies.
Where two forms have no kernel of their own, one factor is written out as a matrix.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jax import Array

from chainplan.jax.coo import list_product, list_times_matrix, list_total, list_work, pick_product
from chainplan.jax.forms import (
    Diagonal,
    Full,
    Held,
    Listed,
    Narrow,
    Parts,
    Picked,
    Zero,
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

SHORT, FEW = 8, 512
"""The largest inner size, and the most multiply-adds, of a matrix product that is written out entry by entry."""


def product(left: Held, right: Held, dtype: DTypeLike) -> Held:
    """Return left · right; `dtype` is that of values which a form alone says."""
    if isinstance(left, Zero) or isinstance(right, Zero):
        return Zero(left.rows, right.cols)
    if isinstance(left, Diagonal):
        return _scaled(left, right)
    if isinstance(right, Narrow):
        return replace(right, columns=Full(matrix(product(left, right.columns, dtype), dtype)))
    if isinstance(left, Narrow):
        return product(left.columns, product(picked(left.index, left.width), right, dtype), dtype)
    if isinstance(right, Diagonal):
        return transposed(_scaled(right, transposed(left)))
    by_parts = _in_parts(left, right, dtype)
    if by_parts is not None:
        return by_parts
    match left, right:
        case Picked(), Picked():
            return _picked(left, right) or pick_product(left, right, dtype)
        case (_, Full()):
            return Full(_times_matrix(left, right.values))
        case (Full(), _):
            return Full(_matrix_times(left.values, right))
        case _:
            by_list = list_product(left, right, dtype)
            return Full(_times_matrix(left, matrix(right, dtype))) if by_list is None else by_list


def work(left: Held, right: Held) -> int:
    """Count the multiply-adds of left · right as they are held.

    There may be more than the structures say, where a factor is held as a matrix.
    """
    if isinstance(right, Narrow):
        return work(left, right.columns)
    if isinstance(left, Narrow):
        return work(left.columns, right) * len(left.index) // left.width
    sizes = left.rows, left.cols, right.cols
    listed_pairs = list_work(left, right)
    if listed_pairs is not None:
        return listed_pairs
    for one, other, across in ((left, right, sizes[2]), (right, left, sizes[0])):
        match one:
            case Zero() | Diagonal(vector=None) | Picked(values=None):
                return 0
            case Diagonal() | Picked():
                return stored(other)
            case Parts() if not isinstance(other, Parts):
                return stored(one) * across if isinstance(other, Full) else sizes[0] * sizes[2]
    if (
        isinstance(left, Parts)
        and isinstance(right, Parts)
        and (left.count, left.layered) == (right.count, right.layered)
    ):
        return sizes[0] * sizes[1] * sizes[2] // left.count**2
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Parts) and isinstance(other, Parts) and crossing(one, other, sizes[1]):
            return sizes[0] * sizes[1] * sizes[2] // (one.count * other.count)
    return sizes[0] * sizes[1] * sizes[2]


def stored(held: Held) -> int:
    """Count the entries of a block as it is held; equal parts are counted each."""
    if isinstance(held, Full):
        return held.rows * held.cols
    if isinstance(held, Listed):
        return len(held.i)
    if isinstance(held, Narrow):
        return stored(held.columns)
    return held.rows * held.cols // held.count if isinstance(held, Parts) else max(held.rows, held.cols)


def total(left: Held, right: Held, dtype: DTypeLike) -> Held:
    """Return left + right."""
    if isinstance(left, Zero):
        return right
    if isinstance(right, Zero):
        return left
    if isinstance(left, Diagonal) and isinstance(right, Diagonal):
        return Diagonal(left.rows, vector(left, dtype) + vector(right, dtype))
    if isinstance(left, Narrow) and isinstance(right, Narrow):
        return _side_by_side(left, right)
    if isinstance(left, Picked) and isinstance(right, Picked) and _alike(left, right):
        both = [jnp.ones(len(p.index), dtype) if p.values is None else p.values for p in (left, right)]
        return replace(left, values=both[0] + both[1])
    for a, b in ((left, right), (right, left)):
        if isinstance(a, Parts):
            values = as_parts(b, a, dtype)
            if values is not None:
                return Parts(a.count, a.values + values, a.layered)
    by_list = list_total(left, right, dtype)
    if by_list is not None:
        return by_list
    return Full(matrix(left, dtype) + matrix(right, dtype))


def _side_by_side(left: Narrow, right: Narrow) -> Held:
    """Add two blocks of few columns; the sum has the columns of both."""
    index = np.union1d(left.index, right.index)
    terms = []
    for one in (left, right):
        at = np.searchsorted(index, one.index)
        terms.append(matrix(Narrow(one.columns, at, len(index)), None))
    columns = Full(terms[0] + terms[1])
    return columns if len(index) == left.width else Narrow(columns, index, left.width)


def _alike(left: Picked, right: Picked) -> bool:
    """Say whether two blocks of picks have their entries at the same places."""
    return left.turned == right.turned and np.array_equal(left.index, right.index)


def _scaled(left: Diagonal, right: Held) -> Held:
    """Multiply the rows of a block by the entries of a diagonal."""
    if left.vector is None:
        return right if left.sign == 1 else negated(right)
    v = left.vector
    match right:
        case Diagonal(rows, None, sign):
            return Diagonal(rows, sign * v)
        case Diagonal(rows, w):
            return Diagonal(rows, v * w)
        case Picked(index, width, values, turned):
            along = taken(v, index) if turned else v
            return Picked(index, width, along if values is None else along * values, turned)
        case Parts(count, values, layered):
            split = v.reshape(-1, count).T if layered else v.reshape(count, -1)
            return Parts(count, split[:, :, None] * values, layered)
        case Listed(_, _, i, _, values):
            return replace(right, values=taken(v, i) * values)
        case Narrow(columns=Full(values)):
            return replace(right, columns=Full(v[:, None] * values))
        case Full(values):
            return Full(v[:, None] * values)
    raise AssertionError(right)


def _in_parts(left: Held, right: Held, dtype: DTypeLike) -> Held | None:
    """Multiply two blocks by their parts, None where their parts do not fit together."""
    like = left if isinstance(left, Parts) else right
    if not isinstance(like, Parts):
        return None
    a, b = as_parts(left, like, dtype), as_parts(right, like, dtype)
    if a is not None and b is not None:
        return parts(like.count, _matmul(a, b), like.layered)
    if crossing(left, right, left.cols):
        return Full(_crossed(left, right))
    return transposed(Full(_crossed(transposed(right), transposed(left)))) if crossing(right, left, left.cols) else None


def crossing(one: Held, other: Held, inner: int) -> bool:
    """Say whether layers meet blocks along a diagonal, and every layer crosses every block."""
    if not isinstance(one, Parts) or not isinstance(other, Parts) or not one.layered or other.layered:
        return False
    return inner % (one.count * other.count) == 0


def _crossed(left: Held, right: Held) -> Array:
    """Multiply layers by blocks along the diagonal: entry k of the inner dimension lies in one part of each factor.

    With a layers of r x (b·s) and b blocks of (s·a) x q: out[r, a, b, q] = Σ_s L[a, r, b, s] · R[b, s, a, q].
    """
    assert isinstance(left, Parts), "layers"
    assert isinstance(right, Parts), "blocks along the diagonal"
    a, b = left.count, right.count
    (_, r, c), q = left.values.shape, right.values.shape[2]
    one = jnp.broadcast_to(left.values, (a, r, c)).reshape(a, r, b, c // b)
    other = jnp.broadcast_to(right.values, (b, c // b * a, q)).reshape(b, c // b, a, q)
    terms = (one[:, :, :, s, None].transpose(1, 0, 2, 3) * other[:, s].transpose(1, 0, 2) for s in range(c // b))
    return sum(terms, jnp.zeros((), one.dtype)).reshape(r * a, b * q)


def _picked(left: Picked, right: Picked) -> Held | None:
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
    return picked(second.index[first.index], second.width, values, left.turned)


def _times_matrix(left: Held, right: Array) -> Array:
    """Return left · right for a matrix on the right."""
    match left:
        case Full(values):
            return _matmul(values, right)
        case Picked(index, _, values, False):
            rows = taken(right, index)
            return rows if values is None else values[:, None] * rows
        case Picked(index, width, values, True):
            return added(right if values is None else values[:, None] * right, index, width)
        case Parts(count, values, layered):
            n = right.shape[1]
            if layered:
                split = right.reshape(-1, count, n).transpose(1, 0, 2)
                return _matmul(values, split).transpose(1, 0, 2).reshape(left.rows, n)
            return _matmul(values, right.reshape(count, -1, n)).reshape(left.rows, n)
        case Listed():
            by_list = list_times_matrix(left, right, 0)
            return matrix(left, right.dtype) @ right if by_list is None else by_list
    raise AssertionError(left)


def _matmul(left: Array, right: Array) -> Array:
    """Multiply matrices, m x k times k x n, with equal axes in front; small ones without a call to a library."""
    (m, k), n = left.shape[-2:], right.shape[-1]
    if not 0 < k <= SHORT or m * k * n > FEW:
        return jnp.matmul(left, right)
    terms = [left[..., :, i, None] * right[..., None, i, :] for i in range(k)]
    return sum(terms[1:], terms[0])


def _matrix_times(left: Array, right: Held) -> Array:
    """Return left · right for a matrix on the left."""
    match right:
        case Picked(index, width, values, False):
            return added(left if values is None else left * values, index, width, 1)
        case Picked(index, _, values, True):
            columns = taken(left, index, 1)
            return columns if values is None else columns * values
        case Listed():
            by_list = list_times_matrix(right, left, 1)
            return left @ matrix(right, left.dtype) if by_list is None else by_list
        case _:
            return _times_matrix(transposed(right), left.T).T
