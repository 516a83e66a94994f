"""Which entries of a vertex count: those that a choice behind it takes, as `jnp.where`, a clipping or a slice does.

Where an entry is not taken, its derivative must not count, not even where it is infinite: the derivative of
`jnp.where(x > 0, log(x), 0)` at 0 is 0. `jax.jacfwd` replaces the tangent that is not taken by zero; a product of
blocks would compute 0 · inf, in whichever order. The derivatives of such entries are therefore zero from the start.
The rule: a derivative of an entry, infinite or not, counts for nothing if every path from that entry, along elementwise
operations and operations that move entries, ends in a choice that does not take it. Elsewhere products are those of
numbers, and 0 · inf is undefined, as by JAX.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from chainplan.jax.edges import JaxEdge
from chainplan.jax.forms import HeldBlock, HeldDense, HeldDiagonal, HeldSelection
from chainplan.jax.indexing import taken
from chainplan.jax.linearise import LinearisedEquation
from chainplan.jax.trace import FunctionTrace, TraceEquation

CHOOSING_PRIMITIVES = frozenset(("select_n", "clamp", "custom_jvp_call"))
"""The elementwise primitives whose derivative is zero where they do not take an operand."""
FINITE_SLOPES = CHOOSING_PRIMITIVES | {"sin", "cos", "tanh", "logistic", "erf", "erfc", "atan", "abs", "max", "min"}
"""The elementwise primitives whose derivatives are never infinite."""
STEEP_PRIMITIVES = frozenset(
    ("log", "log1p", "sqrt", "rsqrt", "cbrt", "div", "pow", "integer_pow", "exp", "exp2", "expm1", "tan", "lgamma")
) | {"asin", "acos", "acosh", "atanh", "erf_inv", "digamma"}
"""The elementwise primitives whose derivatives may be infinite at numbers that a choice then leaves out."""
MOVING_STRUCTURES = frozenset(
    ("identity", "negated_identity", "permutation", "selection", "scatter", "replicate", "reduce")
)
"""The structures of blocks that move entries."""

Mask: TypeAlias = Array | NDArray[np.bool_]
"""Which entries of a vertex count; of numpy where that is known while the function is traced."""


def selected(
    found: Sequence[LinearisedEquation], ends: Sequence[str | None], block: Callable[[str], HeldBlock]
) -> dict[str, Mask]:
    """Return which entries of a vertex count, for every vertex of which that is not all.

    Parameters
    ----------
    found : Sequence[LinearisedEquation]
        The equations of a function, in their order.
    ends : Sequence[str | None]
        The vertices of its results.
    block : Callable[[str], HeldBlock]
        Computes the block of an explicit elemental, by its name.
    """
    masks: dict[str, Mask | None] = {end: None for end in ends if end is not None}
    for one in reversed(found):
        for name, source, target, edge in reversed(one.edges):
            mask = _before(one.equation, edge, masks.get(target), partial(block, name))
            masks[source] = _either(masks[source], mask) if source in masks else mask
    return {vertex: mask for vertex, mask in masks.items() if mask is not None}


def leaves_out_steep_entries(trace: FunctionTrace) -> bool:
    """Say whether a choice may leave out entries whose derivatives are infinite.

    `jax.jacfwd` and a plan give numbers there, `jax.jacrev` multiplies the infinite derivative by zero.
    """
    reached, steep = set(range(trace.arguments)), set[int]()
    for equation in trace.equations:
        operands = {o for o in equation.operands if isinstance(o, int)}
        if not operands & reached:
            continue
        if equation.name in CHOOSING_PRIMITIVES | {"max", "min"} and operands & steep:
            return True
        reached.update(equation.results)
        if equation.name in STEEP_PRIMITIVES or operands & steep:
            steep.update(equation.results)
    return False


def _before(equation: TraceEquation, edge: JaxEdge, mask: Mask | None, block: Callable[[], HeldBlock]) -> Mask | None:
    """Return which entries of the source of an edge count, from those of its target; None for all."""
    word = edge.words if isinstance(edge.words, str) else next(iter(edge.words))
    if edge.values is None or (word not in MOVING_STRUCTURES and word != "diagonal"):
        return None
    if word == "diagonal":
        if equation.name not in CHOOSING_PRIMITIVES:
            return mask
        held = block()
        assert isinstance(held, HeldDiagonal), "a diagonal is held as one"
        return mask if held.vector is None else _both(mask, held.vector != 0)
    held = block()
    if not isinstance(held, HeldSelection):
        return mask
    if held.turned:
        return None if mask is None else taken(mask, held.index)
    if mask is None or isinstance(mask, np.ndarray):
        some = np.zeros(held.width, np.bool_)
        some[held.index if mask is None else held.index[mask]] = True
        return None if some.all() else some
    return jnp.zeros(held.width, np.bool_).at[held.index].max(mask)


def _either(a: Mask | None, b: Mask | None) -> Mask | None:
    """Return the entries that one of two paths takes."""
    if a is None or b is None:
        return None
    both = a | b
    return None if isinstance(both, np.ndarray) and both.all() else both


def _both(a: Mask | None, b: Mask) -> Mask:
    """Return the entries that two choices in a row take."""
    return b if a is None else a & b


def without_the_rest(held: HeldBlock, name: str, mask: Mask | None) -> HeldBlock:
    """Make the derivatives of entries that do not count zero, where those of the primitive `name` may be infinite."""
    if mask is None or name in FINITE_SLOPES:
        return held
    match held:
        case HeldDiagonal(rows, vector) if vector is not None:
            return HeldDiagonal(rows, jnp.where(mask, vector, 0))
        case HeldDense(values):
            return HeldDense(jnp.where(mask[:, None], values, 0))
    return held
