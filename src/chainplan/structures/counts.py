"""Counts per row or column as piecewise linear functions, so that they are exact at any size.

A block of 10^12 columns cannot list its counts; all structures of the table have few pieces. The fma of a product is
`Σ_l nnz(left[:, l]) · nnz(right[l, :])` (design, section 3), the inner product of two such functions: on each common
piece a sum of a quadratic, in closed form.
"""

from __future__ import annotations

from typing import Any, TypeVar

N = TypeVar("N", bound=Any)
"""An int, or an array of them."""

Counts = tuple[tuple[int, int, int], ...]
"""Pieces (length, first, slope): `length` neighbouring rows or columns have first, first + slope, ... nonzeros."""


def constant(length: int, count: int) -> Counts:
    """`length` rows or columns of `count` nonzeros each."""
    return ((length, count, 0),)


def total_count(counts: Counts) -> int:
    """Sum of all counts."""
    return sum(n * first + slope * (n * (n - 1) // 2) for n, first, slope in counts)


def inner(left: Counts, right: Counts) -> int:
    """Sum over all positions of the product of two counts of equal total length."""
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


def quadratic(n: N, a: N, b: N, c: N, d: N) -> N:
    """Sum of (a + b·t)·(c + d·t) over t = 0 .. n-1."""
    return n * a * c + (a * d + b * c) * (n * (n - 1) // 2) + b * d * ((n - 1) * n * (2 * n - 1) // 6)
