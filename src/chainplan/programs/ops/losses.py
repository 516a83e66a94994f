"""Losses per item, cross entropy and squared error; their Jacobians have one row per item for either argument.

They are not averaged over the batch; an `op: mean` behind them does that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainplan._util.arrays import Array
from chainplan.programs.ops.base import (
    ArrayShape,
    EqualBlocks,
    KeptValues,
    Op,
    OpEdge,
    items,
    misfit,
    require_axes,
    shown,
)
from chainplan.programs.ops.softmax import log_softmax
from chainplan.values.jacobians import GivenJacobian


class _Loss(Op):
    def parameters(self, *shapes: ArrayShape) -> dict[str, ArrayShape]:
        return {"target": shapes[0]}

    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        x, target = shapes
        require_axes(x, 1, "[..., classes]")
        if x != target:
            raise misfit(
                f"a target of shape {shown(target)}", f"{shown(x)}, that of the prediction", "Make them equal."
            )
        return x[:-1]

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        rows = EqualBlocks(items(shapes[0]), 1, shapes[0][-1])
        return rows.edge(0), rows.edge(1)


@dataclass(frozen=True)
class CrossEntropy(_Loss):
    """-Σ q log p for a prediction p and a target distribution q; `from_logits` takes x with p = softmax(x)."""

    name = "cross_entropy"
    formula = "Goodfellow, Bengio & Courville, sections 3.13 and 6.2.2.3"
    arguments = ("p", "target")
    positive = True

    from_logits: bool = False

    def drawn(self, name: str, shape: ArrayShape, rng: np.random.Generator) -> Array:
        return rng.dirichlet(np.ones(shape[-1]), shape[:-1])

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        p, target = arguments
        logarithm = log_softmax(p) if self.from_logits else np.log(p)
        return np.asarray(-(target * logarithm).sum(axis=-1)), logarithm

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        p, target = arguments
        rows = EqualBlocks(items(p.shape), 1, p.shape[-1])
        by_p = np.exp(kept) * target.sum(axis=-1, keepdims=True) - target if self.from_logits else -target / p
        return rows.values(by_p.reshape(rows)), rows.values(-kept.reshape(rows))

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return tuple((cls(logits), (shape, shape)) for logits in (False, True) for shape in ((4,), (2, 3), (2, 2, 3)))


@dataclass(frozen=True)
class SquaredError(_Loss):
    """Σ (x - target)² along the last axis."""

    name = "squared_error"
    formula = "Goodfellow, Bengio & Courville, section 5.1.4"
    arguments = ("x", "target")

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        difference = arguments[0] - arguments[1]
        return np.asarray((difference * difference).sum(axis=-1)), difference

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        rows = EqualBlocks(items(kept.shape), 1, kept.shape[-1])
        by_x = 2 * kept.reshape(rows)
        return rows.values(by_x), rows.values(-by_x)

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return tuple((cls(), (shape, shape)) for shape in ((4,), (2, 3)))
