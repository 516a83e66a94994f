"""Negated identity: minus one on the diagonal. A product with it flips signs and costs no fma."""

from __future__ import annotations

from chainplan.structures.base import Structure
from chainplan.structures.diagonal import DIAGONAL, OnDiagonal


class NegatedIdentity(OnDiagonal):
    """Minus ones on the diagonal of a square block, zeros elsewhere."""

    __slots__ = ()
    name = "negated_identity"
    unit = True

    def negated(self) -> Structure:
        from chainplan.structures.identity import Identity

        return Identity()

    def times(self, right: Structure) -> Structure:
        return right.negated()

    def rtimes(self, left: Structure) -> Structure:
        return left.negated()

    def plus(self, other: Structure) -> Structure:
        return DIAGONAL if other.unit else other
