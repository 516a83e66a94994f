"""Kernels of second-order blocks: contractions with a block on one side or on both column sides, and sums.

A block of rows x left x right is held as an array of that shape, or where its pattern is listed as the sparse flat
array of rows x (left · right), so that elementwise functions of many entries take little room. A symmetric block is
symmetric to the bit: of a product on both sides the half above the diagonal is kept and copied below it, and a product
on the rows multiplies that half alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import coo_array, csr_array

from chainplan._util.arrays import Array
from chainplan.kernels.storage import HeldValues
from chainplan.structures.second import SecondBlock, Side
from chainplan.values.jacobians import is_sparse
from chainplan.values.second import flat


def contracted(
    value: HeldValues, second: SecondBlock, matrix: Any, side: Side, result: SecondBlock, halved: bool
) -> HeldValues:
    """Multiply one or both sides of a second-order block by a matrix, given dense or sparse."""
    if side is Side.ROWS:
        return _on_rows(value, second, matrix, result, halved)
    if side is Side.LEFT:
        turned = contracted(exchanged(value, second), second.exchanged(), matrix, Side.RIGHT, result.exchanged(), False)
        made = exchanged(turned, result.exchanged())
        return _mirrored(made, result) if halved else made
    once = second._replace(right=matrix.shape[1], symmetric=False)
    made = _on_right(value, second, matrix)
    if side is Side.RIGHT:
        return _held(made, result)
    made = exchanged(made, once)
    half = once.exchanged()
    made = _on_right(made, half, matrix)
    made = _array(made, result) if result.pattern is None else made
    return _held(_mirrored(made, result) if halved else made, result)


def total(one: HeldValues, other: HeldValues, result: SecondBlock) -> HeldValues:
    """Add two second-order blocks of the same shape."""
    if is_sparse(one) != is_sparse(other):
        one, other = _array(one, result), _array(other, result)
    return _held(one + other, result)


def _on_rows(value: HeldValues, second: SecondBlock, matrix: Any, result: SecondBlock, halved: bool) -> HeldValues:
    if is_sparse(value):
        return _held(_product_on_rows(csr_array(matrix), csr_array(value)), result)
    if not halved:
        return _held((matrix @ value.reshape(second.rows, second.left * second.right)).reshape(result[:3]), result)
    upper = np.triu_indices(second.left)
    half = matrix @ value[:, upper[0], upper[1]]
    made: Array = np.empty(result[:3], half.dtype)
    made[:, upper[0], upper[1]] = half
    made[:, upper[1], upper[0]] = half
    return _held(made, result)


def _product_on_rows(matrix: csr_array, value: csr_array) -> csr_array:
    """Multiply the rows of a flat block, of which only the columns with entries take part: there are left · right."""
    columns, places = np.unique(value.indices, return_inverse=True)
    narrow = csr_array((value.data, places, value.indptr), shape=(value.shape[0], len(columns)))
    made = matrix @ narrow
    return csr_array((made.data, columns[made.indices], made.indptr), shape=(matrix.shape[0], value.shape[1]))


def _on_right(value: HeldValues, second: SecondBlock, matrix: Any) -> HeldValues:
    """Multiply the right side; sparse blocks stay sparse, of rows x (left · columns of the matrix)."""
    if not is_sparse(value):
        product = value.reshape(second.rows * second.left, second.right) @ matrix
        return np.asarray(product).reshape(second.rows, second.left, matrix.shape[1])
    at = value.tocoo()
    j, k = np.divmod(at.col.astype(np.int64), second.right)
    lines, line = np.unique(at.row * np.int64(second.left) + j, return_inverse=True)
    rows = csr_array((at.data, (line, k)), shape=(len(lines), second.right))
    made = coo_array(rows @ csr_array(matrix))
    i, j = np.divmod(lines[made.row], second.left)
    columns = j * matrix.shape[1] + made.col
    return csr_array((made.data, (i, columns)), shape=(second.rows, second.left * matrix.shape[1]))


def exchanged(value: HeldValues, block: SecondBlock) -> HeldValues:
    """Exchange the column sides of the values of a block."""
    if not is_sparse(value):
        return value.transpose(0, 2, 1)
    at = value.tocoo()
    j, k = np.divmod(at.col.astype(np.int64), block.right)
    return csr_array((at.data, (at.row, k * block.left + j)), shape=value.shape)


def _mirrored(value: HeldValues, block: SecondBlock) -> HeldValues:
    """Copy the half above the diagonal below it."""
    if is_sparse(value):
        at = value.tocoo()
        j, k = np.divmod(at.col.astype(np.int64), block.right)
        half, beside = j <= k, j < k
        places = np.concatenate([at.col[half], (k * block.right + j)[beside]])
        entries = np.concatenate([at.data[half], at.data[beside]])
        return csr_array((entries, (np.concatenate([at.row[half], at.row[beside]]), places)), shape=value.shape)
    made = np.array(value)
    below = np.tril_indices(made.shape[1], -1)
    made[:, below[0], below[1]] = made[:, below[1], below[0]]
    return made


def _held(value: HeldValues, block: SecondBlock) -> HeldValues:
    """Bring a value into the form in which its block is held."""
    if block.pattern is None:
        return _array(value, block)
    if is_sparse(value):
        return value
    return flat(block.pattern, value[block.pattern.i, block.pattern.j, block.pattern.k], block)


def _array(value: HeldValues, block: SecondBlock) -> Array:
    array: Array = value.toarray().reshape(block[:3]) if is_sparse(value) else value
    return array
