"""Convolution (in fact cross-correlation, as in all layers) over one or two axes; it is matrix-free where it is large.

If the windows of an item are the rows of a matrix P (windows x channels·kernel), then y = P Wᵀ. The edge with respect
to x is an explicit sparse matrix while that is small, and matrix-free otherwise; `shared_weight` has the edge with
respect to W.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from chainplan._util.arrays import Array, ArrayFunction
from chainplan.programs.ops.base import (
    RESULT_VERTEX,
    ArrayShape,
    KeptValues,
    Op,
    OpEdge,
    broadcast,
    misfit,
    positions,
    require_axes,
    shown,
    size,
)
from chainplan.programs.ops.shared_weight import SharedWeight
from chainplan.structures.base import StructureWords
from chainplan.values.jacobians import GivenJacobian

MAX_LISTED_CONV_ENTRIES = 20_000
"""Entries of the largest matrix that is written out; listing a larger pattern costs more than it gains."""


MAX_EXAMINED_WINDOWS = 1_000_000
"""Windows along an axis whose overlap with the padding is counted; further ones count as if they lay inside."""


class _ConvSizes(NamedTuple):
    """Numbers of items, output channels, windows per item, entries of a window in all channels, entries of an item."""

    b: int
    o: int
    t: int
    k: int
    n: int


@dataclass(frozen=True)
class _Convolution(Op):
    formula: ClassVar[str] = "Goodfellow, Bengio & Courville, section 9.5"
    arguments: ClassVar[tuple[str, ...]] = ("x", "weight", "bias")
    axes: ClassVar[int]

    out: int | None = None
    kernel: tuple[int, ...] = ()
    stride: int = 1
    padding: int = 0
    bias: bool = True

    def affine_in(self, argument: int) -> bool:
        return True

    def takes(self) -> tuple[str, ...]:
        return self.arguments if self.bias else self.arguments[:2]

    def _require_item(self, x: ArrayShape) -> None:
        meaning = "[..., channels, length]" if self.axes == 1 else "[..., channels, height, width]"
        require_axes(x, 1 + self.axes, meaning)
        if self.stride < 1 or self.padding < 0:
            raise misfit(f"stride {self.stride} and padding {self.padding}", "at least 1 and 0", "Correct them.")

    def parameters(self, *shapes: ArrayShape) -> dict[str, ArrayShape]:
        x = shapes[0]
        self._require_item(x)
        if len(shapes) > 1:
            weight = shapes[1]
        elif self.out is None or not self.kernel:
            raise misfit("no weight, and 'out' or 'kernel' missing", "both of them, or a weight", "Add them.")
        else:
            kernel = self.kernel * self.axes if len(self.kernel) == 1 else self.kernel
            weight = (self.out, x[-1 - self.axes], *kernel)
        return {"weight": weight, "bias": weight[:1]}

    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        x, weight = shapes[:2]
        self._require_item(x)
        channels, spatial = x[-1 - self.axes], x[-self.axes :]
        if (
            len(weight) != 2 + self.axes
            or weight[1] != channels
            or min(weight) < 1
            or self.out not in (None, weight[0])
        ):
            what = f"[out, {channels}, {', '.join(['kernel'] * self.axes)}]"
            raise misfit(f"a weight of shape {shown(weight)}", what, "Correct the weight or what is fed in.")
        if self.bias and shapes[2] != weight[:1]:
            raise misfit(f"a bias of shape {shown(shapes[2])}", shown(weight[:1]), "Correct the bias.")
        room = [n + 2 * self.padding - k for n, k in zip(spatial, weight[2:], strict=True)]
        if min(room) < 0:
            found = f"kernel {shown(weight[2:])} for an item of {shown(spatial)} with padding {self.padding}"
            raise misfit(found, "a kernel that fits", "Make it smaller, or the padding larger.")
        return (*x[: -1 - self.axes], weight[0], *(r // self.stride + 1 for r in room))

    def _sizes(self, x: ArrayShape, weight: ArrayShape) -> _ConvSizes:
        spatial = self.shape(x, weight, weight[:1])[-self.axes :]
        n = size(x[-1 - self.axes :])
        return _ConvSizes(size(x) // n, weight[0], size(spatial), size(weight[1:]), n)

    def patches(self, x: Array, weight: ArrayShape, fill: int = 0) -> Array:
        """Return the windows of each item, padded with `fill`, as items x windows x channels·kernel."""
        item = x.shape[-1 - self.axes :]
        around = [(0, 0)] * 2 + [(self.padding, self.padding)] * self.axes
        padded = np.pad(x.reshape(-1, *item), around, constant_values=fill)
        spatial = tuple(range(2, 2 + self.axes))
        every = np.lib.stride_tricks.sliding_window_view(padded, weight[2:], spatial)
        chosen = every[(slice(None),) * 2 + (slice(None, None, self.stride),) * self.axes]
        listed: Array = np.moveaxis(chosen, 1, 1 + self.axes).reshape(len(padded), -1, size(weight[1:]))
        return listed

    def _inside(self, x: ArrayShape, weight: ArrayShape) -> Array:
        """Return, for every window and place of the kernel, the entry of the item that it sees, -1 in the padding."""
        return np.asarray(self.patches(positions(x[-1 - self.axes :]), weight, -1)[0])

    def _seen(self, x: ArrayShape, weight: ArrayShape) -> int:
        """Count the entries of all channels that the windows of an item see together, without the padding."""
        spatial = self.shape(x, weight, weight[:1])[-self.axes :]
        total = weight[1]
        for n, k, windows in zip(x[-self.axes :], weight[2:], spatial, strict=True):
            counted = min(windows, MAX_EXAMINED_WINDOWS)
            starts = np.arange(counted) * self.stride - self.padding
            seen = np.minimum(starts + k, n) - np.maximum(starts, 0)
            total *= int(np.maximum(seen, 0).sum()) + (windows - counted) * k
        return total

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        x, weight = shapes[:2]
        b, o, t, k, n = self._sizes(x, weight)
        entries = b * o * self._seen(x, weight)
        if entries <= MAX_LISTED_CONV_ENTRIES:
            rows, cols, _ = self._listed(self._inside(x, weight), b, o, n)
            structure: StructureWords = {"coo": np.stack([rows, cols], axis=1).tolist()}
            edges = [OpEdge(0, RESULT_VERTEX, b * o * t, b * n, structure)]
        else:
            structure = {"block_diagonal": [b, o * t, n]} if b > 1 else "dense"
            edges = [OpEdge(0, RESULT_VERTEX, b * o * t, b * n, structure, entries, entries)]
        edges += SharedWeight(b, o, t, k).edges(1)
        if self.bias:
            shape = self.shape(*shapes)
            edges += broadcast(2, RESULT_VERTEX, (o,) + (1,) * self.axes, shape)
        return tuple(edges)

    def _listed(self, inside: Array, b: int, o: int, n: int) -> tuple[Array, Array, Array]:
        """Return the row, the column and the position in the weight of every entry of the explicit matrix."""
        t, k = inside.shape
        window, place = np.nonzero(inside >= 0)
        item, channel = np.arange(b)[:, None, None], np.arange(o)[:, None]
        rows = ((item * o + channel) * t + window).ravel()
        cols = np.broadcast_to(item * n + inside[window, place], (b, o, window.size)).ravel()
        weights = np.broadcast_to(channel * k + place, (b, o, window.size)).ravel()
        return rows, cols, weights

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        x, weight = arguments[:2]
        patches = self.patches(x, weight.shape)
        product = np.matmul(weight.reshape(len(weight), -1), patches.swapaxes(1, 2))
        shaped = product.reshape(self.shape(*(argument.shape for argument in arguments)))
        return shaped + arguments[2].reshape(-1, *(1,) * self.axes) if self.bias else shaped, patches

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        x, weight = arguments[:2]
        b, o, t, k, n = self._sizes(x.shape, weight.shape)
        inside = self._inside(x.shape, weight.shape)
        by_weight = SharedWeight(b, o, t, k).value(kept.reshape(b * t, k))
        if b * o * self._seen(x.shape, weight.shape) > MAX_LISTED_CONV_ENTRIES:
            return self._applied(weight, inside, x.shape), by_weight
        from scipy.sparse import csr_array

        rows, cols, places = self._listed(inside, b, o, n)
        return csr_array((weight.ravel()[places], (rows, cols)), shape=(b * o * t, b * n)), by_weight

    def _applied(self, weight: Array, inside: Array, x: ArrayShape) -> tuple[ArrayFunction, ArrayFunction]:
        """Return tangent and adjoint with respect to x: the convolution itself, and the sum of windows put back."""
        from scipy.sparse import csr_array

        b, o, t, k, n = self._sizes(x, weight.shape)
        matrix = weight.reshape(o, k)
        seen = np.nonzero(inside.ravel() >= 0)[0]
        back = csr_array((np.ones(seen.size), (inside.ravel()[seen], seen)), shape=(n, t * k))

        def tangent(block: Array) -> Array:
            c = block.shape[1]
            item = x[-1 - self.axes :]
            patches = self.patches(block.T.reshape(c * b, *item), weight.shape)
            return np.asarray(np.matmul(matrix, patches.swapaxes(1, 2))).reshape(c, b * o * t).T

        def adjoint(block: Array) -> Array:
            r = block.shape[0]
            patches = np.matmul(block.reshape(r * b, o, t).swapaxes(1, 2), matrix).reshape(r * b, t * k)
            return np.asarray((back @ patches.T).T).reshape(r, b * n)

        return tangent, adjoint

    @classmethod
    def small(cls, item: ArrayShape, kernel: ArrayShape) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        """Return examples for one shape of an item with two channels."""
        x, weight = (2, *item), (3, 2, *kernel)
        return (
            (cls(), (x, weight, (3,))),
            (cls(stride=2, padding=1), ((2, *x), weight, (3,))),
            (cls(bias=False, padding=2), ((2, *x), (1, *weight[1:]))),
        )


class Conv1d(_Convolution):
    """Convolution along the last axis of [..., channels, length]; the weight is out x channels x kernel."""

    name = "conv1d"
    axes = 1

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return cls.small((5,), (3,))


class Conv2d(_Convolution):
    """Convolution along the last two axes of [..., channels, height, width]; the weight is out x channels x kernel."""

    name = "conv2d"
    axes = 2

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        return cls.small((4, 3), (2, 3))
