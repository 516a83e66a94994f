"""Loads sparse arrays from files, whose headers are looked at before anything is read: `.npz` of scipy, Matrix Market.

A small file may declare terabytes. What an archive lists is bounded by the size of the file, and a file in Matrix
Market format needs some bytes of text for each entry that it declares (Boisvert, Pozo and Remington, "The Matrix Market
exchange formats", NISTIR 5935, 1996).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

from chainplan._util.archives import ArrayHeader, headers
from chainplan._util.file_kinds import BYTES_OF_FILE_START, MATRIX_MARKET, NPZ, FileKind, kind_of

SparseArray = Any
"""An array or matrix of scipy.sparse of any format: scipy has no type for what they have in common."""
MAX_SMALL_FILE_ENTRIES = 2_000_000
"""Entries that a pattern file of any size may list; a larger number of entries needs four bytes of file for each."""
MAX_PATTERN_FILE_BYTES = 500_000_000
"""Bytes of the largest pattern file that is read."""
_PATTERN_FILE_ARRAYS = {
    "format": ("SU", (0,), "one text"),
    "data": ("biufc", (1, 2, 3), "numbers"),
    "shape": ("iu", (1,), "a list of whole numbers"),
    "coords": ("iu", (2,), "lists of whole numbers"),
    **dict.fromkeys(("indices", "indptr", "row", "col", "offsets"), ("iu", (1,), "a list of whole numbers")),
}
"""What the arrays of a pattern file must be: their kinds of dtype, their numbers of dimensions, and both in words."""
_MATRIX_MARKET_ENTRY_BYTES = {"coordinate": 4, "array": 2}
"""Bytes of the shortest line of an entry in Matrix Market format: two indices, or one digit, and what follows them."""


def load_sparse(path: Path, require: Callable[[tuple[int, int], int], None]) -> SparseArray:
    """Load the sparse array in a file, by the kind that its first bytes show; nothing is unpickled.

    Parameters
    ----------
    path : Path
        The path of the file.
    require : Callable[[tuple[int, int], int], None]
        A function that refuses a shape with a number of entries, by a ValueError.

    Returns
    -------
    SparseArray
        An array of scipy.sparse, in any of its formats.

    Raises
    ------
    ValueError
        Where the file holds something else. Broken files raise other errors of `BROKEN_ARCHIVE_ERRORS` as well.
    """
    if not path.is_file():
        raise ValueError("found no file" if not path.exists() else "it is no plain file")
    size = path.stat().st_size
    if size > MAX_PATTERN_FILE_BYTES:
        raise ValueError(f"it has more than {MAX_PATTERN_FILE_BYTES // 10**6} MB")
    with path.open("rb") as file:
        kind = kind_of(file.read(BYTES_OF_FILE_START)) or NPZ
    if kind not in _LOADERS:
        raise ValueError(f"it is {kind.what}. {kind.as_pattern}")
    return _LOADERS[kind](path, size, require)


def load_checked_npz(path: Path, declared: Mapping[str, ArrayHeader]) -> SparseArray:
    """Load an array that `scipy.sparse.save_npz` wrote, once it is one: scipy does not look where its lists lead.

    Parameters
    ----------
    path : Path
        The path of the file.
    declared : Mapping[str, ArrayHeader]
        Its headers.

    Returns
    -------
    SparseArray
        An array of scipy.sparse, in any of its formats.

    Raises
    ------
    ValueError
        Where the file holds something else. Broken files raise other errors of `BROKEN_ARCHIVE_ERRORS` as well.
    """
    from scipy.sparse import load_npz

    _require_kinds(declared)
    loaded: SparseArray = load_npz(path)
    if hasattr(loaded, "indptr"):
        loaded.check_format(full_check=True)
    return loaded


def _load_npz(path: Path, size: int, require: Callable[[tuple[int, int], int], None]) -> SparseArray:
    declared = headers(path)
    _require_kinds(declared)
    listed = max((prod(declared[name].shape) for name in ("data", "indices", "row") if name in declared), default=0)
    if listed > max(MAX_SMALL_FILE_ENTRIES, size // 4):
        raise ValueError(f"its {size:,} bytes unpack to {listed:,} entries; write it with compressed=False")
    return load_checked_npz(path, declared)


def _load_matrix_market(path: Path, size: int, require: Callable[[tuple[int, int], int], None]) -> SparseArray:
    """Load a file in Matrix Market format; entries of a symmetric one stand for two."""
    from scipy.io import mminfo, mmread
    from scipy.sparse import coo_array

    rows, cols, entries, layout, _, symmetry = mminfo(path)
    if entries > size // _MATRIX_MARKET_ENTRY_BYTES[layout]:
        raise ValueError(f"it declares {entries:,} entries in {size:,} bytes")
    if symmetry != "general" and rows != cols:
        raise ValueError(f"it is declared to be {symmetry}, but has {rows:,} rows and {cols:,} columns")
    require((rows, cols), entries)
    with path.open("rb") as file:
        text = file.read(MAX_PATTERN_FILE_BYTES)
    return coo_array(mmread(BytesIO(text + b"\n"), spmatrix=False))  # scipy reads beyond a last line without an end


_LOADERS: dict[FileKind, Callable[[Path, int, Callable[[tuple[int, int], int], None]], SparseArray]] = {
    NPZ: _load_npz,
    MATRIX_MARKET: _load_matrix_market,
}


def _require_kinds(declared: Mapping[str, ArrayHeader]) -> None:
    """Refuse arrays that scipy would misread, or would refuse in words that do not help the user."""
    for name, header in ((name, declared[name]) for name in _PATTERN_FILE_ARRAYS if name in declared):
        kinds, dimensions, what = _PATTERN_FILE_ARRAYS[name]
        if header.dtype.kind not in kinds or len(header.shape) not in dimensions:
            shape = f"{len(header.shape)} dimensions and dtype {header.dtype}"
            raise ValueError(f"its '{name}' is {what} in such a file, but has {shape}")
    if "shape" in declared and declared["shape"].shape != (2,):
        raise ValueError(f"it holds an array of {declared['shape'].shape[0]} dimensions, not of rows and columns")
