"""Sum, mean and cumulative sum, over all entries or along one axis.

A sum only adds up, so its edge is a reduction; a permutation comes first where the axis is neither first nor last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from chainplan._util.arrays import Array
from chainplan.programs.ops.base import (
    RESULT_VERTEX,
    ArrayShape,
    KeptValues,
    Op,
    OpEdge,
    axis_of,
    exchanged,
    require_axes,
    size,
)
from chainplan.programs.ops.elementwise import CALCULUS_REFERENCE
from chainplan.structures.base import StructureWords
from chainplan.values.jacobians import GivenJacobian


@dataclass(frozen=True)
class _Reduction(Op):
    axis: int | None = None

    def affine_in(self, argument: int) -> bool:
        return True

    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        shape = shapes[0]
        if self.axis is None:
            return ()
        axis = axis_of(self.axis, shape)
        return shape[:axis] + shape[axis + 1 :]

    def reduced(self, shape: ArrayShape, target: str) -> tuple[OpEdge, ...]:
        """Return the edges of the sum."""
        before, n, behind = _around(self.axis, shape)
        rows, cols = before * behind, before * n * behind
        if before == 1:
            return (OpEdge(0, target, rows, cols, {"reduce": "whole"}),)
        if behind == 1:
            return (OpEdge(0, target, rows, cols, {"reduce": "each"}),)
        last = exchanged(0, "turned", (before, n, behind))
        return last, OpEdge("turned", target, rows, cols, {"reduce": "each"})

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        shapes = ((None, (4,)), (None, (2, 3)), (0, (3, 2)), (-1, (3, 2)), (1, (2, 3, 2)), (0, (4,)), (0, (1, 2)))
        return tuple((cls(axis), (shape,)) for axis, shape in shapes)


class Sum(_Reduction):
    """Sum over all entries, or along `axis`."""

    name = "sum"
    formula = CALCULUS_REFERENCE

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        return self.reduced(shapes[0], RESULT_VERTEX)

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        return np.asarray(arguments[0].sum(axis=self.axis)), None

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        return ()


class Mean(_Reduction):
    """Mean over all entries, or along `axis`: a sum, then a scaled identity."""

    name = "mean"
    formula = CALCULUS_REFERENCE

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        rows = size(self.shape(*shapes))
        return (*self.reduced(shapes[0], "sum"), OpEdge("sum", RESULT_VERTEX, rows, rows, "scaled_identity"))

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        return np.asarray(arguments[0].mean(axis=self.axis)), None

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        return (np.asarray(max(1, value.size) / max(1, arguments[0].size)),)


@dataclass(frozen=True)
class Cumsum(Op):
    """y_i = Σ_{j <= i} x_j along `axis`.

    It is matrix-free, because its triangle of ones has n² / 2 entries, while a tangent or adjoint takes n fma.
    """

    name = "cumsum"
    formula = CALCULUS_REFERENCE

    axis: int = -1

    def affine_in(self, argument: int) -> bool:
        return True

    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        require_axes(shapes[0], 1, "a vector or more")
        axis_of(self.axis, shapes[0])
        return shapes[0]

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        before, n, behind = _around(self.axis, shapes[0])
        total = size(shapes[0])
        structure: StructureWords = "lower_triangular"
        if before > 1:
            structure = {"block_diagonal": [before, n * behind, n * behind]}
        elif behind > 1:
            structure = {"kronecker": [[n, n], behind]}
        return (OpEdge(0, RESULT_VERTEX, total, total, structure, tangent=total, adjoint=total),)

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        return np.asarray(arguments[0].cumsum(axis=self.axis)), None

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        around = _around(self.axis, value.shape)

        def tangent(block: Array) -> Array:
            return block.reshape(*around, -1).cumsum(axis=1).reshape(block.shape)

        def adjoint(block: Array) -> Array:
            backward = block.reshape(-1, *around)[:, :, ::-1]
            return backward.cumsum(axis=2)[:, :, ::-1].reshape(block.shape)

        return ((tangent, adjoint),)

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return (cls(), ((5,),)), (cls(), ((2, 3),)), (cls(0), ((3, 2),)), (cls(1), ((2, 3, 2),))


def _around(axis: int | None, shape: ArrayShape) -> tuple[int, int, int]:
    """Count the entries before, along and behind an axis; without an axis all entries count as along it."""
    if axis is None:
        return 1, size(shape), 1
    at = axis_of(axis, shape)
    return prod(shape[:at]), shape[at], prod(shape[at + 1 :])
