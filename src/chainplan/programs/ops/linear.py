"""Linear: y = W x + b along the last axis, with the same W for every item.

For a batch of b items dy/dx is I_b ⊗ W, whose one block is held once; `shared_weight` has dy/dW.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
from chainplan.programs.ops.shared_weight import SharedWeight
from chainplan.values.jacobians import GivenJacobian


@dataclass(frozen=True)
class Linear(Op):
    """y = W x + b; the weight is out x in, the bias has `out` entries."""

    name = "linear"
    formula = "Goodfellow, Bengio & Courville, section 6.5.6 (adjoints of a matrix product); Giles 2008, section 2.2.2"
    arguments = ("x", "weight", "bias")

    out: int | None = None
    bias: bool = True

    def affine_in(self, argument: int) -> bool:
        return True

    def takes(self) -> tuple[str, ...]:
        return self.arguments if self.bias else self.arguments[:2]

    def parameters(self, *shapes: ArrayShape) -> dict[str, ArrayShape]:
        x = shapes[0]
        require_axes(x, 1, "[..., in]")
        if len(shapes) > 1:
            weight = shapes[1]
        elif self.out is None:
            raise misfit("neither 'out' nor a weight", "one of them", "Add the size of the result as 'out'.")
        else:
            weight = (self.out, x[-1])
        return {"weight": weight, "bias": weight[:1]}

    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        x, weight = shapes[:2]
        require_axes(x, 1, "[..., in]")
        if len(weight) != 2 or weight[1] != x[-1] or self.out not in (None, weight[0]):
            rows = "out" if self.out is None else self.out
            raise misfit(
                f"a weight of shape {shown(weight)}", f"[{rows}, {x[-1]}]", "Correct the weight or what is fed in."
            )
        if self.bias and shapes[2] != weight[:1]:
            raise misfit(f"a bias of shape {shown(shapes[2])}", shown(weight[:1]), "Correct the bias.")
        return (*x[:-1], weight[0])

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        (out, cols), count, shape = shapes[1], items(shapes[0]), self.shape(*shapes)
        edges = [EqualBlocks(count, out, cols).edge(0), *SharedWeight(count, out, 1, cols).edges(1)]
        if self.bias:
            edges += broadcast(2, RESULT_VERTEX, shapes[2], shape)
        return tuple(edges)

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        product = arguments[0] @ arguments[1].T
        return np.asarray(product + arguments[2] if self.bias else product), None

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        x, weight = arguments[:2]
        (out, cols), count = weight.shape, items(x.shape)
        by_weight = SharedWeight(count, out, 1, cols).value(x.reshape(count, cols))
        return EqualBlocks(count, out, cols).values(weight[None]), by_weight

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return (
            (cls(out=2), ((3,), (2, 3), (2,))),
            (cls(), ((4, 3), (2, 3), (2,))),
            (cls(bias=False), ((2, 2, 3), (1, 3))),
            (cls(bias=False), ((4, 1), (3, 1))),
        )
