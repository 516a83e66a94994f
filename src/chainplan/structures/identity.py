"""Identity: the neutral element of the product, which costs no fma."""

from __future__ import annotations

from chainplan.structures.base import Structure
from chainplan.structures.diagonal import OnDiagonal
from chainplan.structures.negated_identity import NegatedIdentity
from chainplan.structures.sign import Sign
from chainplan.structures.unit_entries import Units


class Identity(OnDiagonal):
    """Ones on the diagonal of a square block, zeros elsewhere."""

    __slots__ = ()
    name = "identity"
    units = Units(True, True, 1)

    def negated(self) -> Structure:
        return NegatedIdentity()

    def signed(self) -> Structure:
        return Sign()

    def times(self, right: Structure) -> Structure | None:
        return right
