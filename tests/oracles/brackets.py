"""Dense chains given by their sizes: the recurrence over splits, as in every textbook."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def least_products(s: Sequence[int]) -> int:
    """Multiply-adds of the cheapest bracketing of a chain of blocks s[i+1] x s[i], in O(n³) Python ints."""
    n = len(s)
    c = [[0] * n for _ in range(n)]
    for j in range(2, n):
        for i in range(j - 2, -1, -1):
            a = c[i]
            a[j] = min(a[k] + c[k][j] + s[i] * s[k] * s[j] for k in range(i + 1, j))
    return c[0][n - 1]


def least_products_by_rows(s: Sequence[int]) -> int:
    """The same by rows of arrays; the transposed copy keeps columns contiguous. Exact: Python ints if needed."""
    n = len(s)
    dtype = np.int64 if n * max(s) ** 3 < 2**62 else object
    w = np.array(s, dtype=dtype)
    c, t = np.zeros((n, n), dtype=dtype), np.zeros((n, n), dtype=dtype)
    for j in range(2, n):
        for i in range(j - 2, -1, -1):
            c[i, j] = t[j, i] = (c[i, i + 1 : j] + t[j, i + 1 : j] + w[i + 1 : j] * (s[i] * s[j])).min()
    return int(c[0, n - 1])
