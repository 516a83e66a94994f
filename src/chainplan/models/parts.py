"""Parts of a vector that stands for several vertices, one below the other, and names for what stands between."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.sparse import csr_array

from chainplan.structures import Block
from chainplan.structures.explicit import Explicit
from chainplan.structures.unit_entries import UnitEntries


class Names:
    """Gives names that are not taken, to vertices and elementals that a model does not have."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def __call__(self, wanted: str) -> str:
        """Return a name that is not taken, and take it."""
        name, count = wanted, 1
        while name in self._taken:
            count += 1
            name = f"{wanted}#{count}"
        self._taken.add(name)
        return name


def selected_part(size: int, first: int, length: int) -> Block:
    """Return the block that selects `length` entries of `size`, from `first` on; it costs nothing to multiply by."""
    columns = np.arange(first, first + length)
    csr = csr_array((np.ones(length, np.float32), columns, np.arange(length + 1)), shape=(length, size))
    return Block(length, size, Explicit(csr, UnitEntries(True, True, 1)))
