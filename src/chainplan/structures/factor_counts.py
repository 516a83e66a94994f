"""What it costs to solve a linear system, as its pattern says: the factorisation, and each right-hand side.

With l_k entries of L below the diagonal in column k, and u_k entries of U right of it in row k, the factorisation takes
the sum of l_k · (u_k + 1) fma (a division counts as one), and a right-hand side that of l_k + u_k + 1, which is also
the number of elements that L and U have. A full matrix of n x n takes (n³ - n) / 3 and n².

Where few entries can be nonzero, L and U are those of a matrix with this pattern whose pivots are the entries of a
maximum matching, in the order of columns that SuperLU takes. Pivots that are chosen by size can fill in more.

References
----------
Golub & Van Loan, Matrix Computations, 4th edition, section 3.2. Davis, Direct Methods for Sparse Linear Systems,
chapters 6 and 7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from scipy.sparse import csc_array, csr_array

MAX_FACTORED_DENSITY = 0.1
"""Share of the entries of a matrix up to which it is factored as a sparse one."""
MIN_SPARSE_SIZE = 50
"""Rows from which on it is."""
_OFF_PIVOT = 1e-9
"""Entries beside pivots of 1, so that no other entry becomes a pivot."""


class FactorCounts(NamedTuple):
    """The fma of a factorisation and of each right-hand side, which are also the elements of L and U."""

    factor: int
    solve: int


def factored_sparse(size: int, nonzeros: int) -> bool:
    """Say whether a matrix of so many rows and nonzeros is factored as a sparse one."""
    return size >= MIN_SPARSE_SIZE and nonzeros <= MAX_FACTORED_DENSITY * size**2


def full_counts(size: int) -> FactorCounts:
    """Return what a full matrix costs.

    Examples
    --------
    >>> full_counts(3)
    FactorCounts(factor=8, solve=9)
    """
    return FactorCounts((size**3 - size) // 3, size**2)


def counts_of_factors(lower: csc_array, upper: csc_array) -> FactorCounts:
    """Return what L and U cost, as SuperLU holds them: each with its diagonal."""
    import numpy as np

    below = np.diff(lower.indptr) - 1
    right = np.bincount(upper.indices, minlength=upper.shape[0]) - 1
    return FactorCounts(int(below @ (right + 1)), int(below.sum() + right.sum() + len(below)))


def pattern_counts(pattern: csr_array) -> FactorCounts | None:
    """Return what a matrix with a pattern costs; None where it is singular, whatever its entries are."""
    import numpy as np
    from scipy.sparse import csc_array
    from scipy.sparse.csgraph import maximum_bipartite_matching
    from scipy.sparse.linalg import splu

    size = pattern.shape[0]
    column = maximum_bipartite_matching(pattern, perm_type="column")
    if (column < 0).any():
        return None
    if not factored_sparse(size, pattern.nnz):
        return full_counts(size)
    row = np.repeat(np.arange(size), np.diff(pattern.indptr))
    entries = np.where(column[row] == pattern.indices, 1.0, _OFF_PIVOT)
    place = np.argsort(column)  # the row whose pivot is in each column
    matrix = csc_array((entries, (np.argsort(place)[row], pattern.indices)), shape=pattern.shape)
    factors = splu(matrix)
    return counts_of_factors(factors.L, factors.U)
