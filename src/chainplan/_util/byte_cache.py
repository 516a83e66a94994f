"""What is worked out once and kept for the next call, with one budget of bytes for the whole process.

Bytes are counted, not entries: a pattern may be as large as a million small ones, and a process that plans for days
must end with what it began with. The entry that was asked for least recently goes first, whichever function it is of.
Keys are small: of a structure only its `mark` enters, so that a result does not keep alive what it was made of.

What belongs to an object (its replay, its program, its transpose) is kept beside it, and goes with it.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from threading import Lock
from typing import Any, TypeVar

MOST = 64_000_000
"""Bytes of all that is kept, together."""
ENTRY = 1000
"""Bytes that an entry takes beside its value: its key, and what Python adds."""

T = TypeVar("T")

_ENTRIES: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
_LOCK = Lock()
_total = 0


def kept(
    key: Hashable,
    make: Callable[[], T],
    size: Callable[[T], int] | None = None,
    lasting: Callable[[T], bool] | None = None,
) -> T:
    """The value of a key, made where it is not there.

    Parameters
    ----------
    key : Hashable
        Small, begins with a word for what is made.
    size : Callable[[T], int] | None
        Bytes that a value takes; by default `bytes_of`. A value that takes more than a quarter of the budget is not
        kept.
    lasting : Callable[[T], bool] | None
        Whether a value is to be kept; by default all are.
    """
    found = _ENTRIES.get(key)
    if found is None:
        value = make()
        if lasting is None or lasting(value):
            _keep(key, value, ENTRY + (size or bytes_of)(value))
        return value
    with suppress(KeyError):  # where another thread has let go of it since
        _ENTRIES.move_to_end(key)
    known: T = found[0]
    return known


def _keep(key: Hashable, value: object, size: int) -> None:
    global _total
    if 4 * size > MOST:
        return
    with _LOCK:
        _, before = _ENTRIES.pop(key, (None, 0))
        _ENTRIES[key] = value, size
        _total += size - before
        while _total > MOST:
            _, (_, gone) = _ENTRIES.popitem(last=False)
            _total -= gone


def held() -> int:
    """Bytes of all that is kept."""
    return _total


def bytes_of(value: Any) -> int:
    """Bytes that a value takes: arrays by what they hold, lists by their first item, others by what they say."""
    if isinstance(value, tuple | list):
        flat = not value or isinstance(value[0], int)
        return 64 + (44 * len(value) if flat else sum(map(bytes_of, value)) + 8 * len(value))
    if isinstance(value, dict):
        return 64 + sum(100 + bytes_of(item) for item in value.values())
    if hasattr(value, "indptr"):
        return int(value.data.nbytes + value.indices.nbytes + value.indptr.nbytes) + ENTRY
    own = getattr(value, "held_bytes", None) or getattr(value, "nbytes", None)
    return int(own) if own is not None else sys.getsizeof(value, 64)
