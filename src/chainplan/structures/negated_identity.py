"""Negated identity: minus ones on the diagonal. A product with it flips signs and costs no fma."""

from __future__ import annotations

from chainplan.structures.base import Structure
from chainplan.structures.diagonal import OnDiagonal
from chainplan.structures.sign import Sign
from chainplan.structures.unit_entries import Units


class NegatedIdentity(OnDiagonal):
    """Minus ones on the diagonal of a square block, zeros elsewhere."""

    __slots__ = ()
    name = "negated_identity"
    units = Units(True, True, -1)

    def negated(self) -> Structure:
        from chainplan.structures.identity import Identity

        return Identity()

    def signed(self) -> Structure:
        return Sign()

    def times(self, right: Structure) -> Structure | None:
        return right.negated()
