"""Solution of A x = b: a matrix-free edge behind the residual solves with the factors of the primal.

The residual r = b - A x is an inner vertex: db enters it unchanged, dA enters it as -I ⊗ xᵀ, and dx = A⁻¹ dr. So both
arguments share one edge, which solves with the LU factors that computed x at n² fma per column of b, and nothing is
inverted.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainplan._util.arrays import Array
from chainplan.errors import PointError
from chainplan.programs.ops.base import (
    RESULT_VERTEX,
    ArrayShape,
    EqualBlocks,
    KeptValues,
    Op,
    OpEdge,
    misfit,
    shown,
    size,
)
from chainplan.structures.base import StructureWords
from chainplan.values.jacobians import GivenJacobian


class LinearSolve(Op):
    """x = A⁻¹ b for a matrix of n x n and a right-hand side of n or n x k."""

    name = "linear_solve"
    formula = "Giles 2008, section 2.3.1; Griewank & Walther, chapter 15"
    arguments = ("matrix", "rhs")

    def affine_in(self, argument: int) -> bool:
        return argument == 1

    def parameters(self, *shapes: ArrayShape) -> dict[str, ArrayShape]:
        return {"rhs": shapes[0][:1]}

    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        a, b = shapes
        if len(a) != 2 or a[0] != a[1]:
            raise misfit(f"a matrix of shape {shown(a)}", "a square one, [n, n]", "Correct what is fed in.")
        if len(b) not in (1, 2) or b[0] != a[0]:
            what = f"[{a[0]}] or [{a[0]}, columns]"
            raise misfit(f"a right-hand side of shape {shown(b)}", what, "Correct what is fed in.")
        return b

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        n, rows = shapes[0][0], size(shapes[1])
        k = rows // n
        structure: StructureWords = {"kronecker": [[n, n], k]} if k > 1 else "dense"
        return (
            EqualBlocks(n, k, n).edge(0, "residual"),
            OpEdge(1, "residual", rows, rows, "identity"),
            OpEdge("residual", RESULT_VERTEX, rows, rows, structure, n * n * k, n * n * k, tape=n * n),
        )

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        from scipy.linalg import LinAlgWarning, lu_factor, lu_solve

        matrix, rhs = arguments
        if not np.isfinite(matrix).all() or not np.isfinite(rhs).all():
            return np.full(rhs.shape, np.nan), None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LinAlgWarning)
            factors = lu_factor(matrix)
        _require_regular(matrix, factors[0])
        return np.asarray(lu_solve(factors, rhs)), factors

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        from scipy.linalg import lu_solve

        n = value.shape[0]
        columns = value.reshape(n, -1)
        k = columns.shape[1]

        def tangent(block: Array) -> Array:
            return np.asarray(lu_solve(kept, block.reshape(n, -1))).reshape(block.shape)

        def adjoint(block: Array) -> Array:
            r = block.shape[0]
            right_hand_sides = block.reshape(r, n, k).transpose(1, 0, 2).reshape(n, r * k)
            solved = np.asarray(lu_solve(kept, right_hand_sides, trans=1))
            return solved.reshape(n, r, k).transpose(1, 0, 2).reshape(block.shape)

        return EqualBlocks(n, k, n).values(-columns.T[None]), (tangent, adjoint)

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return (cls(), ((3, 3), (3,))), (cls(), ((3, 3), (3, 2))), (cls(), ((1, 1), (1,)))


def _require_regular(matrix: Array, factors: Array) -> None:
    """Refuse a matrix whose reciprocal condition number, estimated from its factors, does not exceed machine epsilon.

    Raises
    ------
    PointError
        Where the matrix is refused; the message gives the estimate.
    """
    from scipy.linalg import get_lapack_funcs

    n = matrix.shape[0]
    estimate: Any = get_lapack_funcs("gecon", (factors,))
    reciprocal, _ = estimate(factors, np.abs(matrix).sum(axis=0).max())
    if not reciprocal > np.finfo(float).eps:
        raise PointError(
            f"the matrix of {n} x {n} is singular (reciprocal condition number {reciprocal:.1e}); expected an "
            "invertible one. Choose another point."
        )
