"""Archives of arrays (`.npz`): what their headers declare is looked at before anything is unpacked.

A file of a few megabytes can declare terabytes, and be made of zeros that unpack to them. What is unpacked is therefore
bounded by the size of the file; a larger one is as large on disk when it is written without compression.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import IO, TYPE_CHECKING, NamedTuple
from zipfile import BadZipFile, ZipFile

if TYPE_CHECKING:
    from chainplan._util.arrays import Array, DType

UNPACKED = 64_000_000
"""Bytes that a file of any size may unpack to."""
RATIO = 10
"""How many times its own size a larger file may unpack to."""
BROKEN = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    TypeError,
    AttributeError,
    BadZipFile,
    NotImplementedError,
    RuntimeError,  # an encrypted member
    OverflowError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
)
"""What reading a file that is no sound archive of arrays may raise."""


_NO_HEADER = (ValueError, TypeError, SyntaxError, TokenError, RecursionError, MemoryError, OverflowError, struct.error)
"""What numpy may raise where the header of an array, a literal of Python, is something else."""


class Header(NamedTuple):
    """What an archive declares of one of its arrays."""

    shape: tuple[int, ...]
    dtype: DType

    @property
    def bytes(self) -> int:
        """Of the array when it is unpacked."""
        return prod(self.shape) * self.dtype.itemsize


def why(error: Exception) -> str:
    """What one of `BROKEN` says, on one line."""
    if isinstance(error, KeyError):
        return str(error.args[0]) if error.args else "an array is missing"
    return getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def fault(error: Exception, expected: str) -> str:
    """What one of `BROKEN` says, followed by what was expected and what to do where it does not say that itself."""
    found = why(error)
    return found if "; expected " in found else f"{found}; expected {expected}"


def headers(path: str | Path) -> dict[str, Header]:
    """The arrays that an archive declares.

    Raises
    ------
    ValueError, and others of `BROKEN`
        Where it is none, is encrypted, holds objects of Python, or unpacks to too much.
    """
    with _opened(path) as archive:
        found = dict(_declared(archive))
    total, size = sum(header.bytes for header in found.values()), Path(path).stat().st_size
    if total > max(UNPACKED, RATIO * size):
        raise ValueError(
            f"its {size:,} bytes unpack to {total:,}; expected at most {max(UNPACKED, RATIO * size):,}. Write it "
            "without compression: numpy.savez, or scipy.sparse.save_npz(..., compressed=False)"
        )
    return found


def read(path: str | Path) -> dict[str, Array]:
    """The arrays of an archive, in the byte order of this machine; nothing in it is unpickled.

    Raises
    ------
    ValueError, and others of `BROKEN`
        As `headers`, and where an array is broken.
    """
    import numpy as np

    names = headers(path)
    with _opened(path) as archive:
        found = {}
        for name in names:
            with archive.open(f"{name}.npy") as file:
                found[name] = native(np.lib.format.read_array(file, allow_pickle=False))
    return found


def native(array: Array) -> Array:
    """An array in the byte order of this machine."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _opened(path: str | Path) -> ZipFile:
    with open(path, "rb") as file:
        if file.read(6) == b"\x93NUMPY":
            raise ValueError("it holds one bare array, not an archive")
    return ZipFile(path)


def _declared(archive: ZipFile) -> Iterator[tuple[str, Header]]:
    for info in archive.infolist():
        if not info.filename.endswith(".npy"):
            raise ValueError(f"its member '{info.filename[:60]}' is no array")
        if info.flag_bits & 1:
            raise ValueError(f"its member '{info.filename[:60]}' is encrypted")
        with archive.open(info) as file:
            try:
                header = _header(file)
            except _NO_HEADER:
                raise ValueError(
                    f"its member '{info.filename[:60]}' does not begin as an array of numpy does"
                ) from None
            if header.dtype.hasobject:
                raise ValueError(f"its member '{info.filename[:60]}' holds objects of Python")
            if header.bytes > info.file_size:
                raise ValueError(f"its member '{info.filename[:60]}' is cut off")
            yield info.filename.removesuffix(".npy"), header


def _header(file: IO[bytes]) -> Header:
    from numpy.lib import format as form

    version = form.read_magic(file)
    read_it = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
    shape, _, dtype = read_it(file)
    if version > (2, 0) or min(shape, default=0) < 0:
        raise ValueError("a version for fields outside Latin-1, or a negative size")
    return Header(shape, dtype)
