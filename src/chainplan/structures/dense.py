"""Dense: nothing is known, every entry may be nonzero."""

from __future__ import annotations

from chainplan.structures.base import Structure
from chainplan.structures.counts import Counts, constant


class Dense(Structure):
    """Every entry may be nonzero."""

    __slots__ = ()
    name = "dense"

    def column_counts(self, rows: int, cols: int) -> Counts:
        return constant(cols, rows)

    def nnz(self, rows: int, cols: int) -> int:
        return rows * cols

    def holds(self, row: int, col: int) -> bool:
        return True

    def times(self, right: Structure) -> Structure:
        return self

    def rtimes(self, left: Structure) -> Structure:
        return self

    def plus(self, other: Structure) -> Structure:
        return self


DENSE = Dense()
