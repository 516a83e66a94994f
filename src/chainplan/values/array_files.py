"""Arrays in HDF5 files and Zarr folders, of which only the rows and columns that are asked for are read.

One of HDF5 is named by the file and the dataset in it, `file.h5::/dataset`; one of Zarr by its folder, `array.zarr`,
or by a folder of groups and the array in it, `folder.zarr::/group/array`. The libraries are loaded where such a file is
opened, so that nobody else needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from chainplan.errors import ExecutionError, missing_extra

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from chainplan._util.arrays import Array, DType

INSIDE = "::"
"""What stands between the name of a file and the name of an array in it."""


class FileArray(Protocol):
    """An array in an open file."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> DType: ...

    def __getitem__(self, index: tuple[slice, ...]) -> Array: ...


class ArrayPlace(NamedTuple):
    """Where an array is: a file or folder, and its name inside, which may be empty."""

    path: Path
    name: str

    @classmethod
    def of(cls, reference: str) -> ArrayPlace:
        """Take a reference apart."""
        path, _, name = reference.partition(INSIDE)
        return cls(Path(path), name)

    @property
    def suffix(self) -> str:
        """The ending of the file or folder."""
        return self.path.suffix.lower()


@contextmanager
def _hdf5(place: ArrayPlace) -> Iterator[FileArray]:
    try:
        import h5py
    except ImportError:
        raise ExecutionError(missing_extra(f"the file '{place.path}'", "h5py", "store")) from None
    if not place.name:
        raise ValueError(f"no dataset is named; expected {place.path.name}{INSIDE}/NAME")
    with h5py.File(place.path, "r") as file:
        found = file.get(place.name)
        if found is None:
            raise ValueError(f"it has no '{place.name}', but {', '.join(sorted(file))[:80] or 'nothing'}")
        if not isinstance(found, h5py.Dataset):
            raise ValueError(f"'{place.name}' is a group; expected a dataset")
        yield found


@contextmanager
def _zarr(place: ArrayPlace) -> Iterator[FileArray]:
    try:
        import zarr
    except ImportError:
        raise ExecutionError(missing_extra(f"the folder '{place.path}'", "zarr", "store")) from None
    if not place.path.exists():
        raise FileNotFoundError(place.path)
    try:
        found = zarr.open(str(place.path), mode="r", path=place.name.strip("/"))
    except FileNotFoundError:
        raise ValueError(f"it has no '{place.name or '/'}' of Zarr") from None
    if not isinstance(found, zarr.Array):
        raise ValueError(f"'{place.name or '/'}' is a group; expected an array")
    yield found


ARRAY_FILES: dict[str, Callable[[ArrayPlace], AbstractContextManager[FileArray]]] = {
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".zarr": _zarr,
}
"""What opens an array, by the ending of its file."""


def is_array_file(reference: str) -> bool:
    """Say whether a path is that of an array in a file of HDF5 or a folder of Zarr."""
    return ArrayPlace.of(reference).suffix in ARRAY_FILES


def open_array(reference: str) -> AbstractContextManager[FileArray]:
    """Open an array, of which slices can then be read.

    Raises
    ------
    ExecutionError
        Where the library that reads such files is not installed.
    ValueError
        Where there is no such array in the file.
    OSError
        Where there is no such file, or it is broken.
    """
    place = ArrayPlace.of(reference)
    return ARRAY_FILES[place.suffix](place)
