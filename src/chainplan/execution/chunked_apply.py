"""A matrix-free elemental applied to a few columns or rows at a time, so that nothing larger than its result is held.

Identities, and blocks that are held sparse or as a diagonal, would otherwise be written out as matrices; so would
results that are held in such a form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from chainplan._util.arrays import Array
from chainplan.kernels.convert import as_sparse, from_sparse
from chainplan.kernels.storage import Form, HeldValues, form
from chainplan.problem.graph import Mode
from chainplan.structures import Block

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

SEEDED = 4096
"""Entries of what an elemental is handed, and hands back, at a time; one line at least."""
WHOLE = 1 << 24
"""Entries that it is handed, and hands back, at once where states are given; beyond, `WHOLE` / 4 at a time."""

Lines = Callable[[int, int], Array]
"""So many columns (tangent) or rows (adjoint) from a first one, as a matrix."""


def identity_lines(size: int, mode: Mode, dtype: DTypeLike) -> Lines:
    """The identity of some size."""
    if mode is Mode.TANGENT:
        return lambda first, count: np.eye(size, count, -first, dtype=dtype)
    return lambda first, count: np.eye(count, size, first, dtype=dtype)


def block_lines(value: HeldValues, block: Block, mode: Mode, dtype: DTypeLike) -> Lines:
    """A block as it is held."""
    if form(block) is Form.MATRIX:
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
    """Entries that an elemental is handed at a time, 0 for all: so many of its argument and of its result in all."""
    if stepwise:
        return SEEDED if given > SEEDED else 0
    return WHOLE // 4 if max(given, handed_back) > WHOLE else 0


def applied(
    function: Callable[[Array], Array],
    lines: Lines,
    mode: Mode,
    length: int,
    result: Block,
    dtype: DTypeLike,
    most: int,
) -> HeldValues:
    """A function of all lines, each of `length` entries and `most` in all at a time, as the result is held."""
    length = max(length, result.rows if mode is Mode.TANGENT else result.cols, 1)
    tangent, whole = mode is Mode.TANGENT, form(result) is Form.MATRIX
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
