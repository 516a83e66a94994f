"""Applies a matrix-free elemental to a few columns or rows at a time, so that nothing larger than its result is held.

Otherwise identities, blocks that are held sparse or as a diagonal, and results that are held in such a form would all
be written out as matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from chainplan._util.arrays import Array
from chainplan.kernels.convert import as_sparse, from_sparse
from chainplan.kernels.storage import HeldValues, StorageForm, form
from chainplan.problem.graph import Mode
from chainplan.structures import Block

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

MAX_SEEDED_ENTRIES = 4096
"""Entries of the argument, and of the result, of one call where the plan evaluates states; at least one line."""
MAX_ENTRIES_AT_ONCE = 1 << 24
"""Entries up to which one call takes everything where states are given; larger calls take a quarter of it at a time."""

LinesFunction = Callable[[int, int], Array]
"""A function from a first position and a count to so many columns (tangent) or rows (adjoint), as a matrix."""


def identity_lines(size: int, mode: Mode, dtype: DTypeLike) -> LinesFunction:
    """Return the lines of an identity."""
    if mode is Mode.TANGENT:
        return lambda first, count: np.eye(size, count, -first, dtype=dtype)
    return lambda first, count: np.eye(count, size, first, dtype=dtype)


def block_lines(value: HeldValues, block: Block, mode: Mode, dtype: DTypeLike) -> LinesFunction:
    """Return the lines of a held block."""
    if form(block) is StorageForm.DENSE:
        matrix = np.asarray(value)
        if mode is Mode.TANGENT:
            return lambda first, count: matrix[:, first : first + count]
        return lambda first, count: matrix[first : first + count]
    sparse = as_sparse(value, block, dtype)
    if mode is Mode.TANGENT:
        columns = sparse.tocsc()
        return lambda first, count: columns[:, first : first + count].toarray()
    return lambda first, count: sparse[first : first + count].toarray()


def at_once(given: int, handed_back: int, stepwise: bool) -> int:
    """Return how many entries one call may take, or 0 for all, given the entries of the whole argument and result."""
    if stepwise:
        return MAX_SEEDED_ENTRIES if given > MAX_SEEDED_ENTRIES else 0
    return MAX_ENTRIES_AT_ONCE // 4 if max(given, handed_back) > MAX_ENTRIES_AT_ONCE else 0


def applied(
    function: Callable[[Array], Array],
    lines: LinesFunction,
    mode: Mode,
    length: int,
    result: Block,
    dtype: DTypeLike,
    most: int,
) -> HeldValues:
    """Apply a function to all lines, of `length` entries each, `most` entries at a time; hold the result as a block."""
    length = max(length, result.rows if mode is Mode.TANGENT else result.cols, 1)
    tangent, whole = mode is Mode.TANGENT, form(result) is StorageForm.DENSE
    total, part = result.cols if tangent else result.rows, max(1, most // length)
    dense: Array | None = np.zeros((result.rows, result.cols), dtype) if total == 0 else None
    parts: list[HeldValues] = []
    for first in range(0, total, part):
        count = min(part, total - first)
        value: Array | None = np.asarray(function(lines(first, count)))
        assert value is not None
        if not whole:
            from scipy.sparse import csc_array, csr_array

            parts.append(csc_array(value) if tangent else csr_array(value))
        else:
            if dense is None:
                dense = np.empty((result.rows, result.cols), value.dtype)
            (dense[:, first : first + count] if tangent else dense[first : first + count])[...] = value
        value = None  # before the next is made
    if dense is not None and whole:
        return dense
    from scipy.sparse import csr_array, hstack, vstack

    if not parts:
        return from_sparse(csr_array((result.rows, result.cols), dtype=dtype), result)
    return from_sparse((hstack if tangent else vstack)(parts, format="csr"), result)
