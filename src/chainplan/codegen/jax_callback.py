"""Lets jitted JAX programs call compiled scalar code, by a callback on the host."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import numpy as np

from chainplan.codegen.straight_line import StraightLine, checked
from chainplan.errors import SpecError, missing_extra


def called_back(program: StraightLine, one: Callable[..., Any], batch: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of arrays of JAX, as `CompiledProgram.in_jax` describes it.

    Parameters
    ----------
    program : StraightLine
        What is computed.
    one : Callable[..., Any]
        The function of arrays of one point.
    batch : Callable[..., Any]
        That of arrays with an axis of points in front.

    Returns
    -------
    Callable[..., Any]
        The function.

    Raises
    ------
    SpecError
        Where JAX is not installed.
    """
    try:
        import jax
        import jax.numpy as jnp
    except ImportError:
        raise SpecError(missing_extra("in_jax", "JAX", "jax")) from None
    inputs, outputs = program.inputs, program.outputs

    def call(*arrays: Any) -> Any:
        given = [jnp.asarray(a, float) for a in arrays]
        checked(inputs, [np.broadcast_to(0.0, a.shape) for a in given])
        kind = jnp.result_type(float)
        shapes = tuple(jax.ShapeDtypeStruct(o.shape, kind) for o in outputs)
        results = jax.pure_callback(
            partial(_on_host, program, one, batch, kind), shapes, *given, vmap_method="broadcast_all"
        )
        return results if len(results) != 1 else results[0]

    return call


def _on_host(
    program: StraightLine, one: Callable[..., Any], batch: Callable[..., Any], kind: Any, *arrays: Any
) -> tuple[Any, ...]:
    """Compute all points of arrays with the same axes in front."""
    given, front = checked(program.inputs, [np.asarray(a, float) for a in arrays])
    shaped = list(zip(given, program.inputs, strict=True))
    if front:
        results = batch(*(x.reshape((prod(front), *i.shape)) for x, i in shaped))
    else:
        results = one(*(x.reshape(i.shape) for x, i in shaped))
    whole = results if len(program.outputs) > 1 else (results,)
    return tuple(r.reshape(front + o.shape).astype(kind) for r, o in zip(whole, program.outputs, strict=True))
