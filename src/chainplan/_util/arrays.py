"""Names for numpy's arrays and dtypes in signatures, because most functions take them in any shape and dtype."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
"""An array of any shape and dtype."""
ArrayFunction = Callable[[Array], Array]
"""A function of an array that makes an array."""
DType = np.dtype[Any]
"""A dtype that is known only while the program runs."""
