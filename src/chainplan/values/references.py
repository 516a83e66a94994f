"""References to Jacobians: files, loaders and futures, fetched where the values are needed.

A Jacobian that is given by reference is opened in the process that multiplies by it, so that nothing large passes
through the process that asks for a run. A file of numpy is mapped into memory: only the rows that are read come from
the disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chainplan._util.archives import BROKEN_ARCHIVE_ERRORS, headers, npy_header, why
from chainplan.errors import ExecutionError

if TYPE_CHECKING:
    from chainplan._util.arrays import Array, DType
    from chainplan.kernels.storage import HeldValues
    from chainplan.problem.graph import Elemental


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
        return npy_header(path).dtype if path.suffix == ".npy" else headers(path)["data"].dtype
    except BROKEN_ARCHIVE_ERRORS:
        return None


def fetched(e: Elemental, reference: object) -> HeldValues:
    """Return the values that a reference stands for.

    Parameters
    ----------
    e : Elemental
        The elemental, which errors name.
    reference : object
        The path of a `.npy` file, or of a `.npz` file as `scipy.sparse.save_npz` writes it; a function without
        arguments that returns an array; or a future.

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
        return _opened(e, Path(reference))
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


def _opened(e: Elemental, path: Path) -> HeldValues:
    """Open a file."""
    if path.suffix not in (".npy", ".npz"):
        raise ExecutionError(f"the file '{path}' for '{e.name}' is none that is read; expected .npy, or .npz of scipy.")
    try:
        if path.suffix == ".npy":
            return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        return _opened_sparse(path)
    except FileNotFoundError:
        raise ExecutionError(
            f"the file '{fspath(path)}' for '{e.name}' does not exist; expected an array of {_size(e)}. Give a path "
            "that is there for every process that runs steps."
        ) from None
    except BROKEN_ARCHIVE_ERRORS as error:
        raise ExecutionError(
            f"the file '{fspath(path)}' for '{e.name}' cannot be read: {why(error)}; expected an array of {_size(e)}."
        ) from None


def _opened_sparse(path: Path) -> HeldValues:
    """Read a sparse array of scipy."""
    from chainplan.structures.sparse_files import load_checked_npz

    found = headers(path)
    if not {"format", "shape", "data"} <= found.keys():
        raise ValueError(f"it holds {', '.join(sorted(found))[:80]}, not what scipy.sparse.save_npz writes")
    return load_checked_npz(path, found)


def _size(e: Elemental) -> str:
    return f"{e.block.rows} x {e.block.cols}"
