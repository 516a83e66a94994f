"""Converts held blocks from one form into another, and writes out the values that a structure determines.

Every form can be turned into a sparse array and back, so that no pair of forms needs a conversion of its own; matrices
are written directly. Values keep their dtype.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainplan._util.arrays import Array
from chainplan._util.byte_cache import kept
from chainplan.kernels.shift_values import (
    matrix_of_shifts,
    on_runs,
    run_starts,
    structure_of,
    transposed_shifts,
)
from chainplan.kernels.storage import HeldValues, StorageForm, form
from chainplan.structures import Block, BlockDiagonal, Kronecker, NegatedIdentity, Zero
from chainplan.structures.shifts import laid_out

if TYPE_CHECKING:
    from numpy.typing import DTypeLike
    from scipy.sparse import csr_array


def given_away(block: Block) -> bool:
    """Say whether the structure of a block determines all its values: zero, or ones of a known sign."""
    units = block.structure.units
    return isinstance(block.structure, Zero) or (units is not None and units.sign != 0)


def known(block: Block, dtype: DTypeLike) -> HeldValues:
    """Return the values of a block whose structure determines them, in the form of the block."""
    kind, units = form(block), block.structure.units
    if kind is StorageForm.IMPLIED:
        return None
    assert units is not None
    if kind in (StorageForm.BLOCK_DIAGONAL, StorageForm.KRONECKER):
        return np.full((1, *part_shape(block)), units.sign, dtype)
    pattern: HeldValues = block.structure.pattern(block.rows, block.cols).astype(dtype)
    csr = pattern * np.dtype(dtype).type(units.sign)
    return csr if kind is StorageForm.SPARSE else csr.toarray()


def part_shape(block: Block) -> tuple[int, int]:
    """Return the rows and columns of one block of a stack, or of one layer."""
    assert isinstance(block.structure, BlockDiagonal | Kronecker)
    return block.rows // block.structure.count, block.cols // block.structure.count


def as_form(value: HeldValues, block: Block, wanted: StorageForm, target: Block, dtype: DTypeLike | None) -> HeldValues:
    """Convert the values of `block` into the form `wanted` of `target`, of the same shape and no smaller pattern.

    `dtype` is the dtype of values that the structure of `block` determines.
    """
    if form(block) is wanted and (wanted not in _DIVIDED_FORMS or block.structure == target.structure):
        return value
    if wanted is StorageForm.DENSE:
        return as_matrix(value, block, dtype)
    if wanted is StorageForm.DIAGONAL:
        return diagonal(value, block, dtype)
    if wanted is StorageForm.SHIFTS:
        return on_runs(value, block, target, dtype)
    return from_sparse(as_sparse(value, block, dtype), target)


_DIVIDED_FORMS = (StorageForm.BLOCK_DIAGONAL, StorageForm.KRONECKER, StorageForm.SHIFTS)
"""Forms whose arrays depend on how a structure divides a block."""


def part_count(block: Block) -> int:
    """Return the number of blocks of a stack, or of layers."""
    assert isinstance(block.structure, BlockDiagonal | Kronecker)
    return block.structure.count


def diagonal(value: HeldValues, block: Block, dtype: DTypeLike | None) -> Array:
    """Return the diagonal of a block that has no nonzeros elsewhere."""
    kind = form(block)
    if kind is StorageForm.DIAGONAL:
        return np.asarray(value)
    if kind is StorageForm.SCALED_IDENTITY:
        return np.full(block.rows, value, np.asarray(value).dtype)
    if kind is StorageForm.IMPLIED:
        return np.full(block.rows, _sign(block), dtype)
    array: Array = value.diagonal()
    return array


def _sign(block: Block) -> int:
    """Return the value on the diagonal of a block that is held as nothing."""
    return 0 if isinstance(block.structure, Zero) else -1 if isinstance(block.structure, NegatedIdentity) else 1


def as_matrix(value: HeldValues, block: Block, dtype: DTypeLike | None) -> Array:
    """Convert a held block into an array of rows x cols."""
    kind = form(block)
    if kind is StorageForm.DENSE:
        return np.asarray(value)
    if kind is StorageForm.SPARSE:
        array: Array = value.toarray()
        return array
    if kind in (StorageForm.BLOCK_DIAGONAL, StorageForm.KRONECKER):
        return _spread(value, block)
    if kind is StorageForm.SHIFTS:
        return matrix_of_shifts(value, block)
    if isinstance(block.structure, Zero):
        return np.zeros((block.rows, block.cols), dtype)
    return np.diag(diagonal(value, block, dtype))


def _spread(value: Array, block: Block) -> Array:
    """Write a stack or layers out as a matrix."""
    count, (r, c) = part_count(block), part_shape(block)
    t = np.arange(count)
    if form(block) is StorageForm.BLOCK_DIAGONAL:
        wide = np.zeros((count, r, count, c), value.dtype)
        wide[t, :, t, :] = value
    else:
        wide = np.zeros((r, count, c, count), value.dtype)
        wide[:, t, :, t] = value
    return wide.reshape(block.rows, block.cols)


def transposed(value: HeldValues, block: Block) -> HeldValues:
    """Return the values of the transposed block as it is held, from those of a block."""
    kind = form(block)
    if kind is StorageForm.DENSE:
        return value.T
    if kind in (StorageForm.BLOCK_DIAGONAL, StorageForm.KRONECKER):
        return np.ascontiguousarray(value.transpose(0, 2, 1))
    if kind is StorageForm.SHIFTS:
        return transposed_shifts(value, block)
    return value.T.tocsr() if kind is StorageForm.SPARSE else value


def as_sparse(value: HeldValues, block: Block, dtype: DTypeLike | None) -> csr_array:
    """Convert a held block into a sparse array of rows x cols."""
    from scipy.sparse import csr_array

    kind = form(block)
    if kind in (StorageForm.SPARSE, StorageForm.DENSE):
        return csr_array(value)
    if kind in (StorageForm.BLOCK_DIAGONAL, StorageForm.KRONECKER):
        csr = kept_pattern(block)
        count, (r, c) = part_count(block), part_shape(block)
        full = np.broadcast_to(value, (count, r, c))
        data = full if kind is StorageForm.BLOCK_DIAGONAL else full.transpose(1, 0, 2)
        return with_data(csr, data.ravel())
    if kind is StorageForm.SHIFTS:
        csr, run = laid_out(structure_of(block))
        return with_data(csr, value.take(run))
    if isinstance(block.structure, Zero):
        return csr_array((block.rows, block.cols), dtype=dtype)
    n = block.rows
    return csr_array((diagonal(value, block, dtype), np.arange(n), np.arange(n + 1)), shape=(n, n))


def with_data(csr: csr_array, data: Array) -> csr_array:
    """Return a sparse array with other values at the same places, whose lists it shares.

    To copy its attributes takes a fraction of the time in which scipy makes a new one, which checks the lists again.
    """
    made = object.__new__(type(csr))
    made.__dict__.update(csr.__dict__)
    made.data = data
    return made


def from_sparse(csr: csr_array, block: Block) -> HeldValues:
    """Convert a sparse array of rows x cols, zero outside the pattern of a block, into the form of the block."""
    kind = form(block)
    if kind is StorageForm.SPARSE:
        return csr
    if kind in (StorageForm.BLOCK_DIAGONAL, StorageForm.KRONECKER):
        return _in_parts(csr, block)
    if kind is StorageForm.SHIFTS:
        return np.asarray(csr[run_starts(block)])
    return from_matrix(csr.toarray(), block) if kind is StorageForm.DENSE else _on_diagonal(csr.diagonal(), kind)


def from_matrix(value: Array, block: Block) -> HeldValues:
    """Convert an array of rows x cols, zero outside the pattern of a block, into the form of the block."""
    kind = form(block)
    if kind is StorageForm.DENSE:
        return value
    if kind in (StorageForm.BLOCK_DIAGONAL, StorageForm.KRONECKER, StorageForm.SPARSE):
        from scipy.sparse import csr_array

        return from_sparse(csr_array(value), block)
    if kind is StorageForm.SHIFTS:
        return value[run_starts(block)]
    return _on_diagonal(np.diagonal(value).copy(), kind)


def kept_pattern(block: Block) -> csr_array:
    """Return the pattern of a block from a cache, as conversions of one block ask for it many times."""
    return kept(("pattern", block.mark), lambda: block.structure.pattern(block.rows, block.cols))


def _on_diagonal(values: Array, kind: StorageForm) -> HeldValues:
    """Hold a diagonal as a vector, as the one number on it, or as nothing."""
    if kind is StorageForm.DIAGONAL:
        return values
    if kind is StorageForm.SCALED_IDENTITY:
        return values[0].copy() if values.size else np.zeros((), values.dtype)
    return None


def _in_parts(csr: csr_array, block: Block) -> Array:
    """Convert a sparse array into a stack or layers."""
    count, (r, c) = part_count(block), part_shape(block)
    coo = csr.tocoo()
    result: Array = np.zeros((count, r, c), csr.dtype)
    if form(block) is StorageForm.BLOCK_DIAGONAL:
        result[coo.row // max(r, 1), coo.row % max(r, 1), coo.col % max(c, 1)] = coo.data
    else:
        result[coo.row % count, coo.row // count, coo.col // count] = coo.data
    return result
