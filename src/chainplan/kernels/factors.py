"""Solves linear systems by factors that are made once: for columns, and for rows from the left.

Rows and columns are scaled by powers of two first, which rounds nothing, so that units do not decide about pivots or
about how near to singular a matrix is.

References
----------
Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, sections 9.8 (scaling) and 15.2 (the estimate of
the condition that LAPACK's `gecon` and scipy's `onenormest` make).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import csc_array

from chainplan._util.arrays import Array
from chainplan.kernels.storage import HeldValues
from chainplan.structures.factor_counts import FactorCounts, counts_of_factors, factored_sparse, full_counts

MAX_SCALE_EXPONENT = 1023
"""Exponent of the largest power of two that is a float."""
_FactorSolve = Callable[[Array, bool], Array]
"""Solves for a matrix of columns, with the matrix or with its transpose."""


class SingularError(ArithmeticError):
    """A matrix is singular to rounding; `rcond` is its reciprocal condition, 0 where a pivot is zero."""

    def __init__(self, rcond: float, why: str = "") -> None:
        self.rcond = rcond
        super().__init__(why or f"reciprocal condition {rcond:.1e}")


class LuFactors:
    """A square matrix, factored.

    Attributes
    ----------
    rcond : float
        An estimate of its reciprocal condition in the 1-norm, once rows and columns are scaled.
    counts : FactorCounts
        What factoring it and solving with it takes.

    Parameters
    ----------
    matrix : HeldValues
        An array or a sparse array of n x n.

    Raises
    ------
    SingularError
        Where the matrix is singular to rounding.
    """

    def __init__(self, matrix: HeldValues) -> None:
        self._matrix = matrix
        self._factor()

    def _factor(self) -> None:
        matrix = self._matrix
        if not matrix.shape[0]:
            self._rows = self._cols = np.ones((0, 1))
            self._complex, self.rcond, self.counts = False, 1.0, full_counts(0)
            self._apply: _FactorSolve = _nothing
            return
        if not np.isfinite(matrix if isinstance(matrix, np.ndarray) else matrix.data).all():
            raise SingularError(0.0, "with infinite or undefined entries")
        self._rows, self._cols, scaled = _scaled(matrix)
        factor = _sparse_factors if factored_sparse(matrix.shape[0], _entries(matrix)) else _dense_factors
        self._complex = scaled.dtype.kind == "c"
        self._apply, self.rcond, self.counts = factor(scaled)
        if not self.rcond >= np.finfo(np.float64).eps:
            raise SingularError(self.rcond if self.rcond > 0 else 0.0)

    def __getstate__(self) -> HeldValues:
        """Keep the matrix alone: the factors of SuperLU do not leave their process."""
        return self._matrix

    def __setstate__(self, matrix: HeldValues) -> None:
        self._matrix = matrix
        self._factor()

    def solve(self, block: Array) -> Array:
        """Return the inverse of the matrix times n x c."""
        return self._cols * self._solved(self._rows * block, False)

    def solve_left(self, block: Array) -> Array:
        """Return r x n times the inverse of the matrix."""
        return (self._rows * self._solved(self._cols * block.T, True)).T

    def _solved(self, block: Array, transposed: bool) -> Array:
        if block.dtype.kind == "c" and not self._complex:
            return self._apply(block.real, transposed) + 1j * self._apply(block.imag, transposed)
        return self._apply(block, transposed)


def _nothing(block: Array, transposed: bool) -> Array:
    """Solve for a matrix without rows."""
    return block


def _entries(matrix: HeldValues) -> int:
    """Count the entries that are not zero."""
    return int(np.count_nonzero(matrix) if isinstance(matrix, np.ndarray) else matrix.count_nonzero())


def _scaled(matrix: HeldValues) -> tuple[Array, Array, HeldValues]:
    """Return factors of rows and columns, n x 1 each, and the matrix of float64 or complex128 that they scale."""
    scaled = matrix.astype(np.complex128 if matrix.dtype.kind == "c" else np.float64)
    factors: list[Array] = []
    for axis in (1, 0):
        largest = abs(scaled).max(axis=axis)
        largest = np.asarray(largest if isinstance(largest, np.ndarray) else largest.toarray()).ravel()
        factor = np.ldexp(1.0, np.minimum(-np.frexp(largest)[1], MAX_SCALE_EXPONENT))
        factors.append(factor[:, None])
        scaled = scaled * (factors[0] if axis else factor[None])
    return factors[0], factors[1], scaled


def _dense_factors(matrix: HeldValues) -> tuple[_FactorSolve, float, FactorCounts]:
    from scipy.linalg import lapack, lu_solve

    full = matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
    real = full.dtype.kind != "c"
    getrf, gecon = (lapack.dgetrf, lapack.dgecon) if real else (lapack.zgetrf, lapack.zgecon)
    lu, pivots, fault = getrf(full)
    if fault or not np.isfinite(lu).all():
        raise SingularError(0.0)
    rcond, _ = gecon(lu, np.linalg.norm(full, 1))

    def solve(block: Array, transposed: bool) -> Array:
        return np.asarray(lu_solve((lu, pivots), block, trans=1 if transposed else 0, check_finite=False))

    return solve, float(rcond), full_counts(len(full))


def _sparse_factors(matrix: HeldValues) -> tuple[_FactorSolve, float, FactorCounts]:
    from scipy.sparse.linalg import LinearOperator, onenormest, splu

    columns = csc_array(matrix)
    try:
        factors: HeldValues = splu(columns)
    except RuntimeError:
        raise SingularError(0.0) from None

    def solve(block: Array, transposed: bool) -> Array:
        return np.asarray(factors.solve(np.ascontiguousarray(block, columns.dtype), "T" if transposed else "N"))

    inverse = LinearOperator(
        columns.shape,
        matvec=lambda vector: solve(vector, False),
        rmatvec=lambda vector: solve(vector.conj(), True).conj(),
        dtype=columns.dtype,
    )
    with np.errstate(all="ignore"):
        norms = abs(columns).sum(axis=0).max() * onenormest(inverse, t=1)
    return solve, float(1 / norms) if norms else 0.0, counts_of_factors(factors.L, factors.U)
