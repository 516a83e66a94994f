"""Banded: nonzeros within `lower` diagonals below and `upper` above the main one, square or not.

Widths add up in a product and are *stored unclipped*: clipped to the shape they would depend on the bracketing, and the
product would no longer be associative. Counts clip. On square blocks the band of a product is its exact pattern; on
rectangular ones it is an upper bound (a row whose band lies outside the inner dimension is empty in truth).
"""

from __future__ import annotations

import itertools
from typing import Any

from chainplan.structures.base import Structure
from chainplan.structures.counts import Counts


class Banded(Structure):
    """Entry (i, j) may be nonzero where -upper <= i - j <= lower."""

    __slots__ = ("lower", "upper")
    name = "banded"

    def __init__(self, lower: int, upper: int) -> None:
        self.lower, self.upper = lower, upper

    def column_counts(self, rows: int, cols: int) -> Counts:
        clip, start, end = rows - 1 - self.lower, self.upper, rows + self.upper
        cuts = sorted({0, cols, *(min(max(c, 0), cols) for c in (clip, start, end))})
        pieces = []
        for a, b in itertools.pairwise(cuts):
            first = self._count(rows, a)
            pieces.append((b - a, first, self._count(rows, a + 1) - first if b - a > 1 else 0))
        return tuple(pieces)

    def _count(self, rows: int, j: int) -> int:
        return max(0, min(rows - 1, j + self.lower) - max(0, j - self.upper) + 1)

    def holds(self, row: int, col: int) -> bool:
        return -self.upper <= row - col <= self.lower

    def transpose(self) -> Structure:
        return Banded(self.upper, self.lower)

    def times(self, right: Structure) -> Structure:
        if isinstance(right, Banded):
            return Banded(self.lower + right.lower, self.upper + right.upper)
        return right

    def rtimes(self, left: Structure) -> Structure:
        return left

    def plus(self, other: Structure) -> Structure:
        if isinstance(other, Banded):
            return Banded(max(self.lower, other.lower), max(self.upper, other.upper))
        return other

    def to_spec(self) -> Any:
        return {self.name: [self.lower, self.upper]}

    @classmethod
    def from_spec(cls, argument: Any) -> Structure:
        match argument:
            case [int() as lower, int() as upper] if lower >= 0 and upper >= 0:
                return cls(lower, upper)
        raise ValueError("{banded: [lower, upper]}, two widths from 0")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Banded) and (self.lower, self.upper) == (other.lower, other.upper)

    def __hash__(self) -> int:
        return hash((self.lower, self.upper))

    def __repr__(self) -> str:
        return f"banded {self.lower},{self.upper}"
