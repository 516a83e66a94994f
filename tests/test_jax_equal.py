"""Equal arrays in JAX functions: found by the equations that read them, and their products made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan.plans.steps import Again

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")

from chainplan.jax import jacobian  # noqa: E402
from chainplan.jax.call import flattened  # noqa: E402
from chainplan.jax.linearise import LinearisedFunction, linearise  # noqa: E402
from chainplan.jax.trace import trace  # noqa: E402

N = 8


def matrix(seed: int) -> Any:
    return jnp.asarray(np.random.default_rng(seed).normal(size=(N, N)) / N**0.5, jnp.float32)


def linearised(f: Callable[..., Any], *args: Any) -> LinearisedFunction:
    call = flattened(f, (0,), False, args, {})
    return linearise(trace(call.flat, call.leaves), call.leaves, call.outs)


def again(x: Any, a: Any) -> Any:
    return a @ (a @ (a @ (a @ x)))


def turned(x: Any, a: Any) -> Any:
    return a.T @ (a.T @ (a.T @ (a.T @ x)))


def layers(x: Any, a: Any) -> Any:
    for _ in range(3):
        x = jnp.tanh(x @ a)
    return x


def stepper(x: Any, a: Any) -> Any:
    for _ in range(4):
        x = x + 0.1 * (a @ x)
    return x


def chosen(x: Any, a: Any) -> Any:
    for _ in range(3):
        x = a @ jnp.where(jnp.arange(N) % 2 == 0, a @ x, 0.0)
    return x


@pytest.mark.parametrize("f", [again, turned, layers, stepper, chosen])
def test_a_matrix_that_is_applied_again_is_one(f: Callable[..., Any]) -> None:
    x, a = jnp.linspace(0.1, 1.0, N, dtype=jnp.float32), matrix(0)
    graph = linearised(f, x, a).graph
    assert graph is not None
    dots = [e for e in graph.elementals if e.name.startswith("dot_general")]
    assert len({e.first for e in dots}) == 1 < len(dots)
    expected = jax.jacfwd(f)(x, a)
    for given in (jacobian(f, gain=None)(x, a), jax.jit(jacobian(f, gain=None))(x, a)):
        assert np.abs(given - expected).max() <= 1e-4 * np.abs(expected).max()


def test_products_of_equal_matrices_are_made_once() -> None:
    x, a = jnp.ones(N, jnp.float32), matrix(1)
    for f, most in ((again, 2 * N**3), (stepper, 2 * N**3 + N**2)):
        problem = linearised(f, x, a).problem()
        assert problem is not None
        result = chainplan.plan(problem, nodes=150)
        assert result.plan is not None
        assert result.cost is not None
        assert result.cost.fma == most
        assert any(isinstance(step, Again) for step in result.plan.steps)


def test_unlike_matrices_and_unlike_numbers_are_not_taken_for_one() -> None:
    x, a, b = jnp.ones(N, jnp.float32), matrix(2), matrix(3)

    def unlike(x: Any, a: Any, b: Any) -> Any:
        return 0.25 * (b @ (0.5 * (a @ (b @ (a.T @ x)))))

    graph = linearised(unlike, x, a, b).graph
    assert graph is not None
    kinds = [e.first for e in graph.elementals]
    assert len(set(kinds)) == len(kinds) - 1, "b alone is applied twice"
    found, expected = jacobian(unlike, gain=None)(x, a, b), jax.jacfwd(unlike)(x, a, b)
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    later = jacobian(unlike, gain=None)(x, b, a)
    assert np.abs(later - jax.jacfwd(unlike)(x, b, a)).max() <= 1e-4 * np.abs(expected).max()
