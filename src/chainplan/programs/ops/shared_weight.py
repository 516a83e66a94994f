"""The linearisation of a result with respect to a weight that all items share.

If the items, or the windows of all items, are the rows of a matrix X (b·t x k), then y[b, o, t] = Σ_k X[bt, k] W[o, k].
The Jacobian with respect to W is I_out ⊗ X in the order (o, b, t), followed by an exchange of the first two axes. Where
the exchange is long to list, both are one matrix-free edge, whose tangent and adjoint are one matrix product each
(Giles 2008, section 2.2.2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chainplan._util.arrays import Array
from chainplan.programs.ops.base import RESULT_VERTEX, EqualBlocks, OpEdge, exchanged
from chainplan.values.jacobians import GivenJacobian

MAX_EXCHANGE_ENTRIES = 100_000
"""Entries of the largest Jacobian whose exchange of axes is written out."""


class SharedWeight(NamedTuple):
    """The numbers of items b, of outputs o, of windows t of an item, and of entries k of a row of the weight."""

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
        """Whether the edge is matrix-free."""
        return not self._straight and self.b * self.o * self.t * self.k > MAX_EXCHANGE_ENTRIES

    @property
    def _blocks(self) -> EqualBlocks:
        return EqualBlocks(self.o, self.b * self.t, self.k)

    def edges(self, source: int) -> tuple[OpEdge, ...]:
        """Return the edges from the weight to the result."""
        b, o, t, k = self
        if self._straight:
            return (self._blocks.edge(source),)
        if self._applied:
            cost = b * o * t * k
            return (OpEdge(source, RESULT_VERTEX, b * o * t, o * k, "dense", cost, cost, b * t * k),)
        return self._blocks.edge(source, "rows"), exchanged("rows", RESULT_VERTEX, (o, b, t), 0)

    def value(self, rows: Array) -> GivenJacobian:
        """Return the value of the first edge at a point, given X of b·t x k; a second edge is a permutation."""
        b, o, t, k = self
        if not self._applied:
            return self._blocks.values(rows[None])

        def tangent(block: Array) -> Array:
            product = rows @ block.reshape(o, k, -1)
            return np.asarray(product.reshape(o, b, t, -1).swapaxes(0, 1)).reshape(b * o * t, -1)

        def adjoint(block: Array) -> Array:
            exchanged_back = block.reshape(-1, b, o, t).swapaxes(1, 2).reshape(-1, o, b * t)
            return np.asarray(exchanged_back @ rows).reshape(-1, o * k)

        return tangent, adjoint
