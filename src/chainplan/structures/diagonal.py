"""Diagonal: the Jacobian of an elementwise operation, with what all structures on the diagonal have in common.

A product with a diagonal block keeps the pattern of the other factor. Only what is known of that factor's values can
change, and each structure on the diagonal says how.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from chainplan.structures.base import Structure
from chainplan.structures.counts import LineCounts, constant

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class OnDiagonal(Structure):
    """Base of all structures whose nonzeros lie on the diagonal of a square block."""

    __slots__ = ()
    meets_lists = True

    uniform: ClassVar[bool] = False
    """Whether one number stands all along the diagonal."""

    def misfit(self, rows: int, cols: int) -> str | None:
        return None if rows == cols else f"needs as many rows as columns, not {rows} x {cols}"

    def column_counts(self, rows: int, cols: int) -> LineCounts:
        return constant(cols, 1)

    def holds(self, row: int, col: int, rows: int, cols: int) -> bool:
        return row == col

    def pattern(self, rows: int, cols: int) -> csr_array:
        from chainplan.structures.csr import csr_of_rows

        return csr_of_rows(range(rows), cols)

    def times(self, right: Structure) -> Structure | None:
        return right.valued()

    def rtimes(self, left: Structure) -> Structure | None:
        return self.times(left)

    def plus(self, other: Structure) -> Structure | None:
        return DIAGONAL if isinstance(other, OnDiagonal) else other.plus(self)


class Diagonal(OnDiagonal):
    """Nonzeros on the diagonal of a square block only."""

    __slots__ = ()
    name = "diagonal"


DIAGONAL = Diagonal()
