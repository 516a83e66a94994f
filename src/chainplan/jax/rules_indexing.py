"""Primitives that move, copy, leave out or add up entries: selections and their transposes.

The numbers of the entries are moved, which says where the entries go: by numpy where it makes the same move
(`by_numpy`), else by JAX itself. Indices decide the structure where they are known while the function is traced;
where they are values of the program, the rules answer None.

Of complex arrays the real parts move as the imaginary parts do.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import jax
import numpy as np
from jax import Array

from chainplan.jax.by_numpy import BY_NUMPY
from chainplan.jax.edges import ActiveEquation, JaxEdge, is_complex, pick_edge, scatter_edge, sign_edge
from chainplan.jax.indexing import IndexArray
from chainplan.jax.trace import TraceConstant

NO_OPERAND_ENTRY = -1
"""The number of an entry that comes from no entry of the operand."""
EXACT_IN_FLOAT32 = 1 << 24
"""The first integer behind which single precision leaves some out."""


def moved(active: ActiveEquation) -> list[JaxEdge] | None:
    """Make the edges of a primitive that moves, copies or leaves out entries without changing their values."""
    if not all(active.known(i) for i in _indices(active)):
        return None
    edges = []
    for result in active.outs:
        for position in active.ins:
            edges += _moved(active, position, result)
    return edges


def scatter_add(active: ActiveEquation, sign: int = 1) -> list[JaxEdge] | None:
    """Make the edges of the operand, and of updates that are added, or subtracted by the sign, at constant indices."""
    if not active.real or not all(active.known(i) for i in _indices(active)):
        return None
    edges: list[JaxEdge] = []
    for position in active.ins:
        if position == 0:
            edges.append(sign_edge(0, 0, active.size(0)))
            continue
        index, rows = _destinations(active, position), prod(active.equation.outs[0].shape)
        target: int | str = 0 if sign == 1 else "subtracted"
        edges += _picked_and_put(position, target, "added", np.arange(len(index)), index, len(index), rows)
        if sign != 1 and edges:
            edges.append(sign_edge("subtracted", 0, rows, sign))
    return edges


def _indices(active: ActiveEquation) -> list[int]:
    """Return the positions of the operands that are integers or truth values."""
    kinds = [np.dtype(aval.dtype).kind for aval in active.equation.ins]
    return [i for i, kind in enumerate(kinds) if kind in "iub"]


def _moved(active: ActiveEquation, position: int, result: int) -> list[JaxEdge]:
    """Make the edges from one operand to one result."""
    index = _numbers(active, position, result)
    size = prod(active.equation.ins[position].shape)
    if is_complex(active.equation.ins[position]):
        index = np.concatenate([index, np.where(index < 0, NO_OPERAND_ENTRY, index + size)])
        size *= 2
    there = np.flatnonzero(index >= 0)
    inner = f"kept{position}_{result}"
    return _picked_and_put(position, result, inner, index[there], there, size, len(index))


def _picked_and_put(
    source: int | str, target: int | str, inner: str, taken: IndexArray, put: IndexArray, cols: int, rows: int
) -> list[JaxEdge]:
    """Make the edges that add entry `taken[i]` of `cols` to entry `put[i]` of `rows`, nothing where that is below 0."""
    taken, put = taken[put >= 0], put[put >= 0]
    if not len(put):
        return []
    if len(put) == rows and np.array_equal(put, np.arange(rows)):
        return [pick_edge(source, target, taken, cols)]
    if len(taken) == cols and np.array_equal(taken, np.arange(cols)):
        return [scatter_edge(source, target, put, rows)]
    return [pick_edge(source, inner, taken, cols), scatter_edge(inner, target, put, rows)]


def _numbers(active: ActiveEquation, position: int, result: int) -> IndexArray:
    """Return the number of the entry of an operand that each entry of the result is, `NO_OPERAND_ENTRY` if it is
    none."""
    equation = active.equation
    given = []
    for i, (operand, aval) in enumerate(zip(equation.operands, equation.ins, strict=True)):
        if i in _indices(active) and isinstance(operand, TraceConstant):
            given.append(np.asarray(operand.value))
        elif i == position:
            given.append(np.arange(prod(aval.shape), dtype=np.int32).reshape(aval.shape))
        else:
            given.append(np.full(aval.shape, NO_OPERAND_ENTRY, np.int32))
    if equation.name in BY_NUMPY:
        return BY_NUMPY[equation.name](equation.params, given)[result].astype(np.int64).ravel()
    if "fill_value" in equation.params:
        equation = replace(equation, params={**equation.params, "fill_value": NO_OPERAND_ENTRY})
    with jax.ensure_compile_time_eval():
        return np.asarray(equation.apply(*given)[result]).astype(np.int64).ravel()


def _destinations(active: ActiveEquation, position: int) -> IndexArray:
    """Return the number of the entry of the result to which each update of a scatter is added, -1 if it is dropped.

    The transpose of the scatter reads the numbers off. It takes floating-point ones, which hold only small integers
    exactly, so that digits are read one after the other.
    """
    equation = active.equation
    index = equation.operands[1]
    assert isinstance(index, TraceConstant), "indices are known"
    shape = equation.ins[0].shape
    base = np.zeros(shape, np.float32)

    def destinations(numbers: Array) -> Array:
        pull = jax.linear_transpose(
            lambda updates: equation.apply(base, index.value, updates)[0],
            jax.ShapeDtypeStruct(equation.ins[position].shape, base.dtype),
        )
        return pull(numbers)[0]

    numbers = 1 + np.arange(base.size).reshape(shape)
    with jax.ensure_compile_time_eval():
        read = jax.jit(destinations)
        high, low = (np.abs(np.asarray(read(digit.astype(base.dtype)))) for digit in divmod(numbers, EXACT_IN_FLOAT32))
    return np.asarray(EXACT_IN_FLOAT32 * high.astype(np.int64) + low.astype(np.int64)).ravel() - 1


def real_part(active: ActiveEquation) -> list[JaxEdge] | None:
    """Make the edge to the first half of the entries of a complex array."""
    size = active.size(0) // 2
    return [pick_edge(0, 0, np.arange(size), 2 * size)]


def imaginary_part(active: ActiveEquation) -> list[JaxEdge] | None:
    """Make the edge to the second half of the entries of a complex array."""
    size = active.size(0) // 2
    return [pick_edge(0, 0, np.arange(size, 2 * size), 2 * size)]


def complex_of(active: ActiveEquation) -> list[JaxEdge] | None:
    """Make the edges that put the imaginary parts behind the real ones."""
    sizes = active.size(active.ins[0])
    return [scatter_edge(i, 0, np.arange(i * sizes, (i + 1) * sizes), 2 * sizes) for i in active.ins]
