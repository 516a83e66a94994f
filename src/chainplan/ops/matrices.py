"""An edge at a point as one sparse matrix, whatever its structure: for sweeps that run where no plan is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainplan.ops.base import Array, Edge

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def matrix(edge: Edge, value: Any) -> csr_array:
    """The matrix of rows x cols of an explicit edge with compact values."""
    from scipy.sparse import csr_array, diags_array, eye_array

    rows, cols = edge.rows, edge.cols
    kind, argument = next(iter(edge.structure.items())) if isinstance(edge.structure, dict) else (edge.structure, None)
    match kind:
        case "identity" | "negated_identity" | "scaled_identity":
            factor = {"identity": 1.0, "negated_identity": -1.0}.get(kind, value)
            return csr_array(factor * eye_array(rows))
        case "diagonal" | "sign":
            return csr_array(diags_array(np.asarray(value)))
        case "permutation" | "selection":
            return _placed(np.arange(rows), np.asarray(argument), np.ones(rows), rows, cols)
        case "scatter":
            return _placed(np.asarray(argument), np.arange(cols), np.ones(cols), rows, cols)
        case "replicate" | "reduce":
            return _copies(kind, str(argument), rows, cols)
        case "block_diagonal" | "kronecker":
            return _blocks(kind, argument, value, rows, cols)
    return csr_array(value)


def _placed(rows: Array, cols: Array, values: Array, height: int, width: int) -> csr_array:
    from scipy.sparse import csr_array

    return csr_array((values, (rows, cols)), shape=(height, width))


def _copies(kind: str, order: str, rows: int, cols: int) -> csr_array:
    few, many = sorted((rows, cols))
    every = np.arange(many)
    of = every // (many // few) if order == "each" else every % few
    pair = (every, of) if kind == "replicate" else (of, every)
    return _placed(*pair, np.ones(many), rows, cols)


def _blocks(kind: str, argument: Any, value: Any, rows: int, cols: int) -> csr_array:
    """Entry (i, j) of block t stands at (t·r + i, t·c + j), or for A ⊗ I_k at (i·k + t, j·k + t)."""
    side_by_side = kind == "block_diagonal"
    count, r, c = argument if side_by_side else (argument[1], *argument[0])
    t, i, j = np.ogrid[:count, :r, :c]
    at = (t * r + i, t * c + j) if side_by_side else (i * count + t, j * count + t)
    full = (count, r, c)
    row, col, entry = (np.broadcast_to(part, full).ravel() for part in (*at, value))
    return _placed(row, col, entry, rows, cols)
