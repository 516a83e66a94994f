"""Reshape and transpose: the first is an identity, as entries stay in row-major order; the second is a permutation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from chainplan._util.arrays import Array
from chainplan.programs.ops.base import (
    RESULT_VERTEX,
    ArrayShape,
    KeptValues,
    LazyIndexList,
    Op,
    OpEdge,
    misfit,
    positions,
    shown,
    size,
)
from chainplan.programs.ops.slicing import ASSIGNMENTS_REFERENCE
from chainplan.values.jacobians import GivenJacobian


@dataclass(frozen=True)
class Reshape(Op):
    """The same entries in the shape `to`, which includes the batch; one of its sizes may be -1."""

    name = "reshape"
    formula = ASSIGNMENTS_REFERENCE

    to: tuple[int, ...]

    def affine_in(self, argument: int) -> bool:
        return True

    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        total, open_ends = size(shapes[0]), self.to.count(-1)
        known = prod(n for n in self.to if n != -1)
        fits = all(n > 0 or n == -1 for n in self.to) and open_ends <= 1
        if not fits or (total % known if open_ends else total != known):
            found = f"{shown(shapes[0])} to become {shown(self.to)}"
            raise misfit(found, f"{total:,} entries in both, one size at most being -1", "Correct 'to'.")
        return tuple(total // known if n == -1 else n for n in self.to)

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        n = size(shapes[0])
        return (OpEdge(0, RESULT_VERTEX, n, n, "identity"),)

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        return arguments[0].reshape(self.to), None

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        return ()

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return (cls((3, 2)), ((6,),)), (cls((-1,)), ((2, 3),)), (cls((2, -1)), ((4, 3),)), (cls(()), ((1,),))


@dataclass(frozen=True)
class Transpose(Op):
    """The argument with its axes in the order `axes`; by default the last two are exchanged."""

    name = "transpose"
    formula = ASSIGNMENTS_REFERENCE

    axes: tuple[int, ...] = ()

    def affine_in(self, argument: int) -> bool:
        return True

    def order(self, shape: ArrayShape) -> tuple[int, ...]:
        """Return the axes of the argument in the order of the result."""
        n = len(shape)
        return tuple(axis % n if -n <= axis < n else n for axis in self.axes) or (*range(n - 2), n - 1, n - 2)

    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        shape, order = shapes[0], self.order(shapes[0])
        if sorted(order) != list(range(len(shape))):
            found = f"axes {shown(self.axes)} for shape {shown(shape)}" if self.axes else f"shape {shown(shape)}"
            what = f"each of the axes 0 to {len(shape) - 1} once" if self.axes else "at least 2 axes"
            raise misfit(found, what, "Correct 'axes', or insert a 'reshape' before it.")
        return tuple(shape[axis] for axis in order)

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        n, order = size(shapes[0]), self.order(shapes[0])
        return (
            OpEdge(0, RESULT_VERTEX, n, n, LazyIndexList("permutation", lambda: positions(shapes[0]).transpose(order))),
        )

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        return arguments[0].transpose(self.order(arguments[0].shape)), None

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        return ()

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return (
            (cls(), ((2, 3),)),
            (cls((2, 0, 1)), ((2, 3, 2),)),
            (cls((1, 0, -1)), ((2, 3, 2),)),
            (cls(), ((2, 2, 3),)),
        )
