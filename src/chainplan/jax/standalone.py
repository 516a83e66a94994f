"""Programs that are compiled and measured apart from the trace in which a Jacobian is called.

Real arrays beside the differentiated ones become arguments of the program, as they do where a user compiles it. XLA
would fold constants, and another program would be measured. A value that is being traced has no numbers yet; ones take
its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import Array

from chainplan.jax.call import FlatCall
from chainplan.jax.linearise import LinearisedFunction, linearise
from chainplan.jax.strategies import JacobianStrategy, evaluated
from chainplan.jax.trace import TraceConstant, trace


def linearised_call(call: FlatCall) -> LinearisedFunction:
    """Trace and linearise the function of a call."""
    traced = trace(call.flat, call.leaves)
    return linearise(traced, call.leaves, call.outs)


def program(call: FlatCall, way: JacobianStrategy) -> Callable[[Sequence[Array], Sequence[Array]], list[list[Array]]]:
    """Return a way as a function of the leaves, and of the other arrays, of a call."""

    def blocks(leaves: Sequence[Array], others: Sequence[Array]) -> list[list[Array]]:
        placed = call.placed(others)
        if way.name == "plan":
            return evaluated(linearised_call(placed), placed, way, leaves)[0]
        return evaluated(None, placed, way, leaves)[0]

    return blocks


def arguments(call: FlatCall) -> tuple[list[Array], list[Array]]:
    """Return arguments for `program`, ones in the place of values that are not known yet."""
    with jax.ensure_compile_time_eval():
        return [_concrete(leaf) for leaf in call.leaves], [_concrete(other) for other in call.others]


def _concrete(value: Array) -> Array:
    """Return the value, ones in its place where it is traced."""
    return jnp.ones(value.shape, value.dtype) if isinstance(value, jax.core.Tracer) else jnp.asarray(value)


def closes_over_traced(linearised: LinearisedFunction, call: FlatCall) -> bool:
    """Say whether the function reads values of an outer trace that are not among its arguments."""
    known = {id(other) for other in call.others}
    operands = (o for equation in linearised.trace.equations for o in equation.operands)
    return any(
        isinstance(o, TraceConstant) and isinstance(o.value, jax.core.Tracer) and id(o.value) not in known
        for o in operands
    )
