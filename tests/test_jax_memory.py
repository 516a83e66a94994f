"""Seeds in chunks give the same Jacobian in less memory, and a limit of memory holds or is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402

import chainplan.jax as planned  # noqa: E402
from chainplan import plan  # noqa: E402
from chainplan.errors import PlanError  # noqa: E402
from chainplan.jax.call import flattened  # noqa: E402
from chainplan.jax.choice import JacobianSettings, chosen  # noqa: E402
from chainplan.jax.memory_limit import temporary_bytes  # noqa: E402
from chainplan.jax.standalone import linearised_call  # noqa: E402
from chainplan.jax.strategies import JacobianStrategy, evaluated  # noqa: E402
from tests.jax_programs import CASES, draw  # noqa: E402


def _require_close(found: Any, expected: Any) -> None:
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert np.abs(a - b).max(initial=0) <= 1e-12 * np.abs(b).max(initial=1e-300)


def _wide(x: Any, w: Any) -> Any:
    """Many entries beside each seed: 50 results of 50 arguments through 2,000 inner ones."""
    for _ in range(3):
        x = w @ jnp.sin(x @ w) / 1000
    return x


WIDE = draw((50,), (50, 2000))


@pytest.mark.parametrize("chunk", [1, 3, 7, 50])
def test_directions_in_chunks(chunk: int) -> None:
    x, w = WIDE
    seeds = jnp.eye(50)
    found = planned.jvp_chunks(lambda x: _wide(x, w), (x,), (seeds,), chunk)
    _require_close(found.T, jax.jacfwd(_wide)(x, w))
    (found,) = planned.vjp_chunks(lambda x: _wide(x, w), (x,), seeds, chunk)
    _require_close(found, jax.jacrev(_wide)(x, w))


@pytest.mark.parametrize("chunk", [0, -1, 2.0, True, "3"])
def test_no_such_chunk(chunk: Any) -> None:
    x, w = WIDE
    for chunks, seeds in ((planned.jvp_chunks, (jnp.eye(50),)), (planned.vjp_chunks, jnp.eye(50))):
        with pytest.raises(PlanError, match="chunk: found"):
            chunks(lambda x: _wide(x, w), (x,), seeds, chunk)


@pytest.mark.parametrize("chunk", [1, pytest.param(2, marks=pytest.mark.nightly), 3])
@pytest.mark.parametrize("mode", ["jacfwd", "jacrev", "plan"])
@pytest.mark.parametrize("name", ["residual", "softmax", "scan", "convolution", "outer"])
def test_every_way_in_chunks(name: str, mode: str, chunk: int) -> None:
    f, arguments, argnums = CASES[name]
    call = flattened(f, argnums, False, arguments, {})
    linearised = linearised_call(call)
    problem = linearised.problem()
    assert problem is not None
    candidate = plan(problem, budget=0.1).candidate if mode == "plan" else None
    way = JacobianStrategy(mode, candidate, chunk)
    blocks, _ = evaluated(linearised, call, way, call.leaves, linearised.trace.constants)
    _require_close(call.nested(blocks), jax.jacrev(f, argnums)(*arguments))


def test_a_limit_holds_and_is_used() -> None:
    call = flattened(_wide, 0, False, WIDE, {})
    free = temporary_bytes(call, linearised_call(call), JacobianStrategy("jacfwd"))
    chunks = []
    for part in (2, 4, 8):
        limit = free // part
        way = chosen(call, JacobianSettings(gain=1.0, memory=limit)).way
        assert temporary_bytes(call, linearised_call(call), way) <= limit
        _require_close(planned.jacobian(_wide, gain=1.0, memory=limit)(*WIDE), jax.jacrev(_wide)(*WIDE))
        chunks.append(way.chunk or 0)
    assert chunks[0] >= chunks[1] >= chunks[2] > 0


def test_a_generous_limit_changes_nothing() -> None:
    call = flattened(_wide, 0, False, WIDE, {})
    assert chosen(call, JacobianSettings(memory=10**9)).way == chosen(call, JacobianSettings()).way


def test_a_limit_under_jit_and_vmap() -> None:
    call = flattened(_wide, 0, False, WIDE, {})
    limit = temporary_bytes(call, linearised_call(call), JacobianStrategy("jacfwd")) // 4
    limited = planned.jacobian(_wide, gain=1.0, memory=limit)
    x, w = WIDE
    _require_close(jax.jit(limited)(x, w), jax.jacrev(_wide)(x, w))
    several = jnp.stack([x, 2 * x])
    _require_close(
        jax.jit(jax.vmap(limited, (0, None)))(several, w), jax.vmap(jax.jacrev(_wide), (0, None))(several, w)
    )


def test_auxiliary_data_beside_chunks() -> None:
    def f(x: Any, w: Any) -> Any:
        return _wide(x, w), {"sum": x.sum()}

    call = flattened(f, 0, True, WIDE, {})
    limit = temporary_bytes(call, linearised_call(call), JacobianStrategy("jacrev")) // 4
    limited = planned.jacobian(f, has_aux=True, gain=1.0, memory=limit)
    found, beside = limited(*WIDE)
    _require_close(found, jax.jacrev(_wide)(*WIDE))
    _require_close(beside, {"sum": WIDE[0].sum()})


def test_nothing_fits() -> None:
    with pytest.raises(PlanError, match=r"takes [\d,]+ bytes .* the limit is 10"):
        planned.jacobian(_wide, memory=10)(*WIDE)


@pytest.mark.parametrize("memory", [-1, 1.5, "64 MiB", True])
def test_no_such_limit(memory: Any) -> None:
    with pytest.raises(PlanError, match="memory: found"):
        planned.jacobian(_wide, memory=memory)


def test_values_of_an_outer_trace() -> None:
    def outer(x: Any, w: Any, **options: Any) -> Any:
        return planned.jacobian(lambda x: _wide(x, w), **options)(x)

    for options in ({"memory": 10**9}, {"tune": True}, {"gain": None}):
        _require_close(jax.jit(lambda x, w, o=options: outer(x, w, **o))(*WIDE), jax.jacrev(_wide)(*WIDE))


def test_tuning_where_other_arguments_are_traced() -> None:
    tuned = planned.jacobian(_wide, tune=True)
    _require_close(jax.jit(tuned)(*WIDE), jax.jacrev(_wide)(*WIDE))
