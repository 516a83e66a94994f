"""The rules: which elemental Jacobians a primitive has, by its name, in one table.

A new rule is one function, and one line in `PRIMITIVE_RULES` for each primitive. A rule answers None where it does not
fit; that equation, like every primitive without a rule, is then matrix-free (`rules_matrix_free`), so that no primitive
ever fails. The rules ask JAX itself for what they need: the derivative of an elementwise function is its tangent of
ones, and a function that moves entries is given their numbers, which shows where they go (`rules_indexing`). What is
known of the pattern of a matrix-free elemental is in `rules_sparsity`. asdex has handlers for many of the same
primitives but is no dependency: it propagates the pattern of a whole function from index sets, whereas a plan needs the
structure of each elemental together with its values.

Entries are in row-major order throughout; of complex arrays the real parts come first, then the imaginary ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from chainplan.jax.edges import (
    ActiveEquation,
    EdgeValues,
    JaxEdge,
    Slopes,
    diagonal_edge,
    entries,
    is_complex,
    pick_edge,
    scatter_edge,
    shape_of,
    sign_edge,
)
from chainplan.jax.forms import HeldDense
from chainplan.jax.rules_custom import elementwise_call
from chainplan.jax.rules_dot import dot_general
from chainplan.jax.rules_elementwise import (
    CONSTANT_PRIMITIVES,
    ELEMENTWISE_PRIMITIVES,
    PARTLY_DIFFERENTIABLE,
    PRIMITIVE_SIGNS,
)
from chainplan.jax.rules_indexing import complex_of, imaginary_part, moved, real_part, scatter_add
from chainplan.jax.rules_loops import opened_loop

PrimitiveRule = Callable[[ActiveEquation], list[JaxEdge] | None]


def elementwise(active: ActiveEquation) -> list[JaxEdge] | None:
    """Make a diagonal for each operand; its entries are the tangents of ones. Smaller operands are spread out first."""
    shape = active.equation.outs[0].shape
    if not active.real:
        return _elementwise_complex(active)
    if active.equation.name in PARTLY_DIFFERENTIABLE and not all(_differentiable(active, i) for i in active.ins):
        return None
    edges = []
    for position in active.ins:
        own = active.equation.ins[position].shape
        source: int | str = position
        if own != shape and prod(own) == 1:
            edges += _from_one(active, position)
            continue
        if prod(own) != prod(shape):
            index = np.broadcast_to(np.arange(prod(own)).reshape(own), shape).ravel()
            source = f"spread{position}"
            edges.append(pick_edge(position, source, index, prod(own)))
        sign = _sign(active, position)
        if sign:
            edges.append(sign_edge(source, 0, prod(shape), sign))
        else:
            edges.append(diagonal_edge(source, 0, prod(shape), active.slopes(position)))
    return edges


def _differentiable(active: ActiveEquation, position: int) -> bool:
    """Say whether JAX has the derivative by an operand; nothing is computed."""
    try:
        jax.eval_shape(lambda *values: active.slopes(position)(values), *map(shape_of, active.equation.ins))
    except Exception:  # a rule of the user's own may raise anything
        return False
    return True


def _elementwise_complex(active: ActiveEquation) -> list[JaxEdge] | None:
    """Make edges of known signs; None elsewhere, because a complex factor mixes real and imaginary parts."""
    sides = [active.equation.outs[0], *(active.equation.ins[i] for i in active.ins)]
    if active.equation.name not in PRIMITIVE_SIGNS or not all(
        is_complex(a) and a.shape == sides[0].shape for a in sides
    ):
        return None
    return [sign_edge(i, 0, active.size(i), _sign(active, i)) for i in active.ins]


def _from_one(active: ActiveEquation, position: int) -> list[JaxEdge]:
    """Make the column of an operand of one entry, on which every entry of the result depends."""
    rows, sign = prod(active.equation.outs[0].shape), _sign(active, position)
    if sign == 1:
        return [pick_edge(position, 0, np.zeros(rows, np.int64), 1)]
    slopes = active.slopes(position)
    return [JaxEdge(position, 0, rows, 1, "dense", lambda values: HeldDense(slopes(values)[:, None]))]


def _sign(active: ActiveEquation, position: int) -> int:
    """Return the derivative by an operand where it is known to be 1 or -1, 0 where it depends on the values."""
    known = PRIMITIVE_SIGNS.get(active.equation.name)
    return 0 if known is None else known[position]


def constant(active: ActiveEquation) -> list[JaxEdge]:
    """Make no edge: the derivative is zero."""
    return []


def chosen(active: ActiveEquation) -> list[JaxEdge] | None:
    """Make the edges of `select_n`: it moves entries where the predicate is known, else each operand has a diagonal."""
    return moved(active) if active.known(0) else elementwise(active)


def reduction(active: ActiveEquation, weighted: bool) -> list[JaxEdge] | None:
    """Make the edges of a reduction: each entry goes to one entry of the result, its weight is its adjoint of ones."""
    if not active.real:
        return None
    aval, (position,) = active.equation.ins[0], active.ins
    axes = tuple(active.equation.params["axes"])
    rows, size = prod(active.equation.outs[0].shape), prod(aval.shape)
    kept = [1 if i in axes else n for i, n in enumerate(aval.shape)]
    index = np.broadcast_to(np.arange(rows).reshape(kept), aval.shape).ravel()
    if not weighted:
        return [scatter_edge(position, 0, index, rows)]
    if rows == 1:
        return [JaxEdge(position, 0, 1, size, "dense", _row(active))]
    pull = _weights(active)
    return [diagonal_edge(position, "weighted", size, pull), scatter_edge("weighted", 0, index, rows)]


def _weights(active: ActiveEquation) -> Slopes:
    """Return what computes the adjoint of ones of a reduction, as a vector."""

    def weights(values: Sequence[Array]) -> Array:
        reduced, pull = jax.vjp(active.along(active.ins[0], values), jnp.asarray(values[0]))
        return pull(jnp.ones_like(reduced))[0].ravel()

    return weights


def _row(active: ActiveEquation) -> EdgeValues:
    """Return what computes the weights of a reduction to one entry, as a row."""
    weights = _weights(active)
    return lambda values: HeldDense(weights(values)[None, :])


def converted(active: ActiveEquation) -> list[JaxEdge] | None:
    """Make the edge to another dtype of the same entries; between real and complex ones it keeps the real parts."""
    if len(active.equation.ins) > 1:
        return None
    before, after = active.size(0), entries(active.equation.outs[0])
    if before < after:
        return [scatter_edge(0, 0, np.arange(before), after)]
    return [pick_edge(0, 0, np.arange(after), before)]


PRIMITIVE_RULES: dict[str, PrimitiveRule] = {
    **dict.fromkeys(ELEMENTWISE_PRIMITIVES, elementwise),
    **dict.fromkeys(CONSTANT_PRIMITIVES, constant),
    **dict.fromkeys(("convert_element_type", "reduce_precision", "copy", "name", "optimization_barrier"), converted),
    "select_n": chosen,
    **dict.fromkeys(("reshape", "squeeze", "transpose", "rev"), moved),
    **dict.fromkeys(("broadcast_in_dim", "tile", "slice", "split", "unstack", "concatenate", "stack", "pad"), moved),
    **dict.fromkeys(("gather", "dynamic_slice", "scatter", "dynamic_update_slice"), moved),
    "scatter-add": scatter_add,
    "scatter-sub": partial(scatter_add, sign=-1),
    "real": real_part,
    "imag": imaginary_part,
    "complex": complex_of,
    "reduce_sum": partial(reduction, weighted=False),
    **dict.fromkeys(("reduce_max", "reduce_min", "reduce_prod"), partial(reduction, weighted=True)),
    "dot_general": dot_general,
    "custom_jvp_call": elementwise_call,
    "scan": opened_loop,
}
"""By the name of a primitive: the rule that makes its elemental Jacobians, or None where it does not fit."""


def structured(active: ActiveEquation) -> list[JaxEdge] | None:
    """Make the edges by the rule of the primitive, None where the equation is to be matrix-free."""
    rule = PRIMITIVE_RULES.get(active.equation.name)
    return None if rule is None else rule(active)
