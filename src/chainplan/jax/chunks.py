"""Many directions, a chunk at a time: only what one chunk computes is alive, not what all directions compute together.

The directions of a chunk are computed side by side, and the chunk is written into its place in the result. The last
chunk overlaps the one before it, so that all chunks have the same shape. The seeds of a whole Jacobian are made chunk
by chunk and are never written out. Tangents evaluate the function again with every chunk: to keep the values at which
each equation is linearised would cost the memory that chunks save.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from chainplan.errors import PlanError
from chainplan.jax.types import Shaped, Tree

if TYPE_CHECKING:
    from jax.typing import DTypeLike

ChunkFunction = Callable[[Array | int, int], Array]
"""Computes the result for some directions, given the first of them and their number."""


def jvp_chunks(f: Callable[..., Tree], primals: Sequence[Tree], tangents: Sequence[Tree], chunk: int) -> Tree:
    """Compute tangents of f in many directions, `chunk` of them at a time.

    Parameters
    ----------
    f : Callable[..., Tree]
        A function of arrays, or trees of them.
    primals : Sequence[Tree]
        Its arguments, one by one.
    tangents : Sequence[Tree]
        A direction for each argument, all with an axis of k directions in front.
    chunk : int
        The number of directions that are sent at a time.

    Returns
    -------
    Tree
        As f gives it, every array with the axis of k in front: `jax.vmap(lambda *t: jax.jvp(f, primals, t)[1])`.

    Raises
    ------
    PlanError
        If a chunk is not at least one direction.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> jvp_chunks(lambda x: 2 * x, [jnp.ones(2)], [jnp.eye(2)], chunk=1).tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """
    _require_chunk(chunk)
    return lax.map(lambda one: jax.jvp(f, tuple(primals), one)[1], tuple(tangents), batch_size=chunk)


def vjp_chunks(f: Callable[..., Tree], primals: Sequence[Tree], cotangents: Tree, chunk: int) -> tuple[Tree, ...]:
    """Compute adjoints of f for many rows, `chunk` of them at a time.

    Parameters
    ----------
    f : Callable[..., Tree]
        A function of arrays, or trees of them.
    primals : Sequence[Tree]
        Its arguments, one by one.
    cotangents : Tree
        A row for each array that f gives, all with an axis of k rows in front.
    chunk : int
        The number of rows that are sent at a time.

    Returns
    -------
    tuple
        As the arguments, every array with the axis of k in front: `jax.vmap(jax.vjp(f, *primals)[1])`.

    Raises
    ------
    PlanError
        If a chunk is not at least one row.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> vjp_chunks(lambda x: 2 * x, [jnp.ones(2)], jnp.eye(2), chunk=1)[0].tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """
    _require_chunk(chunk)
    _, pull = jax.vjp(f, *primals)
    adjoints: tuple[Tree, ...] = lax.map(pull, cotangents, batch_size=chunk)
    return adjoints


def _require_chunk(chunk: int) -> None:
    if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
        raise PlanError(f"chunk: found {chunk!r}; expected a whole number of directions from 1. Pass chunk=1 or more.")


def by_mode(
    function: Callable[..., tuple[list[Array], list[Array]]], leaves: Sequence[Array], mode: str, chunk: int
) -> tuple[list[list[Array]], list[Array]]:
    """Compute the Jacobian blocks of a function by "jacfwd" or "jacrev", `chunk` seeds at a time.

    Parameters
    ----------
    function : Callable[..., tuple[list[Array], list[Array]]]
        A function that returns its results, and what it passes on beside them.

    Returns
    -------
    tuple
        The blocks, one for each result and argument, in the shapes of both one after the other; and what the function
        passes on.
    """
    x, restored = ravel_pytree(list(leaves))
    outs: list[Shaped] = []

    def joined(vector: Array) -> tuple[Array, list[Array]]:
        results, beside = function(*restored(vector))
        outs[:] = results
        return ravel_pytree(results)[0], beside

    if mode == "jacfwd":
        beside = joined(x)[1]
        columns = jax.vmap(lambda column: jax.jvp(lambda x: joined(x)[0], (x,), (column,))[1], 0, 1)
        whole = assembled(lambda at, k: columns(seeds(at, k, x.size, x.dtype)), x.size, chunk, 1)
    else:
        y, pull, beside = jax.vjp(joined, x, has_aux=True)
        rows = jax.vmap(lambda row: pull(row)[0])
        whole = assembled(lambda at, k: rows(seeds(at, k, y.size, y.dtype)), y.size, chunk, 0)
    return _split(whole, [o.shape for o in outs], leaves), beside


def _split(whole: Array, shapes: Sequence[tuple[int, ...]], leaves: Sequence[Array]) -> list[list[Array]]:
    """Cut a matrix into its blocks, by result and argument."""
    rows, blocks = 0, []
    for shape in shapes:
        cols, row = 0, []
        for leaf in leaves:
            part = whole[rows : rows + prod(shape), cols : cols + leaf.size]
            row.append(part.reshape((*shape, *leaf.shape)).astype(leaf.dtype))
            cols += leaf.size
        rows += prod(shape)
        blocks.append(row)
    return blocks


def assembled(piece: ChunkFunction, width: int, chunk: int, axis: int) -> Array:
    """Make a matrix of pieces along an axis of `width`; one piece makes it where a chunk holds it."""
    if width <= chunk:
        return piece(0, width)
    first = jax.eval_shape(lambda: piece(0, chunk))
    shape = list(first.shape)
    shape[axis] = width

    def step(i: Array, whole: Array) -> Array:
        start = jnp.minimum(i * chunk, width - chunk)
        return lax.dynamic_update_slice_in_dim(whole, piece(start, chunk), start, axis)

    return lax.fori_loop(0, -(-width // chunk), step, jnp.zeros(shape, first.dtype))


def seeds(start: Array | int, count: int, width: int, dtype: DTypeLike) -> Array:
    """Return rows `start` to `start + count` of the identity of `width`."""
    return (start + jnp.arange(count)[:, None] == jnp.arange(width)).astype(dtype)
