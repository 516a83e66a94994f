"""Zero: no entry is nonzero. It absorbs every product and vanishes in every sum."""

from __future__ import annotations

from chainplan.structures.base import Structure
from chainplan.structures.counts import Counts, constant


class Zero(Structure):
    """All entries are zero."""

    __slots__ = ()
    name = "zero"

    def column_counts(self, rows: int, cols: int) -> Counts:
        return constant(cols, 0)

    def holds(self, row: int, col: int) -> bool:
        return False

    def times(self, right: Structure) -> Structure:
        return self

    def rtimes(self, left: Structure) -> Structure:
        return self

    def plus(self, other: Structure) -> Structure:
        return other
