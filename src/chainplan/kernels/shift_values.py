"""The coefficients of shifts in time: how they become other forms, move to other runs, and multiply.

Nothing here holds a number for each entry unless it is asked to write a block out. A product of shifts takes a few
calls of numpy, by lists of the runs that meet, whatever the length of the series.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from chainplan._util.arrays import Array
from chainplan._util.byte_cache import kept
from chainplan.kernels.storage import HeldValues, StorageForm, form
from chainplan.structures import Block, NegatedIdentity, Shifts
from chainplan.structures.shifts import Run, covering, joined, laid_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike
    from scipy.sparse import csr_array


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


def sparse_of_shifts(value: Array, block: Block) -> csr_array:
    """Write shifts out as a sparse array of rows x cols, whose lists belong to the cache."""
    csr, run = laid_out(structure_of(block))
    made = copy(csr)
    made.data = value.take(run)
    return made


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
    number = value
    if form(block) is StorageForm.IMPLIED:
        number = np.array(-1 if isinstance(block.structure, NegatedIdentity) else 1, dtype)
    coarse: tuple[Run, ...] = block.structure.runs if isinstance(block.structure, Shifts) else ((0, 0, block.rows),)
    fine = structure_of(target)
    place, origin = kept(("on runs", block.mark, fine.mark), lambda: _places(coarse, fine))
    made: Array = np.zeros(len(fine.runs), np.asarray(number).dtype)
    made[place] = np.asarray(number).reshape(-1)[origin]
    return made


def _places(coarse: tuple[Run, ...], fine: Shifts) -> tuple[Array, Array]:
    """Return the positions of the finer runs that lie within coarser ones, and the positions of these."""
    pairs = [(place, origin) for origin, run in enumerate(coarse) for place in covering(fine, run) or ()]
    places: Array = np.array(pairs, np.intp).reshape(-1, 2)
    return places[:, 0], places[:, 1]
