"""Products JᵀWJ by plans hold the numbers of JAX's Jacobians multiplied, and are symmetric to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
from jax.experimental.sparse import BCOO  # noqa: E402

import chainplan.jax as planned  # noqa: E402
from chainplan.errors import PlanError  # noqa: E402
from chainplan.jax import DifferentiationError  # noqa: E402
from tests.residuals import FEW, NETWORKS, RESIDUALS, numbers  # noqa: E402

pytestmark = pytest.mark.usefixtures("quickly_compiled")


def _expected(r: Any, x: Any, weights: Any = None) -> Any:
    """JᵀWJ from a Jacobian of JAX, of one argument."""
    jacobian = jax.jacfwd(r)(x)
    flat = jacobian.reshape(jacobian.size // max(x.size, 1), x.size)
    if weights is not None and weights.size == len(flat):
        weights = jnp.diag(weights.ravel())
    product = flat.T @ (flat if weights is None else weights.reshape(len(flat), len(flat)) @ flat)
    return product.reshape(*x.shape, *x.shape)


def _require_equal(found: Any, expected: Any) -> None:
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    scale = max(np.abs(expected).max(initial=0), 1)
    assert np.abs(np.asarray(found) - np.asarray(expected)).max(initial=0) <= 1e-12 * scale


def _is_symmetric(block: Any) -> bool:
    n = int(np.sqrt(block.size))
    square = np.asarray(block).reshape(n, n)
    return bool((square == square.T).all())


def _require_products(name: str, default: bool) -> None:
    r, x = RESIDUALS[name]
    ways = [planned.gauss_newton(r, gain=None, nodes=20), planned.gauss_newton(r, sparse=True, nodes=20)]
    ways += [planned.gauss_newton(r)] if default else []
    made, expected = jax.jit(lambda x: ([way(x) for way in ways], _expected(r, x)))(x)
    assert isinstance(made[1], BCOO)
    for found in (made[0], made[1].todense(), *made[2:]):
        _require_equal(found, expected)
        assert _is_symmetric(found)


@pytest.mark.parametrize("name", FEW)
def test_products_of_jacobians(name: str) -> None:
    _require_products(name, default=False)


@pytest.mark.nightly
@pytest.mark.parametrize("name", RESIDUALS)
def test_products_of_more_jacobians(name: str) -> None:
    _require_products(name, default=True)


def test_weights() -> None:
    r, x = RESIDUALS["waist"]
    size = jax.eval_shape(r, x).size
    each, square = numbers(size) - 0.5, numbers(size, size)
    square = square + square.T

    def robust(residuals: Any) -> Any:
        return 1 / (1 + residuals**2)

    def both(x: Any) -> Any:
        given = ((each, None), (square, None), (square, 0.1), (robust, 0.1), (3.0, None))
        found = [planned.gauss_newton(r, weights=w, gain=gain, nodes=20)(x) for w, gain in given]
        matrices = each, square, square, robust(r(x)), jnp.full(size, 3.0)
        return found, [_expected(r, x, w) for w in matrices]

    for found, expected in zip(*jax.jit(both)(x), strict=True):
        _require_equal(found, expected)
        assert _is_symmetric(found)


def test_trees_arguments_and_auxiliary_data() -> None:
    def r(p: Any, q: Any, k: Any) -> Any:
        return {"a": p["w"] * q[0], "b": jnp.outer(q, p["v"]) * k}, (k, q[1])

    p, q = {"w": numbers(4), "v": numbers(3)}, numbers(4)
    weights = {"a": jnp.arange(4.0), "b": 2.0}
    options: Any = {"has_aux": True, "weights": weights, "nodes": 20}
    ways = [planned.gauss_newton(r, (1, 0), **options, **more) for more in ({}, {"gain": None}, {"sparse": True})]

    def loss(q: Any, p: Any, at: Any) -> Any:
        """Quadratic in what the residuals are to first order, so that its Hessian is the product."""
        a, b = jax.jvp(lambda q, p: r(p, q, 2)[0], at, (q, p))[1].values()
        return jnp.sum(weights["a"] * a * a + 0 * a) / 2 + jnp.sum(b * b)

    expected, *made = jax.jit(lambda p, q: [jax.hessian(loss, (0, 1))(q, p, (q, p)), *(way(p, q, 2) for way in ways)])(
        p, q
    )
    assert all(aux == (2, q[1]) for _, aux in made)
    found, by_plan, sparse = (blocks for blocks, _ in made)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    written = jax.tree.map(lambda b: b.todense(), sparse, is_leaf=lambda leaf: isinstance(leaf, BCOO))
    for made in (found, by_plan, written):
        for a, b in zip(jax.tree.leaves(made), jax.tree.leaves(expected), strict=True):
            _require_equal(a, b)
        assert np.array_equal(made[0][1]["w"], made[1]["w"][0].T)
        assert np.array_equal(made[1]["v"][1]["w"], made[1]["w"][1]["v"].T)
    assert sparse[1]["w"][1]["w"].nse == 4


def test_batches() -> None:
    r, x = RESIDUALS["waist"]
    batch = jnp.stack([x, 2 * x, x - 1])
    found, expected = jax.jit(lambda x: (jax.vmap(planned.gauss_newton(r))(x), jax.vmap(lambda x: _expected(r, x))(x)))(
        batch
    )
    _require_equal(found, expected)


def test_without_jit_nothing_is_planned_twice() -> None:
    r, x = NETWORKS["waist"]
    product = planned.gauss_newton(r)
    _require_equal(product(x), _expected(r, x))
    _require_equal(product(2 * x), _expected(r, 2 * x))


def test_functions_that_cannot_be_traced_are_left_to_jax() -> None:
    def asks(x: Any) -> Any:
        return x**2 if x[0] > 0 else x

    x = numbers(3)
    _require_equal(planned.gauss_newton(asks)(x), _expected(asks, x))
    assert planned.gauss_newton(asks, sparse=True)(x).nse == 9


def test_single_precision_is_kept() -> None:
    r, x = NETWORKS["waist"]
    assert planned.gauss_newton(lambda x: r(x).astype(np.float32))(x.astype(np.float32)).dtype == np.float32


def test_places_of_zeros_are_known() -> None:
    r, x = RESIDUALS["second"]
    assert planned.gauss_newton(r, sparse=True)(x).nse == 40 + 2 * 39 + 2 * 38


def test_nothing_is_formed_that_a_bracketing_avoids() -> None:
    """Through a waist of two no matrix product has the inner size of the residuals and both sides of the arguments."""
    wide, narrow = numbers(300, 2), numbers(2, 200)
    program = jax.make_jaxpr(planned.gauss_newton(lambda x: jnp.sin(wide @ jnp.tanh(narrow @ x))))(numbers(200))
    assert max(aval.size for eqn in program.jaxpr.eqns for aval in (v.aval for v in eqn.outvars)) <= 200 * 200
    assert not any(v.aval.shape in ((300, 200), (200, 300)) for eqn in program.jaxpr.eqns for v in eqn.outvars)


def test_what_does_not_fit_is_refused() -> None:
    number: Any = 3
    with pytest.raises(DifferentiationError, match="r: found 3"):
        planned.gauss_newton(number)
    with pytest.raises(PlanError, match="gain: found"):
        planned.gauss_newton(jnp.sin, gain=number and "much")  # type: ignore[arg-type]
    with pytest.raises(DifferentiationError, match=r"weights: found shape \(2,\); expected \(\) or \(3,\)"):
        planned.gauss_newton(jnp.sin, weights=jnp.ones(2))(numbers(3))
    with pytest.raises(DifferentiationError, match="weights: found a matrix that is not symmetric"):
        planned.gauss_newton(jnp.sin, weights=jnp.triu(jnp.ones((3, 3))))(numbers(3))
    with pytest.raises(DifferentiationError, match="weights: found the tree"):
        planned.gauss_newton(jnp.sin, weights=(1.0, 2.0))(numbers(3))
    with pytest.raises(DifferentiationError, match="expected a pair"):
        planned.gauss_newton(jnp.sin, has_aux=True)(numbers(3))
    with pytest.raises(DifferentiationError, match="int"):
        planned.gauss_newton(jnp.sin)(jnp.arange(3))


def test_arguments_and_residuals_without_entries_have_products() -> None:
    x = jnp.arange(3.0)
    for r, at in ((lambda x: x * 2, x[:0]), (lambda x: x[:0], x), (lambda _: (), x)):
        for sparse in (False, True):
            found: Any = planned.gauss_newton(r, sparse=sparse)(at)
            dense = found.todense() if sparse else found
            assert dense.shape == (at.size, at.size)
            assert not dense.any()


@pytest.mark.parametrize("weights", [1j, np.ones(3) * 1j, jnp.ones(3) * 1j, "heavy"])
def test_weights_that_are_no_real_numbers_are_refused(weights: Any) -> None:
    with pytest.raises(DifferentiationError, match="expected real numbers"):
        planned.gauss_newton(jnp.sin, weights=weights)(jnp.arange(3.0))
