"""Identity and its negation: plus or minus one on the diagonal. A product with one of them costs no fma.

The identity is the neutral element of the product; its negation flips signs. They share a file because each is the
negation of the other.
"""

from __future__ import annotations

from chainplan.structures.base import Structure
from chainplan.structures.diagonal import OnDiagonal
from chainplan.structures.sign import Sign
from chainplan.structures.unit_entries import UnitEntries


class Identity(OnDiagonal):
    """Ones on the diagonal of a square block, zeros elsewhere."""

    __slots__ = ()
    name = "identity"
    uniform = True
    units = UnitEntries(True, True, 1)

    def negated(self) -> Structure:
        return NegatedIdentity()

    def signed(self) -> Structure:
        return Sign()

    def times(self, right: Structure) -> Structure | None:
        return right


class NegatedIdentity(OnDiagonal):
    """Minus ones on the diagonal of a square block, zeros elsewhere."""

    __slots__ = ()
    name = "negated_identity"
    uniform = True
    units = UnitEntries(True, True, -1)

    def negated(self) -> Structure:
        return Identity()

    def signed(self) -> Structure:
        return Sign()

    def times(self, right: Structure) -> Structure | None:
        return right.negated()
