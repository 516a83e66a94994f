"""Linear systems by Gaussian elimination on exact rational numbers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction


def rational_solve(matrix: Sequence[Sequence[int]], columns: Sequence[Sequence[int]]) -> list[list[Fraction]]:
    """Solve for a matrix of columns; the matrix must be regular."""
    n = len(matrix)
    rows = [[*map(Fraction, left), *map(Fraction, right)] for left, right in zip(matrix, columns, strict=True)]
    for k in range(n):
        pivot = next(i for i in range(k, n) if rows[i][k])
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [entry / rows[k][k] for entry in rows[k]]
        for i in range(n):
            if i != k and (factor := rows[i][k]):
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
    return [row[n:] for row in rows]
