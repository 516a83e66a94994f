"""Scaled identity: one number all along the diagonal, which is all that is held. A product scales the other factor."""

from __future__ import annotations

from chainplan.structures.base import Structure
from chainplan.structures.diagonal import DIAGONAL, OnDiagonal


class ScaledIdentity(OnDiagonal):
    """The same number all along the diagonal of a square block, zeros elsewhere."""

    __slots__ = ()
    name = "scaled_identity"
    uniform = True

    def signed(self) -> Structure:
        return DIAGONAL

    def valued(self) -> Structure:
        return DIAGONAL

    def times(self, right: Structure) -> Structure | None:
        return self if isinstance(right, ScaledIdentity) else right.scaled()
