"""Draws random Jacobians for the elementals of a graph.

Entries are positive with mean 1 / (nonzeros per row). Sums of products then neither cancel nor grow, so that the error
of any order of multiplying is small against the largest entry of the result, for chains of any length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from chainplan._util.arrays import Array, DType
from chainplan.errors import ExecutionError
from chainplan.kernels.convert import as_matrix, as_sparse, given_away, known, part_count, part_shape
from chainplan.kernels.factors import LuFactors, SingularError
from chainplan.kernels.storage import HeldValues, StorageForm, form
from chainplan.problem.graph import Elemental, Graph
from chainplan.structures import Block, Dense, Shifts, Sign
from chainplan.values.solves import system_matrix

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

MAX_DRAWN_SYSTEMS = 10
"""Draws of a system that is solved."""
LEAST_DRAWN_CONDITION = 1e-6
"""Reciprocal condition of a system that is taken."""


def draw(graph: Graph, seed: int = 0, dtype: DTypeLike = np.float64) -> dict[str, HeldValues]:
    """Draw a Jacobian for every elemental of a graph: explicit ones as they are held, matrix-free ones as matrices.

    Elementals of equal values get the same one.

    Floats are positive with mean 1 / (nonzeros per row); integers lie between -4 and 4. A matrix-free elemental gets a
    sparse matrix where its structure is sparse. Explicit blocks whose structure determines their values are left out.
    """
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    result = dict[str, HeldValues]()
    for e in graph.elementals:
        if (e.explicit and given_away(e.block)) or e.values is not None:
            continue
        if e.implicit is not None:
            result |= _draw_system(rng, e, kind)
        elif e.explicit:
            result[e.name] = _draw_block(rng, e.block, kind)
        else:
            held = known(e.block, kind) if given_away(e.block) else _draw_block(rng, e.block, kind)
            convert = as_matrix if form(e.block) is StorageForm.DENSE else as_sparse
            result[e.name] = convert(held, e.block, kind)
    return result | {e.name: result[e.first] for e in graph.elementals if e.first in result}


def _draw_system(rng: np.random.Generator, e: Elemental, dtype: DType) -> dict[str, HeldValues]:
    """Draw the blocks of a system, again where it is far from well-conditioned.

    They are smaller by twice their number than blocks elsewhere, so that a cycle y = f(y, x) contracts.

    Raises
    ------
    ExecutionError
        Where numbers are to be whole, or every system that was drawn is close to singular.
    """
    assert e.implicit is not None, "the caller has looked"
    if dtype.kind == "i":
        raise ExecutionError(
            f"'{e.name}': found {dtype} for a system that is solved; expected floats. Leave dtype out."
        )
    drawn = [block for block in e.implicit.blocks if not given_away(block.block)]
    for _ in range(MAX_DRAWN_SYSTEMS):
        values = {block.name: _draw_block(rng, block.block, dtype) / (2 * len(drawn)) for block in drawn}
        try:
            if LuFactors(system_matrix(e.implicit, values)).rcond > LEAST_DRAWN_CONDITION:
                return {name: value.astype(dtype) for name, value in values.items()}
        except SingularError:
            continue
    raise ExecutionError(
        f"'{e.name}': found {MAX_DRAWN_SYSTEMS} draws of a system close to singular; expected Jacobians of one that "
        "has a solution. Pass them by --jacobians FILE.npz."
    )


def _draw_block(rng: np.random.Generator, block: Block, dtype: DType) -> HeldValues:
    """Draw the values of a block, in the form in which it is held."""
    kind, rows, cols = form(block), block.rows, block.cols
    if isinstance(block.structure, Sign):
        return rng.choice(np.array([-1, 1], dtype), rows)
    per_row = max(1, -(-block.nnz // max(1, rows)))
    if kind in (StorageForm.SCALED_IDENTITY, StorageForm.DIAGONAL):
        return _numbers(rng, () if kind is StorageForm.SCALED_IDENTITY else (rows,), dtype, 1)
    if kind in (StorageForm.BLOCK_DIAGONAL, StorageForm.KRONECKER):
        return _numbers(rng, (part_count(block), *part_shape(block)), dtype, per_row)
    if isinstance(block.structure, Shifts):
        return _numbers(rng, (len(block.structure.runs),), dtype, per_row)
    if isinstance(block.structure, Dense):
        return _numbers(rng, (rows, cols), dtype, per_row)
    csr = block.structure.pattern(rows, cols)
    numbers = _numbers(rng, (csr.nnz,), dtype, per_row)
    values = csr_array((numbers, csr.indices, csr.indptr), shape=csr.shape, copy=True)
    return values if kind is StorageForm.SPARSE else values.toarray()


def _numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType, per_row: int) -> Array:
    """Draw an array: integers from -4 to 4, or floats between 0.5 / per_row and 1.5 / per_row."""
    if dtype.kind == "i":
        return np.asarray(rng.integers(-4, 5, shape, dtype))
    return np.asarray((0.5 + rng.random(shape)) / per_row).astype(dtype, copy=False)


def bytes_needed(graph: Graph, dtype: DTypeLike = np.float64) -> int:
    """Count the bytes of the arrays that `draw` makes, with the row pointers of sparse ones."""
    entries, lines = graph.factor_elements, 0
    blocks = [e.block for e in graph.elementals if e.values is None and not (e.explicit and given_away(e.block))]
    for block in blocks:
        entries += block.rows * block.cols if form(block) is StorageForm.DENSE else 2 * block.nnz
        lines += block.rows if form(block) is StorageForm.SPARSE else 0
    return entries * int(np.dtype(dtype).itemsize) + 8 * lines
