"""Ops that take parts of an argument, or join arguments: concat, split, slice and gather along one axis.

They only move entries, so their edges are selections and scatters, with which products cost no fma.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise

import numpy as np

from chainplan._util.arrays import Array
from chainplan.programs.ops.base import (
    RESULT_VERTEX,
    ArrayShape,
    KeptValues,
    LazyIndexList,
    Op,
    OpEdge,
    axis_of,
    misfit,
    positions,
    require_axes,
    shown,
    size,
)
from chainplan.values.jacobians import GivenJacobian

ASSIGNMENTS_REFERENCE = "Griewank & Walther, chapter 3 (assignments)"


@dataclass(frozen=True)
class Concat(Op):
    """Any number of arguments, joined one behind the other along `axis`."""

    name = "concat"
    formula = ASSIGNMENTS_REFERENCE
    variadic = True

    axis: int = -1

    jointly_affine = True

    def affine_in(self, argument: int) -> bool:
        return True

    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        first = shapes[0]
        require_axes(first, 1, "a vector or more")
        axis = axis_of(self.axis, first)
        for other in shapes[1:]:
            if other[:axis] + other[axis + 1 :] != first[:axis] + first[axis + 1 :] or len(other) != len(first):
                found = f"shapes {shown(first)} and {shown(other)}"
                raise misfit(found, f"equal ones but for axis {axis}", "Correct one of them, or 'axis'.")
        return (*first[:axis], sum(shape[axis] for shape in shapes), *first[axis + 1 :])

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        shape = self.shape(*shapes)
        axis = axis_of(self.axis, shape)
        ends = pairwise(accumulate((one[axis] for one in shapes), initial=0))
        return tuple(
            OpEdge(
                i,
                RESULT_VERTEX,
                size(shape),
                size(one),
                LazyIndexList("scatter", partial(_between, shape, axis, *part)),
            )
            for i, (one, part) in enumerate(zip(shapes, ends, strict=True))
        )

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        return np.concatenate(arguments, axis=self.axis), None

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        return ()

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return (
            (cls(), ((2,), (3,))),
            (cls(), ((2, 2), (2, 1), (2, 3))),
            (cls(0), ((1, 3), (2, 3))),
            (cls(), ((3,),)),
        )


def _between(shape: ArrayShape, axis: int, start: int, stop: int) -> Array:
    """Return the positions of the entries from `start` to `stop` along an axis."""
    return positions(shape).take(range(start, stop), axis)


class _Selection(Op):
    """An op that picks some entries of its argument."""

    formula = ASSIGNMENTS_REFERENCE

    def affine_in(self, argument: int) -> bool:
        return True

    def picked(self, x: Array) -> Array:
        """Return the entries that are picked."""
        raise NotImplementedError

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        picked = LazyIndexList("selection", lambda: self.picked(positions(shapes[0])))
        return (OpEdge(0, RESULT_VERTEX, size(self.shape(*shapes)), size(shapes[0]), picked),)

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        return self.picked(arguments[0]), None

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        return ()


@dataclass(frozen=True)
class SplitPart(_Selection):
    """One of `parts` equal parts along `axis`: number `part`, counted from 0."""

    name = "split"

    parts: int
    part: int = 0
    axis: int = -1

    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        shape = shapes[0]
        axis = axis_of(self.axis, shape)
        if self.parts < 1 or shape[axis] % self.parts:
            what = f"'parts' to divide the {shape[axis]} entries of axis {axis}"
            raise misfit(f"{self.parts} parts of shape {shown(shape)}", what, "Choose a divisor.")
        if not 0 <= self.part < self.parts:
            raise misfit(f"part {self.part}", f"one from 0 to {self.parts - 1}", "Correct 'part'.")
        return (*shape[:axis], shape[axis] // self.parts, *shape[axis + 1 :])

    def picked(self, x: Array) -> Array:
        return np.split(x, self.parts, self.axis)[self.part]

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return (cls(2, 1), ((4,),)), (cls(3, 1, 0), ((3, 2),)), (cls(2), ((2, 4),))


@dataclass(frozen=True)
class Slice(_Selection):
    """Entries `start`, `start + step`, ... before `stop` along `axis`; negative ones count from the end."""

    name = "slice"

    start: int = 0
    stop: int | None = None
    step: int = 1
    axis: int = -1

    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        shape = shapes[0]
        axis = axis_of(self.axis, shape)
        if self.step < 1:
            raise misfit(f"step {self.step}", "at least 1", "Correct 'step'.")
        count = len(range(*slice(self.start, self.stop, self.step).indices(shape[axis])))
        if not count:
            found = f"no entry from {self.start} to {self.stop} on axis {axis} of {shown(shape)}"
            raise misfit(found, "at least one", "Correct 'start' or 'stop'.")
        return (*shape[:axis], count, *shape[axis + 1 :])

    def picked(self, x: Array) -> Array:
        axis = axis_of(self.axis, x.shape)
        return x[(slice(None),) * axis + (slice(self.start, self.stop, self.step),)]

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return (cls(1, 3), ((4,),)), (cls(0, None, 2, 0), ((3, 2),)), (cls(-2), ((2, 4),))


@dataclass(frozen=True)
class Gather(_Selection):
    """Entries `indices` along `axis`, in that order; one may be taken more than once."""

    name = "gather"

    indices: tuple[int, ...]
    axis: int = -1

    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        shape = shapes[0]
        axis = axis_of(self.axis, shape)
        wrong = [i for i in self.indices if not 0 <= i < shape[axis]]
        if wrong or not self.indices:
            found = f"index {wrong[0]}" if wrong else "no index"
            raise misfit(found, f"indices from 0 to {shape[axis] - 1}, those of axis {axis}", "Correct 'indices'.")
        return (*shape[:axis], len(self.indices), *shape[axis + 1 :])

    def picked(self, x: Array) -> Array:
        return np.take(x, self.indices, self.axis)

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return (cls((2, 0, 2)), ((3,),)), (cls((1,), 0), ((2, 3),)), (cls((0, 1)), ((2, 3),))
