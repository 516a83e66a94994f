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
    RESULT,
    Edge,
    Kept,
    Op,
    Shape,
    axis_of,
    exchanged,
    require_axes,
    size,
)
from chainplan.programs.ops.elementwise import CALCULUS
from chainplan.structures.base import Words
from chainplan.values.jacobians import Given


@dataclass(frozen=True)
class _Reduction(Op):
    axis: int | None = None

    def shape(self, *shapes: Shape) -> Shape:
        shape = shapes[0]
        if self.axis is None:
            return ()
        axis = axis_of(self.axis, shape)
        return shape[:axis] + shape[axis + 1 :]

    def reduced(self, shape: Shape, target: str) -> tuple[Edge, ...]:
        """Return the edges of the sum."""
        before, n, behind = _around(self.axis, shape)
        rows, cols = before * behind, before * n * behind
        if before == 1:
            return (Edge(0, target, rows, cols, {"reduce": "whole"}),)
        if behind == 1:
            return (Edge(0, target, rows, cols, {"reduce": "each"}),)
        last = exchanged(0, "turned", (before, n, behind))
        return last, Edge("turned", target, rows, cols, {"reduce": "each"})

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[Shape, ...]], ...]:
        shapes = ((None, (4,)), (None, (2, 3)), (0, (3, 2)), (-1, (3, 2)), (1, (2, 3, 2)), (0, (4,)), (0, (1, 2)))
        return tuple((cls(axis), (shape,)) for axis, shape in shapes)


class Sum(_Reduction):
    """Sum over all entries, or along `axis`."""

    name = "sum"
    formula = CALCULUS

    def edges(self, *shapes: Shape) -> tuple[Edge, ...]:
        return self.reduced(shapes[0], RESULT)

    def evaluate(self, *arguments: Array) -> tuple[Array, Kept]:
        return np.asarray(arguments[0].sum(axis=self.axis)), None

    def partials(self, arguments: Sequence[Array], value: Array, kept: Kept) -> tuple[Given, ...]:
        return ()


class Mean(_Reduction):
    """Mean over all entries, or along `axis`: a sum, then a scaled identity."""

    name = "mean"
    formula = CALCULUS

    def edges(self, *shapes: Shape) -> tuple[Edge, ...]:
        rows = size(self.shape(*shapes))
        return (*self.reduced(shapes[0], "sum"), Edge("sum", RESULT, rows, rows, "scaled_identity"))

    def evaluate(self, *arguments: Array) -> tuple[Array, Kept]:
        return np.asarray(arguments[0].mean(axis=self.axis)), None

    def partials(self, arguments: Sequence[Array], value: Array, kept: Kept) -> tuple[Given, ...]:
        return (np.asarray(max(1, value.size) / max(1, arguments[0].size)),)


@dataclass(frozen=True)
class Cumsum(Op):
    """y_i = Σ_{j <= i} x_j along `axis`.

    It is matrix-free, because its triangle of ones has n² / 2 entries, while a tangent or adjoint takes n fma.
    """

    name = "cumsum"
    formula = CALCULUS

    axis: int = -1

    def shape(self, *shapes: Shape) -> Shape:
        require_axes(shapes[0], 1, "a vector or more")
        axis_of(self.axis, shapes[0])
        return shapes[0]

    def edges(self, *shapes: Shape) -> tuple[Edge, ...]:
        before, n, behind = _around(self.axis, shapes[0])
        total = size(shapes[0])
        structure: Words = "lower_triangular"
        if before > 1:
            structure = {"block_diagonal": [before, n * behind, n * behind]}
        elif behind > 1:
            structure = {"kronecker": [[n, n], behind]}
        return (Edge(0, RESULT, total, total, structure, tangent=total, adjoint=total),)

    def evaluate(self, *arguments: Array) -> tuple[Array, Kept]:
        return np.asarray(arguments[0].cumsum(axis=self.axis)), None

    def partials(self, arguments: Sequence[Array], value: Array, kept: Kept) -> tuple[Given, ...]:
        around = _around(self.axis, value.shape)

        def tangent(block: Array) -> Array:
            return block.reshape(*around, -1).cumsum(axis=1).reshape(block.shape)

        def adjoint(block: Array) -> Array:
            backward = block.reshape(-1, *around)[:, :, ::-1]
            return backward.cumsum(axis=2)[:, :, ::-1].reshape(block.shape)

        return ((tangent, adjoint),)

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[Shape, ...]], ...]:
        return (cls(), ((5,),)), (cls(), ((2, 3),)), (cls(0), ((3, 2),)), (cls(1), ((2, 3, 2),))


def _around(axis: int | None, shape: Shape) -> tuple[int, int, int]:
    """Count the entries before, along and behind an axis; without an axis all entries count as along it."""
    if axis is None:
        return 1, size(shape), 1
    at = axis_of(axis, shape)
    return prod(shape[:at]), shape[at], prod(shape[at + 1 :])
