"""Identity: the neutral element of the product. Multiplying by it costs nothing."""

from __future__ import annotations

from chainplan.structures.base import Structure
from chainplan.structures.diagonal import DIAGONAL, OnDiagonal
from chainplan.structures.negated_identity import NegatedIdentity


class Identity(OnDiagonal):
    """Ones on the diagonal of a square block, zeros elsewhere."""

    __slots__ = ()
    name = "identity"
    unit = True

    def negated(self) -> Structure:
        return NegatedIdentity()

    def times(self, right: Structure) -> Structure:
        return right

    def rtimes(self, left: Structure) -> Structure:
        return left

    def plus(self, other: Structure) -> Structure:
        return DIAGONAL if other.unit else other
