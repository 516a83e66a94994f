"""Functions with a tangent rule of their own that work entry by entry, such as `jax.nn.relu`.

The rule is asked, not the body: where its tangent is made of entry-by-entry operations alone, the Jacobian by that rule
is diagonal and its entries are the tangents of ones.
"""

from __future__ import annotations

from typing import Any

import jax

from chainplan.jax.edges import Active, Edge, diagonal_edge, shape_of
from chainplan.jax.rules_elementwise import LINEAR
from chainplan.jax.trace import Trace, flat


def elementwise_call(active: Active) -> list[Edge] | None:
    """A diagonal per operand, None where the function does not work entry by entry."""
    if active.outs != (0,) or len(active.equation.outs) != 1 or not active.real:
        return None
    shape = active.equation.outs[0].shape
    if any(active.equation.ins[i].shape != shape or not _entrywise(active, i) for i in active.ins):
        return None
    size = active.size(active.ins[0])
    return [diagonal_edge(i, 0, size, active.slopes(i)) for i in active.ins]


def _entrywise(active: Active, position: int) -> bool:
    """Whether the tangent along an operand depends entry by entry on its direction, by the function's own rule."""
    ins = [shape_of(a) for a in active.equation.ins]

    def tangent(direction: Any, *values: Any) -> Any:
        return jax.jvp(active.along(position, values), (values[position],), (direction,))[1]

    found = flat(jax.make_jaxpr(tangent)(ins[position], *ins))
    return _stays_entrywise(found, active.equation.outs[0].shape)


def _stays_entrywise(found: Trace, shape: tuple[int, ...]) -> bool:
    """Whether every equation that the first argument reaches keeps its entries where they are."""
    reached = {0}
    for equation in found.equations:
        if reached.intersection(o for o in equation.operands if isinstance(o, int)):
            if equation.name not in LINEAR or any(aval.shape != shape for aval in equation.outs):
                return False
            reached.update(equation.results)
    return True
