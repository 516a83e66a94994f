"""Arrays of numpy in signatures: most functions take them in any shape and dtype, and this is the one name for them."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
"""An array of any shape and dtype."""
DType = np.dtype[Any]
"""A dtype that is known only while the program runs."""
