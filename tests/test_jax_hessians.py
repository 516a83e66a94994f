"""Hessians hold the numbers of `jax.hessian` and are symmetric to the bit, whichever way computes them.

`CHAINPLAN_FUZZ` sets how many random programs are drawn.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
from hypothesis import assume, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import chainplan.jax as planned  # noqa: E402
from chainplan.jax.forms import HeldDense, HeldEqualParts, HeldExplicit, HeldSelection, listed, matrix, transposed  # noqa: E402
from chainplan.jax.symmetric import symmetric_product, symmetrised, upper_mirrored  # noqa: E402
from tests.jax_random import ARGUMENTS, Program, function_of, programs  # noqa: E402
from tests.residuals import numbers  # noqa: E402

pytestmark = pytest.mark.usefixtures("quickly_compiled")

RNG = np.random.default_rng(0)
ONE_SIDED = {"while", "adjoint", "tangent"}
"""Operations that have no second derivatives in one of the modes."""
EXAMPLES = int(os.environ.get("CHAINPLAN_FUZZ", "2"))


def _require_symmetric(blocks: Any, like: Any) -> None:
    """Blocks in the trees of arguments: each on the diagonal is symmetric, others are transposes of their images."""
    leaves = jax.tree.leaves(like)
    flat = jax.tree.leaves(blocks)
    count = len(leaves)
    for a in range(count):
        for b in range(count):
            one = np.asarray(flat[a * count + b]).reshape(leaves[a].size, leaves[b].size)
            image = np.asarray(flat[b * count + a]).reshape(leaves[b].size, leaves[a].size)
            assert np.array_equal(one, image.T, equal_nan=True)


def _require_hessian(f: Any, argnums: tuple[int, ...], arguments: Any, **options: Any) -> None:
    way = planned.hessian(f, argnums, **options)
    found, expected = jax.jit(lambda *a: (way(*a), jax.hessian(f, argnums)(*a)))(*arguments)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    scale = max((np.abs(b).max(initial=0) for b in jax.tree.leaves(expected)), default=0)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert np.abs(np.asarray(a) - np.asarray(b)).max(initial=0) <= 1e-11 * max(scale, 1)
    _require_symmetric(found, [arguments[i] for i in argnums])


def _energy(program: Program) -> Any:
    function = function_of(program)
    return lambda *a: sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(function(*a)))


@settings(max_examples=EXAMPLES, derandomize=True, deadline=None)
@given(programs(), st.sampled_from([(1, 2), (3,), (0, 1)]), st.sampled_from([None, 0.1]))
def test_random_programs(program: Program, argnums: tuple[int, ...], gain: float | None) -> None:
    assume(not ONE_SIDED & {step[0] for step in program})
    _require_hessian(_energy(program), argnums, ARGUMENTS, gain=gain, nodes=10)


@pytest.mark.nightly
@settings(max_examples=30 * EXAMPLES, derandomize=True, deadline=None)
@given(programs(), st.sampled_from([(0, 1, 2, 3), (3,), (2, 1)]), st.sampled_from([None, 0.1]))
def test_more_random_programs(program: Program, argnums: tuple[int, ...], gain: float | None) -> None:
    assume(not ONE_SIDED & {step[0] for step in program})
    _require_hessian(_energy(program), argnums, ARGUMENTS, gain=gain, nodes=10)


@pytest.mark.parametrize("gain", [None, 0.99])
def test_plans_and_modes_are_symmetric_to_the_bit(gain: float | None) -> None:
    w = numbers(9, 6) - 0.7

    def energy(x: Any, y: Any) -> Any:
        inner = jnp.tanh(w @ x)
        return jnp.sum(jnp.exp(w.T @ inner) * x) / 50 + jnp.sum(y) * jnp.sum(inner)

    _require_hessian(energy, (0, 1), (numbers(6), numbers(2)), gain=gain)


def test_functions_that_ask_for_values() -> None:
    """They cannot be traced, and are left to JAX; half of what it gives is read."""

    def asks(x: Any) -> Any:
        return x[0] ** 3 * x[1] if x[0] > 0 else x[0]

    found = planned.hessian(asks)(jnp.array([2.0, 5.0]))
    assert found.tolist() == [[60.0, 12.0], [12.0, 0.0]]


def test_products_of_matrices_that_are_symmetric() -> None:
    sizes = [(3, 20), (3, 5), (40, 70), (40, 71), (5, 1), (0, 4)]

    def both(given: Any) -> Any:
        return [
            (
                matrix(symmetrised(symmetric_product(HeldDense(a), HeldDense(b), a.dtype, k == 0), a.dtype), a.dtype),
                a @ b,
            )
            for pairs in given
            for k, (a, b) in enumerate(pairs)
        ]

    given = []
    for inner, n in sizes:
        a, s = RNG.random((inner, n)), RNG.random((inner, inner))
        weighted = (s + s.T) @ a
        given.append([(a.T, a), (a.T, weighted), (weighted.T, a)])
    for found, expected in jax.jit(both)(given):
        assert np.allclose(found, expected, rtol=1e-13)
        assert np.array_equal(found, found.T)


def test_products_of_entries_that_are_symmetric() -> None:
    i, j = np.divmod(np.arange(0, 900, 7), 30)

    def both(values: Any, blocks: Any) -> Any:
        made = []
        picks = HeldSelection(np.arange(30) // 3, 10, values[:30])
        for held in (HeldExplicit(30, 30, i, j, values), picks, HeldEqualParts(10, blocks)):
            turned = transposed(listed(held, jnp.float64))
            found = symmetrised(symmetric_product(turned, held, jnp.float64, True), jnp.float64)
            dense = matrix(held, jnp.float64)
            made.append((matrix(found, jnp.float64), dense.T @ dense))
        return made

    for found, expected in jax.jit(both)(RNG.random(len(i)), RNG.random((10, 2, 3))):
        assert np.allclose(found, expected, rtol=1e-13, atol=1e-15)
        assert np.array_equal(found, found.T)


def test_the_upper_triangle_is_kept() -> None:
    square = numbers(4, 4)
    assert np.array_equal(upper_mirrored(square), np.triu(square) + np.triu(square, 1).T)
