"""Singular values of a matrix, largest first, matrix-free, because row i of the Jacobian is the outer product u_i v_iᵀ.

Only the adjoint Ā = U diag(s̄) Vᵀ is written down (Giles 2008, section 3.2); the tangent s' = diag(Uᵀ A' V) is its own
adjoint. The op is differentiable where no singular value is zero and none is repeated.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainplan._util.arrays import Array
from chainplan.programs.ops.arithmetic import MultiplyOp
from chainplan.programs.ops.base import RESULT_VERTEX, ArrayShape, KeptValues, Op, OpEdge, misfit, shown
from chainplan.programs.ops.matmul import Matmul
from chainplan.programs.ops.matrix_free_pair import SYMMETRIC_NOTE, both_ways
from chainplan.values.jacobians import GivenJacobian


class SingularValues(Op):
    """The min(m, n) singular values of an m x n matrix."""

    name = "singular_values"
    formula = "Giles 2008, section 3.2"
    arguments = ("matrix",)
    analytic = False

    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        shape = shapes[0]
        if len(shape) != 2:
            raise misfit(f"shape {shown(shape)}", "a matrix, [m, n]", "Insert a 'reshape' before it.")
        return (min(shape),)

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        m, n = shapes[0]
        k = min(m, n)
        cost = m * k + m * n * k
        return (OpEdge(0, RESULT_VERTEX, k, m * n, "dense", cost, cost, k * (m + n), SYMMETRIC_NOTE),)

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        if not np.isfinite(arguments[0]).all():
            return np.full(min(arguments[0].shape), np.nan), None
        u, values, v_transposed = np.linalg.svd(arguments[0], full_matrices=False)
        return values, (u, v_transposed)

    def kinks(self, argument: Array, reach: float) -> Array | None:
        values = np.linalg.svd(argument, compute_uv=False)
        moved = reach * argument.size**0.5
        close = np.abs(np.diff(values)) <= 2 * moved + np.finfo(float).eps * values.max(initial=0)
        kinks: Array = values <= moved
        kinks[1:] |= close
        kinks[:-1] |= close
        return kinks

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        u, v_transposed = kept
        return (both_ways([(MultiplyOp(), (u,)), (Matmul(), (v_transposed,))], value.size),)

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return (cls(), ((3, 3),)), (cls(), ((4, 2),)), (cls(), ((2, 3),))
