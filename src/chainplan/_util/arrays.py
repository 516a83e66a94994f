"""Names for numpy's arrays and dtypes in signatures, since most functions take any shape and dtype; aligned arrays."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
"""An array of any shape and dtype."""
ArrayFunction = Callable[[Array], Array]
"""A function of an array that makes an array."""
DType = np.dtype[Any]
"""A dtype that is known only while the program runs."""
CACHE_LINE = 64
"""Bytes of a cache line, and of the widest vectors of processors."""


def aligned_zeros(*shape: int) -> Array:
    """Return zeros whose data begin at a cache line: vectors that lie across two take processors twice as long."""
    size, step = prod(shape), np.dtype(float).itemsize
    room = np.zeros(size + CACHE_LINE // step)
    first = -room.ctypes.data % CACHE_LINE // step
    return room[first : first + size].reshape(shape)
