"""Product of two matrices, or of two batches of matrices: Y = A B, with vec in row-major order.

dY/dA = I_m ⊗ Bᵀ has m equal blocks, and dY/dB = A ⊗ I_n (Giles 2008, section 2.2.2). Where each item of a batch has its
own B, dY/dB has a block A per item and column between two permutations, so that no entry is counted that is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from chainplan._util.arrays import Array
from chainplan.programs.ops.base import (
    RESULT_VERTEX,
    ArrayShape,
    EqualBlocks,
    KeptValues,
    Op,
    OpEdge,
    exchanged,
    misfit,
    require_axes,
    shown,
)
from chainplan.structures.base import StructureWords
from chainplan.values.jacobians import GivenJacobian


class _MatmulSizes(NamedTuple):
    """`batch` products of m x k and k x n; with a shared right factor all rows form one product."""

    batch: int
    m: int
    k: int
    n: int


class Matmul(Op):
    """Y = A B as numpy's `matmul` computes it; axes before the last two are equal, or the right factor has none."""

    name = "matmul"
    formula = "Giles 2008, section 2.2.2"
    arguments = ("a", "b")

    def affine_in(self, argument: int) -> bool:
        return True

    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        a, b = shapes
        for shape in shapes:
            require_axes(shape, 1, "a vector or a matrix")
        lead, right = a[:-2], b[:-2]
        if a[-1] != b[-2:][0]:
            found = f"shapes {shown(a)} and {shown(b)}"
            raise misfit(found, f"the second to have {a[-1]} rows", "Correct one, or transpose it.")
        if right and lead != right:
            found = f"shapes {shown(a)} and {shown(b)}"
            raise misfit(found, "equal axes before the last two, or none in the second", "Correct one of them.")
        return (*lead, *a[-2:-1], *(b[-1:] if len(b) > 1 else ()))

    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        batch, m, k, n = _sizes(*shapes)
        to_a = EqualBlocks(batch * m, n, k).edge(0)
        if batch == 1:
            return to_a, _left_factor(m, k, n)
        blocks = EqualBlocks(batch * n, m, k)
        if n == 1:
            return to_a, blocks.edge(1)
        return (
            to_a,
            exchanged(1, "columns", (batch, k, n)),
            blocks.edge("columns", "products"),
            exchanged("products", RESULT_VERTEX, (batch, n, m)),
        )

    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        return np.asarray(arguments[0] @ arguments[1]), None

    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        batch, m, k, n = _sizes(*(argument.shape for argument in arguments))
        a, b = arguments[0].reshape(batch, m, k), arguments[1].reshape(batch, k, n)
        transposed = b.swapaxes(1, 2)
        blocks = EqualBlocks(batch * m, n, k)
        if batch == 1:
            return blocks.values(transposed), a.reshape(()) if m == k == 1 < n else a[0]
        by_a, by_b = np.repeat(transposed, m, axis=0), np.repeat(a, n, axis=0)
        return blocks.values(by_a), EqualBlocks(batch * n, m, k).values(by_b)

    @classmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        pairs = (
            ((2, 3), (3, 4)),
            ((2, 3), (3,)),
            ((3,), (3, 2)),
            ((3,), (3,)),
            ((2, 1), (1, 2)),
            ((1, 1), (1, 3)),
            ((2, 2, 3), (3, 2)),
            ((2, 2, 3), (2, 3, 2)),
            ((2, 2, 3), (2, 3, 1)),
            ((2, 3, 1), (2, 1, 3)),
            ((2, 1, 3), (2, 3, 2)),
        )
        return tuple((cls(), pair) for pair in pairs)


def _sizes(a: ArrayShape, b: ArrayShape) -> _MatmulSizes:
    batch = prod(b[:-2])
    return _MatmulSizes(batch, prod(a[:-1]) // batch, a[-1], b[-1] if len(b) > 1 else 1)


def _left_factor(m: int, k: int, n: int) -> OpEdge:
    """Return the edge A ⊗ I_n from vec(B); it is dense for one column, a scaled identity for one entry."""
    if n == 1:
        return OpEdge(1, RESULT_VERTEX, m, k)
    structure: StructureWords = "scaled_identity" if m == k == 1 else {"kronecker": [[m, k], n]}
    return OpEdge(1, RESULT_VERTEX, m * n, k * n, structure)
