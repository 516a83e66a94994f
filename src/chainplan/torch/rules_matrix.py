"""Products of matrices: linear in each factor, with as many equal blocks as the other axes have entries.

With out[b, m, n] = Σ_k L[b, m, k] · R[b, k, n], d out / d L has a block R[b]ᵀ for each b and m, and d out / d R is
L[b] ⊗ I_N for each b (matrix products: Giles 2008, section 2.2.2). With batches and columns both, R is permuted through
inner vertices, which costs nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chainplan.torch.edges import (
    ActiveNode,
    TorchEdge,
    blocks_edge,
    pick_edge,
    sign_edge,
)
from chainplan.torch.forms import TensorBlock, parts
from chainplan.torch.types import OperandValues, Value


class _Factors(NamedTuple):
    """The positions of both factors among the operands, and the sizes b, m, k and n."""

    left: int
    right: int
    b: int
    m: int
    k: int
    n: int


def _factors(active: ActiveNode) -> _Factors:
    """Return where the factors stand and how large they are; vectors are rows or columns."""
    first = {"addmm": 1, "addmv": 1, "baddbmm": 1}.get(active.name, 0)
    x, y = active.shape(first), active.shape(first + 1)
    b = x[0] if len(x) == 3 else 1
    m = 1 if len(x) == 1 else x[-2]
    n = 1 if len(y) == 1 else y[-1]
    return _Factors(first, first + 1, b, m, x[-1], n)


def matrix_product(active: ActiveNode) -> list[TorchEdge] | None:
    """Make edges that are block-diagonal in the left factor, Kronecker or block-diagonal in the right."""
    given = active.given
    if given.get("alpha", 1) != 1 or given.get("beta", 1) != 1:
        return None
    f = _factors(active)
    edges: list[TorchEdge] = []
    if f.left in active.ins:
        edges.append(_by_left(f))
    if f.right in active.ins:
        edges += _by_batched_right(f) if f.b > 1 and f.n > 1 else [_by_right(f)]
    if f.left == 1 and 0 in active.ins:
        edges += spread(active, 0)
    return edges


def spread(active: ActiveNode, position: int) -> list[TorchEdge]:
    """Make the edge of an operand that is added as it is, spread out to the shape of the result first."""
    own, shape = active.shape(position), active.out_shape
    size, rows = active.size(position), int(np.prod(shape))
    if size == rows:
        return [sign_edge(position, 0, rows)]
    index = np.broadcast_to(np.arange(size).reshape(own), shape).ravel()
    return [pick_edge(position, 0, index, size)]


def _by_left(f: _Factors) -> TorchEdge:
    """Make the edge of the left factor: a block R[b]ᵀ for each b and m."""

    def values(given: OperandValues) -> TensorBlock:
        blocks = given[f.right].reshape(f.b, f.k, f.n).transpose(1, 2)
        if f.b > 1 and f.m > 1:
            blocks = blocks.unsqueeze(1).expand(f.b, f.m, f.n, f.k).reshape(f.b * f.m, f.n, f.k)
        return parts(f.b * f.m, blocks)

    return blocks_edge(f.left, 0, f.b * f.m, f.n, f.k, False, values)


def _by_right(f: _Factors) -> TorchEdge:
    """Make the edge of the right factor: layers of L, or a block L[b] for each b."""

    def values(given: OperandValues) -> TensorBlock:
        return parts(f.b * f.n, given[f.left].reshape(f.b, f.m, f.k), f.n > 1)

    return blocks_edge(f.right, 0, f.b * f.n, f.m, f.k, f.n > 1, values)


def _by_batched_right(f: _Factors) -> list[TorchEdge]:
    """Make the edges of a right factor with batches: a block L[b] for each b and n, from [b, n, k] to [b, n, m]."""
    into = np.arange(f.b * f.k * f.n).reshape(f.b, f.k, f.n).transpose(0, 2, 1).ravel()
    back = np.arange(f.b * f.n * f.m).reshape(f.b, f.n, f.m).transpose(0, 2, 1).ravel()

    def values(given: OperandValues) -> TensorBlock:
        blocks = given[f.left].reshape(f.b, 1, f.m, f.k).expand(f.b, f.n, f.m, f.k)
        return parts(f.b * f.n, blocks.reshape(f.b * f.n, f.m, f.k))

    return [
        pick_edge(f.right, "columns", into, len(into)),
        blocks_edge("columns", "products", f.b * f.n, f.m, f.k, False, values),
        pick_edge("products", 0, back, len(back)),
    ]


def dot(active: ActiveNode) -> list[TorchEdge]:
    """Make a row for each factor: the other factor."""

    def row(other: int) -> Value:
        return lambda given: parts(1, given[other].reshape(1, 1, -1))

    return [blocks_edge(i, 0, 1, 1, active.size(i), False, row(1 - i)) for i in active.ins]
