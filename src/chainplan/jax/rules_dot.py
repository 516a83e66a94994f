"""Products of arrays: `dot_general` is linear in each factor, with as many equal blocks as the other axes have entries.

With batch axes B, free axes M and N and contracted axes K the result is out[b, m, n] = Σ_k L[b, m, k] · R[b, k, n].
In that order of axes d out / d L has a block R[b]ᵀ for each b and m, and d out / d R is L[b] ⊗ I_N for each b. Axes
in another order are first permuted into this one, through an inner vertex, which costs nothing (matrix products: Giles
2008, section 2.2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from chainplan.jax.edges import ActiveEquation, JaxEdge, blocks_edge, pick_edge
from chainplan.jax.forms import HeldBlock, parts
from chainplan.jax.types import Parameters, Shaped


class _DotAxes(NamedTuple):
    """The axes of both factors by role, and how many entries each role has."""

    left: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    right: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    b: int
    m: int
    n: int
    k: int


def axes_of(ins: Sequence[Shaped], params: Parameters) -> _DotAxes:
    """Return batch, free and contracted axes of the left factor; batch, contracted and free axes of the right."""
    (contracted, over), (batch, other) = params["dimension_numbers"]
    x, y = ins[0].shape, ins[1].shape
    free = tuple(i for i in range(len(x)) if i not in (*batch, *contracted))
    rest = tuple(i for i in range(len(y)) if i not in (*other, *over))
    sizes = (
        prod(x[i] for i in batch),
        prod(x[i] for i in free),
        prod(y[i] for i in rest),
        prod(x[i] for i in contracted),
    )
    return _DotAxes((tuple(batch), free, tuple(contracted)), (tuple(other), tuple(over), rest), *sizes)


def dot_general(active: ActiveEquation) -> list[JaxEdge] | None:
    """Make edges that are block-diagonal in the left factor, Kronecker or block-diagonal in the right."""
    if not active.real:
        return None
    axes = axes_of(active.equation.ins, active.equation.params)
    edges = []
    for position in active.ins:
        edges += _by_left(active, axes) if position == 0 else _by_right(active, axes)
    return edges


def _by_left(active: ActiveEquation, axes: _DotAxes) -> list[JaxEdge]:
    """Make the edges of the left factor."""
    b, m, n, k = axes[2:]
    before, source = _ordered(active, 0, sum(axes.left, ()))

    def values(given: Sequence[Array]) -> HeldBlock:
        blocks = _arranged(given[1], axes.right, (b, 1, k, n)).transpose(0, 1, 3, 2)
        number = b * m if b > 1 else 1
        return parts(b * m, jnp.broadcast_to(blocks, (b, number // b, n, k)).reshape(number, n, k))

    return [*before, blocks_edge(source, 0, b * m, n, k, False, values)]


def _by_right(active: ActiveEquation, axes: _DotAxes) -> list[JaxEdge]:
    """Make the edges of the right factor."""
    b, m, n, k = axes[2:]
    if b > 1 and n > 1:
        return _by_batched_right(active, axes)
    before, source = _ordered(active, 1, sum(axes.right, ()))

    def values(given: Sequence[Array]) -> HeldBlock:
        return parts(b * n, _arranged(given[0], axes.left, (b, m, k)), n > 1)

    return [*before, blocks_edge(source, 0, b * n, m, k, n > 1, values)]


def _by_batched_right(active: ActiveEquation, axes: _DotAxes) -> list[JaxEdge]:
    """Make the edges of a right factor with batch axes: a block L[b] for each b and n, from [b, n, k] to [b, n, m]."""
    b, m, n, k = axes[2:]
    batch, over, rest = axes.right
    before, source = _ordered(active, 1, (*batch, *rest, *over))
    turned = np.arange(b * n * m).reshape(b, n, m).transpose(0, 2, 1).ravel()

    def values(given: Sequence[Array]) -> HeldBlock:
        blocks = _arranged(given[0], axes.left, (b, 1, m, k))
        return parts(b * n, jnp.broadcast_to(blocks, (b, n, m, k)).reshape(b * n, m, k))

    turn = pick_edge("product1", 0, turned, b * n * m)
    if turn.words == "identity":
        return [*before, blocks_edge(source, 0, b * n, m, k, False, values)]
    return [*before, blocks_edge(source, "product1", b * n, m, k, False, values), turn]


def _arranged(value: Array, roles: tuple[tuple[int, ...], ...], shape: tuple[int, ...]) -> Array:
    """Put the axes of a factor in the order of their roles, and give it a shape with one axis for each role."""
    return jnp.transpose(value, sum(roles, ())).reshape(shape)


def _ordered(active: ActiveEquation, position: int, order: tuple[int, ...]) -> tuple[list[JaxEdge], int | str]:
    """Make the edge that permutes the axes of an operand, and name the vertex behind it."""
    shape = active.equation.ins[position].shape
    index = np.arange(prod(shape)).reshape(shape).transpose(order).ravel()
    edge = pick_edge(position, f"ordered{position}", index, prod(shape))
    return ([], position) if edge.words == "identity" else ([edge], f"ordered{position}")
