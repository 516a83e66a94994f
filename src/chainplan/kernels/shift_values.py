"""The coefficients of shifts in time: how they become other forms, move to other runs, and multiply.

Nothing here holds a number for each entry unless it is asked to write a block out. A product of shifts takes a few
calls of numpy, by lists of the runs that meet, whatever the length of the series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainplan._util.arrays import Array
from chainplan.kernels.storage import HeldValues, StorageForm, form
from chainplan.structures import Block, NegatedIdentity, Shifts
from chainplan.structures.shifts import joined, pieces_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike


def structure_of(block: Block) -> Shifts:
    """Return the structure of a block of shifts."""
    assert isinstance(block.structure, Shifts), "the form of the block says so"
    return block.structure


def join_shifts(left: Block, right: Block) -> Callable[[Array, Array], Array]:
    """Return the function that multiplies the coefficients of two blocks of shifts."""
    _, of_left, of_right, piece = joined(structure_of(left), structure_of(right))
    starts = np.flatnonzero(np.diff(piece, prepend=-1))
    if len(starts) == len(piece):
        return lambda a, b: a.take(of_left) * b.take(of_right)

    def kernel(a: Array, b: Array) -> Array:
        terms = a.take(of_left) * b.take(of_right)
        summed: Array = np.add.reduceat(terms, starts, dtype=terms.dtype)
        return summed

    return kernel


def matrix_of_shifts(value: Array, block: Block) -> Array:
    """Write shifts out as an array of rows x cols."""
    rows, cols, _ = block
    written: Array = np.zeros(rows * cols, value.dtype)
    for (offset, first, stop), number in zip(structure_of(block).runs, value, strict=True):
        written[first * (cols + 1) + offset : (stop - 1) * (cols + 1) + offset + 1 : cols + 1] = number
    return written.reshape(rows, cols)


def run_starts(block: Block) -> tuple[Array, Array]:
    """Return the rows and columns of the first entry of each run."""
    offset, first, _ = np.array(structure_of(block).runs, np.int64).T
    return first, first + offset


def transposed_shifts(value: Array, block: Block) -> Array:
    """Return the coefficients of the transposed block, in the order of its runs."""
    offset = np.array([offset for offset, _, _ in structure_of(block).runs])
    return value[np.argsort(-offset, kind="stable")]


def on_runs(value: HeldValues, block: Block, target: Block, dtype: DTypeLike | None) -> Array:
    """Return the coefficients of a block of shifts, or of a multiple of the identity, on the finer runs of another."""
    place, origin = _places(block, target)
    number = _numbers(value, block, dtype)
    made: Array = np.zeros(len(structure_of(target).runs), number.dtype)
    made[place] = number[origin]
    return made


def add_shifts(left: Block, right: Block) -> Callable[[HeldValues, HeldValues, DTypeLike], Array]:
    """Return the function that adds two blocks whose sum is of shifts."""
    target = left.plus(right)
    (place, origin), (onto, other) = _places(left, target), _places(right, target)
    size = len(structure_of(target).runs)

    def add(a: HeldValues, b: HeldValues, dtype: DTypeLike) -> Array:
        one, two = _numbers(a, left, dtype), _numbers(b, right, dtype)
        made: Array = np.zeros(size, one.dtype if one.dtype is two.dtype else np.result_type(one, two))
        made[place] = one[origin]
        made[onto] += two[other]
        return made

    return add


def _numbers(value: HeldValues, block: Block, dtype: DTypeLike | None) -> Array:
    """Return the coefficients of shifts, or the one number of a multiple of the identity, as a vector."""
    if form(block) is StorageForm.IMPLIED:
        return np.array([-1 if isinstance(block.structure, NegatedIdentity) else 1], dtype)
    return np.asarray(value).reshape(-1)


def _places(block: Block, target: Block) -> tuple[Array, Array]:
    """Return `pieces_of` as arrays."""
    place, origin = pieces_of(block.structure, structure_of(target))
    return np.array(place, np.intp), np.array(origin, np.intp)
