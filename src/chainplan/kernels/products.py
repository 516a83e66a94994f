"""The kernels that multiply two held blocks: one table by pair of forms, one function that chooses.

Diagonals scale, stacks and layers go through one batched `matmul`, sparse ones through scipy (a dense factor on the
left by way of the transpose), matrices through `np.dot`, or `np.multiply` where the inner size is 1, because numpy's
matmul leaves BLAS there. A pair that is not in the table is multiplied as sparse arrays or as matrices, whichever the
product is held as. A new pair is one function and one line in `PRODUCTS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainplan.kernels.convert import as_form, as_matrix, as_sparse, from_matrix
from chainplan.kernels.forms import Form, form
from chainplan.structures import Block, BlockDiagonal, Identity, Kronecker, Zero

Product = Callable[[Any, Any], Any]
"""Takes the values of the left and of the right block."""


def product_kernel(left: Block, right: Block) -> Product:
    """The function that multiplies two held blocks, its result held as the product of the blocks is."""
    result = left.times(right)
    if isinstance(result.structure, Zero):
        return _nothing
    forms = form(left), form(right)
    if Form.NOTHING in forms:
        return _with_nothing(left, right)
    if forms == (Form.MATRIX, Form.MATRIX) and form(result) is Form.MATRIX:
        return np.multiply if left.cols == 1 else np.dot
    made = PRODUCTS.get(forms)
    found = made(left, right) if made is not None else None
    if found is None:
        return _fallback(left, right, result)
    kernel, natural = found
    if natural is form(result):
        return kernel
    return _converted(kernel, natural, result)


def _nothing(left: Any, right: Any) -> Any:
    return None


def _with_nothing(left: Block, right: Block) -> Product:
    """Products with an identity or its negation."""
    if form(left) is Form.NOTHING:
        return take_right if isinstance(left.structure, Identity) else negate_right
    return take_left if isinstance(right.structure, Identity) else negate_left


def take_right(left: Any, right: Any) -> Any:
    return right


def take_left(left: Any, right: Any) -> Any:
    return left


def negate_right(left: Any, right: Any) -> Any:
    return None if right is None else -right


def negate_left(left: Any, right: Any) -> Any:
    return None if left is None else -left


def _fallback(left: Block, right: Block, result: Block) -> Product:
    """By way of sparse arrays, or of matrices where the product is one and neither factor is sparse."""
    sparse = form(result) is not Form.MATRIX or Form.SPARSE in (form(left), form(right))
    if not sparse:
        return lambda a, b: np.dot(as_matrix(a, left, None), as_matrix(b, right, None))
    wanted = form(result)

    def kernel(a: Any, b: Any) -> Any:
        product = as_sparse(a, left, None) @ as_sparse(b, right, None)
        if wanted is Form.SPARSE:
            return product.tocsr()
        return from_matrix(product.toarray(), result)

    return kernel


def _converted(kernel: Product, natural: Form, result: Block) -> Product:
    """The kernel's result, of another form than the product is held in."""
    if natural is Form.SPARSE and form(result) is Form.MATRIX:
        return lambda a, b: kernel(a, b).toarray()
    if natural is Form.MATRIX:
        return lambda a, b: from_matrix(kernel(a, b), result)
    assert form(result) is Form.MATRIX, "a single block is held as a matrix"
    return lambda a, b: kernel(a, b).reshape(result.rows, result.cols)


def _scale_rows(left: Any, right: Any) -> Any:
    return left[:, None] * right


def _scale_sparse_rows(left: Any, right: Any) -> Any:
    return _with_data(right, np.repeat(left, np.diff(right.indptr)) * right.data)


def _scale_sparse_columns(left: Any, right: Any) -> Any:
    return _with_data(left, left.data * right[left.indices])


def _with_data(pattern: Any, data: Any) -> Any:
    from scipy.sparse import csr_array

    return csr_array((data, pattern.indices, pattern.indptr), shape=pattern.shape)


def _sparse_matrix(left: Any, right: Any) -> Any:
    return left @ right


def _matrix_sparse(left: Any, right: Any) -> Any:
    return np.ascontiguousarray((right.T.tocsr() @ left.T).T)


def _sparse_sparse(left: Any, right: Any) -> Any:
    return (left @ right).tocsr()


def _by_parts(left: Block, right: Block) -> tuple[Product, Form] | None:
    """Two stacks or two layers, where they have the same number of parts."""
    same = left.structure.count == right.structure.count  # type: ignore[attr-defined]
    return (np.matmul, form(left)) if same else None


def _vector_parts(left: Block, right: Block) -> tuple[Product, Form]:
    split = _splitter(right)
    return (lambda a, b: split(a)[:, :, None] * b), form(right)


def _parts_vector(left: Block, right: Block) -> tuple[Product, Form]:
    split = _splitter(left)
    return (lambda a, b: a * split(b)[:, None, :]), form(left)


def _splitter(block: Block) -> Callable[[Any], Any]:
    """Splits a vector along the rows or columns of a block into its parts: one row of the result each."""
    assert isinstance(block.structure, BlockDiagonal | Kronecker)
    count = block.structure.count
    if isinstance(block.structure, BlockDiagonal):
        return lambda v: v.reshape(count, -1)
    return lambda v: v.reshape(-1, count).T


def _stack_matrix(left: Block, right: Block) -> tuple[Product, Form]:
    assert isinstance(left.structure, BlockDiagonal)
    count, m, n = left.structure.count, left.rows, right.cols
    inner = left.cols // count
    return (lambda a, b: np.matmul(a, b.reshape(count, inner, n)).reshape(m, n)), Form.MATRIX


def _matrix_stack(left: Block, right: Block) -> tuple[Product, Form]:
    assert isinstance(right.structure, BlockDiagonal)
    count, m, n = right.structure.count, left.rows, right.cols
    inner = right.rows // count

    def kernel(a: Any, b: Any) -> Any:
        return np.matmul(a.reshape(m, count, inner).transpose(1, 0, 2), b).transpose(1, 0, 2).reshape(m, n)

    return kernel, Form.MATRIX


def _layers_matrix(left: Block, right: Block) -> tuple[Product, Form]:
    assert isinstance(left.structure, Kronecker)
    count, m, n = left.structure.count, left.rows, right.cols
    inner = left.cols // count

    def kernel(a: Any, b: Any) -> Any:
        if len(a) == 1:
            return np.dot(a[0], b.reshape(inner, count * n)).reshape(m, n)
        return np.matmul(a, b.reshape(inner, count, n).transpose(1, 0, 2)).transpose(1, 0, 2).reshape(m, n)

    return kernel, Form.MATRIX


def _matrix_layers(left: Block, right: Block) -> tuple[Product, Form]:
    assert isinstance(right.structure, Kronecker)
    count, m, n = right.structure.count, left.rows, right.cols
    inner = right.rows // count

    def kernel(a: Any, b: Any) -> Any:
        return np.matmul(a.reshape(m, inner, count).transpose(2, 0, 1), b).transpose(1, 2, 0).reshape(m, n)

    return kernel, Form.MATRIX


def _plain(kernel: Product, natural: Form) -> Callable[[Block, Block], tuple[Product, Form] | None]:
    """A kernel that asks nothing of the blocks."""
    return lambda left, right: (kernel, natural)


def _kept(kernel: Product, side: int) -> Callable[[Block, Block], tuple[Product, Form] | None]:
    """A kernel whose result has the form of its left (0) or right (1) factor."""
    return lambda left, right: (kernel, form((left, right)[side]))


_S, _V, _M, _C, _B, _L = Form.SCALAR, Form.VECTOR, Form.MATRIX, Form.SPARSE, Form.STACK, Form.LAYERS

PRODUCTS: dict[tuple[Form, Form], Callable[[Block, Block], tuple[Product, Form] | None]] = {
    **{(_S, other): _kept(np.multiply, 1) for other in (_S, _V, _M, _B, _L)},
    **{(other, _S): _kept(np.multiply, 0) for other in (_V, _M, _B, _L)},
    (_S, _C): _plain(lambda a, b: b * a, _C),
    (_C, _S): _plain(lambda a, b: a * b, _C),
    (_V, _V): _plain(np.multiply, _V),
    (_V, _M): _plain(_scale_rows, _M),
    (_M, _V): _plain(np.multiply, _M),
    (_V, _C): _plain(_scale_sparse_rows, _C),
    (_C, _V): _plain(_scale_sparse_columns, _C),
    (_V, _B): _vector_parts,
    (_V, _L): _vector_parts,
    (_B, _V): _parts_vector,
    (_L, _V): _parts_vector,
    (_M, _M): _plain(np.dot, _M),
    (_C, _M): _plain(_sparse_matrix, _M),
    (_M, _C): _plain(_matrix_sparse, _M),
    (_C, _C): _plain(_sparse_sparse, _C),
    (_B, _B): _by_parts,
    (_L, _L): _by_parts,
    (_B, _M): _stack_matrix,
    (_M, _B): _matrix_stack,
    (_L, _M): _layers_matrix,
    (_M, _L): _matrix_layers,
}
"""By the forms of the factors: given the blocks, the kernel and the form of what it makes, or None."""

FRESH = (np.dot, np.multiply, _scale_rows)
"""Kernels that always make a new array, onto which another may be added in place."""


def sum_kernel(left: Block, right: Block) -> Callable[[Any, Any, Any], Any]:
    """The function that adds two held blocks, given the dtype of values that structures say."""
    result = left.plus(right)
    kind = form(result)
    if isinstance(right.structure, Zero):
        return lambda a, b, dtype: a
    if isinstance(left.structure, Zero):
        return lambda a, b, dtype: b
    if form(left) is form(right) is kind and kind in (Form.MATRIX, Form.VECTOR):
        return lambda a, b, dtype: np.add(a, b)

    def kernel(a: Any, b: Any, dtype: Any) -> Any:
        return as_form(a, left, kind, result, dtype) + as_form(b, right, kind, result, dtype)

    return kernel
