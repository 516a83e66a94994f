"""Jacobians by hand equal those of JAX; programs of plans consist of as few products and moves as is known of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("jax")

import jax
import jax.numpy as jnp
from jax.extend import core

import chainplan.jax as planned
from bench.instances.by_hand import BY_HAND
from bench.instances.functions import FUNCTIONS, Function
from bench.instances.functions.function import drawn, weights


@pytest.fixture(autouse=True, scope="module")
def _float64() -> Iterator[None]:
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


MOST = {
    "mlp": (5, 0, 0),
    "tanh-layers": (5, 0, 0),
    "bottleneck": (11, 0, 0),
    "encoder": (34, 44, 23),
    "heart-dipole-vector": (0, 0, 0),
    "robot-arm-chain": (0, 0, 0),
    "membrane-readout": (1, 0, 0),
    "reduced-order": (3, 1, 0),
}
"""By function: the most products of matrices, transpositions, and moves by indices in the program of its plan.

The products and transpositions of the function itself are among them."""


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
    by_jax = jax.hessian if function.task == "hessian" else jax.jacrev
    found = jax.tree.leaves(jax.jit(BY_HAND[name])(*function.arguments))
    expected = jax.tree.leaves(jax.jit(by_jax(function.call, function.argnums))(*function.arguments))
    assert len(found) == len(expected) == len(function.argnums)
    for block, like in zip(found, expected, strict=True):
        assert block.shape == like.shape
        assert np.abs(np.asarray(block) - np.asarray(like)).max() <= 1e-12 * np.abs(np.asarray(like)).max()


def _count(program: core.Jaxpr, counts: Counter[str]) -> None:
    """Count the primitives of a program and of all that it calls."""
    for eqn in program.eqns:
        counts[eqn.primitive.name] += 1
        for parameter in eqn.params.values():
            for part in parameter if isinstance(parameter, tuple | list) else (parameter,):
                inner = getattr(part, "jaxpr", part)
                if hasattr(inner, "eqns"):
                    _count(inner, counts)


@pytest.mark.parametrize("name", MOST)
def test_programs_of_plans(name: str) -> None:
    function = _function(name)
    by_plan = planned.jacobian(function.call, function.argnums, gain=None)
    counts: Counter[str] = Counter()
    _count(jax.make_jaxpr(by_plan)(*function.arguments).jaxpr, counts)
    moves = sum(n for primitive, n in counts.items() if primitive.startswith(("gather", "scatter", "dynamic")))
    found = counts["dot_general"], counts["transpose"], moves
    assert all(a <= most for a, most in zip(found, MOST[name], strict=True)), found
    assert not counts["while"] + counts["scan"]
