"""A cache of results for the whole process, with one budget of bytes for all functions that use it.

It counts bytes, not entries, because one pattern may be as large as a million small ones, and a process that plans for
days must not grow. The least recently used entry goes first, whichever function made it. Keys are small: they hold the
`mark` of a structure instead of the structure, so that a result does not keep alive what it was made of.

What belongs to one object (its replay, its program, its transpose) is not kept here but with the object.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from threading import Lock
from typing import Any, TypeVar

MAX_CACHED_BYTES = 160_000_000
"""Bytes that all entries may take together."""
MAX_ENTRY_BYTES = MAX_CACHED_BYTES // 4
"""Bytes that an entry may take."""
BYTES_PER_CACHE_ENTRY = 1000
"""Bytes that an entry takes besides its value, for its key and Python's own overhead."""

CachedValue = TypeVar("CachedValue")

_ENTRIES: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
_LOCK = Lock()
_total = 0


def kept(
    key: Hashable,
    make: Callable[[], CachedValue],
    size: Callable[[CachedValue], int] | None = None,
    lasting: Callable[[CachedValue], bool] | None = None,
) -> CachedValue:
    """Return the cached value of a key, and make it first where there is none.

    Parameters
    ----------
    key : Hashable
        A small key that begins with a word for what is made.
    make : Callable[[], CachedValue]
        The function that makes the value.
    size : Callable[[CachedValue], int] | None
        The bytes that a value takes, by default `bytes_of`. A value of more than a quarter of the budget is not kept.
    lasting : Callable[[CachedValue], bool] | None
        Whether a value is to be kept; by default every value is.
    """
    entry = _ENTRIES.get(key)
    if entry is None:
        value = make()
        if lasting is None or lasting(value):
            _keep(key, value, BYTES_PER_CACHE_ENTRY + (size or bytes_of)(value))
        return value
    with suppress(KeyError):  # another thread may have dropped the entry in the meantime
        _ENTRIES.move_to_end(key)
    cached: CachedValue = entry[0]
    return cached


def _keep(key: Hashable, value: object, size: int) -> None:
    """Store a value, and drop the least recently used ones until the budget is kept."""
    global _total
    if size > MAX_ENTRY_BYTES:
        return
    with _LOCK:
        _, before = _ENTRIES.pop(key, (None, 0))
        _ENTRIES[key] = value, size
        _total += size - before
        while _total > MAX_CACHED_BYTES:
            _, (_, dropped) = _ENTRIES.popitem(last=False)
            _total -= dropped


def held() -> int:
    """Return the bytes of all entries."""
    return _total


def bytes_of(value: Any) -> int:
    """Estimate the bytes of a value: arrays by their contents, lists by their first item, others by `held_bytes`."""
    if isinstance(value, tuple | list):
        flat = not value or isinstance(value[0], int)
        return 64 + (44 * len(value) if flat else sum(map(bytes_of, value)) + 8 * len(value))
    if isinstance(value, dict):
        return 64 + sum(100 + bytes_of(item) for item in value.values())
    if hasattr(value, "indptr"):
        return int(value.data.nbytes + value.indices.nbytes + value.indptr.nbytes) + BYTES_PER_CACHE_ENTRY
    own = getattr(value, "held_bytes", None) or getattr(value, "nbytes", None)
    return int(own) if own is not None else sys.getsizeof(value, 64)
