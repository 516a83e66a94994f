"""Outline: a family of upper bounds on patterns of any size, which is closed under products and sums.

Four numbers describe a block: how far it reaches below and above the diagonal, into how many equal parts it falls, and
the number modulo which row and column agree. Each alone is an upper bound, and each combines by itself: reach adds up
in a product and takes the larger value in a sum; parts and modulus take the greatest common divisor in both. Addition,
maximum and gcd are associative, addition distributes over maximum and gcd over itself, so the laws of structures hold
for all four together. Entries are counted by the parts or the modulus where either exceeds 1, and by the reach
otherwise.

A whole problem uses outlines or none of it does (`chainplan.structures.resolve`); it does where its patterns are too
large to be listed.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

from chainplan.structures.banded import ENDLESS_WIDTH, Banded, band
from chainplan.structures.base import Structure, StructureWords
from chainplan.structures.blocks import BlockDiagonal, Kronecker
from chainplan.structures.counts import LineCounts
from chainplan.structures.diagonal import OnDiagonal
from chainplan.structures.shifts import Shifts
from chainplan.structures.unit_entries import UnitEntries, units_of_product
from chainplan.structures.zero import Zero

if TYPE_CHECKING:
    from scipy.sparse import csr_array


MAX_PATTERN_PARTS = 100_000
"""The largest number of parts that is tried on a listed pattern."""


class Outline(Structure):
    """Bounds on where the nonzeros are: reach `lower` and `upper`, `parts`, `modulus`."""

    __slots__ = ("lower", "modulus", "parts", "units", "upper")
    name = "outline"

    def __init__(
        self, lower: int, upper: int, parts: int = 1, modulus: int = 1, units: UnitEntries | None = None
    ) -> None:
        self.lower, self.upper = min(lower, ENDLESS_WIDTH), min(upper, ENDLESS_WIDTH)
        self.parts, self.modulus, self.units = parts, modulus, units

    @property
    def _shown(self) -> Structure:
        """The one of the three bounds whose entries are counted."""
        if self.parts > 1:
            return BlockDiagonal(self.parts)
        return Kronecker(self.modulus) if self.modulus > 1 else band(self.lower, self.upper)

    def column_counts(self, rows: int, cols: int) -> LineCounts:
        return self._shown.column_counts(rows, cols)

    def holds(self, row: int, col: int, rows: int, cols: int) -> bool:
        return self._shown.holds(row, col, rows, cols)

    def pattern(self, rows: int, cols: int) -> csr_array:
        return self._shown.pattern(rows, cols)

    def transpose(self) -> Structure:
        units = self.units.transpose() if self.units else None
        return Outline(self.upper, self.lower, self.parts, self.modulus, units)

    def negated(self) -> Structure:
        return self._with(self.units and self.units._replace(sign=-self.units.sign))

    def signed(self) -> Structure:
        return self._with(self.units and self.units._replace(sign=0))

    def valued(self) -> Structure:
        return self._with(None)

    def _with(self, units: UnitEntries | None) -> Structure:
        return Outline(self.lower, self.upper, self.parts, self.modulus, units)

    def times(self, right: Structure) -> Structure | None:
        return self._product(right, self.units, right.units)

    def rtimes(self, left: Structure) -> Structure | None:
        return self._product(left, left.units, self.units)

    def _product(self, other: Structure, left: UnitEntries | None, right: UnitEntries | None) -> Structure | None:
        if not isinstance(other, Outline):
            return None
        reach = self.lower + other.lower, self.upper + other.upper
        parts, modulus = gcd(self.parts, other.parts), gcd(self.modulus, other.modulus)
        return Outline(*reach, parts, modulus, units_of_product(left, right))

    def plus(self, other: Structure) -> Structure | None:
        if isinstance(other, OnDiagonal):
            return self.valued()
        if not isinstance(other, Outline):
            return None
        reach = max(self.lower, other.lower), max(self.upper, other.upper)
        return Outline(*reach, gcd(self.parts, other.parts), gcd(self.modulus, other.modulus))

    def to_spec(self, rows: int, cols: int) -> StructureWords:
        return self._shown.to_spec(rows, cols)

    def brief(self, rows: int, cols: int) -> StructureWords:
        return {"units": self.to_spec(rows, cols)} if self.unit else self.to_spec(rows, cols)

    def _key(self) -> tuple[int, int, int, int, UnitEntries | None]:
        return self.lower, self.upper, self.parts, self.modulus, self.units

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outline) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"within {self._shown!r}"


def outline(structure: Structure, rows: int, cols: int) -> Structure:
    """Return the outline of a block; structures that combine with outlines stay as they are."""
    if isinstance(structure, OnDiagonal | Zero | Outline):
        return structure
    if isinstance(structure, BlockDiagonal | Kronecker):
        parts, modulus = (structure.count, 1) if isinstance(structure, BlockDiagonal) else (1, structure.count)
        return Outline(ENDLESS_WIDTH, ENDLESS_WIDTH, parts, modulus, structure.units)
    if isinstance(structure, Banded):
        return Outline(structure.lower, structure.upper)
    if isinstance(structure, Shifts):
        return _of_shifts(structure)
    if structure.name == "dense":
        return Outline(ENDLESS_WIDTH, ENDLESS_WIDTH)
    return _of_pattern(structure.pattern(rows, cols), structure.units)


def _of_shifts(structure: Shifts) -> Outline:
    """Return the outline of shifts by their offsets alone."""
    offsets = [offset for offset, _, _ in structure.runs]
    return Outline(max(0, -min(offsets)), max(0, max(offsets)), 1, gcd(structure.rows, structure.cols, *offsets))


def _of_pattern(csr: csr_array, units: UnitEntries | None) -> Outline:
    """Return the tightest outline of a listed pattern, in O(nonzeros) per common divisor of rows and columns."""
    import numpy as np

    (m, n), entries = csr.shape, csr.tocoo()
    i, j = entries.row, entries.col
    offsets, common = i - j, gcd(m, n)
    modulus = gcd(common, int(np.gcd.reduce(offsets, initial=0)))
    divisors = (b for b in range(min(common, MAX_PATTERN_PARTS), 1, -1) if common % b == 0)
    some = slice(None, None, max(1, len(i) // 1000))
    likely = (b for b in divisors if (i[some] // (m // b) == j[some] // (n // b)).all())
    parts = next((b for b in likely if (i // (m // b) == j // (n // b)).all()), 1)
    reach = max(0, int(offsets.max(initial=0))), max(0, -int(offsets.min(initial=0)))
    return Outline(*reach, parts, 1 if parts > 1 else modulus, units)
