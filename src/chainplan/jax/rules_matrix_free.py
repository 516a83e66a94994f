"""Every other primitive: a matrix-free elemental through JAX's own tangent and adjoint of that equation.

Several operands are joined to one vertex before the elemental, and several results to one vertex behind it, so that a
loop with many of both runs once per vector. Products that are linear in each operand, such as convolutions, have an
edge for each operand instead. The modes that exist are tried out on shapes: a `while` has no adjoint, a function with a
rule for adjoints alone has the tangent that is the transpose of its adjoint, if that is written so that it can be
transposed. `rules_sparsity` says what is known of the pattern. A complex array is the
vector of its real and imaginary parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from chainplan.jax.costs import equation_fma
from chainplan.jax.edges import (
    ActiveEquation,
    EdgeFunctions,
    JaxEdge,
    JaxFunction,
    entries,
    is_complex,
    pick_edge,
    scatter_edge,
    shape_of,
)
from chainplan.jax.errors import DifferentiationError
from chainplan.jax.rules_sparsity import pattern

MATRIX_FREE_PRIMITIVES = frozenset(
    ("conv_general_dilated", "dot_general", "ragged_dot_general", "cumprod", "triangular_solve")
)
"""The primitives that have an edge for each operand."""


def matrix_free(active: ActiveEquation) -> list[JaxEdge]:
    """Make the edges of an equation without a structure.

    Raises
    ------
    DifferentiationError
        If JAX has neither a tangent nor an adjoint for it.
    """
    if len(active.outs) == 1 and (len(active.ins) == 1 or active.equation.name in MATRIX_FREE_PRIMITIVES):
        return [_edge(active, (i,), i, active.outs[0]) for i in active.ins]
    return _joined(active)


def _joined(active: ActiveEquation) -> list[JaxEdge]:
    """Make one edge between all operands and all results, and the edges that join them."""
    edges: list[JaxEdge] = []
    sizes = [active.size(i) for i in active.ins]
    starts = np.cumsum([0, *sizes])
    source: int | str = active.ins[0]
    target: int | str = active.outs[0]
    if len(active.ins) > 1:
        source = "operands"
        for i, start, size in zip(active.ins, starts, sizes, strict=False):
            edges.append(scatter_edge(i, source, np.arange(start, start + size), int(starts[-1])))
    lengths = [entries(active.equation.outs[j]) for j in active.outs]
    places = np.cumsum([0, *lengths])
    if len(active.outs) > 1:
        target = "results"
    edges.append(_edge(active, active.ins, source, target))
    if len(active.outs) > 1:
        for j, place, length in zip(active.outs, places, lengths, strict=False):
            edges.append(pick_edge(target, j, np.arange(place, place + length), int(places[-1])))
    return edges


def _edge(active: ActiveEquation, positions: tuple[int, ...], source: int | str, target: int | str) -> JaxEdge:
    """Make the matrix-free edge of some operands.

    Raises
    ------
    DifferentiationError
        If JAX has neither a tangent nor an adjoint for it.
    """
    functions = _functions(active, positions)
    equation = active.equation
    rows = sum(entries(equation.outs[j]) for j in active.outs)
    cols = sum(active.size(i) for i in positions)
    price = equation_fma(equation)
    refusals = [_refusal(active, functions, mode, (rows, cols)) for mode in (0, 1)]
    if refusals[0] and not refusals[1]:
        by_adjoint = _functions(active, positions, tangent_by_adjoint=True)
        if _refusal(active, by_adjoint, 0, (rows, cols)) is None:
            functions, refusals[0] = by_adjoint, None
    modes = [None if refusal else price for refusal in refusals]
    if modes == [None, None]:
        raise DifferentiationError(
            f"{equation.source}: JAX has neither a tangent nor an adjoint for '{equation.name}' ({refusals[0]}); "
            "expected a function with a derivative. Wrap it in jax.lax.stop_gradient, or give it a rule with "
            "jax.custom_jvp."
        )
    alone = len(positions) == len(active.outs) == 1
    words = pattern(active, positions[0], active.outs[0]) if alone else "dense"
    return JaxEdge(source, target, rows, cols, words, None, functions, modes[0], modes[1])


def _refusal(active: ActiveEquation, functions: EdgeFunctions, mode: int, shape: tuple[int, int]) -> str | None:
    """Say why a mode of an equation cannot be traced, None where it can; nothing is computed."""
    vectors = (shape[1], 1) if mode == 0 else (1, shape[0])

    def attempt(block: Array, *values: Array) -> Array:
        return functions(values)[mode](block)

    ins = active.equation.ins
    dtype = jnp.finfo(ins[active.ins[0]].dtype).dtype
    try:
        jax.eval_shape(attempt, shape_of(np.empty(vectors, dtype)), *map(shape_of, ins))
    except Exception as reason:  # a rule of the user's own may raise anything
        return (str(reason).strip() or type(reason).__name__).splitlines()[0].rstrip(".")
    return None


def _functions(active: ActiveEquation, positions: tuple[int, ...], tangent_by_adjoint: bool = False) -> EdgeFunctions:
    """Return what makes the tangent and the adjoint of an equation by some operands.

    A function with a rule for adjoints alone has a tangent all the same where that rule can be transposed: an adjoint
    is linear in its direction, and the transpose of Ȳ·F' is F'·Ẋ.
    """

    def functions(values: Sequence[Array]) -> tuple[JaxFunction, JaxFunction]:
        function, x = _joint(active, positions, values)

        def tangent(block: Array) -> Array:
            block = block.astype(x.dtype)
            if tangent_by_adjoint:
                value, pull = jax.vjp(function, x)
                push = jax.linear_transpose(lambda row: pull(row)[0], value)
                return jax.vmap(lambda t: push(t)[0], 1, 1)(block)
            return jax.vmap(lambda t: jax.jvp(function, (x,), (t,))[1], 1, 1)(block)

        def adjoint(block: Array) -> Array:
            value, pull = jax.vjp(function, x)
            return jax.vmap(lambda row: pull(row)[0])(block.astype(value.dtype))

        return tangent, adjoint

    return functions


def _joint(active: ActiveEquation, positions: tuple[int, ...], values: Sequence[Array]) -> tuple[JaxFunction, Array]:
    """Return the active results, as one vector, as a function of some operands, as one vector; and that vector."""
    operands = [jnp.asarray(values[i]) for i in positions]
    cuts = np.cumsum([entries(o) for o in operands])[:-1].tolist()

    def function(x: Array) -> Array:
        given = list(values)
        for i, part, o in zip(positions, jnp.split(x, cuts), operands, strict=True):
            given[i] = _from_vector(part, o)
        results = active.equation.apply(*given)
        return jnp.concatenate([_to_vector(results[j]) for j in active.outs])

    return function, jnp.concatenate([_to_vector(o) for o in operands])


def _to_vector(array: Array) -> Array:
    """Lay out the entries of an array as those of its vertex."""
    flat = array.ravel()
    return jnp.concatenate([flat.real, flat.imag]) if is_complex(array) else flat


def _from_vector(vector: Array, like: Array) -> Array:
    """Make an array of the shape and dtype of another from the entries of its vertex."""
    if is_complex(like):
        vector = jax.lax.complex(*jnp.split(vector, 2))
    return vector.reshape(like.shape).astype(like.dtype)
