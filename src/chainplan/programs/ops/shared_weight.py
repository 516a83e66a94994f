"""The linearisation of a result with respect to a weight that all items share.

With the items, or the windows of all items, as rows of a matrix X (b·t x k), y[b, o, t] = Σ_k X[bt, k] W[o, k]. The
Jacobian with respect to W is I_out ⊗ X in the order (o, b, t), and an exchange of the first two axes behind it. Where
that is long to list, both are one matrix-free edge: a tangent and an adjoint are one matrix product each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chainplan._util.arrays import Array
from chainplan.programs.ops.base import RESULT, Blocks, Edge, exchanged
from chainplan.values.jacobians import Given

MOST_ENTRIES = 100_000
"""Entries up to which the exchange is written out."""


class SharedWeight(NamedTuple):
    """Items b, outputs o, windows t of an item and entries k of a row of the weight."""

    b: int
    o: int
    t: int
    k: int

    @property
    def _straight(self) -> bool:
        """Whether the exchange changes nothing."""
        return self.b == 1 or self.o == 1

    @property
    def _applied(self) -> bool:
        return not self._straight and self.b * self.o * self.t * self.k > MOST_ENTRIES

    @property
    def _blocks(self) -> Blocks:
        return Blocks(self.o, self.b * self.t, self.k)

    def edges(self, source: int) -> tuple[Edge, ...]:
        """From the weight to the result."""
        b, o, t, k = self
        if self._straight:
            return (self._blocks.edge(source),)
        if self._applied:
            cost = b * o * t * k
            return (Edge(source, RESULT, b * o * t, o * k, "dense", cost, cost, b * t * k),)
        return self._blocks.edge(source, "rows"), exchanged("rows", RESULT, (o, b, t), 0)

    def value(self, rows: Array) -> Given:
        """What the first edge holds at a point, given X of b·t x k; the other one's structure says all."""
        b, o, t, k = self
        if not self._applied:
            return self._blocks.values(rows[None])

        def tangent(block: Array) -> Array:
            product = rows @ block.reshape(o, k, -1)
            return np.asarray(product.reshape(o, b, t, -1).swapaxes(0, 1)).reshape(b * o * t, -1)

        def adjoint(block: Array) -> Array:
            turned = block.reshape(-1, b, o, t).swapaxes(1, 2).reshape(-1, o, b * t)
            return np.asarray(turned @ rows).reshape(-1, o * k)

        return tangent, adjoint
