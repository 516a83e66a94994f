"""The ways to a Jacobian as programs of their own, apart from the trace in which it is called.

What the function reads beside its arguments becomes an argument of the program, as where a user compiles it: XLA would
fold constants, and another program would be measured. A program is therefore right for other values of them too. A
value that is being traced has no numbers yet; where a program is run to be measured, ones take its place.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend import core
from jax.tree_util import PyTreeDef

from chainplan.jax.call import FlatCall
from chainplan.jax.linearise import LinearisedFunction, linearise
from chainplan.jax.strategies import EvaluatedStrategy, JacobianStrategy, evaluated, evaluated_by_mode
from chainplan.jax.trace import FunctionTrace, trace
from chainplan.jax.tuning import batch_axes

TracedProgram = tuple[core.ClosedJaxpr, PyTreeDef]
"""A program, and the tree of its results."""


def linearised_call(call: FlatCall) -> LinearisedFunction:
    """Trace and linearise the function of a call."""
    return linearise(trace(call.flat, call.leaves), call.leaves, call.outs)


def program(
    call: FlatCall, known: LinearisedFunction | FunctionTrace | None, way: JacobianStrategy
) -> Callable[..., EvaluatedStrategy]:
    """Return a way as a function of the leaves of a call, followed by the constants of its trace.

    What is known of the function may be its trace alone where the way is a mode.
    """
    count = len(call.leaves)

    def run(*arrays: Array) -> EvaluatedStrategy:
        if isinstance(known, LinearisedFunction):
            return evaluated(known, call, way, arrays[:count], arrays[count:])
        return evaluated_by_mode(call, known, way, arrays[:count], arrays[count:])

    return run


def given(call: FlatCall, known: LinearisedFunction | FunctionTrace | None) -> list[Array]:
    """Return the arguments of such a program."""
    trace = known.trace if isinstance(known, LinearisedFunction) else known
    return [*call.leaves, *(() if trace is None else trace.constants)]


def examples(call: FlatCall, linearised: LinearisedFunction | None) -> list[Array]:
    """Return arguments for a program, ones in the place of values that are not known yet."""
    with jax.ensure_compile_time_eval():
        return [
            jnp.ones(a.shape, a.dtype) if isinstance(a, jax.core.Tracer) else jnp.asarray(a)
            for a in given(call, linearised)
        ]


def traced_program(call: FlatCall, known: LinearisedFunction | FunctionTrace, way: JacobianStrategy) -> TracedProgram:
    """Trace a way; nothing is computed."""
    closed, shapes = jax.make_jaxpr(program(call, known, way), return_shape=True)(*given(call, known))
    return closed, jax.tree.structure(shapes)


def in_batch(closed: core.ClosedJaxpr, arrays: list[Array]) -> core.ClosedJaxpr:
    """Return a program as it runs on the batch that is in sight of its arguments."""
    batch, axes = batch_axes(arrays)
    if axes is None:
        return closed
    shapes = [
        jax.ShapeDtypeStruct(a.shape if axis is None else (batch, *a.shape), a.dtype)
        for a, axis in zip(arrays, axes, strict=True)
    ]
    made: core.ClosedJaxpr = jax.make_jaxpr(jax.vmap(core.jaxpr_as_fun(closed), axes))(*shapes)
    return made
