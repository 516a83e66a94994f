"""Solution of A x = b: a matrix-free edge behind the residual solves with the factors of the primal.

The residual r = b - A x is an inner vertex: db enters it unchanged, dA enters it as -I ⊗ xᵀ, and dx = A⁻¹ dr. So both
arguments share one edge, which solves with the LU factors that computed x at n² fma per column of b, and nothing is
inverted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from chainplan._util.arrays import Array
from chainplan.errors import PointError
from chainplan.kernels.factors import LuFactors, SingularError
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
        matrix, rhs = arguments
        if not np.isfinite(matrix).all() or not np.isfinite(rhs).all():
            return np.full(rhs.shape, np.nan), None
        try:
            factors = LuFactors(matrix)
        except SingularError as error:
            n = len(matrix)
            raise PointError(
                f"the matrix of {n} x {n} is singular ({error}); expected an invertible one. Choose another point."
            ) from None
        return factors.solve(rhs.reshape(len(rhs), -1)).reshape(rhs.shape), factors

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        n, factors = value.shape[0], cast(LuFactors, kept)
        columns = value.reshape(n, -1)
        k = columns.shape[1]

        def tangent(block: Array) -> Array:
            return factors.solve(block.reshape(n, -1)).reshape(block.shape)

        def adjoint(block: Array) -> Array:
            r = block.shape[0]
            rows = block.reshape(r, n, k).transpose(0, 2, 1).reshape(r * k, n)
            return factors.solve_left(rows).reshape(r, k, n).transpose(0, 2, 1).reshape(block.shape)

        return EqualBlocks(n, k, n).values(-columns.T[None]), (tangent, adjoint)

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return (cls(), ((3, 3), (3,))), (cls(), ((3, 3), (3, 2))), (cls(), ((1, 1), (1,)))
