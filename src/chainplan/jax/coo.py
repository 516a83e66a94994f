"""Products and sums of blocks whose nonzeros are listed one by one, at places that are known while tracing.

What a planner counts by its nonzeros is computed by its nonzeros. The pairs of entries that meet are worked out while
the function is traced, so that the program holds a product of two vectors and a sum over equal places. A list takes
more time per entry than a matrix, because its entries are gathered; it is used only where the block is that much
sparser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jax import Array

from chainplan.jax.forms import (
    HeldBlock,
    HeldColumns,
    HeldDense,
    HeldDiagonal,
    HeldEqualParts,
    HeldExplicit,
    HeldSelection,
    HeldZero,
    matrix,
    picked,
    vector,
)
from chainplan.jax.indexing import MAX_UNROLLED_TERMS, IndexArray, padded, slots, taken

if TYPE_CHECKING:
    from jax.typing import DTypeLike

GATHER_FMA = 8
"""The time of one multiply-add of listed entries, in multiply-adds of matrices."""
MIN_LISTED_CELLS = 64
"""The number of entries of the smallest block that is worth listing."""


def listed(held: HeldBlock, dtype: DTypeLike) -> HeldExplicit | None:
    """Return the block as a list of its entries, None where it is a matrix or zero."""
    match held:
        case HeldExplicit():
            return held
        case HeldDiagonal(rows):
            return HeldExplicit(rows, rows, np.arange(rows), np.arange(rows), vector(held, dtype))
        case HeldSelection(index, _, values, turned):
            own = np.arange(len(index))
            i, j = (index, own) if turned else (own, index)
            known = values is None or isinstance(values, np.ndarray)
            entries = jnp.asarray(np.ones(len(index)) if values is None else values, dtype) if known else values
            return HeldExplicit(held.rows, held.cols, i, j, entries)
        case HeldEqualParts(count, values, kronecker):
            _, r, c = values.shape
            part, row, col = (a.ravel() for a in np.indices((count, r, c)))
            i, j = (row * count + part, col * count + part) if kronecker else (part * r + row, part * c + col)
            return HeldExplicit(held.rows, held.cols, i, j, jnp.broadcast_to(values, (count, r, c)).ravel())
    return None


def sparse_enough(nonzeros: int, rows: int, cols: int) -> bool:
    """Say whether a list of so many entries is better than a matrix."""
    return rows * cols >= max(MIN_LISTED_CELLS, GATHER_FMA * nonzeros)


def list_total(left: HeldBlock, right: HeldBlock, dtype: DTypeLike) -> HeldBlock | None:
    """Return left + right as a list, None where a matrix is better."""
    a, b = listed(left, dtype), listed(right, dtype)
    if a is None or b is None or not sparse_enough(len(a.i) + len(b.i), a.rows, a.cols):
        return None
    i, j = np.concatenate([a.i, b.i]), np.concatenate([a.j, b.j])
    if np.array_equal(a.i, b.i) and np.array_equal(a.j, b.j):
        return HeldExplicit(a.rows, a.cols, a.i, a.j, a.values + b.values)
    return _gathered_up(a.rows, a.cols, i, j, jnp.concatenate([a.values, b.values]))


def list_product(left: HeldBlock, right: HeldBlock, dtype: DTypeLike) -> HeldBlock | None:
    """Return left · right by their listed entries, None where a matrix is better."""
    a, b = listed(left, dtype), listed(right, dtype)
    if a is None or b is None:
        return None
    pairs = int(np.bincount(b.i, minlength=b.rows)[a.j].sum())
    if not sparse_enough(pairs, left.rows * left.cols, right.cols) or not sparse_enough(pairs, left.rows, right.cols):
        return None
    entries = _paired(a, b)
    return entries if len(entries.i) else HeldZero(entries.rows, entries.cols)


def pick_product(left: HeldSelection, right: HeldSelection, dtype: DTypeLike) -> HeldBlock:
    """Multiply two blocks of picks; few of their entries meet.

    The product is held as picks where it is one of picks, else as its few columns that are not zero, as a list or as a
    matrix.
    """
    a, b = listed(left, dtype), listed(right, dtype)
    assert a is not None
    assert b is not None
    made = _paired(a, b)
    if not len(made.i):
        return HeldZero(made.rows, made.cols)
    for index, other, width, turned in ((made.i, made.j, made.cols, False), (made.j, made.i, made.rows, True)):
        if np.array_equal(index, np.arange(made.cols if turned else made.rows)):
            return picked(other, width, made.values, turned)
    columns, place = np.unique(made.j, return_inverse=True)
    if 2 * len(columns) <= made.cols:
        inner = HeldExplicit(made.rows, len(columns), made.i, place.ravel(), made.values)
        return HeldColumns(HeldDense(matrix(inner, dtype)), columns, made.cols)
    return made if sparse_enough(len(made.i), made.rows, made.cols) else HeldDense(matrix(made, dtype))


def _paired(a: HeldExplicit, b: HeldExplicit) -> HeldExplicit:
    """Multiply two lists: every two entries that meet make a product, and products at the same place are added up."""
    counts, order = np.bincount(b.i, minlength=b.rows), np.argsort(b.i, kind="stable")
    starts, each = np.cumsum(counts) - counts, counts[a.j]
    p = np.repeat(np.arange(len(a.j)), each)
    q = order[starts[a.j][p] + np.arange(len(p)) - np.repeat(np.cumsum(each) - each, each)]
    return _gathered_up(a.rows, b.cols, a.i[p], b.j[q], taken(a.values, p) * taken(b.values, q))


def _gathered_up(rows: int, cols: int, i: IndexArray, j: IndexArray, values: Array) -> HeldExplicit:
    """Make a list of entries, those at the same place added up."""
    places, group = np.unique(i * cols + j, return_inverse=True)
    if len(places) == len(i):
        return HeldExplicit(rows, cols, i, j, values)
    where = slots(group.ravel(), len(places))
    if len(where) > MAX_UNROLLED_TERMS:
        summed = padded(values, where.ravel()).reshape(where.shape).sum(0)
    else:
        summed = sum((padded(values, one) for one in where[1:]), padded(values, where[0]))
    return HeldExplicit(rows, cols, places // cols, places % cols, summed)


def list_times_matrix(held: HeldExplicit, values: Array, axis: int) -> Array | None:
    """Return held · values, or values · held where `axis` is 1; None where a matrix is better than the list."""
    own, other, size = (held.i, held.j, held.rows) if axis == 0 else (held.j, held.i, held.cols)
    where = slots(own, size)
    if len(where) > MAX_UNROLLED_TERMS or not sparse_enough(where.size, held.rows, held.cols):
        return None
    terms = []
    for one in where:
        weights, lines = padded(held.values, one), taken(values, other[np.maximum(one, 0)], axis)
        terms.append(weights[:, None] * lines if axis == 0 else lines * weights)
    if not terms:
        return jnp.zeros((size, values.shape[1]) if axis == 0 else (values.shape[0], size), values.dtype)
    return sum(terms[1:], terms[0])


def list_work(left: HeldBlock, right: HeldBlock) -> int | None:
    """Count the multiply-adds of a product with a listed factor, None where a matrix takes the place of the list."""
    for one, other in ((left, right), (right, left)):
        if isinstance(one, HeldExplicit):
            own, across = (one.i, other.cols) if one is left else (one.j, other.rows)
            height = one.rows if one is left else one.cols
            most = int(np.bincount(own, minlength=height).max(initial=0))
            if isinstance(other, HeldDense):
                few = most <= MAX_UNROLLED_TERMS and sparse_enough(most * height, one.rows, one.cols)
                return most * height * across if few else None
    return None
