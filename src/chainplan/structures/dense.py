"""Dense: nothing is known of the block, so every entry may be nonzero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainplan.structures.base import Structure
from chainplan.structures.counts import LineCounts, constant

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class Dense(Structure):
    """Every entry may be nonzero."""

    __slots__ = ()
    name = "dense"

    def column_counts(self, rows: int, cols: int) -> LineCounts:
        return constant(cols, rows)

    def nnz(self, rows: int, cols: int) -> int:
        return rows * cols

    def holds(self, row: int, col: int, rows: int, cols: int) -> bool:
        return True

    def pattern(self, rows: int, cols: int) -> csr_array:
        import numpy as np
        from scipy.sparse import csr_array

        return csr_array(np.ones((rows, cols), np.float32))

    def times(self, right: Structure) -> Structure | None:
        return self

    def rtimes(self, left: Structure) -> Structure | None:
        return self

    def plus(self, other: Structure) -> Structure | None:
        return self


DENSE = Dense()
