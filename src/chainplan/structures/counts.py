"""Counts per row or column as piecewise linear functions, so that they are exact at any size.

A block of 10^12 columns cannot list its counts. Every symbolic structure has a few pieces, and a listed pattern has one
piece for each run of equal counts. The fma of a product is `Σ_l nnz(left[:, l]) · nnz(right[l, :])`, the inner product
of two such functions. On each common piece it is the sum of a quadratic, which has a closed form; many pieces are
summed at once, as vectors. Cost: O(pieces), or O(pieces · log(pieces)) as vectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from chainplan._util.arrays import Array

IntOrArray = TypeVar("IntOrArray", int, "Array")
"""An int, or an array of ints."""

LineCounts = tuple[tuple[int, int, int], ...]
"""Pieces (length, first, slope): `length` neighbouring rows or columns have first, first + slope, ... nonzeros."""

_MAX_PIECES = 24


def constant(length: int, count: int) -> LineCounts:
    """Return the counts of `length` rows or columns that have `count` nonzeros each."""
    return ((length, count, 0),)


def runs(counts: Array) -> LineCounts:
    """Turn counts that are given one by one into pieces, one for each run of equal counts."""
    import numpy as np

    starts = np.flatnonzero(np.diff(counts, prepend=-1))
    lengths = np.diff(starts, append=len(counts))
    return tuple((n, count, 0) for n, count in zip(lengths.tolist(), counts[starts].tolist(), strict=True))


def spread(counts: LineCounts) -> Array:
    """Write pieces of counts out, one number for each line."""
    import numpy as np

    return np.concatenate([np.zeros(0, np.int64), *(first + slope * np.arange(n) for n, first, slope in counts)])


def total_count(counts: LineCounts) -> int:
    """Sum all counts."""
    return sum(n * first + slope * (n * (n - 1) // 2) for n, first, slope in counts)


def longest(counts: LineCounts) -> int:
    """Return the largest of all counts."""
    return max((max(first, first + slope * (n - 1)) for n, first, slope in counts if n), default=0)


def inner(left: LineCounts, right: LineCounts) -> int:
    """Sum the products of two counts, of equal total length, over all positions."""
    if len(left) == 1 and not left[0][2]:
        return left[0][1] * total_count(right)
    if len(right) == 1 and not right[0][2]:
        return right[0][1] * total_count(left)
    if len(left) + len(right) > _MAX_PIECES:
        return _inner_of_vectors(left, right)
    result, i, j, s, t = 0, 0, 0, 0, 0
    while i < len(left) and j < len(right):
        (n, a, b), (m, c, d) = left[i], right[j]
        length = min(n - s, m - t)
        result += quadratic(length, a + b * s, b, c + d * t, d)
        s, t = s + length, t + length
        if s == n:
            i, s = i + 1, 0
        if t == m:
            j, t = j + 1, 0
    return result


def quadratic(n: IntOrArray, a: IntOrArray, b: IntOrArray, c: IntOrArray, d: IntOrArray) -> IntOrArray:
    """Sum (a + b·t)·(c + d·t) over t = 0 .. n-1."""
    summed: IntOrArray = n * a * c + (a * d + b * c) * (n * (n - 1) // 2) + b * d * ((n - 1) * n * (2 * n - 1) // 6)
    return summed


def _inner_of_vectors(left: LineCounts, right: LineCounts) -> int:
    """Compute `inner` on all common pieces at once, in 64 bits where every sum fits."""
    import numpy as np

    largest = [max((abs(first) + abs(slope) * n for n, first, slope in side), default=0) for side in (left, right)]
    length = sum(n for n, _, _ in left)
    dtype = np.int64 if 12 * largest[0] * largest[1] * max(length, 1) < 1 << 62 and length < 1 << 20 else object
    sides = [np.array(side, dtype).T for side in (left, right)]
    ends = [np.cumsum(side[0]) for side in sides]
    cuts = np.union1d(*ends) if dtype is np.int64 else np.array(sorted({*ends[0].tolist(), *ends[1].tolist()}), object)
    starts = np.concatenate([[0], cuts[:-1]]) if dtype is np.int64 else np.array([0, *cuts[:-1]], object)
    values = []
    for (lengths, first, slope), end in zip(sides, ends, strict=True):
        piece = np.searchsorted(end, starts, side="right")
        offset = starts - (end - lengths)[piece]
        values += [first[piece] + slope[piece] * offset, slope[piece]]
    return int(quadratic(cuts - starts, *values).sum())
