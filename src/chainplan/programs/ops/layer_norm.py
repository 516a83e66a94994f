"""Layer normalisation along the last axis: a diagonal plus rank two for each item, then a scale and a shift.

With x̂ = (x - mean) / σ and σ² = var + ε, dx̂ = (dx - mean(dx) - x̂ · mean(x̂ · dx)) / σ. These are the derivatives of
batch normalisation (Ioffe & Szegedy 2015, section 3), with the mean over an item instead of the batch. The two means
are inner vertices with one entry per item.
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
    EqualBlocks,
    KeptValues,
    Op,
    OpEdge,
    broadcast,
    items,
    misfit,
    require_axes,
    shown,
)
from chainplan.values.jacobians import GivenJacobian


@dataclass(frozen=True)
class LayerNorm(Op):
    """weight · (x - mean) / sqrt(var + eps) + bias; without `affine` there is neither weight nor bias."""

    name = "layer_norm"
    formula = "Ba, Kiros & Hinton 2016 (arXiv 1607.06450), section 3"
    arguments = ("x", "weight", "bias")

    eps: float = 1e-5
    affine: bool = True

    def takes(self) -> tuple[str, ...]:
        return self.arguments if self.affine else self.arguments[:1]

    def parameters(self, *shapes: ArrayShape) -> dict[str, ArrayShape]:
        require_axes(shapes[0], 1, "[..., features]")
        return dict.fromkeys(self.takes()[1:], shapes[0][-1:])

    def drawn(self, name: str, shape: ArrayShape, rng: np.random.Generator) -> Array:
        return (name == "weight") + 0.1 * rng.standard_normal(shape)

    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        x = shapes[0]
        require_axes(x, 1, "[..., features]")
        for name, shape in zip(self.takes()[1:], shapes[1:], strict=True):
            if shape != x[-1:]:
                raise misfit(f"a {name} of shape {shown(shape)}", shown(x[-1:]), f"Correct the {name}.")
        return x

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        x = shapes[0]
        b, n = items(x), x[-1]
        normal = "normal" if self.affine else RESULT_VERTEX
        edges = [
            OpEdge(0, normal, b * n, b * n, "diagonal"),
            EqualBlocks(b, 1, n).edge(0, "mean"),
            OpEdge("mean", normal, b * n, b, {"replicate": "each"}),
            EqualBlocks(b, 1, n).edge(0, "spread"),
            EqualBlocks(b, n, 1).edge("spread", normal),
        ]
        if self.affine:
            edges.append(OpEdge(normal, RESULT_VERTEX, b * n, b * n, "diagonal"))
            if b > 1:
                edges += broadcast(1, "weights", shapes[1], x)
            edges.append(OpEdge("weights" if b > 1 else 1, RESULT_VERTEX, b * n, b * n, "diagonal"))
            edges += broadcast(2, RESULT_VERTEX, shapes[2], x)
        return tuple(edges)

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        x = arguments[0]
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + self.eps)
        normal = np.asarray(centred / deviation)
        return normal * arguments[1] + arguments[2] if self.affine else normal, (normal, deviation)

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        normal, deviation = kept
        n = value.shape[-1]
        b = prod(value.shape[:-1])
        inverse = np.broadcast_to(1 / deviation, value.shape)
        means = np.broadcast_to(-inverse.reshape(b, 1, n) / n, (b, 1, n))
        partials = [
            inverse.ravel(),
            EqualBlocks(b, 1, n).values(means),
            EqualBlocks(b, 1, n).values(normal.reshape(b, 1, n)),
            EqualBlocks(b, n, 1).values((-normal * inverse / n).reshape(b, n, 1)),
        ]
        if self.affine:
            partials += [np.broadcast_to(arguments[1], value.shape).ravel(), normal.ravel()]
        return tuple(partials)

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return (
            (cls(affine=False), ((4,),)),
            (cls(affine=False), ((3, 4),)),
            (cls(), ((4,), (4,), (4,))),
            (cls(), ((2, 2, 3), (3,), (3,))),
            (cls(eps=0.1), ((2, 1), (1,), (1,))),
        )
