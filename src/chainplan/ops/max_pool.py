"""Largest entry of every window: which one that is, is known at the point only, so the window is the pattern.

The edge is a selection that lists the windows, then one row per window with a 1 at the entry that is largest, at the
first of them where several are. Windows that lie one behind the other need no selection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainplan.ops.base import (
    Array,
    Blocks,
    Edge,
    Listed,
    Op,
    Shape,
    misfit,
    positions,
    require_axes,
    require_listable,
    shown,
    size,
)


@dataclass(frozen=True)
class MaxPool(Op):
    """Maximum over windows of the last axes, as many as `window` has sizes; windows are `stride` apart."""

    name = "max_pool"
    formula = "Goodfellow, Bengio & Courville, section 9.3"

    window: tuple[int, ...]
    stride: tuple[int, ...] = ()

    def shape(self, *shapes: Shape) -> Shape:
        shape, axes = shapes[0], len(self.window)
        require_axes(shape, max(1, axes), f"the last {axes} to be pooled")
        steps = self.stride or self.window
        if not axes or len(steps) != axes or min(*self.window, *steps, 1) < 1:
            found = f"window {shown(self.window)} and stride {shown(steps)}"
            raise misfit(found, "as many sizes in both, each at least 1", "Correct them.")
        if any(w > n for w, n in zip(self.window, shape[-axes:], strict=True)):
            found = f"window {shown(self.window)} for shape {shown(shape)}"
            raise misfit(found, "a window that fits into the last axes", "Make it smaller.")
        sizes = ((n - w) // s + 1 for n, w, s in zip(shape[-axes:], self.window, steps, strict=True))
        return (*shape[:-axes], *sizes)

    def windows(self, x: Array) -> Array:
        """The entries of each window in a row: windows x entries."""
        axes = len(self.window)
        every = np.lib.stride_tricks.sliding_window_view(x, self.window, tuple(range(-axes, 0)))
        steps = tuple(slice(None, None, s) for s in self.stride or self.window)
        places: tuple[Any, ...] = (..., *steps, *(slice(None),) * axes)
        return np.asarray(every[places]).reshape(-1, size(self.window))

    def edges(self, *shapes: Shape) -> tuple[Edge, ...]:
        rows = Blocks(size(self.shape(*shapes)), 1, size(self.window))
        if self._one_behind_the_other(shapes[0]):
            return (rows.edge(0),)
        total = rows.number * rows.cols
        picked = Listed("selection", lambda: self._picked(shapes[0], total))
        return Edge(0, "windows", total, size(shapes[0]), picked), rows.edge("windows")

    def _one_behind_the_other(self, shape: Shape) -> bool:
        """Whether listing the windows leaves all entries where they are."""
        tiled = all(n % w == 0 for n, w in zip(shape[-len(self.window) :], self.window, strict=True))
        return tiled and self.stride in ((), self.window) and set(self.window[:-1]) <= {1}

    def _picked(self, shape: Shape, total: int) -> Array:
        """The position of every entry of every window."""
        require_listable(total)
        return self.windows(positions(shape))

    def evaluate(self, *arguments: Array) -> tuple[Array, Any]:
        listed = self.windows(arguments[0])
        winners = listed.real.argmax(axis=1)
        value = np.take_along_axis(listed, winners[:, None], axis=1)
        return value.reshape(self.shape(arguments[0].shape)), winners

    def partials(self, arguments: Sequence[Array], value: Array, kept: Any) -> tuple[Any, ...]:
        entries = size(self.window)
        rows = np.zeros((kept.size, 1, entries))
        rows[np.arange(kept.size), 0, kept] = 1
        return (Blocks(kept.size, 1, entries).values(rows),)

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[Shape, ...]], ...]:
        return (
            (cls((2,)), ((2, 4),)),
            (cls((2,)), ((5,),)),
            (cls((3,), (1,)), ((5,),)),
            (cls((2, 2)), ((2, 4, 4),)),
            (cls((4,)), ((4,),)),
            (cls((1,)), ((3,),)),
        )
