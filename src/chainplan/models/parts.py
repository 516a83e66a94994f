"""Parts of a vector that stands for several vertices, one below the other, and names for what stands between."""

from __future__ import annotations

from collections.abc import Iterable

from chainplan.structures import Block
from chainplan.structures.csr import csr_of_rows
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
    picks = csr_of_rows(range(first, first + length), size)
    return Block(length, size, Explicit(picks, UnitEntries(True, True, 1)))
