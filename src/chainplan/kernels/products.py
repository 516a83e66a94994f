"""The kernels that multiply two held blocks, in one table by name; `kernels.dispatch` chooses among them.

Diagonals scale the other factor. Stacks and layers go through one batched `matmul`, sparse blocks through the loops of
scipy (`sparse_products`), shifts by lists of the runs that meet (`shift_values`), matrices through `np.dot`, or through
`np.multiply` where the inner size is 1, because matmul of numpy does not use BLAS there. Permutations, selections and
scatters pick rows or columns (`pick_products`).
A new kernel is one function, one line in `PRODUCT_KERNELS`, its features in `dispatch`, its rates in `default_rates`,
and a call to measure in `costs.sample_calls`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from chainplan._util.arrays import Array
from chainplan.kernels.convert import as_form, as_matrix, as_sparse, from_matrix, from_sparse, with_data
from chainplan.kernels.dispatch import ProductRoute, route
from chainplan.kernels.narrow_products import NarrowProduct, narrow_product
from chainplan.kernels.pick_products import put_columns, put_rows, take_columns, take_rows
from chainplan.kernels.shift_values import add_shifts, join_shifts
from chainplan.kernels.sparse_products import matrix_sparse, sparse_matrix
from chainplan.kernels.storage import HeldValues, StorageForm, form
from chainplan.structures import Block, BlockDiagonal, Dense, Identity, Kronecker, Zero

if TYPE_CHECKING:
    from numpy.typing import DTypeLike
    from scipy.sparse import csr_array

ValuesProduct = Callable[[HeldValues, HeldValues], HeldValues]
"""A function from the values of the left and of the right block to those of the product."""


def product_kernel(left: Block, right: Block, result: Block | None = None) -> ValuesProduct:
    """Return the function that multiplies two held blocks and holds the result as their product is held.

    `result` is their product, where the caller has it.
    """
    if type(left.structure) is type(right.structure) is Dense:
        return np.multiply if left.cols == 1 else narrow_product(left, right) or np.dot
    result = left.times(right) if result is None else result
    return routed_kernel(route(left, right, result), left, right, result)


def routed_kernel(way: ProductRoute, left: Block, right: Block, result: Block) -> ValuesProduct:
    """Return the function that follows a route: it converts the factors, runs the kernel and converts the product."""
    kernel = PRODUCT_KERNELS[way.kernel](left, right)
    if way.kernel == "nothing":
        return kernel
    if way.left is not form(left) or way.right is not form(right):
        kernel = _of_converted(kernel, way, left, right)
    return kernel if way.made is form(result) else _converted(kernel, way.made, result)


def _nothing(left: Block, right: Block) -> ValuesProduct:
    """Return the kernel of a product that is zero or one of its factors."""
    if isinstance(left.times(right).structure, Zero):
        return lambda a, b: None
    if form(left) is StorageForm.IMPLIED and form(right) is StorageForm.IMPLIED:
        return lambda a, b: None
    return take_right if isinstance(left.structure, Identity) else take_left


def take_right(left: HeldValues, right: HeldValues) -> HeldValues:
    return right


def take_left(left: HeldValues, right: HeldValues) -> HeldValues:
    return left


def negate_right(left: None, right: HeldValues) -> HeldValues:
    return -right


def negate_left(left: HeldValues, right: None) -> HeldValues:
    return -left


def _scaling(scaled: Callable[[Block, Block], ValuesProduct]) -> Callable[[Block, Block], ValuesProduct]:
    """Return a kernel that scales, or that negates where a factor is a negated identity."""

    def choose(left: Block, right: Block) -> ValuesProduct:
        if form(left) is StorageForm.IMPLIED:
            return negate_right
        return negate_left if form(right) is StorageForm.IMPLIED else scaled(left, right)

    return choose


def _of_converted(kernel: ValuesProduct, way: ProductRoute, left: Block, right: Block) -> ValuesProduct:
    """Let a kernel take its factors in the forms of a route, into which they are converted first."""

    def convert_and_multiply(a: HeldValues, b: HeldValues) -> HeldValues:
        return kernel(_in_form(a, left, way.left), _in_form(b, right, way.right))

    return convert_and_multiply


def _in_form(value: HeldValues, block: Block, wanted: StorageForm) -> HeldValues:
    """Convert the values of a block into a matrix or a sparse array, unless they are held so already."""
    if form(block) is wanted:
        return value
    return as_matrix(value, block, None) if wanted is StorageForm.DENSE else as_sparse(value, block, None)


def _converted(kernel: ValuesProduct, natural: StorageForm, result: Block) -> ValuesProduct:
    """Let a kernel, whose result has the form `natural`, return it in the form of the product."""
    if natural is StorageForm.SPARSE:
        return lambda a, b: from_sparse(kernel(a, b), result)
    if natural is StorageForm.DENSE:
        return lambda a, b: from_matrix(kernel(a, b), result)
    assert form(result) is StorageForm.DENSE, "a single block is held as a matrix"
    return lambda a, b: kernel(a, b).reshape(result.rows, result.cols)


def _scale_rows(left: Array, right: Array) -> Array:
    return np.asarray(left[:, None] * right)


def _scale_sparse_rows(left: Array, right: csr_array) -> csr_array:
    return with_data(right, np.repeat(left, np.diff(right.indptr)) * right.data)


def _scale_sparse_columns(left: csr_array, right: Array) -> csr_array:
    return with_data(left, left.data * right[left.indices])


def _sparse_sparse(left: csr_array, right: csr_array) -> csr_array:
    product: csr_array = (left @ right).tocsr()
    return product


def _vector_parts(left: Block, right: Block) -> ValuesProduct:
    split = _splitter(right)
    return lambda a, b: split(a)[:, :, None] * b


def _parts_vector(left: Block, right: Block) -> ValuesProduct:
    split = _splitter(left)
    return lambda a, b: a * split(b)[:, None, :]


def _splitter(block: Block) -> Callable[[Array], Array]:
    """Return the function that splits a vector into the parts of a block, one part in each row of its result."""
    assert isinstance(block.structure, BlockDiagonal | Kronecker)
    count = block.structure.count
    if isinstance(block.structure, BlockDiagonal):
        return lambda v: v.reshape(count, -1)
    return lambda v: v.reshape(-1, count).T


def _stack_matrix(left: Block, right: Block) -> ValuesProduct:
    assert isinstance(left.structure, BlockDiagonal)
    count, m, n = left.structure.count, left.rows, right.cols
    inner = left.cols // count
    return lambda a, b: np.matmul(a, b.reshape(count, inner, n)).reshape(m, n)


def _matrix_stack(left: Block, right: Block) -> ValuesProduct:
    assert isinstance(right.structure, BlockDiagonal)
    count, m, n = right.structure.count, left.rows, right.cols
    inner = right.rows // count

    def kernel(a: Array, b: Array) -> HeldValues:
        return np.matmul(a.reshape(m, count, inner).transpose(1, 0, 2), b).transpose(1, 0, 2).reshape(m, n)

    return kernel


def _layers_matrix(left: Block, right: Block) -> ValuesProduct:
    assert isinstance(left.structure, Kronecker)
    count, m, n = left.structure.count, left.rows, right.cols
    inner = left.cols // count

    def kernel(a: Array, b: Array) -> HeldValues:
        if len(a) == 1:
            return np.dot(a[0], b.reshape(inner, count * n)).reshape(m, n)
        return np.matmul(a, b.reshape(inner, count, n).transpose(1, 0, 2)).transpose(1, 0, 2).reshape(m, n)

    return kernel


def _matrix_layers(left: Block, right: Block) -> ValuesProduct:
    assert isinstance(right.structure, Kronecker)
    count, m, n = right.structure.count, left.rows, right.cols
    inner = right.rows // count

    def kernel(a: Array, b: Array) -> HeldValues:
        return np.matmul(a.reshape(m, inner, count).transpose(2, 0, 1), b).transpose(1, 2, 0).reshape(m, n)

    return kernel


def _scale_matrix(left: Block, right: Block) -> ValuesProduct:
    return _scale_rows if form(left) is StorageForm.DIAGONAL else np.multiply


def _scale_sparse(left: Block, right: Block) -> ValuesProduct:
    if form(left) is StorageForm.SCALED_IDENTITY:
        return lambda a, b: with_data(b, b.data * a)
    if form(right) is StorageForm.SCALED_IDENTITY:
        return lambda a, b: with_data(a, a.data * b)
    return _scale_sparse_rows if form(left) is StorageForm.DIAGONAL else _scale_sparse_columns


def _scale_parts(left: Block, right: Block) -> ValuesProduct:
    if StorageForm.SCALED_IDENTITY in (form(left), form(right)):
        return np.multiply
    return _vector_parts(left, right) if form(left) is StorageForm.DIAGONAL else _parts_vector(left, right)


def _sparse_matrix(left: Block, right: Block) -> ValuesProduct:
    return put_rows(left) or sparse_matrix


def _matrix_sparse(left: Block, right: Block) -> ValuesProduct:
    return put_columns(right) or matrix_sparse


def _sparse_vector(left: Block, right: Block) -> ValuesProduct:
    """Return the kernel of a product with a vector; where a route has written one factor out, the values say which."""
    if form(right) is StorageForm.DENSE:
        return _sparse_matrix(left, right)
    if form(left) is StorageForm.DENSE:
        return _matrix_sparse(left, right)
    return lambda a, b: matrix_sparse(a, b) if isinstance(a, np.ndarray) else sparse_matrix(a, b)


def _plain(kernel: ValuesProduct) -> Callable[[Block, Block], ValuesProduct]:
    """Return a kernel that does not depend on the blocks."""
    return lambda left, right: kernel


PRODUCT_KERNELS: dict[str, Callable[[Block, Block], ValuesProduct]] = {
    "nothing": _nothing,
    "scale vector": _scaling(_plain(np.multiply)),
    "scale matrix": _scaling(_scale_matrix),
    "diagonal vector": _scale_matrix,
    "scale sparse": _scaling(_scale_sparse),
    "scale parts": _scaling(_scale_parts),
    "outer": _plain(np.multiply),
    "gemv": _plain(np.dot),
    "gemm": lambda left, right: narrow_product(left, right) or np.dot,
    "take rows": take_rows,
    "take columns": take_columns,
    "sparse matrix": _sparse_matrix,
    "matrix sparse": _matrix_sparse,
    "sparse vector": _sparse_vector,
    "sparse sparse": _plain(_sparse_sparse),
    "join shifts": join_shifts,
    "batch": _plain(np.matmul),
    "stack matrix": _stack_matrix,
    "matrix stack": _matrix_stack,
    "layers matrix": _layers_matrix,
    "matrix layers": _matrix_layers,
}
"""For each kernel, the function that takes two blocks and returns the function that multiplies their values."""


def makes_anew(kernel: ValuesProduct) -> bool:
    """Say whether a kernel always makes a new array, onto which another may be added in place."""
    return kernel is _scale_rows or writes(kernel)


def writes(kernel: ValuesProduct) -> bool:
    """Say whether a kernel writes the product into an array that stands behind the factors, where there is one."""
    return kernel in (np.dot, np.multiply) or type(kernel) is NarrowProduct


def sum_kernel(
    left: Block, right: Block, result: Block | None = None
) -> Callable[[HeldValues, HeldValues, DTypeLike], HeldValues]:
    """Return the function that adds two held blocks; its dtype is for values that a structure determines.

    `result` is their sum, where the caller has it.
    """
    result = left.plus(right) if result is None else result
    kind = form(result)
    if isinstance(right.structure, Zero):
        return lambda a, b, dtype: a
    if isinstance(left.structure, Zero):
        return lambda a, b, dtype: b
    if form(left) is form(right) is kind and kind in (StorageForm.DENSE, StorageForm.DIAGONAL):
        return lambda a, b, dtype: np.add(a, b)
    if kind is StorageForm.SHIFTS:
        return add_shifts(left, right)

    def kernel(a: HeldValues, b: HeldValues, dtype: DTypeLike) -> HeldValues:
        return as_form(a, left, kind, result, dtype) + as_form(b, right, kind, result, dtype)

    return kernel
