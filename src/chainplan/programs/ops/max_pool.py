"""The largest entry of every window; only the point says which entry that is, so the pattern is the whole window.

Windows that lie one behind the other are rows with a 1 at their largest entry, or at the first of several largest ones.
Other windows form a sparse matrix with the pattern of all windows, while that is short to list. Beyond that they are
matrix-free: a tangent picks the largest entries, an adjoint adds up at them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from types import EllipsisType

import numpy as np

from chainplan._util.arrays import Array
from chainplan.programs.ops.base import (
    RESULT_VERTEX,
    ArrayShape,
    EqualBlocks,
    KeptValues,
    Op,
    OpEdge,
    misfit,
    positions,
    require_axes,
    shown,
    size,
)
from chainplan.values.jacobians import GivenJacobian

MAX_LISTED_POOL_ENTRIES = 20_000
"""Entries of the largest pattern that is listed."""


@dataclass(frozen=True)
class MaxPool(Op):
    """Maximum over windows of the last axes, as many as `window` has sizes; windows are `stride` apart."""

    name = "max_pool"
    formula = "Goodfellow, Bengio & Courville, section 9.3"

    window: tuple[int, ...]
    stride: tuple[int, ...] = ()

    def affine_in(self, argument: int) -> bool:
        return True

    def shape(self, *shapes: ArrayShape) -> ArrayShape:
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
        """Return the entries of each window as a row of an array of windows x entries."""
        axes = len(self.window)
        every = np.lib.stride_tricks.sliding_window_view(x, self.window, tuple(range(-axes, 0)))
        steps = tuple(slice(None, None, s) for s in self.stride or self.window)
        places: tuple[EllipsisType | slice, ...] = (..., *steps, *(slice(None),) * axes)
        return np.asarray(every[places]).reshape(-1, size(self.window))

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        shape = shapes[0]
        rows, cols = size(self.shape(shape)), size(shape)
        if self._one_behind_the_other(shape):
            return (EqualBlocks(rows, 1, size(self.window)).edge(0),)
        if self._listed(rows):
            seen = self.windows(positions(shape))
            coo = np.stack([np.repeat(np.arange(rows), seen.shape[1]), seen.ravel()], axis=1)
            return (OpEdge(0, RESULT_VERTEX, rows, cols, {"coo": coo.tolist()}),)
        lead = prod(shape[: -len(self.window)])
        structure = "dense" if lead == 1 else {"block_diagonal": [lead, rows // lead, cols // lead]}
        return (OpEdge(0, RESULT_VERTEX, rows, cols, structure, rows, rows, rows),)

    def _one_behind_the_other(self, shape: ArrayShape) -> bool:
        """Say whether listing the windows leaves all entries in their order."""
        tiled = all(n % w == 0 for n, w in zip(shape[-len(self.window) :], self.window, strict=True))
        return tiled and self.stride in ((), self.window) and set(self.window[:-1]) <= {1}

    def _listed(self, rows: int) -> bool:
        return rows * size(self.window) <= MAX_LISTED_POOL_ENTRIES

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        listed = self.windows(arguments[0])
        winners = listed.real.argmax(axis=1)
        value = np.take_along_axis(listed, winners[:, None], axis=1)
        return value.reshape(self.shape(arguments[0].shape)), winners

    def kinks(self, argument: Array, reach: float) -> Array | None:
        listed = np.sort(self.windows(argument), axis=1)
        first, second = listed[:, -1], listed[:, -2] if listed.shape[1] > 1 else -np.inf
        return np.asarray(first - second <= 2 * reach).reshape(self.shape(argument.shape))

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        shape, entries, rows = arguments[0].shape, size(self.window), kept.size
        if self._one_behind_the_other(shape):
            blocks = np.zeros((rows, 1, entries))
            blocks[np.arange(rows), 0, kept] = 1
            return (EqualBlocks(rows, 1, entries).values(blocks),)
        from scipy.sparse import csr_array

        winners = self.windows(np.arange(size(shape)).reshape(shape))[np.arange(rows), kept]
        picked = csr_array((np.ones(rows), winners, np.arange(rows + 1)), shape=(rows, size(shape)))
        if self._listed(rows):
            return (picked,)
        return ((lambda block: block[winners], lambda block: np.asarray(block @ picked)),)

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return (
            (cls((2,)), ((2, 4),)),
            (cls((2,)), ((5,),)),
            (cls((3,), (1,)), ((5,),)),
            (cls((2, 2)), ((2, 4, 4),)),
            (cls((4,)), ((4,),)),
            (cls((1,)), ((3,),)),
        )
