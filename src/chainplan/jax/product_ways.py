"""The ways to products with a Jacobian as programs: by a plan, or as `jax.linearize` and `jax.vjp` make them.

A way computes the results of a function once, and with them what is linear: a function of tangents, or of cotangents,
as a tree of JAX whose leaves are the arrays that it keeps. JAX itself tells the two apart. A product is traced with its
vectors unknown; all that does not depend on them is computed at once, whatever step it belongs to. The side that nobody
asked for is the transpose of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend import core
from jax.tree_util import PyTreeDef

from chainplan.jax.call import FlatCall
from chainplan.jax.edges import shape_of
from chainplan.jax.emit import products_of
from chainplan.jax.errors import ModeRefused, refusals
from chainplan.jax.linearise import LinearisedFunction
from chainplan.jax.program_time import predicted_seconds
from chainplan.jax.strategies import dtype_of
from chainplan.jax.trace import FunctionTrace, read
from chainplan.plans.candidate import Candidate
from chainplan.problem.graph import Mode
from chainplan.problem.products import Products

TRANSPOSED_ALONE = "custom_lin"
"""The primitive of JAX that stands for the tangent of a function with a rule for adjoints alone; it cannot be run."""
Push = Callable[..., list[Array]]
"""From a tangent of each leaf of a call, one by one, to a list of those of the results; a tree of JAX."""
Pull = Callable[[list[Array]], Sequence[Array]]
"""From a list of a cotangent of each result to a tuple of those of the leaves; a tree of JAX."""


class LinearParts(NamedTuple):
    """What a way computes at a point: the results, the arrays beside them, and what is linear.

    One of `push` and `pull` may be None.
    """

    results: list[Array]
    beside: list[Array]
    push: Push | None
    pull: Pull | None


class LinearProgram(NamedTuple):
    """A way as a program: a function of the leaves of a call and of the constants of its trace.

    `tree` is that of its `LinearParts`, and `seconds` are the predicted ones of all that is asked for. `run` runs it
    where nothing is traced around the call, compiled; None runs it operation by operation.
    """

    candidate: Candidate | None
    program: core.ClosedJaxpr
    tree: PyTreeDef
    seconds: float
    run: Callable[..., list[Array]] | None = None


def parts_by_plan(
    linearised: LinearisedFunction,
    call: FlatCall,
    candidate: Candidate,
    products: Products,
    leaves: Sequence[Array],
    constants: Sequence[Array],
) -> LinearParts:
    """Run the set-up of a plan at a point, and make what is linear of its programs."""
    values = linearised.trace.values(leaves, constants)
    results = [read(values, atom) for atom in linearised.trace.results]
    product = products_of(linearised, candidate, values, dtype_of(call))
    outs, dtype = call.outs, dtype_of(call)

    def through(
        mode: Mode,
        starts: Sequence[str | None],
        vectors: Sequence[Array],
        ends: Sequence[str | None],
        like: Sequence[Array],
    ) -> list[Array]:
        given: dict[str, Array] = {}
        for name, vector in zip(starts, vectors, strict=True):
            if name is not None:
                flat = vector.ravel().astype(dtype)
                given[name] = given[name] + flat if name in given else flat
        made = product(mode)(given)
        return [
            made[name].reshape(one.shape).astype(one.dtype) if name in made else jnp.zeros(one.shape, one.dtype)
            for name, one in zip(ends, like, strict=True)
        ]

    def tangents(*vectors: Array) -> list[Array]:
        return through(Mode.TANGENT, linearised.inputs, vectors, linearised.outputs, outs)

    def cotangents(vectors: list[Array]) -> tuple[Array, ...]:
        return tuple(through(Mode.ADJOINT, linearised.outputs, vectors, linearised.inputs, leaves))

    push = jax.linearize(tangents, *map(jnp.zeros_like, leaves))[1] if products.right else None
    pull = jax.linearize(cotangents, [jnp.zeros(o.shape, o.dtype) for o in outs])[1] if products.left else None
    return LinearParts(results[: len(outs)], results[len(outs) :], push, pull)


def parts_by_jax(
    call: FlatCall,
    trace: FunctionTrace | None,
    products: Products,
    leaves: Sequence[Array],
    constants: Sequence[Array],
) -> LinearParts:
    """Linearise a function at a point as JAX does, as it was traced where it was.

    A function with a rule for adjoints alone has no tangents of its own.

    Raises
    ------
    ModeRefused
        If JAX has neither tangents nor adjoints of it.
    """
    flat = call.flat if trace is None else trace.function(constants)

    def function(*values: Array) -> tuple[list[Array], list[Array]]:
        arrays = flat(*values)
        return arrays[: len(call.outs)], arrays[len(call.outs) :]

    refusal = None
    if products.right:
        try:
            with refusals("linearize"):
                results, push, beside = jax.linearize(function, *leaves, has_aux=True)
                alone = TRANSPOSED_ALONE in str(jax.make_jaxpr(push)(*leaves))
                pull = jax.linear_transpose(push, *map(shape_of, leaves)) if products.left and not alone else None
            if not alone:
                return LinearParts(results, beside, push, pull)
        except ModeRefused as error:
            refusal = error
    try:
        with refusals("vjp"):
            results, pull, beside = jax.vjp(function, *leaves, has_aux=True)
    except ModeRefused as error:
        raise refusal or error from (refusal or error).__cause__
    return LinearParts(results, beside, None, pull)


def pushed(
    push: Push | None, pull: Pull | None, outs: Sequence[jax.ShapeDtypeStruct], tangents: Sequence[Array]
) -> list[Array]:
    """Apply what is linear to a tangent of each leaf, by the transpose of the adjoint where there is no tangent."""
    if push is not None:
        return push(*tangents)
    assert pull is not None, "one of the two is there"
    made: list[Array] = jax.linear_transpose(pull, list(outs))(tuple(tangents))[0]
    return made


def pulled(
    push: Push | None, pull: Pull | None, ins: Sequence[jax.ShapeDtypeStruct], cotangents: Sequence[Array]
) -> Sequence[Array]:
    """Apply the transpose to a cotangent of each result."""
    if pull is not None:
        return pull(list(cotangents))
    assert push is not None, "one of the two is there"
    made: tuple[Array, ...] = jax.linear_transpose(push, *ins)(list(cotangents))
    return made


def _applied(
    apply: Callable[..., Sequence[Array]],
    ends: Sequence[jax.ShapeDtypeStruct],
    parts: LinearParts,
    vectors: Sequence[Array],
) -> Sequence[Array]:
    return apply(parts.push, parts.pull, ends, vectors)


def linear_program(
    call: FlatCall,
    known: LinearisedFunction | FunctionTrace,
    candidate: Candidate | None,
    products: Products,
) -> LinearProgram:
    """Trace a way, and predict what it takes; nothing is computed.

    Raises
    ------
    ModeRefused
        If JAX itself has no derivative of the function; what a plan raises is a defect.
    """
    trace = known.trace if isinstance(known, LinearisedFunction) else known
    count = len(call.leaves)

    def run(*arrays: Array) -> LinearParts:
        leaves, constants = arrays[:count], arrays[count:]
        if candidate is None:
            return parts_by_jax(call, trace, products, leaves, constants)
        assert isinstance(known, LinearisedFunction), "a plan is for a linearised function"
        return parts_by_plan(known, call, candidate, products, leaves, constants)

    closed, shapes = jax.make_jaxpr(run, return_shape=True)(*call.leaves, *trace.constants)
    ins, outs = list(map(shape_of, call.leaves)), list(call.outs)
    seconds = predicted_seconds(closed)
    for times, apply, ends, vectors in ((products.right, pushed, outs, ins), (products.left, pulled, ins, outs)):
        if times:
            with nullcontext() if candidate else refusals("transpose"):
                one = jax.make_jaxpr(partial(_applied, apply, ends))(shapes, vectors)
            seconds += times * predicted_seconds(one)
    return LinearProgram(candidate, closed, jax.tree.structure(shapes), seconds)
