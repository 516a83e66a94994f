"""Identity: the neutral element of the product. Multiplying by it costs nothing."""

from __future__ import annotations

from chainplan.structures.base import Structure
from chainplan.structures.counts import Counts, constant
from chainplan.structures.diagonal import DIAGONAL, needs_square
from chainplan.structures.negated_identity import NegatedIdentity


class Identity(Structure):
    """Ones on the diagonal of a square block, zeros elsewhere."""

    __slots__ = ()
    name = "identity"
    unit = True

    def misfit(self, rows: int, cols: int) -> str | None:
        return needs_square(rows, cols)

    def column_counts(self, rows: int, cols: int) -> Counts:
        return constant(cols, 1)

    def holds(self, row: int, col: int) -> bool:
        return row == col

    def negated(self) -> Structure:
        return NegatedIdentity()

    def times(self, right: Structure) -> Structure:
        return right

    def rtimes(self, left: Structure) -> Structure:
        return left

    def plus(self, other: Structure) -> Structure:
        return DIAGONAL if other.unit else other
