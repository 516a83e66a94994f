"""Parts of a vector that stands for several vertices, one below the other."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from chainplan.structures import Block
from chainplan.structures.explicit import Explicit
from chainplan.structures.unit_entries import UnitEntries


def selected_part(size: int, first: int, length: int) -> Block:
    """Return the block that selects `length` entries of `size`, from `first` on; it costs nothing to multiply by."""
    columns = np.arange(first, first + length)
    csr = csr_array((np.ones(length, np.float32), columns, np.arange(length + 1)), shape=(length, size))
    return Block(length, size, Explicit(csr, UnitEntries(True, True, 1)))
