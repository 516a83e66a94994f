"""Negated identity: minus one on the diagonal. A product with it flips signs and costs no fma."""

from __future__ import annotations

from chainplan.structures.base import Structure
from chainplan.structures.counts import Counts, constant
from chainplan.structures.diagonal import DIAGONAL, needs_square


class NegatedIdentity(Structure):
    """Minus ones on the diagonal of a square block, zeros elsewhere."""

    __slots__ = ()
    name = "negated_identity"
    unit = True

    def misfit(self, rows: int, cols: int) -> str | None:
        return needs_square(rows, cols)

    def column_counts(self, rows: int, cols: int) -> Counts:
        return constant(cols, 1)

    def holds(self, row: int, col: int) -> bool:
        return row == col

    def negated(self) -> Structure:
        from chainplan.structures.identity import Identity

        return Identity()

    def times(self, right: Structure) -> Structure:
        return right.negated()

    def rtimes(self, left: Structure) -> Structure:
        return left.negated()

    def plus(self, other: Structure) -> Structure:
        return DIAGONAL if other.unit else other
