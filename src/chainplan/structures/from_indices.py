"""The structures that a spec lists: permutation, selection, scatter, coo and sparse (a file). All become `Explicit`.

Rows and columns count from 0. The numbers of a list are in range, a permutation has each number once, and a pattern
names no entry twice.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from chainplan._util.archives import BROKEN_ARCHIVE_ERRORS, why
from chainplan.structures.base import BlockShape, Structure
from chainplan.structures.sparse_files import SparseArray, load_sparse
from chainplan.structures.unit_entries import UnitEntries

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from chainplan._util.arrays import Array

MAX_LISTED_LINES = 100_000_000
"""Rows or columns of the largest pattern that is listed; its row pointers are an array of as many numbers."""
MAX_EMPTY_LINES = 4_000_000
"""Rows plus columns that a pattern may have even if it lists next to no entries."""


def permutation(argument: object, shape: BlockShape) -> Structure:
    """Read `{permutation: [..]}`, the column that each row picks; every column is picked once."""
    columns = _indices(argument)
    if columns is None or sorted(columns) != list(range(len(columns))):
        raise ValueError("{permutation: [..]}, the column from 0 that each row picks, every column once")
    _require_length(columns, shape and shape[0], "rows")
    return _picks(columns, len(columns))


def selection(argument: object, shape: BlockShape) -> Structure:
    """Read `{selection: [..]}`, the column that each row picks."""
    columns = _indices(argument)
    if columns is None:
        raise ValueError("{selection: [..]}, the column from 0 that each row picks")
    _require_length(columns, shape and shape[0], "rows")
    return _picks(columns, _in_range(columns, shape and shape[1], "columns"))


def scatter(argument: object, shape: BlockShape) -> Structure:
    """Read `{scatter: [..]}`, the row that each column goes to; a scatter is the transpose of a selection."""
    rows = _indices(argument)
    if rows is None:
        raise ValueError("{scatter: [..]}, the row from 0 that each column goes to")
    _require_length(rows, shape and shape[1], "columns")
    return _picks(rows, _in_range(rows, shape and shape[0], "rows")).transpose()


def coo(argument: object, shape: BlockShape) -> Structure:
    """Read `{coo: [[row, column], ..]}`, the entries that may be nonzero."""
    import numpy as np

    from chainplan.structures.explicit import Explicit

    if not _are_pairs(argument):
        raise ValueError("{coo: [[row, column], ..]}, pairs of numbers from 0")
    rows = _in_range([entry[0] for entry in argument], shape and shape[0], "rows")
    cols = _in_range([entry[1] for entry in argument], shape and shape[1], "columns")
    entries = np.array(argument, np.int64).reshape(-1, 2)
    csr = _csr_of(entries[:, 0], entries[:, 1], (rows, cols))
    if csr.nnz < len(argument):
        raise ValueError("every entry once")
    return Explicit(csr)


def sparse(argument: object, shape: BlockShape, folder: Path | None) -> Structure:
    """Read `{sparse: pattern.npz}`, the nonzeros of a file of scipy or, as pattern.mtx, in Matrix Market format.

    A sparse array of scipy may stand in place of the file. Without a folder no file is read.
    """
    if type(argument).__module__.startswith("scipy.sparse"):
        return of_matrix(_fitting(argument, shape, "the array"))
    if not isinstance(argument, str):
        raise ValueError("{sparse: pattern.npz} or {sparse: pattern.mtx}, a file beside the spec")
    if folder is None:
        raise ValueError("a structure without a file here, such as {coo: [[0, 1], [2, 2]]}")
    path = folder / argument
    try:
        array = load_sparse(path, _require_listable)
    except BROKEN_ARCHIVE_ERRORS as error:
        expected = "a file that scipy.sparse.save_npz wrote, or one in Matrix Market format"
        raise ValueError(f"{expected}, but '{path}': {why(error)}") from None
    return of_matrix(_fitting(array, shape, f"'{path}'"))


def _fitting(array: SparseArray, shape: BlockShape, what: str) -> SparseArray:
    """Return a sparse array, or refuse it where it does not have the shape of its block."""
    if shape is not None and array.shape != shape:
        m, n = array.shape
        raise ValueError(f"a pattern of {shape[0]} x {shape[1]}, the shape of the block; {what} has {m} x {n}")
    return array


def of_matrix(given: SparseArray) -> Structure:
    """Return the pattern of the nonzeros of a sparse array."""
    import numpy as np
    from scipy.sparse import coo_array

    from chainplan.structures.explicit import Explicit

    entries: SparseArray = coo_array(given)
    nonzero = entries.data != 0
    return Explicit(_csr_of(np.asarray(entries.row)[nonzero], np.asarray(entries.col)[nonzero], entries.shape))


def _csr_of(rows: Array, cols: Array, shape: tuple[int, int]) -> csr_array:
    _require_listable(shape, len(rows))
    import numpy as np
    from scipy.sparse import csr_array

    csr = csr_array((np.ones(len(rows), np.float32), (rows, cols)), shape=shape)
    csr.sum_duplicates()
    csr.sort_indices()
    csr.data[:] = 1
    return csr


def _require_listable(shape: tuple[int, int], entries: int) -> None:
    if max(shape) > MAX_LISTED_LINES:
        text = f"at most {MAX_LISTED_LINES:,} rows and columns where a pattern is listed, not {max(shape):,}"
        raise ValueError(f"{text}; write one of the structures that are not listed")
    if hollow(sum(shape), entries):
        text = f"at most {most_lines(entries):,} rows and columns in all where {entries:,} entries are listed"
        raise ValueError(f"{text}, not {sum(shape):,}; leave out those without entries")


def most_lines(entries: int) -> int:
    """Return how many rows plus columns patterns of so many listed entries may have."""
    return MAX_EMPTY_LINES + 8 * entries


def hollow(lines: int, entries: int) -> bool:
    """Say whether rows plus columns, each of which takes memory, are too many for the number of listed entries."""
    return lines > most_lines(entries)


def _picks(columns: list[int], cols: int) -> Structure:
    from chainplan.structures.csr import csr_of_rows
    from chainplan.structures.explicit import Explicit

    _require_listable((len(columns), cols), len(columns))
    return Explicit(csr_of_rows(columns, cols), UnitEntries(True, len(set(columns)) == len(columns), 1))


def _indices(argument: object) -> list[int] | None:
    return argument if isinstance(argument, list) and all(type(i) is int and i >= 0 for i in argument) else None


def _are_pairs(argument: object) -> TypeGuard[list[list[int]]]:
    """Say whether these are pairs of numbers from 0; there may be millions of them."""
    if not isinstance(argument, list) or not set(map(type, argument)) <= {list} or not set(map(len, argument)) <= {2}:
        return False
    return set(map(type, chain.from_iterable(argument))) <= {int} and min(chain.from_iterable(argument), default=0) >= 0


def _require_length(entries: list[int], length: int | None, what: str) -> None:
    if length is not None and len(entries) != length:
        raise ValueError(f"one entry for each of the {length} {what}, not {len(entries)}")


def _in_range(entries: list[int], size: int | None, what: str) -> int:
    """Return the size, or the least size that has room for all entries where it is not known."""
    largest = max(entries, default=-1)
    if size is None:
        return largest + 1
    if largest >= size:
        raise ValueError(f"entries below {size}, the number of {what}, not {largest}")
    return size
