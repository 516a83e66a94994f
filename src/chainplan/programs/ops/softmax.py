"""Softmax and its logarithm along the last axis: a diagonal plus rank one for every item.

J = diag(p) - p pᵀ is a diagonal edge beside two edges through a vertex with one entry per item; for the logarithm
J = I - 1 pᵀ. So a tangent or an adjoint costs O(n) fma per item, never n².
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainplan._util.arrays import Array
from chainplan.programs.ops.base import (
    RESULT_VERTEX,
    ArrayShape,
    EqualBlocks,
    KeptValues,
    Op,
    OpEdge,
    items,
    require_axes,
    size,
)
from chainplan.values.jacobians import GivenJacobian


class _OverLast(Op):
    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        require_axes(shapes[0], 1, "[..., classes]")
        return shapes[0]

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return (cls(), ((4,),)), (cls(), ((3, 4),)), (cls(), ((2, 2, 3),)), (cls(), ((3, 1),))


class Softmax(_OverLast):
    """p = exp(x) / Σ exp(x)."""

    name = "softmax"
    formula = "Goodfellow, Bengio & Courville, section 6.2.2.3"

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        b, n = items(shapes[0]), shapes[0][-1]
        direct = OpEdge(0, RESULT_VERTEX, b * n, b * n, "diagonal")
        return direct, EqualBlocks(b, 1, n).edge(0, "s"), EqualBlocks(b, n, 1).edge("s")

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        return np.exp(log_softmax(arguments[0])), None

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        b, n = items(value.shape), value.shape[-1]
        rows, columns = value.reshape(b, 1, n), -value.reshape(b, n, 1)
        return value.ravel(), EqualBlocks(b, 1, n).values(rows), EqualBlocks(b, n, 1).values(columns)


class LogSoftmax(_OverLast):
    """x - log Σ exp(x)."""

    name = "log_softmax"
    formula = "Goodfellow, Bengio & Courville, section 6.2.2.3"

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        b, n, total = items(shapes[0]), shapes[0][-1], size(shapes[0])
        direct = OpEdge(0, RESULT_VERTEX, total, total, "identity")
        return direct, EqualBlocks(b, 1, n).edge(0, "s"), OpEdge("s", RESULT_VERTEX, total, b, {"replicate": "each"})

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        return log_softmax(arguments[0]), None

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        b, n = items(value.shape), value.shape[-1]
        return (EqualBlocks(b, 1, n).values(-np.exp(value).reshape(b, 1, n)),)


def log_softmax(x: Array) -> Array:
    """Compute x - log Σ exp(x) along the last axis; the largest entry is subtracted first, so nothing overflows."""
    shifted = x - x.real.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
