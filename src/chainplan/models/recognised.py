"""Reads the structure of a block off its values, so that nobody has to declare it.

The structure is the most special one that the values allow. A pattern is listed only where a band or a stack of blocks
would hold many zeros, and a full matrix is never listed.
"""

from __future__ import annotations

from math import gcd

import numpy as np
from scipy.sparse import coo_array, csr_array

from chainplan._util.arrays import Array
from chainplan.kernels.storage import HeldValues
from chainplan.structures import DENSE, DIAGONAL, Banded, BlockDiagonal, Identity, NegatedIdentity, Structure
from chainplan.structures.explicit import Explicit
from chainplan.structures.scaled_identity import ScaledIdentity
from chainplan.structures.unit_entries import UnitEntries
from chainplan.structures.zero import Zero

MAX_LISTED_DENSITY = 0.3
"""Share of the entries of a matrix up to which its nonzeros are listed."""
MAX_PADDED_RATIO = 1.5
"""How many times as many entries as there are nonzeros a band, or a stack of blocks, may have."""


def structure_of_values(value: HeldValues) -> Structure:
    """Return the structure of an array, or of a sparse array of scipy, of rows x cols.

    Entries that a sparse array stores belong to its pattern, also where they are zero. A single number says nothing of
    a structure.
    """
    entries = coo_array(value)
    entries.sum_duplicates()
    (m, n), rows, cols, data = entries.shape, entries.row, entries.col, np.asarray(entries.data)
    if m == n == 1:
        return DENSE
    if not len(data):
        return Zero()
    if m == n and (rows == cols).all():
        return _on_diagonal(data, n)
    units = _units(rows, cols, data)
    if units is not None:
        return Explicit(_pattern(entries), units)
    widths = max(0, int((rows - cols).max())), max(0, int((cols - rows).max()))
    candidates: list[Structure] = [Banded(*widths)]
    if (count := _parts(m, n, rows, cols)) > 1:
        candidates.append(BlockDiagonal(count))
    found = min(candidates, key=lambda structure: structure.nnz(m, n))
    if found.nnz(m, n) <= MAX_PADDED_RATIO * len(data) and found.nnz(m, n) < m * n:
        return found
    return Explicit(_pattern(entries)) if len(data) <= MAX_LISTED_DENSITY * m * n else DENSE


def _on_diagonal(data: Array, size: int) -> Structure:
    """Return the structure of entries that all stand on the diagonal."""
    if len(data) == size and (data == data[0]).all():
        return {1: Identity(), -1: NegatedIdentity()}.get(data[0], ScaledIdentity())
    return DIAGONAL


def _units(rows: Array, cols: Array, data: Array) -> UnitEntries | None:
    """Return what is known of ones of which no two stand in a row, or no two in a column."""
    if not (data == 1).all():
        return None
    by_rows, by_cols = (len(np.unique(lines)) == len(lines) for lines in (rows, cols))
    return UnitEntries(by_rows, by_cols, 1) if by_rows or by_cols else None


def _parts(m: int, n: int, rows: Array, cols: Array) -> int:
    """Return the largest number of equal blocks on the diagonal that hold all entries."""
    most = gcd(m, n)
    divisors = (count for count in range(most, 1, -1) if most % count == 0)
    return next((c for c in divisors if (rows // (m // c) == cols // (n // c)).all()), 1)


def _pattern(entries: coo_array) -> csr_array:
    """Return the pattern of entries as ones, row by row."""
    csr = csr_array((np.ones(len(entries.data), np.float32), (entries.row, entries.col)), shape=entries.shape)
    csr.sort_indices()
    return csr
