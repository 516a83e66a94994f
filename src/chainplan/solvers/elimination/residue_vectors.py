"""Vectors over the field of 2^31 - 1 elements, packed into Python's integers, and the span of some of them.

A vector of k residues is an int of k lanes of 64 bits, so that a multiple of one is added to another in a few
operations on long integers. A lane holds a product of two residues and a residue more; powers of two are 1 modulo
2^31 - 1 from the 31st on, so two foldings reduce all lanes at once.
"""

from __future__ import annotations

from random import Random

LANE_BITS = 64
FIELD_BITS = 31
FIELD_SIZE = (1 << FIELD_BITS) - 1


class ResidueSpace:
    """The vectors of a number of residues."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self._ones = sum(1 << LANE_BITS * i for i in range(dimensions))
        self._low = self._ones * FIELD_SIZE

    def plus_multiple(self, vector: int, factor: int, other: int) -> int:
        """Return vector + factor · other."""
        low, ones = self._low, self._ones
        total = vector + factor * other
        total = (total & low) + (total >> FIELD_BITS & low)
        total = (total & low) + (total >> FIELD_BITS & low)
        return total - (total + ones >> FIELD_BITS & ones) * FIELD_SIZE

    def random_vector(self, rng: Random) -> int:
        """Return a vector of residues drawn at random."""
        return sum(rng.randrange(FIELD_SIZE) << LANE_BITS * i for i in range(self.dimensions))

    def random_member(self, span: ResidueSpan, rng: Random) -> int:
        """Return a random vector of a span."""
        total = 0
        for row in span.rows.values():
            total = self.plus_multiple(total, rng.randrange(FIELD_SIZE), row)
        return total


class ResidueSpan:
    """The span of the vectors that were added, as rows in echelon form by the lane in which each begins."""

    def __init__(self, space: ResidueSpace) -> None:
        self.space = space
        self.rows: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def copy(self) -> ResidueSpan:
        """The same span, which can grow on its own."""
        twin = ResidueSpan(self.space)
        twin.rows = dict(self.rows)
        return twin

    def add(self, vector: int) -> bool:
        """Add a vector; return whether it was not in the span before, in O(dimensions) operations on vectors."""
        rows, space = self.rows, self.space
        if len(rows) == space.dimensions:
            return False
        while vector:
            lane = ((vector & -vector).bit_length() - 1) // LANE_BITS
            lead = vector >> LANE_BITS * lane & FIELD_SIZE
            row = rows.get(lane)
            if row is None:
                rows[lane] = space.plus_multiple(0, pow(lead, -1, FIELD_SIZE), vector)
                return True
            vector = space.plus_multiple(vector, FIELD_SIZE - lead, row)
        return False
