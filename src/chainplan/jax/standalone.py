"""Programs that are compiled and measured apart from the trace in which a Jacobian is called.

Real arrays beside the differentiated ones become arguments of the program, as they are where a user compiles it:
constants would be folded, and what is measured would be another program. Values that are being traced have no numbers
yet; ones stand for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from chainplan.jax.call import Call
from chainplan.jax.linearise import Linearised, linearise
from chainplan.jax.strategies import Way, evaluated
from chainplan.jax.trace import Constant, trace


def linearised_call(call: Call) -> Linearised:
    """The linearised function of a call."""
    found = trace(call.flat, call.leaves)
    return linearise(found, call.leaves, call.outs)


def program(call: Call, way: Way) -> Callable[[Sequence[Any], Sequence[Any]], list[list[Any]]]:
    """A way as a function of the leaves and of the other arrays of a call."""

    def blocks(leaves: Sequence[Any], others: Sequence[Any]) -> list[list[Any]]:
        placed = call.placed(others)
        if way.name == "plan":
            return evaluated(linearised_call(placed), placed, way, leaves)[0]
        return evaluated(None, placed, way, leaves)[0]

    return blocks


def arguments(call: Call) -> tuple[list[Any], list[Any]]:
    """Values for `program`, ones where there are none yet."""
    with jax.ensure_compile_time_eval():
        return [_concrete(leaf) for leaf in call.leaves], [_concrete(other) for other in call.others]


def _concrete(value: Any) -> Any:
    return jnp.ones(value.shape, value.dtype) if isinstance(value, jax.core.Tracer) else jnp.asarray(value)


def closes_over_traced(linearised: Linearised, call: Call) -> bool:
    """Whether the function reads values of an outer trace that are not among its arguments."""
    known = {id(other) for other in call.others}
    found = (o for equation in linearised.trace.equations for o in equation.operands)
    return any(
        isinstance(o, Constant) and isinstance(o.value, jax.core.Tracer) and id(o.value) not in known for o in found
    )
