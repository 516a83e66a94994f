"""Products and sums of blocks by their nonzeros, at places that are known while tracing.

What a planner counts by its nonzeros is computed by its nonzeros. The pairs of entries that meet are worked out while
the function is traced, so that the program holds a product of two vectors and a sum over equal places. An entry of a
list takes more time than one of a matrix, because it is gathered; lists are used only where a block is that much
sparser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from chainplan.jax.forms import (
    HeldBlock,
    HeldDense,
    HeldDiagonal,
    HeldEqualParts,
    HeldExplicit,
    HeldSelection,
    HeldZero,
    listed,
    matrix,
    picked,
    reflected,
)
from chainplan.jax.indexing import MAX_UNROLLED_TERMS, IndexArray, added, padded, slots, taken
from chainplan.jax.types import EntryValues

if TYPE_CHECKING:
    from jax import Array
    from jax.typing import DTypeLike

GATHER_FMA = 8
"""The time of one multiply-add of listed entries, in multiply-adds of matrices."""
MIN_LISTED_CELLS = 64
"""The number of entries of the smallest block that is worth listing."""
FULL_PRODUCT_FMA = 128
"""The time of one multiply-add of listed entries of parts where the product has few zeros: a long list slows what
follows."""


def sparse_enough(nonzeros: int, cells: int) -> bool:
    """Say whether so many entries of a list take less time than all of a matrix."""
    return cells >= max(MIN_LISTED_CELLS, GATHER_FMA * nonzeros)


def entry_count(held: HeldBlock) -> int:
    """Count the entries of the list of a block."""
    match held:
        case HeldZero():
            return 0
        case HeldDiagonal(rows):
            return rows
        case HeldSelection(index):
            return len(index)
        case HeldExplicit(i=i):
            return len(i)
        case HeldEqualParts(count):
            return held.rows * held.cols // count
    return held.rows * held.cols


def line_counts(held: HeldBlock, axis: int) -> IndexArray:
    """Count the entries in each row of a block, or in each column where `axis` is 1."""
    lines, across = (held.rows, held.cols) if axis == 0 else (held.cols, held.rows)
    match held:
        case HeldExplicit(i=i, j=j):
            return np.bincount(i if axis == 0 else j, minlength=lines)
        case HeldSelection(index=index, turned=turned) if turned == (axis == 0):
            return np.bincount(index, minlength=lines)
        case HeldEqualParts(count):
            return np.full(lines, across // count)
        case HeldDense():
            return np.full(lines, across)
    return np.full(lines, 0 if isinstance(held, HeldZero) else 1)


def pairs_of(left: HeldBlock, right: HeldBlock) -> int | None:
    """Count the pairs of entries that meet in a product, None where they are too many to be multiplied one by one."""
    if isinstance(left, HeldDense) or isinstance(right, HeldDense):
        return None
    pairs = int(line_counts(left, 1) @ line_counts(right, 0))
    by_matrices = left.rows * left.cols * right.cols
    of_parts = isinstance(left, HeldEqualParts) or isinstance(right, HeldEqualParts)
    if of_parts and by_matrices <= FULL_PRODUCT_FMA * pairs and not sparse_enough(pairs, left.rows * right.cols):
        return None
    return pairs if sparse_enough(pairs, by_matrices) else None


def list_total(left: HeldBlock, right: HeldBlock, dtype: DTypeLike) -> HeldBlock | None:
    """Return left + right as a list, None where a matrix is better."""
    if isinstance(left, HeldDense) or isinstance(right, HeldDense):
        return None
    if not sparse_enough(entry_count(left) + entry_count(right), left.rows * left.cols):
        return None
    a, b = listed(left, dtype), listed(right, dtype)
    rows, cols = a.rows, a.cols
    if np.array_equal(a.i, b.i) and np.array_equal(a.j, b.j):
        return simplest(HeldExplicit(rows, cols, a.i, a.j, a.values + b.values))
    if len(b.i) > len(a.i):
        a, b = b, a
    _, here, there = np.intersect1d(a.i * cols + a.j, b.i * cols + b.j, assume_unique=True, return_indices=True)
    values = a.values
    if len(here):
        place = np.full(len(a.i), -1, np.int64)
        place[here] = there
        values = values + padded(b.values, place)
    alone = np.setdiff1d(np.arange(len(b.i)), there, assume_unique=True)
    i, j = np.concatenate([a.i, b.i[alone]]), np.concatenate([a.j, b.j[alone]])
    return HeldExplicit(rows, cols, i, j, _joined([values, taken(b.values, alone)]))


def list_product(left: HeldBlock, right: HeldBlock, dtype: DTypeLike, symmetric: bool = False) -> HeldBlock | None:
    """Return left · right by their entries, None where matrices are faster.

    Of a product that is known to be symmetric one triangle is computed, the other one is read from it.
    """
    if pairs_of(left, right) is None:
        return None
    found = _paired(listed(left, dtype), listed(right, dtype), symmetric)
    found = reflected(found) if symmetric else found
    if not len(found.i):
        return HeldZero(found.rows, found.cols)
    return simplest(found)


def simplest(held: HeldExplicit) -> HeldBlock:
    """Return a list with one entry in every row, or in every column, in order as a block of picks."""
    for index, other, width, turned in ((held.i, held.j, held.cols, False), (held.j, held.i, held.rows, True)):
        if len(index) == (held.cols if turned else held.rows) and np.array_equal(index, np.arange(len(index))):
            known = isinstance(held.values, np.ndarray)
            if not known:
                return picked(other, width, held.values, turned)
            signs = np.unique(held.values)
            if len(signs) == 1 and abs(signs[0]) == 1:
                return picked(other, width, None, turned, int(signs[0]))
            return picked(other, width, jnp.asarray(held.values), turned)
    return held


def _paired(a: HeldExplicit, b: HeldExplicit, upper: bool = False) -> HeldExplicit:
    """Multiply two lists: every two entries that meet make a product, and products at the same place are added up.

    With `upper` nothing is computed below the diagonal.

    Partner k of every entry of the left list makes piece k, so that the indices of a piece are regular where those of
    the lists are.
    """
    counts, order = np.bincount(b.i, minlength=b.rows), np.argsort(b.i, kind="stable")
    starts, each = np.cumsum(counts) - counts, counts[a.j]
    most = int(each.max(initial=0))
    if most <= MAX_UNROLLED_TERMS:
        firsts = [np.flatnonzero(each > k) for k in range(most)]
        seconds = [order[starts[a.j[p]] + k] for k, p in enumerate(firsts)]
    else:
        p = np.repeat(np.arange(len(a.j)), each)
        firsts = [p]
        seconds = [order[starts[a.j][p] + np.arange(len(p)) - np.repeat(np.cumsum(each) - each, each)]]
    if upper:
        wanted = [a.i[p] <= b.j[q] for p, q in zip(firsts, seconds, strict=True)]
        firsts = [p[there] for p, there in zip(firsts, wanted, strict=True)]
        seconds = [q[there] for q, there in zip(seconds, wanted, strict=True)]
    if not firsts:
        return HeldExplicit(a.rows, b.cols, a.i[:0], b.j[:0], a.values[:0])
    values = [_multiplied(taken(a.values, p), taken(b.values, q)) for p, q in zip(firsts, seconds, strict=True)]
    p, q = np.concatenate(firsts), np.concatenate(seconds)
    return _gathered_up(a.rows, b.cols, a.i[p], b.j[q], _joined(values))


def _multiplied(left: EntryValues, right: EntryValues) -> EntryValues:
    """Multiply entry by entry; known equal values are one factor."""
    for one, other in ((left, right), (right, left)):
        if isinstance(one, np.ndarray) and not isinstance(other, np.ndarray) and (one == one[0]).all():
            return other if one[0] == 1 else one[0] * other
    return left * right


def _joined(pieces: list[EntryValues]) -> EntryValues:
    """Put values one behind the other; known equal values are no constant of the program."""
    pieces = [piece for piece in pieces if len(piece)] or pieces[:1]
    if len(pieces) == 1:
        return pieces[0]
    if all(isinstance(piece, np.ndarray) for piece in pieces):
        return np.concatenate(pieces)
    return jnp.concatenate([_computed(piece) for piece in pieces])


def _computed(values: EntryValues) -> Array:
    if isinstance(values, np.ndarray):
        return jnp.full(len(values), values[0]) if (values == values[0]).all() else jnp.asarray(values)
    return values


def _gathered_up(rows: int, cols: int, i: IndexArray, j: IndexArray, values: EntryValues) -> HeldExplicit:
    """Make a list of entries, those at the same place added up."""
    places, group = np.unique(i * cols + j, return_inverse=True)
    if len(places) == len(i):
        return HeldExplicit(rows, cols, i, j, values)
    if isinstance(values, np.ndarray):
        summed: EntryValues = np.bincount(group, values, len(places)).astype(values.dtype)
    else:
        summed = added(values, group, len(places))
    return HeldExplicit(rows, cols, places // cols, places % cols, summed)


def narrowed(held: HeldBlock) -> tuple[HeldBlock, IndexArray] | None:
    """Return the columns of a block that are not zero, and their places; None where they are not few."""
    match held:
        case HeldExplicit(rows, cols, i, j, values):
            columns, place = np.unique(j, return_inverse=True)
            if 2 * len(columns) > cols:
                return None
            return HeldExplicit(rows, len(columns), i, place.ravel(), values), columns
        case HeldSelection(index, cols, values, False, sign):
            columns, place = np.unique(index, return_inverse=True)
            if 2 * len(columns) > cols:
                return None
            return picked(place.ravel(), len(columns), values, False, sign), columns
    return None


def widened(held: HeldBlock, columns: IndexArray, width: int, dtype: DTypeLike) -> HeldBlock:
    """Put the columns of a block to their places among `width` columns."""
    inner = listed(held, dtype)
    return HeldExplicit(inner.rows, width, inner.i, columns[inner.j], inner.values)


def list_times_matrix(held: HeldExplicit, values: Array, axis: int) -> Array:
    """Return held · values, or values · held where `axis` is 1."""
    own, other, size = (held.i, held.j, held.rows) if axis == 0 else (held.j, held.i, held.cols)
    if not sparse_enough(len(own), held.rows * held.cols):
        whole = matrix(held, values.dtype)
        return whole @ values if axis == 0 else values @ whole
    where = slots(own, size)
    if where is None:
        terms = _weighted(taken(values, other, axis), held.values, axis)
        return added(terms, own, size, axis)
    each = [_weighted(taken(values, other[np.maximum(one, 0)], axis), padded(held.values, one), axis) for one in where]
    return sum(each[1:], each[0])


def _weighted(lines: Array, weights: EntryValues, axis: int) -> Array:
    """Multiply rows, or columns where `axis` is 1, by a weight each."""
    return lines * (weights[:, None] if axis == 0 else weights)
