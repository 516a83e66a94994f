"""Residuals of other people's shapes: networks, curves, bundles of rays, graphs of poses, differences on grids."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Residuals = Callable[[Any], Any]
RNG = np.random.default_rng(0)
T = np.linspace(0.1, 1, 12)


def numbers(*shape: int) -> Any:
    return jnp.asarray(RNG.uniform(0.2, 1.2, shape))


def _network(*sizes: int, activation: Any = jnp.tanh) -> tuple[Residuals, Any]:
    layers = [numbers(a, b) - 0.7 for b, a in pairwise(sizes)]

    def call(x: Any) -> Any:
        for layer in layers:
            x = activation(layer @ x)
        return x

    return call, numbers(sizes[0])


def _by_weights(sizes: tuple[int, int, int], points: int) -> tuple[Residuals, Any]:
    a, b, c = sizes
    x, y = numbers(points, a), numbers(points, c)

    def call(p: Any) -> Any:
        w, v = p[: a * b].reshape(b, a), p[a * b :].reshape(c, b)
        return (jnp.tanh(x @ w.T) @ v.T - y).ravel()

    return call, numbers(a * b + b * c)


def _bundle(cameras: int, points: int, seen: int) -> tuple[Residuals, Any]:
    camera, point = np.arange(seen) % cameras, np.arange(seen) * 7 % points

    def one(c: Any, x: Any) -> Any:
        y = x + jnp.cross(c[:3], x) + c[3:]
        return y[:2] / (3 + y[2])

    def call(p: Any) -> Any:
        c, x = p[: 6 * cameras].reshape(-1, 6), p[6 * cameras :].reshape(-1, 3)
        return jax.vmap(one)(c[camera], x[point]).ravel()

    return call, numbers(6 * cameras + 3 * points)


def _poses(count: int, closures: int) -> tuple[Residuals, Any]:
    i = np.concatenate([np.arange(count - 1), np.arange(closures) % count])
    j = np.concatenate([np.arange(1, count), (np.arange(closures) * 3 + 2) % count])

    def call(p: Any) -> Any:
        a, b = p.reshape(-1, 3)[i], p.reshape(-1, 3)[j]
        c, s, d = jnp.cos(a[:, 2]), jnp.sin(a[:, 2]), b - a
        return jnp.stack([c * d[:, 0] + s * d[:, 1], c * d[:, 1] - s * d[:, 0], d[:, 2]], 1).ravel()

    return call, numbers(3 * count)


def _curve(model: Callable[[Any, Any], Any], count: int) -> tuple[Residuals, Any]:
    return lambda p: model(p, T) - np.exp(-T), numbers(count)


def _heat(u: Any) -> Any:
    around = jnp.roll(u, 1, 0) + jnp.roll(u, -1, 0) + jnp.roll(u, 1, 1) + jnp.roll(u, -1, 1)
    return around - 4 * u + jnp.exp(-u)


def _limited(u: Any) -> Any:
    left, right = u[1:-1] - u[:-2], u[2:] - u[1:-1]
    return jnp.where(left * right > 0, jnp.minimum(abs(left), abs(right)), 0) + u[1:-1]


CURVES: dict[str, tuple[Residuals, Any]] = {
    "decay": _curve(lambda p, t: p[0] * jnp.exp(-p[1] * t), 2),
    "two-decays": _curve(lambda p, t: p[0] * jnp.exp(-p[1] * t) + p[2] * jnp.exp(-p[3] * t), 4),
    "logistic": _curve(lambda p, t: p[0] / (1 + jnp.exp(p[1] - p[2] * t)), 3),
    "wave": _curve(lambda p, t: p[0] * jnp.sin(p[1] * t + p[2]) + p[3], 4),
    "peak": _curve(lambda p, t: p[0] * jnp.exp(-(((t - p[1]) / p[2]) ** 2)), 3),
    "saturation": _curve(lambda p, t: p[0] * t / (p[1] + t), 2),
    "rational": _curve(lambda p, t: (p[0] + p[1] * t) / (1 + p[2] * t + p[3] * t * t), 4),
    "polynomial": _curve(lambda p, t: jnp.polyval(p, t), 5),
    "power": _curve(lambda p, t: p[0] * t ** p[1], 2),
    "mixture": _curve(lambda p, t: jax.nn.softmax(p[:3]) @ jnp.exp(-jnp.outer(p[3:], t)), 6),
}
NETWORKS: dict[str, tuple[Residuals, Any]] = {
    "dense": _network(6, 6),
    "waist": _network(9, 2, 9),
    "waists": _network(8, 2, 8, 2, 8),
    "tall": _network(3, 9),
    "wide": _network(9, 3),
    "deep": _network(5, 5, 5, 5, activation=jnp.sin),
    "rectified": _network(7, 6, 7, activation=jax.nn.relu),
    "gelu": _network(6, 4, 6, activation=jax.nn.gelu),
    "fitted": _by_weights((2, 3, 1), 8),
    "fitted-wide": _by_weights((3, 4, 2), 5),
}
GRAPHS: dict[str, tuple[Residuals, Any]] = {
    "bundle": _bundle(3, 8, 16),
    "two-cameras": _bundle(2, 10, 20),
    "few-points": _bundle(2, 3, 6),
    "many-cameras": _bundle(7, 9, 30),
    "odometry": _poses(8, 0),
    "poses": _poses(8, 3),
    "loops": _poses(10, 10),
    "triangle": _poses(3, 1),
}
GRIDS: dict[str, tuple[Residuals, Any]] = {
    "burgers": (lambda u: u * (jnp.roll(u, -1) - jnp.roll(u, 1)) + jnp.diff(u, 2, append=u[:2]), numbers(30)),
    "second": (lambda u: jnp.diff(u, 2), numbers(40)),
    "walls": (lambda u: jnp.concatenate([u[:1], jnp.diff(u**3), -u[-1:]]), numbers(30)),
    "heat": (_heat, numbers(5, 6)),
    "limited": (_limited, numbers(25)),
    "diagonal": (lambda u: jnp.sin(u) * u, numbers(30)),
    "cumulated": (jnp.cumsum, numbers(9)),
    "means": (lambda u: u.reshape(4, 5).mean(1) ** 2, numbers(20)),
}
OTHERS: dict[str, tuple[Residuals, Any]] = {
    "rosenbrock": (lambda x: jnp.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]]), numbers(20)),
    "powell": (lambda x: jnp.stack([x[0] + 10 * x[1], x[2] - x[3], (x[1] - 2 * x[2]) ** 2, x[0] * x[3]]), numbers(4)),
    "number": (lambda x: jnp.sum(jnp.sin(x)), numbers(6)),
    "of-a-number": (lambda x: x * jnp.arange(5.0), numbers()),
    "matrix": (lambda x: x @ x.T, numbers(3, 2)),
    "solved": (lambda x: jnp.linalg.solve(jnp.eye(3) + jnp.outer(x, x), x), numbers(3)),
    "stepped": (lambda x: jax.lax.scan(lambda c, u: (jnp.sin(c) + u, c * u), x[0], x[1:])[1], numbers(7)),
    "constant": (lambda x: jnp.ones(3) + 0 * jnp.floor(x), numbers(3)),
    "itself": (lambda x: x, numbers(3)),
    "empty": (lambda x: x * 2, jnp.zeros((0, 3))),
}
RESIDUALS = {**CURVES, **NETWORKS, **GRAPHS, **GRIDS, **OTHERS}
FEW = ("decay", "waist", "tall", "triangle", "second", "number", "matrix", "constant", "empty")
"""One of each kind."""
