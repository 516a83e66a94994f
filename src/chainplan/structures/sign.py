"""Sign: plus or minus ones on the diagonal, which only a run knows. A product with it flips signs and costs no fma."""

from __future__ import annotations

from chainplan.structures.base import Structure
from chainplan.structures.diagonal import DIAGONAL, OnDiagonal
from chainplan.structures.unit_entries import UnitEntries


class Sign(OnDiagonal):
    """Plus or minus ones on the diagonal of a square block, zeros elsewhere."""

    __slots__ = ()
    name = "sign"
    units = UnitEntries(True, True, 0)

    def valued(self) -> Structure:
        return DIAGONAL

    def times(self, right: Structure) -> Structure | None:
        return right.signed()
