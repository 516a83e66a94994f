"""Values picked and added up by indices that are known while tracing: slices, reshapes and sums where they do.

XLA compiles a gather or a scatter at constant indices like any other: entry by entry, and hardly fused with its
neighbours. On a CPU a scatter runs one update after the other. Most indices of a program are regular, because they come
from slices, concatenations, broadcasts and transpositions; this module recognises them. It replaces every scatter: by a
gather from the other side where nothing is added up, else by gathers of the terms of all sums, which are then added.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from chainplan.jax.types import EntryValues

MAX_UNROLLED_TERMS = 16
"""The largest number of terms of a sum that is written out, so that each term is read where it stands."""
MAX_UNEVEN_SLOTS = 2
"""The number of places, per term, of the largest table of terms by groups that is used."""
MIN_INTERLEAVED, MAX_SIDE_BY_SIDE = 10_000, 8
"""The fewest entries that are read as slices side by side, and the most such slices; few are gathered in one kernel."""
MIN_SIDE_BY_SIDE = 0.75
"""The share of the entries that these slices have to cover; what stands before and behind them is read alone."""
IndexArray = NDArray[np.int64]
"""Indices that are known while the function is traced."""


def taken(array: EntryValues, index: IndexArray, axis: int = 0) -> EntryValues:
    """Return `array[index]` along an axis."""
    if isinstance(array, np.ndarray):
        return np.take(array, index, axis)
    size, count = array.shape[axis], len(index)
    if count == size and np.array_equal(index, np.arange(size)):
        return array
    if count > 1 and (regular := _regular(array, index, axis)) is not None:
        return regular
    if count == 1:
        return lax.slice_in_dim(array, int(index[0]), int(index[0]) + 1, axis=axis)
    if array.ndim == 1 and count >= MIN_INTERLEAVED and (together := _interleaved(array, index)) is not None:
        return together
    narrow = index.astype(np.int32) if size <= np.iinfo(np.int32).max else index
    return array.at[(*(slice(None),) * axis, narrow)].get(mode="promise_in_bounds")


def _regular(array: Array, index: IndexArray, axis: int) -> Array | None:
    """Return `array[index]` as a slice, repeated or transposed; None where the index is not as regular as that."""
    steps = np.diff(index)
    step = int(steps[0])
    if step > 0 and (steps == step).all():
        return lax.slice_in_dim(array, int(index[0]), int(index[-1]) + 1, step, axis)
    turn = int(np.argmax(steps != step)) + 1 if (steps != step).any() else len(index)
    if len(index) % turn:
        return None
    rows = index.reshape(-1, turn)
    before, behind = array.shape[:axis], array.shape[axis + 1 :]
    if step == 0 and (rows == rows[:, :1]).all():
        return _spread(taken(array, rows[:, 0], axis), axis + 1, turn, axis)
    if len(rows) > 1 and (rows == rows[0]).all():
        return _spread(taken(array, rows[0], axis), axis, len(rows), axis)
    runs = _runs(index)
    if runs is not None and runs.first - runs.first % runs.stride + runs.number * runs.stride <= array.shape[axis]:
        offset = runs.first % runs.stride
        whole = lax.slice_in_dim(array, runs.first - offset, runs.first - offset + runs.number * runs.stride, axis=axis)
        split = whole.reshape(*before, runs.number, runs.stride, *behind)
        kept = lax.slice_in_dim(split, offset, offset + runs.length, axis=axis + 1)
        return kept.reshape(*before, len(index), *behind)
    if step and step == len(rows) and np.array_equal(rows.T.ravel(), np.arange(rows[0, 0], rows[0, 0] + rows.size)):
        whole = lax.slice_in_dim(array, int(rows[0, 0]), int(rows[0, 0]) + rows.size, axis=axis)
        turned = jnp.swapaxes(whole.reshape(*before, turn, len(rows), *behind), axis, axis + 1)
        return turned.reshape(*before, rows.size, *behind)
    return None


def _interleaved(array: Array, index: IndexArray) -> Array | None:
    """Return `array[index]` of a vector as slices side by side, such as the diagonals of a band row by row.

    None where no few slices cover most of it. XLA reads a slice several times as fast as it gathers.
    """
    for width in range(1, MAX_SIDE_BY_SIDE + 1):
        breaks = np.flatnonzero(index[width:] - index[:-width] != 1)
        edges = np.concatenate([[-1], breaks, [len(index) - width]])
        longest = int(np.argmax(np.diff(edges)))
        start = int(edges[longest]) + 1
        height = (int(edges[longest + 1]) - start + width) // width
        stop = start + height * width
        if height < 2 or height * width < MIN_SIDE_BY_SIDE * len(index):
            continue
        slices = [lax.slice_in_dim(array, int(first), int(first) + height) for first in index[start : start + width]]
        ends = [taken(array, index[:start]), jnp.stack(slices, 1).ravel(), taken(array, index[stop:])]
        return jnp.concatenate([end for end in ends if end.size])
    return None


class _Runs(NamedTuple):
    """Indices in `number` runs of `length`, of which each begins `stride` behind the one before."""

    first: int
    stride: int
    number: int
    length: int


def _runs(index: IndexArray) -> _Runs | None:
    """Find the runs of which indices consist, None where they differ, or cross a multiple of their stride."""
    breaks = np.flatnonzero(np.diff(index) != 1) + 1
    length = int(breaks[0]) if len(breaks) else len(index)
    if len(index) % length or len(index) == length:
        return None
    rows = index.reshape(-1, length)
    first, stride = int(rows[0, 0]), int(rows[1, 0] - rows[0, 0])
    regular = first + np.arange(len(rows))[:, None] * stride + np.arange(length)
    if stride < length or not np.array_equal(rows, regular) or first % stride + length > stride:
        return None
    return _Runs(first, stride, len(rows), length)


def _spread(array: Array, at: int, times: int, axis: int) -> Array:
    """Copy an array along a new axis at `at`, which is then merged with `axis`."""
    shape = array.shape
    wide = jnp.broadcast_to(jnp.expand_dims(array, at), (*shape[:at], times, *shape[at:]))
    return wide.reshape(*shape[:axis], shape[axis] * times, *shape[axis + 1 :])


def padded(array: EntryValues, index: IndexArray, axis: int = 0) -> EntryValues:
    """Return `array[index]` along an axis, zero where the index is -1."""
    if isinstance(array, np.ndarray):
        return np.take(np.append(array, np.zeros_like(array, shape=1)), index)
    there = np.flatnonzero(index >= 0)
    if len(there) == len(index):
        return taken(array, index, axis)
    if not len(there):
        return jnp.zeros((*array.shape[:axis], len(index), *array.shape[axis + 1 :]), array.dtype)
    first, last = int(there[0]), int(there[-1]) + 1
    if last - first == len(there):
        ends = [(0, 0)] * array.ndim
        ends[axis] = (first, len(index) - last)
        return jnp.pad(taken(array, index[there], axis), ends)
    runs = _runs(there)
    if runs is not None and runs.number * runs.stride == len(index):
        before, behind = array.shape[:axis], array.shape[axis + 1 :]
        split = taken(array, index[there], axis).reshape(*before, runs.number, runs.length, *behind)
        ends = [(0, 0)] * split.ndim
        ends[axis + 1] = (runs.first, runs.stride - runs.first - runs.length)
        return jnp.pad(split, ends).reshape(*before, len(index), *behind)
    ends = [(0, 0)] * array.ndim
    ends[axis] = (0, 1)
    return taken(jnp.pad(array, ends), np.where(index < 0, array.shape[axis], index), axis)


def slots(group: IndexArray, groups: int) -> IndexArray | None:
    """List the entries of each group, in an array of K x groups; it holds -1 where a group has fewer than K entries.

    Row k holds entry k of every group, so that the indices are regular where the groups are runs of equal length. None
    where there are too many rows, or where groups are so uneven that most of the array would be empty.
    """
    counts = np.bincount(group, minlength=groups)
    most = int(counts.max(initial=0))
    if most > MAX_UNROLLED_TERMS or most * groups > MAX_UNEVEN_SLOTS * len(group):
        return None
    order = np.argsort(group, kind="stable")
    starts = np.cumsum(counts) - counts
    members = np.full((most, groups), -1, np.int64)
    members[np.arange(len(group)) - starts[group[order]], group[order]] = order
    return members


def added(rows: Array, index: IndexArray, height: int, axis: int = 0) -> Array:
    """Add rows, or columns where `axis` is 1, up: row i goes to row `index[i]` of `height`."""
    if height and len(index) and len(index) % height == 0:
        shape, each = rows.shape, len(index) // height
        if np.array_equal(index, np.repeat(np.arange(height), each)):
            return rows.reshape(*shape[:axis], height, each, *shape[axis + 1 :]).sum(axis + 1)
        if np.array_equal(index, np.tile(np.arange(height), each)):
            return rows.reshape(*shape[:axis], each, height, *shape[axis + 1 :]).sum(axis)
    if len(np.unique(index)) == len(index):
        place = np.full(height, -1, np.int64)
        place[index] = np.arange(len(index))
        return padded(rows, place, axis)
    where = slots(index, height)
    if where is None:
        shape = (*rows.shape[:axis], height, *rows.shape[axis + 1 :])
        order = np.argsort(index, kind="stable")
        into = jnp.zeros(shape, rows.dtype).at[(*(slice(None),) * axis, index[order].astype(np.int32))]
        return into.add(taken(rows, order, axis), indices_are_sorted=True, mode="promise_in_bounds")
    return sum((padded(rows, one, axis) for one in where[1:]), padded(rows, where[0], axis))
