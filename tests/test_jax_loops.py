"""Loops whose steps are differentiated by themselves have the Jacobians that JAX's modes give."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402

import chainplan.jax as planned  # noqa: E402
from chainplan.jax import loops  # noqa: E402
from chainplan.jax.call import flattened  # noqa: E402
from chainplan.jax.recurrences import (  # noqa: E402
    recurred,
    recurred_adjoint,
    recurred_adjoint_blocks,
    recurred_blocks,
)
from chainplan.jax.standalone import linearised_call  # noqa: E402
from tests.jax_programs import draw  # noqa: E402

pytestmark = pytest.mark.usefixtures("quickly_compiled")


def _pendulum(x: Any, u: Any) -> Any:
    p, angle, v, w = x
    s, c = jnp.sin(angle), jnp.cos(angle)
    d = 1 + 0.2 * s * s
    push = jnp.sum(u)
    return jnp.stack([v, w, (push + 0.2 * s * (w * w + 9.8 * c)) / d, (-push * c - 12 * s) / d + 0.01 * p])


def _stepped(x: Any, u: Any) -> Any:
    return x + 0.05 * _pendulum(x + 0.02 * _pendulum(x, u), u)


def _states(x: Any, us: Any, **options: Any) -> Any:
    def step(x: Any, u: Any) -> Any:
        x = _stepped(x, u)
        return x, x

    return lax.scan(step, x, us, **options)[1]


def _leaves(start: Any, xs: Any, w: Any, reverse: bool = False) -> Any:
    """Carries of several shapes, a counter, a time that nothing moves, an observation of the state before a step."""

    def step(carry: Any, x: Any) -> Any:
        (count, time), state, memory = carry
        force = jnp.sin(time) * x["push"] + w @ state
        after = jnp.tanh(force) * (1 + count)
        memory = memory * 0.9 + jnp.outer(after, state[:2])
        seen = {"energy": jnp.sum(state**2) * x["gain"], "state": after, "constant": w[0] * 2}
        return ((count + 1, time + 0.1), after, memory), seen

    carry = ((0, jnp.asarray(0.3)), start, jnp.zeros((3, 2)))
    (_, state, memory), seen = lax.scan(step, carry, xs, reverse=reverse)
    return state, memory, seen


def _by_weights(x: Any, us: Any, w: Any, v: Any) -> Any:
    def cell(h: Any, u: Any) -> Any:
        return jnp.tanh(w @ h + v @ u), h[0]

    return lax.scan(cell, x, us)


def _nested(x: Any, us: Any) -> Any:
    def step(x: Any, u: Any) -> Any:
        x, inner = lax.scan(lambda y, v: (jnp.sin(y) * v + y, y[0] * v[0]), x, u)
        return x, (x, inner)

    return lax.scan(step, x, us)


def _forgetful(x: Any, us: Any) -> Any:
    """A state that does not depend on the one before it."""
    return lax.scan(lambda x, u: (jnp.sin(u) * u[0], x * u), x, us)


def _by_number(x: Any) -> Any:
    def step(i: Any, x: Any) -> Any:
        return jnp.sin(x) * x[0] + i

    return lax.fori_loop(0, 5, step, x)


def _remembered(x: Any, us: Any) -> Any:
    step = jax.checkpoint(jax.jit(_stepped))
    return lax.scan(lambda x, u: (step(x, u), lax.stop_gradient(x[:2]) * u), x, us)


def _cost(x: Any, us: Any) -> Any:
    states = _states(jnp.tanh(x), jnp.sin(us))
    return jnp.sum(states**2, 1) + jnp.sum(us**2)


def _both_ways(x: Any, us: Any) -> Any:
    forth = _states(x, us)
    return lax.scan(lambda y, z: (jnp.cos(y) * z + y, jnp.sin(y) * z), x, forth, reverse=True)[1]


X, U, STATE, XS = draw((4,), (6, 2), (3,), (6, 3))
W, V = (array - 0.7 for array in draw((3, 3), (3, 2)))

PROGRAMS: dict[str, tuple[Any, tuple[Any, ...], Any]] = {
    "states": (_states, (X, U), (0, 1)),
    "states by inputs": (lambda us: _states(X, us), (U,), 0),
    "backwards": (lambda x, us: _states(x, us, reverse=True), (X, U), (0, 1)),
    "one step": (_states, (X, U[:1]), (0, 1)),
    "two steps": (_states, (X, U[:2]), (0, 1)),
    "no step": (_states, (X, U[:0]), 0),
    "last state": (lambda x, us: lax.scan(lambda x, u: (_stepped(x, u), None), x, us, unroll=2)[0], (X, U), (0, 1)),
    "leaves": (_leaves, (STATE, {"push": XS, "gain": XS[:, 0]}, W), (0, 1, 2)),
    "leaves backwards": (partial(_leaves, reverse=True), (STATE, {"push": XS, "gain": XS[:, 0]}, W), (0, 1, 2)),
    "weights": (_by_weights, (STATE, U, W, V), (0, 1, 2, 3)),
    "by weights alone": (lambda w, v: _by_weights(STATE, U, w, v), (W, V), (0, 1)),
    "nested": (_nested, (STATE, draw((4, 2, 3))[0]), (0, 1)),
    "forgetful": (_forgetful, (U[0], U), (0, 1)),
    "numbers": (_by_number, (STATE,), 0),
    "checkpoint": (_remembered, (X, U), (0, 1)),
    "cost": (_cost, (X, U), (0, 1)),
    "both ways": (_both_ways, (X, U), (0, 1)),
    "map": (lambda x, w: lax.map(lambda row: jnp.sin(w @ row) * row[0], x), (XS, W), (0, 1)),
    "of scalars": (lambda x, us: lax.scan(lambda c, u: (c * jnp.sin(u), c + u), x, us), (X[0], X), (0, 1)),
    "branches": (lambda x, us: lax.scan(lambda c, u: (lax.cond(u > 0, jnp.sin, jnp.cos, c), c), x, us), (X, X), 0),
    "complex": (lambda x: jnp.abs(lax.scan(lambda c, u: (c * u * 1j + u, c), x[0] + 0j, x)[1]), (X,), 0),
}


@pytest.fixture
def opened_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops are opened wherever they can be."""
    monkeypatch.setattr(loops, "STEP_OVERHEAD", 10**9)


def _require_equal(found: Any, expected: Any, tolerance: float = 1e-12) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert np.abs(np.asarray(a) - np.asarray(b)).max(initial=0) <= tolerance * np.abs(b).max(initial=1e-300)


@pytest.mark.usefixtures("opened_all")
@pytest.mark.parametrize("name", PROGRAMS)
def test_equals_jacrev(name: str) -> None:
    f, arguments, argnums = PROGRAMS[name]
    both = jax.jit(lambda: (planned.jacobian(f, argnums, gain=None)(*arguments), jax.jacrev(f, argnums)(*arguments)))
    _require_equal(*both())


@pytest.mark.usefixtures("opened_all")
@pytest.mark.parametrize("solver", ["forward", "reverse"])
@pytest.mark.parametrize("name", ["weights", "backwards"])
def test_any_order(name: str, solver: str) -> None:
    f, arguments, argnums = PROGRAMS[name]
    made = jax.jit(lambda: planned.jacobian(f, argnums, gain=None, solver=solver)(*arguments))
    _require_equal(made(), jax.jacrev(f, argnums)(*arguments))


@pytest.mark.usefixtures("opened_all")
def test_in_a_batch() -> None:
    (xs,) = draw((4, 3))

    def both(mode: Any, **options: Any) -> Any:
        return jax.vmap(mode(_by_weights, (0, 1), **options), (0, None, None, None))(xs, U, W, V)

    _require_equal(jax.jit(lambda: both(planned.jacobian, gain=None))(), both(jax.jacrev))


@pytest.mark.usefixtures("opened_all")
def test_in_single_precision() -> None:
    given = [a.astype(np.float32) for a in (STATE, U, W, V)]
    found = jax.jit(planned.jacobian(_by_weights, (0, 1, 2), gain=None))(*given)
    _require_equal(found, jax.jacrev(_by_weights, (0, 1, 2))(*given), 1e-5)


@pytest.mark.usefixtures("opened_all")
def test_of_a_gradient() -> None:
    def gradient(x: Any) -> Any:
        return jax.grad(lambda x: jnp.sum(lax.scan(lambda c, u: (jnp.sin(c) * u, c), x[0], x)[1] ** 2))(x)

    _require_equal(jax.jit(planned.jacobian(gradient, gain=None))(X), jax.jacfwd(gradient)(X))


def _recurrence_of(f: Any, *arguments: Any) -> list[Any]:
    linearised = linearised_call(flattened(f, 0, False, arguments, {}))
    return [edge for one in linearised.found for *_, edge in one.edges if edge.on_blocks is not None]


def test_opened_where_many_vectors_pass() -> None:
    us = jnp.ones((40, 1))
    assert len(_recurrence_of(lambda us: _states(X, us), us)) == 1
    w = jnp.ones((50, 50)) / 50

    def cell(h: Any, u: Any) -> Any:
        return jnp.tanh(w @ h + u), None

    assert not _recurrence_of(lambda us: lax.scan(cell, jnp.ones(50), us)[0].sum(), us)


def test_too_large_a_state_stays_closed() -> None:
    def diffused(u: Any) -> Any:
        return lax.scan(lambda u, _: (u + 0.1 * (jnp.roll(u, 1) - u), u), u, None, length=10)[1]

    assert not _recurrence_of(diffused, jnp.ones(1000))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", [1, 5])
def test_recurrences_multiply_by_the_triangular_matrix(steps: int, reverse: bool) -> None:
    n, k, m = 3, 2, 4
    links, terms, rows, blocks, lines = draw((steps, n, n), (steps, n, k), (steps, k, n), (steps, n, m), (steps, m, n))
    order = range(steps)[::-1] if reverse else range(steps)
    whole = np.zeros((steps, n, steps, n))
    for s in range(steps):
        product, begun = np.eye(n), False
        for t in order:
            product = np.asarray(links[t]) @ product if begun else product
            begun = begun or t == s
            if begun:
                whole[t, :, s] = product
    matrix = whole.reshape(steps * n, steps * n)

    def diagonal(parts: Any) -> Any:
        return np.einsum("tij,ts->tisj", parts, np.eye(steps)).reshape(steps * parts.shape[1], -1)

    _require_equal(recurred(links, terms, reverse).reshape(-1, k), jnp.asarray(matrix @ terms.reshape(-1, k)))
    left = rows.transpose(1, 0, 2).reshape(k, -1)
    made = recurred_adjoint(links, rows, reverse).transpose(1, 0, 2).reshape(k, -1)
    _require_equal(made, jnp.asarray(left @ matrix))
    _require_equal(recurred_blocks(links, blocks, reverse), jnp.asarray(matrix @ diagonal(blocks)))
    _require_equal(recurred_adjoint_blocks(links, lines, reverse), jnp.asarray(diagonal(lines) @ matrix))
