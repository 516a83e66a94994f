"""What numpy computes while a function is traced and linearised is what JAX computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402

from chainplan.jax.by_numpy import BY_NUMPY  # noqa: E402

X = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
CASES: dict[str, Callable[..., Any]] = {
    "reshape": lambda x: x.reshape(6, 4),
    "squeeze": lambda x: lax.squeeze(x[:, :1], (1,)),
    "transpose": lambda x: x.transpose(2, 0, 1),
    "rev": lambda x: lax.rev(x, (0, 2)),
    "slice": lambda x: (lax.slice(x, (0, 1, 0), (2, 3, 4), (1, 1, 2)), lax.slice(x, (1, 0, 0), (2, 3, 2))),
    "broadcast_in_dim": lambda x: lax.broadcast_in_dim(x[:, :1], (2, 5, 3, 4), (0, 2, 3)),
    "concatenate": lambda x: jnp.concatenate([x, x[:, :1], x], 1),
    "stack": lambda x: jnp.stack([x, x + x], 1),
    "split": lambda x: lax.split(x, (1, 3), 2),
    "unstack": lambda x: jnp.unstack(x, axis=1),
    "pad": lambda x: lax.pad(x, jnp.int32(-7), ((1, 2, 3), (-1, 0, 1), (0, -2, 0))),
    "select_n": lambda x: (jnp.where(x < 5, x, -x), lax.select_n(x % 3, x, x + 1, x * 2)),
    "iota": lambda x: x * lax.broadcasted_iota(np.int32, (2, 3, 4), 1),
    "convert_element_type": lambda x: (x.astype(np.int8), (x < 3).astype(np.int32)),
    "add": lambda x: x + x * 2**30,
    "sub": lambda x: x - 5,
    "mul": lambda x: x * x,
    "lt": lambda x: x < x[::-1],
    "le": lambda x: x <= x[::-1],
    "gt": lambda x: x > x[::-1],
    "ge": lambda x: x >= x[::-1],
    "eq": lambda x: x == x[::-1],
    "ne": lambda x: x != x[::-1],
}


def test_every_operation_has_a_case() -> None:
    assert CASES.keys() == BY_NUMPY.keys()


@pytest.mark.parametrize("name", CASES)
def test_equal_to_jax(name: str) -> None:
    closed = jax.make_jaxpr(CASES[name])(X)
    values: dict[Any, Any] = dict(zip(closed.jaxpr.invars, [X], strict=True))
    values |= dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
    met = set()
    for eqn in closed.jaxpr.eqns:
        given = [np.asarray(v.val, v.aval.dtype) if hasattr(v, "val") else values[v] for v in eqn.invars]
        expected = eqn.primitive.bind(*given, **eqn.primitive.get_bind_params(eqn.params))
        expected = expected if eqn.primitive.multiple_results else [expected]
        if eqn.primitive.name in BY_NUMPY:
            met.add(eqn.primitive.name)
            for a, b in zip(BY_NUMPY[eqn.primitive.name](eqn.params, given), expected, strict=True):
                assert (a.dtype, a.shape) == (b.dtype, b.shape)
                assert np.array_equal(a, b)
        values.update(zip(eqn.outvars, map(np.asarray, expected), strict=True))
    assert name in met
