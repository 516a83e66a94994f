"""A function of small arrays as a function of their entries: what a planner sees, and XLA compiles, is scalar.

The Jacobian of a vector with a handful of entries has few nonzeros on the way. Held as vectors they are picked, padded
and added up in more instructions than there are numbers; entry by entry a move costs nothing, a constant zero ends its
paths, and the Jacobian is stacked once, at the end, from what is not zero. A loop over a batch around it then runs over
plain vectors. A function is taken apart only where each of its equations can be, and where that makes few operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from chainplan.jax.edges import shape_of
from chainplan.jax.linearise import LinearisedFunction, linearise
from chainplan.jax.loops import Differentiate
from chainplan.jax.rules_dot import axes_of
from chainplan.jax.rules_elementwise import CONSTANT_PRIMITIVES, ELEMENTWISE_PRIMITIVES
from chainplan.jax.trace import FunctionTrace, TraceConstant, TraceEquation, trace
from chainplan.jax.types import Shaped

Entries = NDArray[np.object_]
"""The entries of an array: traced scalars, and numbers of numpy where they are known."""

MAX_SPLIT_ENTRIES = 32
"""The number of entries of the largest array with which a function that is taken apart computes."""
MAX_JACOBIAN_ENTRIES = 256
"""The number of entries of the largest Jacobian that is computed so, and of arrays in which entries only move."""
MAX_ENTRY_OPERATIONS = 600
"""The most operations on entries of a function that is taken apart."""
MAX_ENTRY_DEPTH = 32
"""The most operations one behind the other: XLA computes shared scalars again along the paths of one fused loop, whose
number may double with every few operations."""
MAX_FUSED_STACK = 4
"""The number of arrays that are stacked at once."""

_BY_ENTRY = (
    ELEMENTWISE_PRIMITIVES
    | CONSTANT_PRIMITIVES
    | {"convert_element_type", "copy", "name", "select_n", "is_finite"}
    | {"eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "xor"}
)
_MOVES = frozenset(
    ("reshape", "squeeze", "transpose", "rev", "broadcast_in_dim", "tile", "slice", "split", "unstack", "concatenate")
) | {"stack", "pad", "gather", "dynamic_slice", "scatter", "dynamic_update_slice"}


def known_pattern(traced: FunctionTrace, ins: Sequence[Shaped], outs: Sequence[Shaped]) -> str | None:
    """Say which entries of the constants of a trace are known to be 0 or 1, None where it is not taken apart.

    What follows from a function taken apart holds for all constants of this pattern.
    """
    sizes, ends = [prod(a.shape) for a in ins], [prod(a.shape) for a in outs]
    if not sizes or min(sizes) < 1 or not 2 <= max(sizes) <= MAX_SPLIT_ENTRIES:
        return None
    if sum(ends) * sum(sizes) > MAX_JACOBIAN_ENTRIES or not _few(traced, len(sizes), len(ends)):
        return None
    return " ".join(map(_marks, traced.constants))


def taken_apart(
    traced: FunctionTrace,
    ins: Sequence[Shaped],
    outs: Sequence[Shaped],
    differentiate: Differentiate = jax.jacfwd,
) -> LinearisedFunction:
    """Linearise a trace entry by entry; its program takes the entries of its arguments, followed by its constants."""
    sizes = [prod(a.shape) for a in ins]
    marks = [_marks(constant) for constant in traced.constants]

    def flat(*values: Array) -> list[Array]:
        parts = np.split(_objects(values[: sum(sizes)]), np.cumsum(sizes)[:-1])
        leaves = [part.reshape(a.shape) for part, a in zip(parts, ins, strict=True)]
        constants = [_marked(v, m) for v, m in zip(values[sum(sizes) :], marks, strict=True)]
        results = _evaluated(traced, leaves, constants)
        scalars = [
            jnp.asarray(entry, a.dtype)
            for result, a in zip(results[: len(outs)], outs, strict=True)
            for entry in _entries(result).flat
        ]
        return [*scalars, *map(_whole, results[len(outs) :])]

    scalars = scalars_of(ins)
    apart = trace(flat, [*scalars, *map(shape_of, traced.constants)])
    found = linearise(apart, scalars, scalars_of(outs), differentiate)
    return replace(found, trace=traced, apart=found.trace)


def scalars_of(arrays: Sequence[Shaped]) -> list[jax.ShapeDtypeStruct]:
    """Return the shapes and dtypes of the entries of some arrays, one after the other."""
    return [jax.ShapeDtypeStruct((), a.dtype) for a in arrays for _ in range(prod(a.shape))]


def entries_of(leaves: Sequence[Array]) -> list[Array]:
    """Return the entries of some arrays, one after the other."""
    return [jnp.asarray(entry) for leaf in leaves for entry in _entries(leaf).flat]


def gathered(blocks: Sequence[Sequence[Array]], outs: Sequence[Shaped], ins: Sequence[Shaped]) -> list[list[Array]]:
    """Put the derivatives of entries by entries into blocks by result and argument.

    Rows are stacked first: XLA does not fuse one stack of all entries with what computes them.
    """
    rows, cuts = iter(blocks), np.cumsum([prod(a.shape) for a in ins])[:-1]
    whole = []
    for out in outs:
        if not prod(out.shape):
            whole.append([jnp.zeros((*out.shape, *a.shape), a.dtype) for a in ins])
            continue
        lines = [np.split(_objects(next(rows)), cuts) for _ in range(prod(out.shape))]
        stacked = [_stacked([_stacked(list(line)) for line in column]) for column in zip(*lines, strict=True)]
        whole.append([s.reshape((*out.shape, *a.shape)) for s, a in zip(stacked, ins, strict=True)])
    return whole


def _stacked(arrays: list[Array]) -> Array:
    """Stack arrays in stacks of few, which XLA fuses with what computes the arrays."""
    if len(arrays) <= MAX_FUSED_STACK:
        return jnp.stack(arrays)
    pieces = -(-len(arrays) // MAX_FUSED_STACK)
    each = -(-len(arrays) // pieces)
    return jnp.concatenate([_stacked(arrays[i : i + each]) for i in range(0, len(arrays), each)])


def _few(traced: FunctionTrace, leaves: int, ends: int) -> bool:
    """Say whether each equation that the leaves reach can be taken apart, into few operations in all."""
    reached, count = set(range(leaves)), 0
    depth = dict.fromkeys(reached, 0)
    for equation in traced.equations:
        if not reached.intersection(o for o in equation.operands if isinstance(o, int)):
            continue
        reached.update(equation.results)
        behind = max(depth.get(o, 0) for o in equation.operands if isinstance(o, int))
        depth.update(dict.fromkeys(equation.results, behind + (equation.name not in _MOVES)))
        if not _separable(equation):
            return False
        if equation.name == "dot_general":
            count += prod(axes_of(equation.ins, equation.params)[2:])
        elif equation.name not in _MOVES:
            count += max(prod(a.shape) for a in (*equation.ins, *equation.outs))
    known = [isinstance(end, TraceConstant) or end not in reached for end in traced.results[:ends]]
    return count <= MAX_ENTRY_OPERATIONS and max(depth.values()) <= MAX_ENTRY_DEPTH and not all(known)


def _separable(equation: TraceEquation) -> bool:
    """Say whether an equation is computed entry by entry."""
    avals = (*equation.ins, *equation.outs)
    most = MAX_JACOBIAN_ENTRIES if equation.name in _MOVES else MAX_SPLIT_ENTRIES
    if any(_kind(a) not in "fiub" or not 1 <= prod(a.shape) <= most for a in avals):
        return False
    if equation.name in _MOVES:
        indices = [o for o, a in zip(equation.operands, equation.ins, strict=True) if _kind(a) != "f"]
        known = all(isinstance(o, TraceConstant) for o in indices)
        return known and all(_kind(a) == "f" for a in equation.outs)
    if equation.name == "dot_general":
        return len({a.dtype for a in avals}) == 1
    if equation.name in _BY_ENTRY or equation.name == "reduce_sum":
        return True
    return all(prod(a.shape) == 1 for a in avals)


def _evaluated(traced: FunctionTrace, arguments: Sequence[Entries], constants: Sequence[Any]) -> list[Any]:
    """Evaluate a trace on entries; an equation that is not taken apart is applied to whole arrays."""
    held: dict[int, Any] = dict(enumerate(arguments))
    held.update((-1 - i, constant) for i, constant in enumerate(constants))
    for equation in traced.equations:
        operands = [o.value if isinstance(o, TraceConstant) else held[o] for o in equation.operands]
        known = all(isinstance(o, TraceConstant) for o in equation.operands)
        if (known or any(map(_is_apart, operands))) and _separable(equation):
            results = _applied(equation, [_entries(o) for o in operands])
        else:
            results = equation.apply(*map(_whole, operands))
        held.update(zip(equation.results, results, strict=True))
    return [o.value if isinstance(o, TraceConstant) else held[o] for o in traced.results]


def _applied(equation: TraceEquation, operands: Sequence[Entries]) -> list[Any]:
    """Apply an equation to entries."""
    shape = equation.outs[0].shape
    if equation.name in _MOVES:
        return _moved(equation, operands)
    if equation.name == "dot_general":
        return [_product(equation, *operands)]
    if equation.name == "reduce_sum":
        axes = tuple(equation.params["axes"])
        kept = [i for i in range(operands[0].ndim) if i not in axes]
        return [_summed(operands[0].transpose(*kept, *axes).reshape((*shape, -1)))]
    if equation.name in _BY_ENTRY:
        lines = np.broadcast_arrays(*operands, np.empty(shape))[:-1]
        flat = [_on_scalars(equation, scalars) for scalars in zip(*(line.flat for line in lines), strict=True)]
        return [_objects(flat).reshape(shape)]
    given = [jnp.reshape(o.item(), a.shape) for o, a in zip(operands, equation.ins, strict=True)]
    return [_entries(result) for result in equation.apply(*given)]


def _on_scalars(equation: TraceEquation, scalars: Sequence[Any]) -> Any:
    """Apply an elementwise primitive to scalars; what is known is not computed."""
    name = equation.name
    if name == "mul":
        return _times(*scalars)
    if name in ("add", "add_any"):
        return _plus(*scalars)
    if name == "sub" and _is(scalars[1], 0):
        return scalars[0]
    if name == "select_n" and _known(scalars[0]):
        return scalars[1 + int(scalars[0])]
    if all(map(_known, scalars)):
        with jax.ensure_compile_time_eval():
            return np.asarray(equation.apply(*scalars)[0])[()]
    return equation.apply(*scalars)[0]


def _times(a: Any, b: Any) -> Any:
    for one, other in ((a, b), (b, a)):
        if _is(one, 0):
            return one
        if _is(one, 1):
            return other
    return a * b


def _plus(a: Any, b: Any) -> Any:
    for one, other in ((a, b), (b, a)):
        if _is(one, 0):
            return other
    return a + b


def _summed(terms: Entries) -> Entries:
    """Add the entries of the last axis up."""
    rows = terms.reshape(prod(terms.shape[:-1]), terms.shape[-1])
    totals = []
    for row in rows:
        total = row[0]
        for term in row[1:]:
            total = _plus(total, term)
        totals.append(total)
    return _objects(totals).reshape(terms.shape[:-1])


def _product(equation: TraceEquation, left: Entries, right: Entries) -> Entries:
    """Write a product of arrays as sums of products of entries."""
    axes = axes_of(equation.ins, equation.params)
    one = left.transpose(sum(axes.left, ())).reshape(axes.b, axes.m, 1, axes.k)
    other = right.transpose(sum(axes.right, ())).reshape(axes.b, axes.k, axes.n).transpose(0, 2, 1)[:, None]
    pairs = np.broadcast_arrays(one, other)
    terms = [_times(a, b) for a, b in zip(pairs[0].flat, pairs[1].flat, strict=True)]
    return _summed(_objects(terms).reshape(pairs[0].shape)).reshape(equation.outs[0].shape)


def _moved(equation: TraceEquation, operands: Sequence[Entries]) -> list[Any]:
    """Move entries as the primitive moves their numbers."""
    given: list[Any] = []
    pool: list[Any] = []
    for entries, aval in zip(operands, equation.ins, strict=True):
        if _kind(aval) != "f":
            given.append(entries.astype(aval.dtype))
        else:
            given.append(np.arange(len(pool), len(pool) + entries.size, dtype=np.int32).reshape(aval.shape))
            pool += list(entries.flat)
    if "fill_value" in equation.params:
        equation = replace(equation, params={**equation.params, "fill_value": len(pool)})
    fill: Any = np.asarray(np.nan, equation.outs[0].dtype)[()]
    with jax.ensure_compile_time_eval():
        numbers = [np.asarray(result) for result in equation.apply(*given)]
    pool.append(fill)
    return [_objects([pool[i] for i in number.flat]).reshape(number.shape) for number in numbers]


def _entries(value: Any) -> Entries:
    """Return the entries of an array; those of a known one are numbers."""
    if _is_apart(value):
        held: Entries = value
        return held
    shape = np.shape(value)
    if not isinstance(value, jax.core.Tracer):
        known = np.asarray(value)
        return _objects([known[place] for place in np.ndindex(shape)]).reshape(shape)
    flat = value.ravel()
    return _objects([flat[i] for i in range(flat.size)] if shape else [value]).reshape(shape)


def _marks(constant: Array) -> str:
    """Write down of a small constant which entries are 0 and 1; "-" where none is."""
    if isinstance(constant, jax.core.Tracer) or _kind(constant) != "f" or not 1 <= constant.size <= MAX_SPLIT_ENTRIES:
        return "-"
    marks = "".join("0" if e == 0 else "1" if e == 1 else "x" for e in np.asarray(constant).flat)
    return marks if marks.strip("x") else "-"


def _marked(constant: Array, marks: str) -> Any:
    """Return the entries of a constant, numbers where they are known to be 0 or 1; the constant if it is not marked."""
    if marks == "-":
        return constant
    entries = _entries(constant).ravel()
    numbers = np.asarray([0, 1], constant.dtype)
    found = [e if mark == "x" else numbers[int(mark)] for e, mark in zip(entries, marks, strict=True)]
    return _objects(found).reshape(constant.shape)


def _is_apart(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == object


def _whole(value: Any) -> Array:
    """Return an array, stacked where its entries are held."""
    if not _is_apart(value):
        return value
    return jnp.stack([jnp.asarray(e) for e in value.flat]).reshape(value.shape)


def _objects(scalars: Sequence[Any]) -> Entries:
    """Hold scalars in an array without looking into them."""
    held = np.empty(len(scalars), object)
    for place, scalar in enumerate(scalars):
        held[place] = scalar
    return held


def _kind(aval: Shaped) -> str:
    """Return the kind of numbers that an array holds, in a letter of numpy; another one where they are none."""
    return aval.dtype.kind if isinstance(aval.dtype, np.dtype) else "V"


def _known(scalar: Any) -> bool:
    return isinstance(scalar, np.generic)


def _is(scalar: Any, number: int) -> bool:
    """Say whether a scalar is known to be this number."""
    return _known(scalar) and bool(scalar == number)
