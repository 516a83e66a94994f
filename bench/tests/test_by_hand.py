"""Jacobians by hand equal those of JAX."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("jax")

import jax
import jax.numpy as jnp

from bench.instances.by_hand import BY_HAND
from bench.instances.functions import FUNCTIONS, Function
from bench.instances.functions.function import drawn, weights


@pytest.fixture(autouse=True, scope="module")
def _float64() -> Iterator[None]:
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def _function(name: str) -> Function:
    """The function of that name, its vector form, or the layers of tanh."""
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    if name == "tanh-layers":
        given = (drawn("tanh/x", 100), *(weights(f"tanh/{i}", 100, 100) for i in range(3)))
        return Function(name, lambda x, u, v, w: jnp.tanh(w @ jnp.tanh(v @ jnp.tanh(u @ x))), given, (0,), "", "")
    scalars = FUNCTIONS[name.removesuffix("-vector")]
    given = (np.array(scalars.arguments),)
    return Function(name, lambda z: jnp.stack(scalars.call(*z)), given, (0,), "", "")


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name: str) -> None:
    function = _function(name)
    found = jax.jit(BY_HAND[name])(*function.arguments)
    expected = jax.jit(jax.jacrev(function.call, function.argnums))(*function.arguments)
    assert len(found) == len(expected) == len(function.argnums)
    for block, like in zip(found, expected, strict=True):
        assert block.shape == like.shape
        assert np.abs(np.asarray(block) - np.asarray(like)).max() <= 1e-12 * np.abs(np.asarray(like)).max()
