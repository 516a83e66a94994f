"""Zero: no entry is nonzero. It absorbs every product and vanishes in every sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainplan.structures.base import Structure
from chainplan.structures.counts import LineCounts, constant

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class Zero(Structure):
    """All entries are zero."""

    __slots__ = ()
    name = "zero"
    meets_lists = True

    def column_counts(self, rows: int, cols: int) -> LineCounts:
        return constant(cols, 0)

    def holds(self, row: int, col: int, rows: int, cols: int) -> bool:
        return False

    def pattern(self, rows: int, cols: int) -> csr_array:
        from scipy.sparse import csr_array

        return csr_array((rows, cols), dtype="float32")

    def times(self, right: Structure) -> Structure | None:
        return self

    def rtimes(self, left: Structure) -> Structure | None:
        return self

    def plus(self, other: Structure) -> Structure | None:
        return other
