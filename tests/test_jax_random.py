"""Jacobians by plans of random JAX programs equal those of JAX, dense and sparse, at a point and in a batch.

`CHAINPLAN_FUZZ` sets how many programs are drawn, and `CHAINPLAN_FUZZ_SEED` from which seed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
from hypothesis import given, seed, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from jax.experimental.sparse import BCOO  # noqa: E402

import chainplan.jax as planned  # noqa: E402
from tests.jax_random import ARGUMENTS, KINDS, OPS, Program, function_of, programs  # noqa: E402

pytestmark = pytest.mark.usefixtures("quickly_compiled")

EXAMPLES = int(os.environ.get("CHAINPLAN_FUZZ", "15"))
SEED = int(os.environ.get("CHAINPLAN_FUZZ_SEED", "0"))
SOLVERS = ("greedy", "forward", "greedy", "reverse", "auto")


def _solver(number: int, program: Program) -> str:
    """Orders of one mode need all elementals to have it."""
    one_sided = {step[0] for step in program} & {"while", "adjoint"}
    return "auto" if one_sided else SOLVERS[number]


def _written_out(jacobian: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        is_sparse = lambda leaf: isinstance(leaf, BCOO)  # noqa: E731
        return jax.tree.map(lambda block: block.todense(), jacobian(*arguments), is_leaf=is_sparse)

    return call


@seed(SEED)
@settings(max_examples=EXAMPLES, database=None, deadline=None)
@given(programs(), st.sampled_from([(0, 1, 2, 3), 3, (2, 1)]), st.integers(0, len(SOLVERS) - 1), st.booleans())
def test_random_programs(program: Program, argnums: Any, number: int, batched: bool) -> None:
    """Dense and sparse blocks, and those of JAX, come from one compiled program, because compiling takes the time."""
    function = function_of(program)
    by_jax = jax.jacfwd if any(step[0] == "while" for step in program) else jax.jacrev
    options: dict[str, Any] = {"gain": None, "budget": 0.02, "solver": _solver(number, program)}
    dense = planned.jacobian(function, argnums, **options)
    sparse = _written_out(planned.jacobian(function, argnums, sparse=True, **options))
    ways, arguments = [by_jax(function, argnums), dense, sparse], ARGUMENTS
    if batched:
        ways = [jax.vmap(way, (None, 0, None, None, None)) for way in ways]
        arguments = (ARGUMENTS[0], jnp.stack([ARGUMENTS[1], jnp.cos(ARGUMENTS[1])]), *ARGUMENTS[2:])
    expected, *found = jax.jit(lambda *a: [way(*a) for way in ways])(*arguments)
    for made in found:
        _assert_equal(made, expected)


def _assert_equal(found: Any, expected: Any) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    scale = max(np.abs(b).max(initial=0) for b in jax.tree.leaves(expected))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert np.abs(np.asarray(a) - np.asarray(b)).max(initial=0) <= 1e-12 * max(scale, 1)


def test_every_operation_works() -> None:
    for name in OPS:
        for kind in range(KINDS):
            shapes = jax.eval_shape(function_of(((name, kind, kind, kind),)), *ARGUMENTS)
            assert jax.tree.leaves(shapes)
