"""Entries picked and added up by indices that are known: views, pads and sums where they are regular.

Most indices of a program come from slices, concatenations, broadcasts and transpositions. A gather reads entry by
entry, whereas a view costs nothing and a sum over an axis is one pass.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from chainplan.torch.types import Index

MAX_EMPTY_PER_ENTRY = 4
"""The most places for each entry where places are filled by a gather; more are zeros to which entries are added."""


def taken(array: Tensor, index: Index, axis: int = 0) -> Tensor:
    """Return `array[index]` along an axis."""
    size, count = int(array.shape[axis]), len(index)
    if count == size and np.array_equal(index, np.arange(size)):
        return array
    if count and (regular := _regular(array, index, axis)) is not None:
        return regular
    return torch.index_select(array, axis, _constant(index, array))


def _regular(array: Tensor, index: Index, axis: int) -> Tensor | None:
    """Return `array[index]` as a view, or as a copy of one; None where the index is not as regular as that."""
    first, steps = int(index[0]), np.diff(index)
    step = int(steps[0]) if len(steps) else 1
    if step > 0 and (steps == step).all():
        return array[(*(slice(None),) * axis, slice(first, int(index[-1]) + 1, step))]
    turn = int(np.argmax(steps != step)) + 1 if (steps != step).any() else len(index)
    if len(index) % turn:
        return None
    rows = index.reshape(-1, turn)
    before, behind = array.shape[:axis], array.shape[axis + 1 :]
    if step == 0 and (rows == rows[:, :1]).all():
        return _spread(taken(array, rows[:, 0], axis), axis + 1, turn, axis)
    if len(rows) > 1 and (rows == rows[0]).all():
        return _spread(taken(array, rows[0], axis), axis, len(rows), axis)
    whole = np.arange(first, first + index.size)
    if step and step == len(rows) and np.array_equal(rows.T.ravel(), whole):
        part = array[(*(slice(None),) * axis, slice(first, first + index.size))]
        turned = part.reshape(*before, turn, len(rows), *behind).transpose(axis, axis + 1)
        return turned.reshape(*before, index.size, *behind)
    return None


def _spread(array: Tensor, at: int, times: int, axis: int) -> Tensor:
    """Copy an array along a new axis at `at`, which is then merged with `axis`."""
    shape = array.shape
    wide = array.unsqueeze(at).expand(*shape[:at], times, *shape[at:])
    return wide.reshape(*shape[:axis], shape[axis] * times, *shape[axis + 1 :])


def padded(array: Tensor, index: Index, axis: int = 0) -> Tensor:
    """Return `array[index]` along an axis, zero where the index is -1."""
    there = np.flatnonzero(index >= 0)
    if len(there) == len(index):
        return taken(array, index, axis)
    if len(there) and there[-1] - there[0] + 1 == len(there):
        return _with_zeros(taken(array, index[there], axis), int(there[0]), len(index) - int(there[-1]) - 1, axis)
    wide = _with_zeros(array, 0, 1, axis)
    return taken(wide, np.where(index < 0, array.shape[axis], index), axis)


def _with_zeros(array: Tensor, before: int, behind: int, axis: int) -> Tensor:
    """Put zeros before and behind an axis."""
    ends = [0, 0] * (array.ndim - axis - 1)
    return torch.constant_pad_nd(array, [*ends, before, behind])


def added(rows: Tensor, index: Index, height: int, axis: int = 0) -> Tensor:
    """Add rows, or columns where `axis` is 1, up: row i goes to row `index[i]` of `height`."""
    if len(index) and len(index) % height == 0:
        shape, each = rows.shape, len(index) // height
        if np.array_equal(index, np.repeat(np.arange(height), each)):
            return rows.reshape(*shape[:axis], height, each, *shape[axis + 1 :]).sum(axis + 1)
        if np.array_equal(index, np.tile(np.arange(height), each)):
            return rows.reshape(*shape[:axis], each, height, *shape[axis + 1 :]).sum(axis)
    if len(np.unique(index)) == len(index) and height <= MAX_EMPTY_PER_ENTRY * len(index):
        place = np.full(height, -1, np.int64)
        place[index] = np.arange(len(index))
        return padded(rows, place, axis)
    zeros = torch.zeros((*rows.shape[:axis], height, *rows.shape[axis + 1 :]), dtype=rows.dtype, device=rows.device)
    return torch.index_add(zeros, axis, _constant(index, rows), rows)


def _constant(index: Index, like: Tensor) -> Tensor:
    """Return an index as a tensor on the device of what it points into."""
    return torch.from_numpy(np.ascontiguousarray(index)).to(like.device)
