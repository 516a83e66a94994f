"""Linear recurrences: what a loop does to the Jacobians of its steps.

A step maps the state before it to the state behind it by its link A[t], and adds R[t], what enters at that step. The
states behind all steps, one below the other, are S[t] = A[t] · S[t-1] + R[t] with S[-1] = 0. They depend on R by a
block lower triangular matrix, with the product A[t] · … · A[s+1] in row t and column s. Columns or rows are sent
through it by a loop over the steps, which multiplies them by one link at a time. In a loop that runs backwards, t - 1
is the step t + 1 of the arrays.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from chainplan.jax.products import matmul

MAX_FUSED_INNER_SIZE, MAX_FUSED_FMA = 12, 2000
"""The largest inner size, and the most multiply-adds, of a product that is written out within a step."""


def recurred(links: Array, terms: Array, reverse: bool) -> Array:
    """Return the states S, T x n x k, for links A, T x n x n, and terms R, T x n x k."""

    def step(before: Array, given: tuple[Array, Array]) -> tuple[Array, Array]:
        link, term = given
        state = _times(link, before) + term
        return state, state

    return lax.scan(step, jnp.zeros_like(terms[0]), (links, terms), reverse=reverse)[1]


def recurred_adjoint(links: Array, rows: Array, reverse: bool) -> Array:
    """Return the adjoint of `recurred` applied to rows, T x k x n; row block t belongs to the state behind step t."""

    def step(behind: Array, given: tuple[Array, Array]) -> tuple[Array, Array]:
        link, row = given
        total = behind + row
        return _times(total, link), total

    return lax.scan(step, jnp.zeros_like(rows[0]), (links, rows), reverse=not reverse)[1]


def recurred_blocks(links: Array, blocks: Array, reverse: bool) -> Array:
    """Return the states, T·n x T·m, where step t has the term blocks[t], n x m, in the columns of that step alone."""
    steps, n, m = blocks.shape

    def step(before: Array, given: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        link, block, t = given
        state = _times(link, before)
        if _is_fused(state.shape[0], n, state.shape[1]):
            state = jnp.where(np.arange(steps * m) // m == t, jnp.tile(block, (1, steps)), state)
        else:
            state = lax.dynamic_update_slice(state, block, (0, t * m))
        return state, state

    start = jnp.zeros((n, steps * m), blocks.dtype)
    states = lax.scan(step, start, (links, blocks, jnp.arange(steps)), reverse=reverse)[1]
    return states.reshape(steps * n, steps * m)


def recurred_adjoint_blocks(links: Array, blocks: Array, reverse: bool) -> Array:
    """Return the adjoint of `recurred` applied to blocks along the diagonal, T x q x n, as T·q x T·n."""
    steps, q, n = blocks.shape

    def step(behind: Array, given: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        link, block, t = given
        total = lax.dynamic_update_slice(behind, block, (t * q, 0))
        return _times(total, link), total

    start = jnp.zeros((steps * q, n), blocks.dtype)
    totals = lax.scan(step, start, (links, blocks, jnp.arange(steps)), reverse=not reverse)[1]
    return totals.transpose(1, 0, 2).reshape(steps * q, steps * n)


def _is_fused(rows: int, inner: int, cols: int) -> bool:
    """Say whether a product is small enough to be written out, which XLA fuses with what follows."""
    return inner <= MAX_FUSED_INNER_SIZE and rows * inner * cols <= MAX_FUSED_FMA


def _times(left: Array, right: Array) -> Array:
    """Multiply two matrices; larger ones are written out than outside a loop."""
    return matmul(left, right, MAX_FUSED_INNER_SIZE, MAX_FUSED_FMA)
