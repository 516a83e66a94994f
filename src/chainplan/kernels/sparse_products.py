"""Products of a sparse array with a matrix, by the compiled loops of scipy themselves.

scipy's operators choose a method, check lists that were checked before and make a transposed array anew; for the small
blocks of a simulation that takes several times as long as the product does. The loops are the ones that scipy's
operators end in, so results are equal to the bit. Where dtypes differ or are no floats, or a version of scipy has no
such loops, the operators do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from chainplan._util.arrays import Array, DType
from chainplan.kernels.convert import with_data

if TYPE_CHECKING:
    from scipy.sparse import csr_array

EntriesTimesMatrix = Callable[[Array, Array], Array]
MatrixTimesEntries = Callable[[Array, Array], Array]
_LOOPED_DTYPES = frozenset("fdFD")
"""The characters of dtypes whose products go through the loops."""


def sparse_matrix(left: csr_array, right: Array) -> Array:
    """Multiply a sparse array of m x k by a matrix of k x n."""
    loops = _loops(left, right)
    if loops is None:
        product: Array = left @ right
        return product
    (m, k), n = left.shape, right.shape[1]
    made: Array = np.zeros((m, n), right.dtype)
    if n == 1:
        loops.csr_matvec(m, k, left.indptr, left.indices, left.data, right.ravel(), made.ravel())
    else:
        loops.csr_matvecs(m, k, n, left.indptr, left.indices, left.data, right.ravel(), made.ravel())
    return made


def matrix_sparse(left: Array, right: csr_array) -> Array:
    """Multiply a matrix of m x k by a sparse array of k x n, by its rows read as the columns of its transpose."""
    loops = _loops(right, left)
    if loops is None:
        return np.ascontiguousarray((right.T @ left.T).T)
    m, (k, n) = left.shape[0], right.shape
    if m == 1:
        made: Array = np.zeros((1, n), left.dtype)
        loops.csc_matvec(n, k, right.indptr, right.indices, right.data, left.ravel(), made.ravel())
        return made
    across: Array = np.zeros((n, m), left.dtype)
    loops.csc_matvecs(n, k, m, right.indptr, right.indices, right.data, left.T.ravel(), across.ravel())
    return np.ascontiguousarray(across.T)


def listed_matrix(lists: csr_array, columns: int, dtype: DType) -> EntriesTimesMatrix:
    """Return the function that multiplies a sparse array of m x k, by its entries on known lists, by a k x n matrix."""
    (m, k), indptr, indices = lists.shape, lists.indptr, lists.indices
    loops = _compiled_loops() if _is_looped(lists, dtype) else None
    if loops is None:
        return lambda entries, right: sparse_matrix(with_data(lists, entries), right)
    vector, matrix, n = loops.csr_matvec, loops.csr_matvecs, columns

    def multiply(entries: Array, right: Array) -> Array:
        made: Array = np.zeros((m, n), dtype)
        if n == 1:
            vector(m, k, indptr, indices, entries, right.ravel(), made.ravel())
        else:
            matrix(m, k, n, indptr, indices, entries, right.ravel(), made.ravel())
        return made

    return multiply


def matrix_listed(lists: csr_array, rows: int, dtype: DType) -> MatrixTimesEntries:
    """Return the function that multiplies a matrix of m x k by a sparse array of k x n, by its entries on known lists.

    The product of several rows is held column by column, as the loops make it, so that what follows need not turn it
    back.
    """
    (k, n), indptr, indices = lists.shape, lists.indptr, lists.indices
    loops = _compiled_loops() if _is_looped(lists, dtype) else None
    if loops is None:
        return lambda left, entries: matrix_sparse(left, with_data(lists, entries))
    vector, matrix, m = loops.csc_matvec, loops.csc_matvecs, rows

    def multiply(left: Array, entries: Array) -> Array:
        across: Array = np.zeros((n, m), dtype)
        if m == 1:
            vector(n, k, indptr, indices, entries, left.ravel(), across.ravel())
        else:
            matrix(n, k, m, indptr, indices, entries, left.T.ravel(), across.ravel())
        return across.T

    return multiply


def _is_looped(lists: csr_array, dtype: DType) -> bool:
    """Say whether the loops take these lists and values of this dtype."""
    return lists.indices.dtype == lists.indptr.dtype and dtype.char in _LOOPED_DTYPES


def _loops(sparse: csr_array, matrix: Array) -> ModuleType | None:
    """Return the compiled loops of scipy, where they take these values; otherwise None."""
    same = sparse.data.dtype is matrix.dtype and sparse.indices.dtype == sparse.indptr.dtype
    if not same or matrix.dtype.char not in _LOOPED_DTYPES:
        return None
    return _compiled_loops()


@cache
def _compiled_loops() -> ModuleType | None:
    try:
        from scipy.sparse import _sparsetools
    except ImportError:
        return None
    return _sparsetools
