"""Random programs for the JAX front-end, drawn as plain data: a list of operations on a growing list of arrays.

An operation is a name of `OPS` and three numbers, which choose its operands and its kind, whatever there is to choose
from; a failing program shrinks to few operations. Values stay between about -1 and 1, shapes few and small, so that
programs share what is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st
from jax import lax

from tests.jax_programs import draw, mixed_forward, tripled_backward, tripled_forward

Step = tuple[str, int, int, int]
Program = tuple[Step, ...]
Op = Callable[[Sequence[Any], Any, int, int, int], Any]
"""Of all floating-point arrays so far, the integer input and three numbers."""

KINDS = 18
"""Numbers that choose the kind of an operation: at least as many as any operation has."""
LARGEST = 12
"""Entries of the largest array that a program goes on with."""


def _nth(options: Sequence[Any], number: int) -> Any:
    return options[number % len(options)]


def _array(values: Sequence[Any], number: int, least: int = 1) -> Any:
    """One of the newest arrays of as many axes."""
    return _nth([v for v in reversed(values) if v.ndim >= least and v.size], number)


def _like(values: Sequence[Any], x: Any, number: int) -> Any:
    return _nth([v for v in reversed(values) if v.shape == x.shape], number)


UNARY: tuple[Callable[[Any], Any], ...] = (
    jnp.sin,
    jnp.tanh,
    jnp.negative,
    jnp.square,
    jax.nn.relu,
    jax.nn.sigmoid,
    lambda x: jnp.exp(-x * x),
    lambda x: jnp.log(2 + x * x),
    lambda x: jnp.clip(x, -0.3, 0.4),
    lambda x: lax.clamp(-0.2, x, 0.5),
    lambda x: jax.nn.gelu(x) * jnp.floor(x),
    lambda x: lax.stop_gradient(x) * x,
    lambda x: x.astype(jnp.float32).astype(jnp.float64) * 0 + x,
    jax.nn.gelu,
    jax.nn.silu,
    lambda x: jnp.where(x > 0, jnp.sqrt(jnp.abs(x) + 0.1), x * x),
    lambda x: jnp.minimum(jnp.abs(x), 0.4) * x,
)
BINARY: tuple[Callable[[Any, Any], Any], ...] = (
    jnp.add,
    jnp.subtract,
    jnp.multiply,
    jnp.maximum,
    lambda x, y: x / (2 + y * y),
    lambda x, y: jnp.where(x > 0.2, x, y),
    lambda x, y: lax.select(jnp.sum(x) > 0, x, y),
    jnp.arctan2,
    lambda x, y: jnp.where(x < y, x * y, jnp.sin(x)),
)
REDUCED: tuple[Callable[..., Any], ...] = (jnp.sum, jnp.max, jnp.min, jnp.prod, jnp.mean, jax.nn.logsumexp)
MOVED: tuple[Callable[[Any], Any], ...] = (
    lambda x: x.T,
    lambda x: x.ravel(),
    lambda x: x[::-1],
    lambda x: x[: max(1, x.shape[0] // 2)],
    lambda x: x[..., None, 0],
    lambda x: jnp.broadcast_to(x, (2, *x.shape)),
    lambda x: jnp.concatenate([x, x[:1]]),
    lambda x: jnp.concatenate([x[:0], x]),
    lambda x: jnp.pad(x, 1),
    lambda x: jnp.stack([x, 2 * x]),
    lambda x: jnp.tile(x, 2),
    lambda x: jnp.repeat(x, 2, axis=0),
    lambda x: jnp.tril(jnp.atleast_2d(x)),
    lambda x: jnp.roll(x, 1, axis=0),
    lambda x: jnp.roll(x, -1, axis=-1) - x,
    lambda x: lax.pad(x, 0.3, [(1, 0, 1), *[(0, 0, 0)] * (x.ndim - 1)]),
    lambda x: jnp.pad(x, [(0, 1), *[(0, 0)] * (x.ndim - 1)], mode="edge"),
    lambda x: x[1:] - x[:-1],
)
ALONG: tuple[Callable[..., Any], ...] = (
    jnp.cumsum,
    jnp.sort,
    jnp.cumprod,
    jax.nn.softmax,
    lax.cumlogsumexp,
    lax.cummax,
)
CALLED: tuple[Callable[[Any], Any], ...] = (
    jax.jit(lambda x: jax.jit(jnp.sin)(x) * x),
    jax.checkpoint(lambda x: jnp.sin(jnp.cos(x))),
    tripled_forward,
    mixed_forward,
)


def _applied(x: Any, function: Callable[[Any], Any]) -> Any:
    """A function of a vector, on the entries of any array."""
    return function(x.ravel()).reshape(x.shape)


def _product(values: Sequence[Any], k: Any, a: int, b: int, c: int) -> Any:
    x = _array(values, a, 1)
    if x.ndim == 1:
        return _nth((lambda: jnp.ones((3, x.shape[0])) @ x, lambda: jnp.outer(x, x), lambda: jnp.dot(x, x)), c)() * 0.3
    y = jnp.sin(_like(values, x, b))
    rules = ("...ij,...kj->...ik", "...ji,...jk->...ki", "...ij,...ij->j...", "...ij,...ij->...", "...ij,...lk->...il")
    return jnp.einsum(_nth(rules, c), x, y) * 0.3


def _joined(values: Sequence[Any], k: Any, a: int, b: int, c: int) -> Any:
    """Arrays made before, side by side."""
    x = _array(values, a, 1)
    y = _like(values, x, b)
    return _nth(
        (
            lambda: jnp.concatenate([x, y])[: max(2, x.shape[0])],
            lambda: jnp.concatenate([y[-1:], x[:-1]]),
            lambda: jnp.concatenate([x[:1] * y[:1], x[1:] - y[:-1]]),
            lambda: jnp.stack([jnp.sin(x), y * x]).sum(0),
            lambda: jnp.hstack([x.ravel()[:3], y.ravel()[1:3]]),
        ),
        c,
    )()


def _picked(values: Sequence[Any], k: Any, a: int, b: int, c: int) -> Any:
    """Segments, one-hot rows and lists of indices, known and of the program."""
    x = _array(values, a, 1)
    size = x.shape[0]
    groups = np.arange(size) % 2
    return _nth(
        (
            lambda: jax.ops.segment_sum(x, groups, num_segments=2),
            lambda: jax.ops.segment_sum(jnp.sin(x), jnp.sort(groups), num_segments=3, indices_are_sorted=True),
            lambda: jax.ops.segment_max(x, groups, num_segments=2),
            lambda: jnp.tensordot(jax.nn.one_hot(np.array([0, size - 1]), size, dtype=x.dtype), x, 1),
            lambda: jnp.tensordot(jax.nn.one_hot(k % size, size, dtype=x.dtype), x, 1),
            lambda: x[np.array([size - 1, 0])] * x[np.array([0, 0])],
            lambda: jnp.take(x, k % size, axis=0),
        ),
        c,
    )()


def _indexed(values: Sequence[Any], k: Any, a: int, b: int, c: int) -> Any:
    x = _array(values, a, 1)
    known = np.array([0, -1, 0])
    return _nth(
        (
            lambda: x[known],
            lambda: x[k % x.shape[0]],
            lambda: x.at[known].add(x[0]),
            lambda: x.at[k[b % 3] % x.shape[0]].set(x[0] * 2),
            lambda: lax.dynamic_slice_in_dim(x, 1, max(1, x.shape[0] - 1)),
            lambda: lax.dynamic_slice_in_dim(x, k[0], 1),
            lambda: lax.dynamic_update_slice_in_dim(x, x[:1] * 3, 1, 0),
            lambda: lax.dynamic_update_slice_in_dim(x, x[:1] * 3, k[1], 0),
            lambda: jnp.take_along_axis(x, jnp.argsort(x, 0), 0),
            lambda: lax.top_k(x, 1)[0],
        ),
        c,
    )()


def _looped(values: Sequence[Any], k: Any, a: int, b: int, c: int) -> Any:
    x = _array(values, a, 1)
    y = _like(values, x, b)
    return _nth(
        (
            lambda: lax.scan(lambda s, row: (jnp.sin(s) * row, s + row), x[0], x)[1],
            lambda: lax.scan(lambda s, _: (jnp.tanh(s + y) * 0.7, s * y), x, None, length=3)[0],
            lambda: lax.map(lambda row: jnp.sin(row) * row, x),
            lambda: lax.fori_loop(0, 2, lambda i, s: jnp.sin(s) + y, x),
            lambda: lax.cond(jnp.sum(x) > 0, lambda u, v: u * v, lambda u, v: u - v, x, y),
            lambda: lax.switch(k[0], (jnp.sin, jnp.cos, lambda u: u * 2), x),
        ),
        c,
    )()


def _while(values: Sequence[Any], k: Any, a: int, b: int, c: int) -> Any:
    x = _array(values, a, 0)
    return lax.while_loop(lambda s: jnp.sum(s * s) < 5, lambda s: 2 * s + 0.1 * x + 0.1, x) * 0.3


def _algebra(values: Sequence[Any], k: Any, a: int, b: int, c: int) -> Any:
    x = _array(values, a, 2)
    square = x @ x.mT + 2 * jnp.eye(x.shape[-2])
    return _nth(
        (
            lambda: jnp.linalg.solve(square, x),
            lambda: jnp.linalg.cholesky(square),
            lambda: jnp.linalg.inv(square),
            lambda: jnp.linalg.solve(square, x[..., :1]),
            lambda: jnp.linalg.slogdet(square)[1],
            lambda: x / (1 + jnp.linalg.norm(x)),
            lambda: jnp.abs(jnp.fft.fft(x) + 3) * 0.2,
        ),
        c,
    )()


def _windows(values: Sequence[Any], k: Any, a: int, b: int, c: int) -> Any:
    x = _array(values, a, 1).ravel()
    return _nth(
        (
            lambda: jnp.convolve(x, jnp.array([0.5, -0.2]), mode="same"),
            lambda: jnp.convolve(x[:4], x[:2]),
            lambda: lax.reduce_window(x, -jnp.inf, lax.max, (2,), (1,), "SAME"),
        ),
        c,
    )()


OPS: dict[str, Op] = {
    "unary": lambda values, k, a, b, c: _nth(UNARY, c)(_array(values, a, 0)),
    "binary": lambda values, k, a, b, c: _nth(BINARY, c)(x := _array(values, a, 0), _like(values, x, b)),
    "scaled": lambda values, k, a, b, c: _array(values, a, 0) * jnp.tanh(jnp.sum(_array(values, b, 0))),
    "reduced": lambda values, k, a, b, c: _nth(REDUCED, c)(x := _array(values, a, 1), axis=b % x.ndim, keepdims=c > 6),
    "moved": lambda values, k, a, b, c: _nth(MOVED, c)(_array(values, a, 1)),
    "along": lambda values, k, a, b, c: _nth(ALONG, c)(x := _array(values, a, 1), axis=b % x.ndim),
    "product": _product,
    "joined": _joined,
    "picked": _picked,
    "indexed": _indexed,
    "called": lambda values, k, a, b, c: _applied(_array(values, a, 0), _nth(CALLED, c)),
    "adjoint": lambda values, k, a, b, c: tripled_backward(_array(values, a, 0)),
    "looped": _looped,
    "while": _while,
    "algebra": _algebra,
    "windows": _windows,
    "empty": lambda values, k, a, b, c: _array(values, a, 1)[:0] * 2,
}


def function_of(program: Program) -> Callable[..., Any]:
    """The function of a scalar, a vector, a matrix, a stack of matrices and a list of integers."""

    def function(s: Any, x: Any, y: Any, z: Any, k: Any) -> Any:
        values = [z, y, s, x]
        for name, a, b, c in program:
            made = OPS[name](values, k, a, b, c)
            if made.size <= LARGEST and made.ndim <= 3:
                values.append(made)
        return values[-1], {"sums": [jnp.sum(v) for v in values[-4:-1]], "constant": jnp.ones(2), "earlier": values[-3]}

    return function


ARGUMENTS = (*(a - 0.7 for a in draw((), (3,), (2, 3), (2, 2, 3))), jnp.array([2, 0, 1]))
"""Of `function_of`."""


def programs() -> st.SearchStrategy[Program]:
    """Four to seven operations; a loop without adjoint excludes a function without tangent."""
    numbers = st.integers(0, 4)
    steps = st.tuples(st.sampled_from(sorted(OPS)), numbers, numbers, st.sampled_from(range(KINDS)))
    drawn = st.lists(steps, min_size=4, max_size=7).map(tuple)
    return drawn.filter(lambda program: not {"while", "adjoint"} <= {step[0] for step in program})
