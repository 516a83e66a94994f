"""Banded: the nonzeros lie within `lower` diagonals below and `upper` above the main one; triangles are bands too.

Widths add up in a product and are *stored unclipped*: clipped to the shape they would depend on the bracketing, and the
product would no longer be associative. Only counts are clipped. On square blocks the band of a product is its exact
pattern; on rectangular blocks it is an upper bound, because a row whose band lies outside the inner dimension is empty.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import TYPE_CHECKING

from chainplan.structures.base import BlockShape, Structure, StructureWords
from chainplan.structures.counts import LineCounts, quadratic, total_count
from chainplan.structures.dense import DENSE, Dense
from chainplan.structures.diagonal import OnDiagonal

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from chainplan._util.arrays import Array

    Pair = tuple[Array, Array]
    Triple = tuple[Array, Array, Array]


ENDLESS_WIDTH = 1 << 60
"""A width that is larger than any block."""


_REMEMBERED_SHAPES = 4096
"""Bands of a shape whose counts are kept: searches ask for those of a few again and again."""


@lru_cache(_REMEMBERED_SHAPES)
def _column_counts(lower: int, upper: int, rows: int, cols: int) -> LineCounts:
    """Count the nonzeros of each column of a band."""

    def count(j: int) -> int:
        return max(0, min(rows - 1, j + lower) - max(0, j - upper) + 1)

    cuts = sorted({0, cols, *(min(max(c, 0), cols) for c in (rows - 1 - lower, upper, rows + upper))})
    pieces = []
    for a, b in itertools.pairwise(cuts):
        first = count(a)
        pieces.append((b - a, first, count(a + 1) - first if b - a > 1 else 0))
    return tuple(pieces)


@lru_cache(_REMEMBERED_SHAPES)
def _nonzeros(lower: int, upper: int, rows: int, cols: int) -> int:
    """Count the nonzeros of a band."""
    return total_count(_column_counts(lower, upper, rows, cols))


class Banded(Structure):
    """Entry (i, j) may be nonzero where -upper <= i - j <= lower."""

    __slots__ = ("lower", "upper")
    name = "banded"

    def __init__(self, lower: int, upper: int) -> None:
        self.lower, self.upper = lower, upper

    def column_counts(self, rows: int, cols: int) -> LineCounts:
        return _column_counts(self.lower, self.upper, rows, cols)

    def nnz(self, rows: int, cols: int) -> int:
        return _nonzeros(self.lower, self.upper, rows, cols)

    def holds(self, row: int, col: int, rows: int, cols: int) -> bool:
        return -self.upper <= row - col <= self.lower

    def pattern(self, rows: int, cols: int) -> csr_array:
        import numpy as np

        from chainplan.structures.csr import csr_of_ranges

        i = np.arange(rows)
        return csr_of_ranges(np.clip(i - self.lower, 0, cols), np.clip(i + self.upper + 1, 0, cols), cols)

    def transpose(self) -> Structure:
        return band(self.upper, self.lower)

    def times(self, right: Structure) -> Structure | None:
        if isinstance(right, Banded):
            return band(self.lower + right.lower, self.upper + right.upper)
        return right if isinstance(right, Dense) else None

    def rtimes(self, left: Structure) -> Structure | None:
        if isinstance(left, Banded):
            return band(self.lower + left.lower, self.upper + left.upper)
        return left if isinstance(left, Dense) else None

    def plus(self, other: Structure) -> Structure | None:
        if isinstance(other, Banded):
            return band(max(self.lower, other.lower), max(self.upper, other.upper))
        return self if isinstance(other, OnDiagonal) else other if isinstance(other, Dense) else None

    def to_spec(self, rows: int, cols: int) -> StructureWords:
        widths = (self.lower, self.upper)
        if ENDLESS_WIDTH in widths:
            return {self.name: [min(width, max(rows, cols)) for width in widths]}
        return {self.name: list(widths)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Banded) and (self.lower, self.upper) == (other.lower, other.upper)

    def __hash__(self) -> int:
        return hash((self.lower, self.upper))

    def __repr__(self) -> str:
        return "banded " + ",".join(
            "all" if width == ENDLESS_WIDTH else str(width) for width in (self.lower, self.upper)
        )


class LowerTriangular(Banded):
    """Entry (i, j) may be nonzero where j <= i: a band without end below the diagonal."""

    __slots__ = ()
    name = "lower_triangular"

    def __init__(self) -> None:
        super().__init__(ENDLESS_WIDTH, 0)

    def to_spec(self, rows: int, cols: int) -> StructureWords:
        return self.name

    def __repr__(self) -> str:
        return self.name


class UpperTriangular(Banded):
    """Entry (i, j) may be nonzero where i <= j: a band without end above the diagonal."""

    __slots__ = ()
    name = "upper_triangular"

    def __init__(self) -> None:
        super().__init__(0, ENDLESS_WIDTH)

    def to_spec(self, rows: int, cols: int) -> StructureWords:
        return self.name

    def __repr__(self) -> str:
        return self.name


def band(lower: int, upper: int) -> Structure:
    """Return the band of these widths; it is triangular or dense where it is endless on one side or on both."""
    lower, upper = min(lower, ENDLESS_WIDTH), min(upper, ENDLESS_WIDTH)
    if lower == upper == ENDLESS_WIDTH:
        return DENSE
    if (lower, upper) == (ENDLESS_WIDTH, 0):
        return LowerTriangular()
    return UpperTriangular() if (lower, upper) == (0, ENDLESS_WIDTH) else Banded(lower, upper)


def banded(argument: object, shape: BlockShape) -> Structure:
    """Read `{banded: [lower, upper]}`."""
    match argument:
        case [int() as lower, int() as upper] if min(lower, upper) >= 0:
            return Banded(min(lower, ENDLESS_WIDTH), min(upper, ENDLESS_WIDTH))
    raise ValueError("{banded: [lower, upper]}, two widths from 0")


def band_products_fma(shape: Triple, left: Pair, right: Pair) -> Array:
    """Count the fma of many products of two bands at once, as `block.product_fma` counts each.

    Parameters
    ----------
    shape : Triple
        Arrays of m, k and n, where each left factor is m x k and each right factor k x n.
    left, right : Pair
        Arrays of lower and upper widths.
    """
    import numpy as np

    (m, k, n), (lower, upper), (right_lower, right_upper) = shape, left, right
    ends = (m - 1 - lower, upper, m + upper, n - 1 - right_upper, right_lower, n + right_lower)
    cuts = np.sort(np.stack([0 * k, k, *(np.clip(end, 0 * k, k) for end in ends)]), axis=0)
    result = 0 * k
    for start, stop in itertools.pairwise(cuts):
        length = stop - start
        a, c = _counts_at(start, m, lower, upper), _counts_at(start, n, right_upper, right_lower)
        b = _counts_at(start + 1, m, lower, upper) - a
        d = _counts_at(start + 1, n, right_upper, right_lower) - c
        result = result + np.where(length > 1, quadratic(length, a, b, c, d), length * a * c)
    return result


def band_nonzeros(rows: Array, cols: Array, lower: Array, upper: Array) -> Array:
    """Count the entries of bands: all of the block but the triangles below and above the band."""
    import numpy as np

    result: Array = rows * cols
    for height, width, reach in ((rows, cols, lower), (cols, rows, upper)):
        longest = np.maximum(height - 1 - reach, 0)
        lines = np.minimum(longest, width)
        result = result - (lines * longest - lines * (lines - 1) // 2)
    return result


def _counts_at(t: Array, size: Array, below: Array, above: Array) -> Array:
    """Count the entries of line t of a band, whose lines have `size` cells; `below` and `above` are its widths."""
    import numpy as np

    counted: Array = np.maximum(0, np.minimum(size - 1, t + below) - np.maximum(0, t - above) + 1)
    return counted
