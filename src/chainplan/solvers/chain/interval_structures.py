"""The structures of all intervals of a chain whose structures are closed under products as they are given.

Few structures come up in such a chain, because bands differ by their widths alone and these add up. So each structure
gets a number, each pair of numbers is multiplied once, and the structures of all intervals of one length follow from
those of the next shorter ones by one look into the table of products, bands by a sum of widths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainplan.structures import DENSE, Banded, Block, BlockDiagonal, Dense, Kronecker, OnDiagonal, Structure, product
from chainplan.structures.banded import ENDLESS_WIDTH

if TYPE_CHECKING:
    from chainplan._util.arrays import Array

_ANY_BAND = Banded(1, 1)
"""What stands for every band: the widths are kept apart."""
_UNKNOWN = -1
"""What stands in the table for a product that has not been asked for."""
_INTERVALS_AT_ONCE = 30_000
"""Intervals that are described together, unless one length has more."""


class IntervalStructures(NamedTuple):
    """The structures of some intervals (start, start + length), one entry of each array for an interval.

    `parts` is the number of dense parts of equal shape, 0 of a block that has none or that costs nothing to multiply;
    `scales` marks blocks with one nonzero in each line whose product is counted, and `bands` those that have the widths
    `lower` and `upper`.
    """

    start: Array
    length: Array
    parts: Array
    scales: Array
    bands: Array
    lower: Array
    upper: Array


def interval_structures(blocks: Sequence[Block]) -> Iterator[IntervalStructures]:
    """Yield the structures of all intervals of a chain, some tens of thousands at a time, short intervals first.

    This takes O(q) operations on arrays for q blocks, and O(q²) memory only where the caller keeps what is yielded.
    """
    growing = _GrowingIntervals(blocks)
    lengths: list[int] = []
    pieces: list[tuple[Array, Array]] = []
    held = 0
    for length in range(1, len(blocks) + 1):
        lengths.append(length)
        pieces.append((growing.numbers, growing.widths))
        held += len(growing.numbers)
        if held > _INTERVALS_AT_ONCE or length == len(blocks):
            yield growing.described(lengths, pieces)
            lengths, pieces, held = [], [], 0
        if length < len(blocks):
            growing.grow()


class _GrowingIntervals:
    """The numbers of the structures of all intervals of one length, by start, and their widths where they are bands."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._number: dict[Structure, int] = {}
        self._known: list[Structure] = []
        self._products = np.full((4, 4), _UNKNOWN)
        self._band, self._dense = self._enter(_ANY_BAND), self._enter(DENSE)
        given = [block.structure for block in blocks]
        self._leaves = np.array([self._enter(_ANY_BAND if isinstance(s, Banded) else s) for s in given], np.intp)
        widths = [(s.lower, s.upper) if isinstance(s, Banded) else (0, 0) for s in given]
        self._leaf_widths = np.array(widths, np.int64).reshape(-1, 2).T
        self.numbers, self.widths = self._leaves, self._leaf_widths

    def grow(self) -> None:
        """Go on to the intervals that are one elemental longer."""
        length = len(self._leaves) - len(self.numbers) + 1
        numbers = self._multiplied(self._leaves[length:], self.numbers[:-1])
        bands = numbers == self._band
        if not bands.any():
            self.numbers, self.widths = numbers, np.zeros((2, len(numbers)), np.int64)
            return
        widths = np.minimum(self._leaf_widths[:, length:] + self.widths[:, :-1], ENDLESS_WIDTH)
        self.numbers = np.where(bands & (widths == ENDLESS_WIDTH).all(axis=0), self._dense, numbers)
        self.widths = widths * (self.numbers == self._band)

    def described(self, lengths: list[int], pieces: list[tuple[Array, Array]]) -> IntervalStructures:
        """Return what is known of the intervals of these lengths, given their numbers and widths."""
        counts = [len(numbers) for numbers, _ in pieces]
        numbers = np.concatenate([numbers for numbers, _ in pieces])
        lower, upper = np.concatenate([widths for _, widths in pieces], axis=1)
        start = np.concatenate([np.arange(count) for count in counts])
        parts, scales = (np.array(column) for column in zip(*map(_parts, self._known), strict=True))
        bands = numbers == self._band
        return IntervalStructures(
            start, np.repeat(lengths, counts), parts[numbers], scales[numbers], bands, lower, upper
        )

    def _multiplied(self, left: Array, right: Array) -> Array:
        """Return the numbers of the products of structures, each pair of which is multiplied once."""
        found: Array = self._products[left, right]
        missing = np.flatnonzero(found == _UNKNOWN)
        if len(missing):
            for a, b in set(zip(left[missing].tolist(), right[missing].tolist(), strict=True)):
                made = product(self._known[a], self._known[b])
                assert made is not None
                number = self._enter(_ANY_BAND if isinstance(made, Banded) else made)
                self._products[a, b] = number
            found = self._products[left, right]
        return found

    def _enter(self, structure: Structure) -> int:
        """Return the number of a structure, which gets one where it is new."""
        number = self._number.setdefault(structure, len(self._known))
        if number == len(self._known):
            self._known.append(structure)
            if number == len(self._products):
                larger = np.full((2 * number, 2 * number), _UNKNOWN)
                larger[:number, :number] = self._products
                self._products = larger
        return number


def _parts(structure: Structure) -> tuple[int, bool]:
    """Return the number of dense parts of a structure, and whether it only scales rows or columns at a price."""
    if structure.unit:
        return 0, False
    if isinstance(structure, BlockDiagonal | Kronecker):
        return structure.count, False
    return int(isinstance(structure, Dense)), isinstance(structure, OnDiagonal)
