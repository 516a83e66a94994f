"""References to Jacobians: files, loaders and futures, fetched where the values are needed.

A Jacobian that is given by reference is opened in the process that multiplies by it, so that nothing large passes
through the process that asks for a run. A file of numpy is mapped into memory: only the rows that are read come from
the disk. Of an array of HDF5 or Zarr a task reads the rows or columns that it needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import prod
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chainplan._util.archives import BROKEN_ARCHIVE_ERRORS, headers, npy_header, why
from chainplan.errors import ExecutionError
from chainplan.values.array_files import is_array_file, open_array

if TYPE_CHECKING:
    from chainplan._util.arrays import Array, DType
    from chainplan.kernels.storage import HeldValues
    from chainplan.problem.graph import Elemental

MAX_MAPPED_BYTES = 32 * 2**20
"""Bytes of a file that are mapped into memory while columns are read."""


def is_reference(value: object) -> bool:
    """Say whether what was given for an elemental is a path, a loader, or a future (which has a method `result`)."""
    if value is None or type(value) is np.ndarray or isinstance(value, tuple | list):
        return False
    return is_path(value) or callable(value) or callable(getattr(value, "result", None))


def is_path(value: object) -> bool:
    """Say whether what was given for an elemental is a path."""
    return isinstance(value, str | PathLike)


def samples(given: Iterable[object]) -> list[Array]:
    """Return an empty array of the dtype of each reference that says it without its values: files, and futures that do.

    A file that is not there from here, since only workers see it, says nothing.
    """
    dtypes = (_dtype(value) for value in given if is_reference(value))
    return [np.empty(0, dtype) for dtype in dtypes if dtype is not None]


def _dtype(reference: object) -> DType | None:
    if not isinstance(reference, str | PathLike):
        dtype = getattr(reference, "dtype", None)
        return dtype if isinstance(dtype, np.dtype) else None
    path = Path(reference)
    try:
        if is_array_file(fspath(reference)):
            with open_array(fspath(reference)) as array:
                return array.dtype.newbyteorder("=")
        return npy_header(path).dtype if path.suffix == ".npy" else headers(path)["data"].dtype
    except (*BROKEN_ARCHIVE_ERRORS, ExecutionError):
        return None


def listed_entries(reference: str | PathLike[str]) -> int | None:
    """Return how many entries a sparse file lists row by row, 0 of any other file, None where it is not seen here."""
    path = Path(reference)
    if path.suffix != ".npz":
        return 0
    try:
        found = headers(path)
    except BROKEN_ARCHIVE_ERRORS:
        return None
    return found["indices"].shape[0] if {"indices", "indptr"} <= found.keys() else 0


def fetched(e: Elemental, reference: object) -> HeldValues:
    """Return the values that a reference stands for.

    Parameters
    ----------
    e : Elemental
        The elemental, which errors name.
    reference : object
        The path of a `.npy` file, of a `.npz` file as `scipy.sparse.save_npz` writes it, or of an array of HDF5 or Zarr
        (see `array_files`); a function without arguments that returns an array; or a future.

    Returns
    -------
    HeldValues
        An array or a sparse array, which is not checked yet.

    Raises
    ------
    ExecutionError
        Where there is no such file, it holds something else, or the function or the future raises.
    """
    if isinstance(reference, str | PathLike):
        return _opened(e, fspath(reference))
    result = getattr(reference, "result", None)
    made, what = (result, "future") if callable(result) else (reference, "loader")
    assert callable(made), "asked of references only"
    try:
        return made()
    except Exception as error:
        raise ExecutionError(
            f"the {what} of '{e.name}' raised {type(error).__name__}: {error}; expected an array of {_size(e)}. Try "
            "it alone, where the plan runs."
        ) from error


def has_parts(path: str) -> bool:
    """Say whether some rows and columns of the array in a file can be read without the rest."""
    return Path(path).suffix == ".npy" or is_array_file(path)


def fetched_part(e: Elemental, path: str, rows: slice, cols: slice) -> Array:
    """Return some rows and columns of the matrix in a file that has parts.

    Whoever reads columns of a mapped file soon has all of it in memory, because whole pages come at once. A large one
    is therefore mapped anew for every few rows. Errors are those of `fetched`.
    """
    with _refused(e, path):
        if is_array_file(path):
            with open_array(path) as array:
                _require_matrix(e, array.shape)
                return array[rows, cols]
        mapped = _mapped(path)
        _require_matrix(e, mapped.shape)
        if cols == slice(None) or mapped.nbytes <= MAX_MAPPED_BYTES:
            return mapped[rows, cols]
        part = np.empty((e.block.rows, len(range(*cols.indices(e.block.cols)))), mapped.dtype)
        step = max(1, e.block.rows * MAX_MAPPED_BYTES // mapped.nbytes)
        del mapped
        for first in range(0, e.block.rows, step):
            part[first : first + step] = _mapped(path)[first : first + step, cols]
        return part[rows]


def _opened(e: Elemental, path: str) -> HeldValues:
    """Open a file."""
    suffix = Path(path).suffix
    if suffix not in (".npy", ".npz") and not is_array_file(path):
        raise ExecutionError(
            f"the file '{path}' for '{e.name}' is none that is read; expected .npy, .npz of scipy, .zarr, or "
            ".h5::/DATASET."
        )
    with _refused(e, path):
        if is_array_file(path):
            with open_array(path) as array:
                _require_size(e, array.shape)
                return array[(slice(None),) * len(array.shape)]
        return _mapped(path) if suffix == ".npy" else _opened_sparse(Path(path))


@contextmanager
def _refused(e: Elemental, path: str) -> Iterator[None]:
    """Say in words of what is wrong with a file."""
    try:
        yield
    except FileNotFoundError:
        raise ExecutionError(
            f"the file '{path}' for '{e.name}' does not exist; expected an array of {_size(e)}. Give a path "
            "that is there for every process that runs steps."
        ) from None
    except BROKEN_ARCHIVE_ERRORS as error:
        raise ExecutionError(
            f"the file '{path}' for '{e.name}' cannot be read: {why(error)}; expected an array of {_size(e)}."
        ) from None


def _mapped(path: str) -> Array:
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _require_matrix(e: Elemental, shape: tuple[int, ...]) -> None:
    expected = e.block.rows, e.block.cols
    if shape != expected:
        raise ExecutionError(f"the array for '{e.name}' has shape {shape}; expected {expected}: rows x columns.")


def _require_size(e: Elemental, shape: tuple[int, ...]) -> None:
    """Refuse to read an array that is larger than any form of the block, whose values a small file may declare."""
    if prod(shape) > (e.block.rows + e.block.cols) * (e.block.cols + 1):
        raise ValueError(f"it has shape {shape}")


def _opened_sparse(path: Path) -> HeldValues:
    """Read a sparse array of scipy."""
    from chainplan.structures.sparse_files import load_checked_npz

    found = headers(path)
    if not {"format", "shape", "data"} <= found.keys():
        raise ValueError(f"it holds {', '.join(sorted(found))[:80]}, not what scipy.sparse.save_npz writes")
    return load_checked_npz(path, found)


def _size(e: Elemental) -> str:
    return f"{e.block.rows} x {e.block.cols}"
