"""Functions with a tangent rule of their own that work entry by entry, such as `jax.nn.relu`.

The rule is looked at, not the body. Where the tangent by that rule consists of entry-by-entry operations alone, the
Jacobian is diagonal and its entries are the tangents of ones.
"""

from __future__ import annotations

import jax
from jax import Array

from chainplan.jax.edges import ActiveEquation, JaxEdge, diagonal_edge, shape_of
from chainplan.jax.rules_elementwise import TANGENT_PRIMITIVES
from chainplan.jax.trace import FunctionTrace, flat


def elementwise_call(active: ActiveEquation) -> list[JaxEdge] | None:
    """Make a diagonal for each operand, None where the function does not work entry by entry."""
    if active.outs != (0,) or len(active.equation.outs) != 1 or not active.real:
        return None
    shape = active.equation.outs[0].shape
    if any(active.equation.ins[i].shape != shape or not _entrywise(active, i) for i in active.ins):
        return None
    size = active.size(active.ins[0])
    return [diagonal_edge(i, 0, size, active.slopes(i)) for i in active.ins]


def _entrywise(active: ActiveEquation, position: int) -> bool:
    """Say whether the tangent by the function's own rule depends entry by entry on the direction of an operand."""
    ins = [shape_of(a) for a in active.equation.ins]

    def tangent(direction: Array, *values: Array) -> Array:
        return jax.jvp(active.along(position, values), (values[position],), (direction,))[1]

    try:
        traced = flat(jax.make_jaxpr(tangent)(ins[position], *ins))
    except Exception:  # a rule of the user's own may raise anything, and have effects
        return False
    return _stays_entrywise(traced, active.equation.outs[0].shape)


def _stays_entrywise(traced: FunctionTrace, shape: tuple[int, ...]) -> bool:
    """Say whether every equation that the first argument reaches keeps its entries where they are."""
    reached = {0}
    for equation in traced.equations:
        if reached.intersection(o for o in equation.operands if isinstance(o, int)):
            if equation.name not in TANGENT_PRIMITIVES or any(aval.shape != shape for aval in equation.outs):
                return False
            reached.update(equation.results)
    return True
