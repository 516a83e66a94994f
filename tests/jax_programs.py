"""Functions of one or more arrays that together use every rule of `chainplan.jax`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.ad_checkpoint import checkpoint_name

Function = Callable[..., Any]

INDEX = np.array([2, 0, 3])


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


def _factors(x: Any, b: Any) -> Any:
    a = x @ x.mT + 2 * jnp.eye(3)
    lower = jnp.linalg.cholesky(a)
    return lower, lax.linalg.triangular_solve(lower, b[..., None], left_side=True, lower=True), jnp.linalg.eigh(a)[0]


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
    "inverse functions": (
        lambda x: [g(x / 2) for g in (lax.acos, lax.asin, lax.atan, lax.atanh, lax.asinh, lambda y: lax.acosh(y + 1))],
        draw((4,)),
        0,
    ),
    "growth": (lambda x: [g(x) for g in (lax.cosh, lax.sinh, lax.tan, lax.exp2, lax.log1p, lax.cbrt)], draw((4,)), 0),
    "special functions": (
        lambda x: [g(x) for g in (lax.lgamma, lax.digamma, lax.erfc, lax.bessel_i0e, lax.bessel_i1e, lax.square)],
        draw((4,)),
        0,
    ),
    "some derivatives": (
        lambda x: (
            lax.igamma(1.5 + 0 * jnp.arange(4.0), x),
            lax.igammac(1.5 + 0 * jnp.arange(4.0), x),
            lax.polygamma(jnp.ones(4), x),
            lax.betainc(jnp.ones(4), jnp.full(4, 2.0), x / 2),
            lax.erf_inv(x / 2),
        ),
        draw((4,)),
        0,
    ),
    "angles": (lambda x, y: jnp.arctan2(x, y) + lax.rem(x, y) + lax.clamp(0.3, x, y), draw((4,), (4,)), (0, 1)),
    "steps": (lambda x: x * jnp.floor(x) + jnp.ceil(x) * jnp.round(x) * jnp.sign(x), draw((4,)), 0),
    "a gradient inside": (lambda x: jax.grad(lambda y: jnp.sum(y * y * jnp.sin(y)))(x), draw((4,)), 0),
    "passed on": (
        lambda x: (
            checkpoint_name(x, "x"),
            lax.reduce_precision(x, 11, 52),
            jnp.array(x * 1, copy=True),
            lax.optimization_barrier(x * 2),
        ),
        draw((4,)),
        0,
    ),
    "index lists": (
        lambda x: (
            x[jnp.array([0, 2, 2, 1])],
            x.at[jnp.array([0, 7])].get(mode="fill", fill_value=0.0),
            x[::-1][INDEX],
        ),
        draw((4,)),
        0,
    ),
    "scatters": (
        lambda x: (
            (x * x).at[INDEX].set(x[:3]),
            (x * x).at[INDEX].add(3 * x[:3]),
            (x * x).at[INDEX].subtract(3 * x[:3]),
            (x * x).at[jnp.array([9, 1, 1])].add(x[:3], mode="drop"),
        ),
        draw((4,)),
        0,
    ),
    "scattered products": (lambda x: x.at[INDEX].multiply(x[1:], unique_indices=True), draw((4,)), 0),
    "dynamic slices": (
        lambda x: (lax.dynamic_slice(x, (1,), (2,)), lax.dynamic_update_slice(x * x, x[:2], (1,))),
        draw((4,)),
        0,
    ),
    "indices of values": (
        lambda x: (
            lax.dynamic_slice(x, (jnp.argmax(x),), (2,)),
            x[jnp.argsort(x)],
            (x * x).at[jnp.argmin(x)].add(x[0]),
            jnp.where(x.sum() > 1, x, x * x),
        ),
        draw((4,)),
        0,
    ),
    "triangles": (lambda x: (jnp.tril(jnp.outer(x, x)), jnp.diag(x)), draw((3,)), 0),
    "stacks": (
        lambda x: (jnp.stack([x, 2 * x]), jnp.tile(x, (2, 1)), *jnp.unstack(x), *jnp.split(x, 2)),
        draw((2, 3)),
        0,
    ),
    "along each axis": (
        lambda x: (jnp.cumsum(x, 0), jnp.cumprod(x, 1), lax.cummax(x, 2), jnp.sort(x, 1), lax.top_k(x, 2)[0]),
        draw((2, 3, 4)),
        0,
    ),
    "backwards": (
        lambda x: (lax.cumsum(x, reverse=True), lax.cumlogsumexp(x), lax.cummin(x, reverse=True)),
        draw((4,)),
        0,
    ),
    "batched algebra": (_factors, draw((2, 3, 3), (2, 3)), (0, 1)),
    "pooling": (
        lambda x: [
            lax.reduce_window(x, start, g, (2, 2), (1, 2), "SAME")
            for start, g in ((-jnp.inf, lax.max), (jnp.inf, lax.min), (0.0, lax.add))
        ],
        draw((3, 4)),
        0,
    ),
    "filter": (lambda x, k: jnp.convolve(x, k, mode="same"), draw((8,), (3,)), (0, 1)),
    "grouped convolution": (
        lambda x, k: lax.conv_general_dilated(x, k, (2,), "SAME", feature_group_count=2),
        draw((2, 2, 5), (4, 1, 3)),
        (0, 1),
    ),
    "complex inside": (lambda x: jnp.abs(jnp.fft.fft(x) * (1 + 2j)) ** 2, draw((4,)), 0),
    "complex parts": (
        lambda x: (
            jnp.fft.irfft(jnp.fft.rfft(x) * jnp.exp(1j * jnp.arange(3))),
            jnp.imag(jnp.conj(lax.complex(x, x * x)[::-1] - 2j * x)),
            jnp.real(lax.complex(x, x).astype(complex).sum() * (x + 0j)),
            jnp.real(jnp.outer(x + 1j, x - 1j) @ (x * 1j)),
        ),
        draw((4,)),
        0,
    ),
    "norm": (lambda x: x / jnp.linalg.norm(x), draw((4,)), 0),
    "layer norm": (lambda x: (x - x.mean(1, keepdims=True)) / jnp.sqrt(x.var(1, keepdims=True) + 0.1), draw((2, 3)), 0),
    "trips of a value": (
        lambda x: lax.fori_loop(0, 3, lambda i, y: y.at[i].multiply(2.0) + x, x),
        draw((4,)),
        0,
    ),
    "through dtypes": (lambda x: jnp.sin(x.astype(jnp.float64).reshape(2, 2)), draw((4,)), 0),
}
