"""Functions of one or more arrays that together use every rule of `chainplan.jax`, and random ones made of the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Function = Callable[..., Any]


@jax.custom_vjp
def tripled_backward(x: Any) -> Any:
    """Twice x, whose adjoint says three times: only the rule tells."""
    return 2.0 * x


tripled_backward.defvjp(lambda x: (2.0 * x, None), lambda _, y: (3.0 * y,))


@jax.custom_jvp
def tripled_forward(x: Any) -> Any:
    """Twice x, whose tangent says three times."""
    return 2.0 * x


tripled_forward.defjvp(lambda p, t: (tripled_forward(*p), 3.0 * t[0]))


@jax.custom_jvp
def mixed_forward(x: Any) -> Any:
    """A function whose own tangent mixes entries."""
    return 2.0 * x


mixed_forward.defjvp(lambda p, t: (mixed_forward(*p), jnp.cumsum(t[0]) * p[0]))


def draw(*shapes: tuple[int, ...], seed: int = 0) -> tuple[Any, ...]:
    """Arrays of these shapes with entries between 0.2 and 1.2."""
    rng = np.random.default_rng(seed)
    return tuple(jnp.asarray(rng.random(shape) + 0.2) for shape in shapes)


def _residual(x: Any, w: Any, v: Any) -> Any:
    return x + v @ jnp.tanh(w @ x)


def _scanned(x: Any) -> Any:
    return lax.scan(lambda c, y: (c * jnp.sin(y), c + y), x[0], x)


def _image(x: Any, k: Any) -> Any:
    return lax.conv_general_dilated(x, k, (1, 1), "SAME")


def _whatever(x: Any) -> Any:
    return lax.cond(x[0] > 0, lambda y: jnp.sin(y) * y[0], jnp.cos, x)


CASES: dict[str, tuple[Function, tuple[Any, ...], int | tuple[int, ...]]] = {
    "unary": (lambda x: [g(x) for g in (jnp.exp, jnp.log, jnp.sin, jnp.cos, jnp.sqrt, lax.rsqrt)], draw((5,)), 0),
    "unary again": (lambda x: [g(x) for g in (jnp.tanh, jax.nn.sigmoid, lax.erf, jnp.abs, jnp.expm1)], draw((5,)), 0),
    "arithmetic": (lambda x, y: (x + y) * (x - y) / (x * y) - x**y + x**3, draw((2, 3), (2, 3)), (0, 1)),
    "extremes": (
        lambda x, y: jnp.maximum(x, y) + jnp.minimum(x, 0.5) + jnp.clip(y, 0.3, 0.9),
        draw((6,), (6,)),
        (0, 1),
    ),
    "where": (lambda x, y: jnp.where(x > 0.7, x * y, jnp.sin(y)), draw((6,), (6,)), (0, 1)),
    "negation": (lambda x: -x - (3.0 - x), draw((4,)), 0),
    "same operand": (lambda x: x * x + x, draw((4,)), 0),
    "scalars": (lambda x, s: (s * x, x / s, s + x, s - x, jnp.sin(s)), draw((4,), ()), (0, 1)),
    "spread out": (lambda x, y: x[:, None] * y[None, :] + x[:, None] - y, draw((3,), (4,)), (0, 1)),
    "reshaping": (lambda x: jnp.squeeze(x.reshape(4, 1, 3)).T.ravel() * jnp.expand_dims(x, 0).ravel(), draw((3, 4)), 0),
    "transposes": (lambda x: jnp.sin(x.transpose(2, 0, 1)) @ jnp.ones((3, 2)), draw((2, 3, 4)), 0),
    "broadcast": (lambda x: jnp.broadcast_to(x[:, None], (3, 2)) * jnp.broadcast_to(x, (2, 3)).T, draw((3,)), 0),
    "slices": (lambda x: (x[::2], x[1:3], x[::-1], x[2], x[1:4] * x[2:5]), draw((6,)), 0),
    "joined": (lambda x, y: jnp.concatenate([x, jnp.sin(y), x[:1], jnp.zeros(2)]), draw((3,), (2,)), (0, 1)),
    "padded": (
        lambda x, s: lax.pad(x, s, [(1, 2, 1)]) + jnp.sum(lax.pad(x, 0.0, [(-1, 2, 0)])),
        draw((4,), ()),
        (0, 1),
    ),
    "sums": (lambda x: (x.sum(), x.sum(0), x.sum(1), (x**2).mean((0, 2))), draw((2, 3, 4)), 0),
    "reductions": (lambda x: (x.max(0), x.min(1), x.prod(1), x.max()), draw((3, 4)), 0),
    "gathered": (lambda x: x[jnp.array([0, 2, 2, 1])] * x[1], draw((4,)), 0),
    "matrix vector": (lambda w, x: w @ x, draw((3, 4), (4,)), (0, 1)),
    "vector matrix": (lambda x, w: jnp.sin(x) @ w, draw((4,), (4, 3)), (0, 1)),
    "matrix matrix": (lambda a, b: jnp.sin(a) @ jnp.cos(b), draw((2, 3), (3, 4)), (0, 1)),
    "batched product": (lambda a, b: jnp.einsum("bij,bjk->bik", a, b), draw((2, 3, 4), (2, 4, 5)), (0, 1)),
    "odd product": (lambda a, b: jnp.einsum("ibj,kjb->bki", a, b), draw((3, 2, 4), (5, 4, 2)), (0, 1)),
    "two contracted": (lambda a, b: jnp.einsum("aij,jib->ab", a, b), draw((2, 3, 4), (4, 3, 5)), (0, 1)),
    "outer": (lambda x, y: jnp.outer(x, y), draw((3,), (4,)), (0, 1)),
    "dot": (lambda x, y: jnp.dot(x, y), draw((4,), (4,)), (0, 1)),
    "activations": (
        lambda x: (jax.nn.relu(x - 0.7), jax.nn.gelu(x), jax.nn.silu(x), jax.nn.softplus(x)),
        draw((5,)),
        0,
    ),
    "softmax": (lambda x: (jax.nn.softmax(x, axis=-1), jax.nn.logsumexp(x)), draw((3, 4)), 0),
    "residual": (_residual, draw((5,), (2, 5), (5, 2)), (0, 1, 2)),
    "convolution": (_image, draw((1, 2, 4, 4), (3, 2, 3, 3)), (0, 1)),
    "cumulative": (lambda x: (jnp.cumsum(x), jnp.cumprod(x), jnp.sort(x), lax.cummax(x)), draw((5,)), 0),
    "solve": (lambda a, b: jnp.linalg.solve(a + 3 * jnp.eye(3), b), draw((3, 3), (3,)), (0, 1)),
    "algebra": (lambda a: (jnp.linalg.inv(a @ a.T + jnp.eye(3)), jnp.linalg.det(a)), draw((3, 3)), 0),
    "nested jit": (lambda x: jax.jit(lambda y: jax.jit(jnp.sin)(y) * jax.jit(jnp.sin)(y + 1))(x), draw((4,)), 0),
    "checkpoint": (lambda x: jax.checkpoint(lambda y: jnp.sin(jnp.sin(y)))(x), draw((4,)), 0),
    "custom vjp": (lambda x: jnp.sin(tripled_backward(x * x)), draw((4,)), 0),
    "custom jvp": (lambda x: jnp.sin(tripled_forward(x * x)), draw((4,)), 0),
    "custom jvp that mixes": (lambda x: jnp.sin(mixed_forward(x * x)), draw((4,)), 0),
    "scan": (_scanned, draw((5,)), 0),
    "cond": (_whatever, draw((4,)), 0),
    "fori": (lambda x: lax.fori_loop(0, 3, lambda i, y: jnp.sin(y) * x, x), draw((4,)), 0),
    "unused": (lambda x, y: jnp.sin(x), draw((3,), (2,)), (0, 1)),
    "constant": (lambda x: (jnp.ones(2), jnp.sin(x), jnp.floor(x)), draw((3,)), 0),
    "stopped": (lambda x: x * lax.stop_gradient(x), draw((3,)), 0),
    "identity": (lambda x, y: (x, y, x, x + y), draw((3,), (3,)), (0, 1)),
    "all scalar": (lambda x, y: jnp.sin(x * y) / x, draw((), ()), (0, 1)),
    "empty": (lambda x, y: (jnp.concatenate([x, y]) * 2, y * 2), draw((3,), (0,)), (0, 1)),
    "trees": (
        lambda p, x: {"y": p["w"] @ x[0] + p["b"], "z": (x[1],)},
        ({"w": jnp.ones((2, 3)), "b": jnp.ones(2)}, draw((3,), (2,))),
        (0, 1),
    ),
    "one of many": (lambda x, k, y: x[k] * y, (*draw((4,)), jnp.array([1, 2]), *draw((2,), seed=1)), 2),
    "complex inside": (lambda x: jnp.abs(jnp.fft.fft(x)) ** 2, draw((4,)), 0),
    "through dtypes": (lambda x: jnp.sin(x.astype(jnp.float64).reshape(2, 2)), draw((4,)), 0),
}


Op = Callable[[np.random.Generator, list[Any]], Any]


def _any(rng: np.random.Generator, values: Sequence[Any]) -> Any:
    return values[int(rng.integers(len(values)))]


def _like(rng: np.random.Generator, values: Sequence[Any], x: Any) -> Any:
    return _any(rng, [v for v in values if v.shape == x.shape])


def _unary(rng: np.random.Generator, values: list[Any]) -> Any:
    functions = (jnp.sin, jnp.tanh, jnp.cos, jax.nn.relu, jax.nn.sigmoid, lambda x: -x, lambda x: x * x, jnp.arctan)
    return functions[int(rng.integers(len(functions)))](_any(rng, values))


def _binary(rng: np.random.Generator, values: list[Any]) -> Any:
    x = _any(rng, values)
    y = _like(rng, values, x)
    functions = (jnp.add, jnp.subtract, jnp.multiply, jnp.maximum, lambda a, b: a / (2 + b * b))
    return functions[int(rng.integers(len(functions)))](x, y)


def _with_scalar(rng: np.random.Generator, values: list[Any]) -> Any:
    return _any(rng, values) * jnp.sum(_any(rng, values)) * 0.1


def _reduced(rng: np.random.Generator, values: list[Any]) -> Any:
    x = _any(rng, [v for v in values if v.ndim])
    reducers = (jnp.sum, jnp.max, jnp.mean)
    return reducers[int(rng.integers(len(reducers)))](x, axis=int(rng.integers(x.ndim)), keepdims=bool(rng.integers(2)))


def _moved(rng: np.random.Generator, values: list[Any]) -> Any:
    x = _any(rng, [v for v in values if v.ndim])
    moves = (
        lambda: x.T,
        lambda: x.ravel(),
        lambda: x[::-1],
        lambda: x[: max(1, x.shape[0] // 2)],
        lambda: jnp.broadcast_to(x, (2, *x.shape)),
        lambda: jnp.concatenate([x, x[:1]]),
        lambda: jnp.pad(x, 1),
        lambda: jnp.cumsum(x, axis=0),
    )
    return moves[int(rng.integers(len(moves)))]()


def _multiplied(rng: np.random.Generator, values: list[Any]) -> Any:
    x = _any(rng, [v for v in values if v.ndim])
    if x.ndim == 1:
        return jnp.asarray(rng.standard_normal((3, x.shape[0]))) @ x
    y = jnp.sin(_like(rng, values, x))
    return jnp.einsum("...ij,...kj->...ki", x, y) * 0.1


OPS: tuple[Op, ...] = (_unary, _binary, _binary, _with_scalar, _reduced, _moved, _multiplied)


def random_program(seed: int) -> tuple[Function, tuple[Any, ...]]:
    """A function of two arrays made of eight random operations, and its arguments."""
    arguments = draw((3,), (2, 3), seed=seed)

    def program(x: Any, y: Any) -> Any:
        rng = np.random.default_rng(seed)
        values = [x, y]
        for _ in range(8):
            made = OPS[int(rng.integers(len(OPS)))](rng, values)
            if made.size <= 60 and made.ndim <= 3:
                values.append(made)
        return values[-1], jnp.sum(values[-2]), values[-3] * 2

    return program, arguments
