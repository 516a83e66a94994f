"""Entries picked and added up by indices that are known while tracing: slices, reshapes and sums where they do.

XLA compiles a gather or a scatter at constant indices as it compiles any other, entry by entry and hardly fused with
its neighbours; scatters run one update after the other on a CPU. Most indices of a program are regular, from slices,
concatenations, broadcasts and transpositions, and are recognised here. A scatter never is one: where nothing is added
up it is a gather from the other side, else entries of one sum are gathered side by side and reduced.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

UNROLLED = 16
"""Most terms of a sum that is written out, so that its terms are read where they are."""
Index = np.ndarray[Any, np.dtype[np.int64]]


def taken(array: Any, index: Index, axis: int = 0) -> Any:
    """`array[index]` along an axis."""
    size, count = array.shape[axis], len(index)
    if count == size and np.array_equal(index, np.arange(size)):
        return array
    if count > 1 and (regular := _regular(array, index, axis)) is not None:
        return regular
    if count == 1:
        return lax.slice_in_dim(array, int(index[0]), int(index[0]) + 1, axis=axis)
    return array.at[(*(slice(None),) * axis, index)].get(mode="promise_in_bounds")


def _regular(array: Any, index: Index, axis: int) -> Any | None:
    """A slice, one with repetitions, or one that is transposed; None where the index is none of them."""
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
    if step and step == len(rows) and np.array_equal(rows.T.ravel(), np.arange(rows[0, 0], rows[0, 0] + rows.size)):
        whole = lax.slice_in_dim(array, int(rows[0, 0]), int(rows[0, 0]) + rows.size, axis=axis)
        turned = jnp.swapaxes(whole.reshape(*before, turn, len(rows), *behind), axis, axis + 1)
        return turned.reshape(*before, rows.size, *behind)
    return None


def _spread(array: Any, at: int, times: int, axis: int) -> Any:
    """Copies along a new axis at `at`, merged with `axis`."""
    shape = array.shape
    wide = jnp.broadcast_to(jnp.expand_dims(array, at), (*shape[:at], times, *shape[at:]))
    return wide.reshape(*shape[:axis], shape[axis] * times, *shape[axis + 1 :])


def padded(array: Any, index: Index, axis: int = 0) -> Any:
    """`array[index]` along an axis, zero where the index is -1."""
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
    ends = [(0, 0)] * array.ndim
    ends[axis] = (0, 1)
    return taken(jnp.pad(array, ends), np.where(index < 0, array.shape[axis], index), axis)


def slots(group: Index, groups: int) -> Index:
    """Which entries belong to each group: K x groups, -1 where a group has fewer than K entries.

    Groups of equal runs come out regular: the first entry of every group, the second, and so on.
    """
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group, minlength=groups)
    starts = np.cumsum(counts) - counts
    found = np.full((int(counts.max(initial=0)), groups), -1, np.int64)
    found[np.arange(len(group)) - starts[group[order]], group[order]] = order
    return found


def added(rows: Any, index: Index, height: int, axis: int = 0) -> Any:
    """Rows, or columns where `axis` is 1, added up: number i goes to number `index[i]` of `height`."""
    if height and len(index) % height == 0:
        shape, each = rows.shape, len(index) // height
        if np.array_equal(index, np.repeat(np.arange(height), each)):
            return rows.reshape(*shape[:axis], height, each, *shape[axis + 1 :]).sum(axis + 1)
        if np.array_equal(index, np.tile(np.arange(height), each)):
            return rows.reshape(*shape[:axis], each, height, *shape[axis + 1 :]).sum(axis)
    where = slots(index, height)
    if not 0 < len(where) <= UNROLLED:
        shape = (*rows.shape[:axis], height, *rows.shape[axis + 1 :])
        return jnp.zeros(shape, rows.dtype).at[(*(slice(None),) * axis, index)].add(rows)
    return sum((padded(rows, one, axis) for one in where[1:]), padded(rows, where[0], axis))
