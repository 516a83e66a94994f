"""Where a branch is not taken its infinite derivative does not count: a plan gives a number wherever `jacfwd` does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402

import chainplan.jax as planned  # noqa: E402

pytestmark = pytest.mark.usefixtures("quickly_compiled")

X = jnp.array([0.0, 1.0, -2.0, 0.5, 800.0, 0.0])
"""Points where logarithms, roots, quotients and powers have no derivative, and one where exp overflows."""
W = jnp.asarray(np.random.default_rng(0).standard_normal((6, 6)))

CASES: dict[str, Callable[[Any], Any]] = {
    "log": lambda x: jnp.where(x > 0, jnp.log(x), 0.0),
    "log of what is multiplied": lambda x: W @ jnp.where(x > 0, jnp.log(3 * x), x),
    "x log x": lambda x: jnp.where(x > 0, x * jnp.log(x), 0.0),
    "square root": lambda x: jnp.where(x > 0, jnp.sqrt(x), x),
    "root of a sum": lambda x: jnp.where(x > 0, jnp.sqrt(x + x[0]), W @ x),
    "quotient": lambda x: jnp.where(x != 0, jnp.sin(x) / x, 1.0),
    "quotient below": lambda x: jnp.tanh(W @ jnp.where(x != 0, 1 / x, x)),
    "power": lambda x: jnp.where(x > 0, x**0.3, x**2),
    "power of a number": lambda x: jnp.where(x > 0, x ** x[1], 1.0),
    "negative power": lambda x: jnp.where(x != 0, x**-3, 0.0),
    "overflow": lambda x: jnp.where(x > 30, x, jnp.log1p(jnp.exp(x))),
    "overflow of a product": lambda x: jnp.where(x > 30, x, jnp.exp(x) * x * x),
    "norm": lambda x: jnp.where(jnp.sum(x[::5]) > 0, jnp.sqrt(jnp.sum(x[::5] ** 2)), 0.0) * x,
    "arcus": lambda x: jnp.where(jnp.abs(x) < 0.9, jnp.arcsin(x), jnp.sign(x) * x),
    "twice": lambda x: jnp.where(x > 0, jnp.where(x < 30, jnp.log(x), x), jnp.where(x < 0, jnp.sqrt(-x), 2 * x)),
    "used twice": lambda x: (lambda y: jnp.where(x > 0, y, 0.0) + jnp.where(x > 0.7, y * y, x))(jnp.log(x)),
    "select of three": lambda x: lax.select_n(jnp.clip(jnp.sign(x) + 1, 0, 2).astype(int), x, 3 * x, jnp.log(x)),
    "clamp": lambda x: lax.clamp(0.0, jnp.sqrt(x), 0.9),
    "clip": lambda x: jnp.clip(jnp.log(x), -1, 1),
    "relu": lambda x: jax.nn.relu(-jnp.sqrt(x)),
    "leaky relu": lambda x: jax.nn.leaky_relu(x - jnp.where(x > 0, jnp.log(x), x)),
    "ties": lambda x: jnp.maximum(x, 0.0) + jnp.minimum(x, x[0]) + jnp.max(x) + jnp.abs(x),
    "maximum of a root": lambda x: jnp.maximum(jnp.sqrt(jnp.abs(x)), 1.0),
    "slice": lambda x: W[:, :3] @ jnp.log(jnp.abs(x))[2:5],
    "slice of a quotient": lambda x: jnp.concatenate([(1 / x)[1:5], x]),
    "pick": lambda x: W[:, :2] @ jnp.sqrt(x)[jnp.array([1, 3])],
    "reshaped": lambda x: W[:, :3] @ jnp.where(x.reshape(2, 3) > 0, jnp.log(x.reshape(2, 3)), 0.0).sum(0),
    "padded": lambda x: W @ jnp.pad(jnp.log(x)[1:4:2], (2, 2)),
    "triangle": lambda x: jnp.sum(jnp.tril(jnp.where(x[:, None] > 0, jnp.sqrt(x)[:, None] * x, 0.0)), 0),
    "xlogy": lambda x: jax.scipy.special.xlogy(jnp.abs(x), jnp.abs(x) + 1),
    "safe inside": lambda x: jnp.where(x > 0, jnp.log(jnp.where(x > 0, x, 1.0)), 0.0),
    "scalar": lambda x: jnp.where(x[0] > 0, jnp.log(x[0]), 0.0) * x,
    "cond": lambda x: lax.cond(x[0] > 0, lambda x: jnp.log(x), lambda x: x * x, x),
    "everywhere": lambda x: jnp.log(x) * W[0],
}


@pytest.mark.parametrize("name", CASES)
def test_a_number_wherever_jacfwd_gives_one(name: str) -> None:
    f = CASES[name]
    expected = np.asarray(jax.jit(jax.jacfwd(f))(X))
    for solver in ("forward", "reverse"):
        found = np.asarray(jax.jit(planned.jacobian(f, gain=None, solver=solver))(X))
        number = np.isfinite(expected)
        assert number.any() or name in ("everywhere", "maximum of a root")
        scale = np.abs(expected[number]).max(initial=1)
        assert np.isfinite(found[number]).all()
        assert np.abs(found[number] - expected[number]).max(initial=0) <= 1e-12 * scale
        assert found.dtype == expected.dtype


def test_what_is_chosen_stays_infinite() -> None:
    found = np.asarray(planned.jacobian(lambda x: jnp.where(x >= 0, jnp.sqrt(x), 0.0), gain=None)(X[:3]))
    assert np.array_equal(np.diag(found), [np.inf, 0.5, 0.0])


@pytest.mark.parametrize("name", ["log", "square root", "quotient", "norm", "clip"])
def test_the_default_gives_numbers_where_jacfwd_does(name: str) -> None:
    f = CASES[name]
    found, expected = planned.jacobian(f)(X), jax.jacfwd(f)(X)
    assert np.isnan(np.asarray(jax.jacrev(f)(X))).any()
    assert np.isfinite(np.asarray(found))[np.isfinite(np.asarray(expected))].all()
