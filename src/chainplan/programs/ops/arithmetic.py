"""Sum, difference, product and quotient of two arguments, which are repeated to a common shape as numpy repeats them.

An op that gets the same argument twice has two parallel edges, and parallel edges add up: d(x·x) = 2x needs no rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import ClassVar

import numpy as np

from chainplan._util.arrays import Array
from chainplan.programs.ops.base import (
    RESULT_VERTEX,
    ArrayShape,
    KeptValues,
    Op,
    OpEdge,
    broadcast,
    misfit,
    shown,
    size,
)
from chainplan.programs.ops.elementwise import CALCULUS_REFERENCE
from chainplan.values.jacobians import GivenJacobian


class BinaryOp(Op):
    """z = f(x, y), entry by entry."""

    formula: ClassVar[str] = CALCULUS_REFERENCE
    arguments = ("x", "y")

    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        pairs = list(zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1))
        if any(1 not in pair and pair[0] != pair[1] for pair in pairs):
            found = f"shapes {shown(shapes[0])} and {shown(shapes[1])}"
            raise misfit(found, "equal ones, or sizes of 1 where they differ", "Correct one of them.")
        return tuple(n if m == 1 else m for n, m in reversed(pairs))

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        pairs = (
            ((3,), (3,)),
            ((2, 3), (3,)),
            ((2, 1), (2, 3)),
            ((), (2,)),
            ((2, 3, 2), (3, 1)),
            ((2, 1, 2), (1, 3, 1)),
        )
        return tuple((cls(), pair) for pair in pairs)


class _SumOrDifference(BinaryOp):
    """x plus or minus y."""

    structures: ClassVar[tuple[str, str]]
    jointly_affine = True

    def affine_in(self, argument: int) -> bool:
        return True

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        shape = self.shape(*shapes)
        edges: list[OpEdge] = []
        for i, (small, structure) in enumerate(zip(shapes, self.structures, strict=True)):
            edges += (
                _scaled(i, small, shape, structure)
                if structure != "identity"
                else broadcast(i, RESULT_VERTEX, small, shape)
            )
        return tuple(edges)

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        return ()


class AddOp(_SumOrDifference):
    """x + y."""

    name = "add"
    structures = ("identity", "identity")

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        return np.asarray(arguments[0] + arguments[1]), None


class SubtractOp(_SumOrDifference):
    """x - y."""

    name = "subtract"
    structures = ("identity", "negated_identity")

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        return np.asarray(arguments[0] - arguments[1]), None


class _ProductOrQuotient(BinaryOp):
    """x times or over y."""

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        shape = self.shape(*shapes)
        return tuple(edge for i, small in enumerate(shapes) for edge in _scaled(i, small, shape, "diagonal"))


class MultiplyOp(_ProductOrQuotient):
    """x · y, entry by entry."""

    name = "multiply"

    def affine_in(self, argument: int) -> bool:
        return True

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        return np.asarray(arguments[0] * arguments[1]), None

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        x, y = np.broadcast_arrays(*arguments)
        return y.ravel(), x.ravel()


class DivideOp(_ProductOrQuotient):
    """x / y, entry by entry."""

    name = "divide"

    def affine_in(self, argument: int) -> bool:
        return argument == 0

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        return np.asarray(arguments[0] / arguments[1]), None

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        inverse = np.broadcast_to(1 / arguments[1], value.shape)
        return inverse.ravel(), (-value * inverse).ravel()


@dataclass(frozen=True)
class ScaleOp(Op):
    """by · x for a number `by`."""

    name = "scale"
    formula = CALCULUS_REFERENCE

    by: float

    def affine_in(self, argument: int) -> bool:
        return True

    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        return shapes[0]

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        n = size(shapes[0])
        return (OpEdge(0, RESULT_VERTEX, n, n, "scaled_identity"),)

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        return np.asarray(self.by * arguments[0]), None

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        return (np.asarray(float(self.by)),)

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return (cls(0.25), ((3,),)), (cls(-2.0), ((2, 3),))


def _scaled(argument: int, small: ArrayShape, shape: ArrayShape, structure: str) -> tuple[OpEdge, ...]:
    """Return the edges that repeat an argument to a shape and then scale it."""
    n = size(shape)
    if size(small) == n:
        return (OpEdge(argument, RESULT_VERTEX, n, n, structure),)
    inner = "xy"[argument]
    return (*broadcast(argument, inner, small, shape), OpEdge(inner, RESULT_VERTEX, n, n, structure))
