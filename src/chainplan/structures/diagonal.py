"""Diagonal: what an elementwise operation has as Jacobian. Products with it scale rows or columns."""

from __future__ import annotations

from chainplan.structures.base import Structure
from chainplan.structures.counts import Counts, constant


class OnDiagonal(Structure):
    """What all structures share whose nonzeros lie on the diagonal of a square block."""

    __slots__ = ()

    def misfit(self, rows: int, cols: int) -> str | None:
        return None if rows == cols else f"needs as many rows as columns, not {rows} x {cols}"

    def column_counts(self, rows: int, cols: int) -> Counts:
        return constant(cols, 1)

    def holds(self, row: int, col: int) -> bool:
        return row == col


class Diagonal(OnDiagonal):
    """Nonzeros on the diagonal of a square block only."""

    __slots__ = ()
    name = "diagonal"

    def times(self, right: Structure) -> Structure:
        return right

    def rtimes(self, left: Structure) -> Structure:
        return left

    def plus(self, other: Structure) -> Structure:
        return other


DIAGONAL = Diagonal()
