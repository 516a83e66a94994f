"""Archives of arrays (`.npz`), whose headers are checked before anything is unpacked.

A file of a few megabytes can declare terabytes of zeros, and really unpack to them. What a file may unpack to is
therefore bounded by its own size; whoever has more arrays writes them without compression.
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

MAX_UNPACKED_BYTES = 64_000_000
"""Bytes that a file of any size may unpack to."""
MAX_UNPACKED_RATIO = 10
"""How many times its own size a larger file may unpack to."""
BROKEN_ARCHIVE_ERRORS = (
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
"""The exceptions that reading a broken archive may raise."""
_MAX_REASON_CHARACTERS = 500
"""Characters of the longest message of an error that is passed on, because it may quote the file."""
_BROKEN_HEADER_ERRORS = (
    ValueError,
    TypeError,
    SyntaxError,
    TokenError,
    RecursionError,
    MemoryError,
    OverflowError,
    struct.error,
)
"""The exceptions that numpy may raise where the header of an array is not the Python literal it should be."""


class ArrayHeader(NamedTuple):
    """What an archive declares about one of its arrays."""

    shape: tuple[int, ...]
    dtype: DType

    @property
    def bytes(self) -> int:
        """Bytes of the array after it is unpacked."""
        return prod(self.shape) * self.dtype.itemsize


def why(error: Exception) -> str:
    """Return the message of one of the exceptions in `BROKEN_ARCHIVE_ERRORS`, on one line of characters that print."""
    if isinstance(error, KeyError):
        return str(error.args[0]) if error.args else "an array is missing"
    said = getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in said[:_MAX_REASON_CHARACTERS])


def fault(error: Exception, expected: str) -> str:
    """Return the message of an exception in `BROKEN_ARCHIVE_ERRORS`, and add what was expected where it says none."""
    message = why(error)
    return message if "; expected " in message else f"{message}; expected {expected}"


def headers(path: str | Path) -> dict[str, ArrayHeader]:
    """Return what an archive declares about its arrays.

    Raises
    ------
    ValueError
        Where the file is no archive, is encrypted, holds objects of Python, or unpacks to too much. Broken files raise
        other errors of `BROKEN_ARCHIVE_ERRORS` as well.
    """
    with _open(path) as archive:
        declared = dict(_declared(archive))
    total, size = sum(header.bytes for header in declared.values()), Path(path).stat().st_size
    most = max(MAX_UNPACKED_BYTES, MAX_UNPACKED_RATIO * size)
    if total > most:
        raise ValueError(
            f"its {size:,} bytes unpack to {total:,}; expected at most {most:,}. Write it "
            "without compression: numpy.savez, or scipy.sparse.save_npz(..., compressed=False)"
        )
    return declared


def npy_header(path: str | Path) -> ArrayHeader:
    """Return what the file of one bare array declares.

    Raises
    ------
    ValueError
        Where the file does not begin as an array of numpy does, or holds objects of Python. Broken files raise other
        errors of `BROKEN_ARCHIVE_ERRORS` as well.
    """
    with open(path, "rb") as file:
        try:
            header = _header(file)
        except _BROKEN_HEADER_ERRORS:
            raise ValueError("it does not begin as an array of numpy does") from None
    if header.dtype.hasobject:
        raise ValueError("it holds objects of Python")
    return header


def read(path: str | Path) -> dict[str, Array]:
    """Read the arrays of an archive, in the byte order of this machine; nothing in it is unpickled.

    Raises
    ------
    ValueError
        Where `headers` raises one, and where an array is broken. Broken files raise other errors of
        `BROKEN_ARCHIVE_ERRORS` as well.
    """
    import numpy as np

    names = headers(path)
    with _open(path) as archive:
        arrays = {}
        for name in names:
            with archive.open(f"{name}.npy") as file:
                arrays[name] = native(np.lib.format.read_array(file, allow_pickle=False))
    return arrays


def native(array: Array) -> Array:
    """Return an array in the byte order of this machine."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _open(path: str | Path) -> ZipFile:
    """Open an archive; refuse a bare array with a message of its own."""
    with open(path, "rb") as file:
        if file.read(6) == b"\x93NUMPY":
            raise ValueError("it holds one bare array, not an archive")
    return ZipFile(path)


def _declared(archive: ZipFile) -> Iterator[tuple[str, ArrayHeader]]:
    """Yield the name and the header of each array, and refuse members that are not plain arrays."""
    for info in archive.infolist():
        if not info.filename.endswith(".npy"):
            raise ValueError(f"its member '{info.filename[:60]}' is no array")
        if info.flag_bits & 1:
            raise ValueError(f"its member '{info.filename[:60]}' is encrypted")
        with archive.open(info) as file:
            try:
                header = _header(file)
            except _BROKEN_HEADER_ERRORS:
                raise ValueError(
                    f"its member '{info.filename[:60]}' does not begin as an array of numpy does"
                ) from None
            if header.dtype.hasobject:
                raise ValueError(f"its member '{info.filename[:60]}' holds objects of Python")
            if header.bytes > info.file_size:
                raise ValueError(f"its member '{info.filename[:60]}' is cut off")
            yield info.filename.removesuffix(".npy"), header


def _header(file: IO[bytes]) -> ArrayHeader:
    """Read the header of one array."""
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if version > (2, 0) or min(shape, default=0) < 0:
        raise ValueError("a version for fields outside Latin-1, or a negative size")
    return ArrayHeader(shape, dtype)
