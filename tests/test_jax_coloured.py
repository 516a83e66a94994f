"""Hessians told by products of a colour each: the numbers of `jax.hessian`, at places known from the shapes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
from jax.experimental.sparse import BCOO  # noqa: E402

import chainplan.jax as planned  # noqa: E402
from chainplan.jax import choice, patterns  # noqa: E402
from chainplan.jax.call import flattened  # noqa: E402
from chainplan.jax.coloured import coloured_sweep, evaluated_by_colours  # noqa: E402
from chainplan.jax.jacobians import ScalarGradient  # noqa: E402
from chainplan.jax.patterns import dependences  # noqa: E402
from chainplan.jax.trace import trace  # noqa: E402

pytestmark = pytest.mark.usefixtures("quickly_compiled")

RNG = np.random.default_rng(0)


def _numbers(*shape: int) -> Any:
    return jnp.asarray(RNG.uniform(0.2, 1.2, shape))


def _rosenbrock(x: Any) -> Any:
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def _arrowhead(x: Any) -> Any:
    return jnp.sum(jnp.sin(x[0]) * x[1:] ** 2) + jnp.sum(x**4)


def _shooting(z: Any) -> Any:
    """Multiple shooting: the segments are loops side by side, one batched loop that no plan opens."""
    states, controls = z[:24].reshape(12, 2), z[24:]

    def segment(state: Any, control: Any) -> Any:
        def step(s: Any, _: Any) -> Any:
            return s + 0.1 * jnp.stack([s[1], control - jnp.sin(s[0])]), None

        return jax.lax.scan(step, state, None, length=4)[0]

    gaps = jax.vmap(segment)(states[:-1], controls) - states[1:]
    return jnp.sum(gaps**2) + jnp.sum(controls**2)


def _branches(x: Any) -> Any:
    """Loops of unknown length and branches, a batch of each; the loop has a tangent and no adjoint of its own."""

    def one(a: Any, b: Any) -> Any:
        c = jax.lax.fori_loop(0, 3, lambda _, s: jnp.sin(s) + b * s, a)
        return jax.lax.cond(True, lambda s: s * b, lambda s: s**2, c)

    return jnp.sum(jax.lax.map(lambda pair: one(*pair) ** 2, (x[:-1], x[1:])))


FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...], int]] = {
    "rosenbrock": (_rosenbrock, (_numbers(20),), 3),
    "arrowhead": (_arrowhead, (_numbers(15),), 2),
    "shooting": (_shooting, (_numbers(35),), 7),
    "branches": (_branches, (_numbers(9),), 3),
    "grid": (lambda u: jnp.sum((u[1:] - u[:-1]) ** 4) + jnp.sum((u[:, 1:] - u[:, :-1]) ** 4), (_numbers(5, 6),), 5),
    "parts": (lambda x, y: jnp.sum(x[:, None] * jnp.exp(y)), (_numbers(3), _numbers(3, 2)), 3),
}


def _swept(name: str) -> tuple[Any, Any, Any]:
    """The call of the gradient of a function, its trace, and the products."""
    f, args, _ = FUNCTIONS[name]
    argnums = tuple(range(len(args)))
    call = flattened(ScalarGradient(f, argnums, False), argnums, False, args, {})
    traced = trace(call.flat, call.leaves)
    return call, traced, coloured_sweep(call, traced)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_equals_jax_hessian_in_few_products_and_is_symmetric_to_the_bit(name: str) -> None:
    f, args, products = FUNCTIONS[name]
    call, traced, sweep = _swept(name)
    assert sweep.products <= products
    found, _ = jax.jit(lambda *a: evaluated_by_colours(call, traced, sweep, a, traced.constants))(*args)
    places = range(len(args))
    expected = jax.jit(jax.hessian(f, tuple(places)))(*args)
    scale = max(float(jnp.abs(block).max()) for block in jax.tree.leaves(expected))
    for r, c in itertools.product(places, places):
        block = found[r][c]
        assert isinstance(block, BCOO)
        assert (block.shape, block.dtype) == (expected[r][c].shape, expected[r][c].dtype)
        assert np.abs(block.todense() - expected[r][c]).max() <= 1e-12 * scale
        flat = np.asarray(block.todense()).reshape(args[r].size, -1)
        assert np.array_equal(flat, np.asarray(found[c][r].todense()).reshape(args[c].size, -1).T)


def test_loops_that_no_plan_opens_are_swept() -> None:
    """The batched loop is one elemental without structure; no plan is searched, and no block is written out."""
    f, (z,), _ = FUNCTIONS["shooting"]
    hessian = planned.hessian(lambda z: (f(z), 3 * z), sparse=True, has_aux=True)
    (found, aux), (again, _) = hessian(z), hessian(z + 1)
    assert found.nse == _swept("shooting")[2].rows.size
    assert np.array_equal(aux, 3 * z)
    reference = jax.jit(jax.hessian(f))
    for block, at in ((found, z), (again, z + 1)):
        assert np.abs(block.todense() - reference(at)).max() <= 1e-11


def test_products_are_taken_only_where_they_are_predicted_to_save_half(monkeypatch: pytest.MonkeyPatch) -> None:
    f, args, _ = FUNCTIONS["arrowhead"]
    chosen = []
    for gain in (0.5, -1e9):
        monkeypatch.setattr(choice, "MIN_COLOURED_GAIN", gain)
        monkeypatch.setattr(choice, "kept", lambda key, make, *rest: make())
        call = flattened(ScalarGradient(f, 0, False), 0, False, args, {})
        settings = choice.JacobianSettings(sparse=True, symmetric=True, nodes=0)
        chosen.append(choice.chosen(call, settings).way.name)
    assert chosen == ["plan", "coloured"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_patterns_have_no_places_but_those_that_can_be_nonzero(name: str) -> None:
    f, args, _ = FUNCTIONS[name]
    call, traced, sweep = _swept(name)
    pattern = dependences(traced, call.leaves, call.outs)
    assert pattern is not None
    seen, cuts = np.zeros(pattern.shape, bool), np.cumsum([a.size for a in args])[:-1]

    def whole(z: Any) -> Any:
        return f(*(part.reshape(a.shape) for part, a in zip(jnp.split(z, cuts), args, strict=True)))

    hessian = jax.jit(jax.hessian(whole))
    for seed in range(3):
        seen |= np.asarray(hessian(jnp.asarray(np.random.default_rng(seed).uniform(0.2, 1.2, len(seen))))) != 0
    covered = pattern.toarray()
    assert not (seen & ~covered).any()
    assert sweep.rows.size <= 1.35 * seen.sum()


def test_a_loop_that_carries_entries_far_is_not_followed_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def shifted(x: Any) -> Any:
        return jax.lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1.0, jnp.roll(s[1], 1)), (0.0, x))[1]

    monkeypatch.setattr(patterns, "MAX_ROUNDS", 40)
    rounds: list[int] = []
    within = patterns._within

    def counted(body: Any, parts: Any) -> Any:
        rounds.append(1)
        return within(body, parts)

    monkeypatch.setattr(patterns, "_within", counted)
    for count, most in ((30, 30), (200, 40)):
        rounds.clear()
        call = flattened(shifted, 0, False, (jnp.ones(count),), {})
        pattern = dependences(trace(call.flat, call.leaves), call.leaves, call.outs)
        assert pattern is not None
        assert pattern.nnz == count**2
        assert len(rounds) == most
