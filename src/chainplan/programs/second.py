"""The second derivatives of layers at a point, by complex steps of their Jacobians.

An op computes its value and its Jacobian in complex arithmetic, so that the derivative of the Jacobian along an entry
of the argument is Im F'(x + i·h·e_k) / h, for h so small that it is exact up to rounding (Squire & Trapp 1998, "Using
complex variables to estimate derivatives of real functions"). For elementwise functions one step of all entries at once
gives all second derivatives. So an op needs no code of its own for second derivatives, and what it says of itself is
only whether it is affine (`Op.affine_in`, `Op.jointly_affine`). Layers with mixed second derivatives, such as products
of two values that vary, or softmax, whose linearisation has inner vertices, are refused where a spec is read.
"""

from __future__ import annotations

import numpy as np

from chainplan._util.arrays import Array
from chainplan.errors import PointError
from chainplan.problem.graph import Elemental
from chainplan.problem.second import second_name
from chainplan.programs.evaluation import Evaluation
from chainplan.programs.ops.elementwise import Elementwise
from chainplan.programs.program import PlacedEdge
from chainplan.values.jacobians import as_matrices

COMPLEX_STEP = 1e-100
"""The length of a complex step; its square vanishes beside 1 in double precision."""
MAX_BEND_ENTRIES = 50_000_000
"""Entries of the largest second derivative of a layer that is written out."""


def second_values(evaluation: Evaluation) -> dict[str, Array]:
    """Compute the second derivatives of all layers at a point, by the names that `second_derivatives` takes.

    Raises
    ------
    PointError
        Where a layer has none that can be computed in this way; the message names it.
    """
    problem, result = evaluation.program.problem, {}
    for placed in evaluation.program.placed:
        e = problem.graph.declared[placed.name]
        if e.second_block.nnz:
            result[second_name(e.name)] = _bend(evaluation, placed, e)
    return result


def _bend(evaluation: Evaluation, placed: PlacedEdge, e: Elemental) -> Array:
    """Compute the second derivative of a layer of one edge."""
    layer, edge = placed.layer, placed.edge
    arguments = [evaluation.values[source] for source in layer.sources]
    where = f"layer '{layer.name}' ({layer.op.name})"
    if len(layer.varying) > 1 or not isinstance(edge.source, int) or not e.explicit or not layer.op.analytic:
        raise PointError(
            f"{where}: its linearisation has several elementals, or functions instead of entries; expected one "
            "elemental with entries where second derivatives are asked for. Leave 'derivative' out."
        )
    rows, cols = e.block[:2]
    moved = np.array(arguments[edge.source], complex)
    if isinstance(layer.op, Elementwise):
        return np.asarray(_slope(placed, arguments, moved + 1j * COMPLEX_STEP)).ravel()
    if rows * cols * cols > MAX_BEND_ENTRIES:
        raise PointError(
            f"{where}: its second derivative has {rows * cols * cols:,} entries; expected at most "
            f"{MAX_BEND_ENTRIES:,}. Run it with smaller sizes; planning has no such limit."
        )
    made: Array = np.empty((rows, cols, cols))
    for k in range(cols):
        step = moved.copy()
        step.flat[k] += 1j * COMPLEX_STEP
        slope = _slope(placed, arguments, step)
        made[:, :, k] = np.asarray(as_matrices([e], {e.name: slope})[e.name])
    return (made + made.transpose(0, 2, 1)) / 2


def _slope(placed: PlacedEdge, arguments: list[Array], moved: Array) -> Array:
    """Return the derivative of the values of an edge along a complex step of its argument."""
    op, source = placed.layer.op, placed.edge.source
    given = [moved if position == source else argument for position, argument in enumerate(arguments)]
    value, kept = op.evaluate(*given)
    jacobian = op.linearise(given, value, kept)[placed.position]
    return np.asarray(jacobian).imag / COMPLEX_STEP
