"""The values of second derivatives as a user may give them, checked against the graph, and random ones.

That of the elemental 'F1' is called "F1''". It is an array of rows x cols x cols, or the vector of the entries of its
pattern in order. Everything is checked once, where it is taken, so that kernels can rely on the pattern that a plan was
made with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from chainplan._util.arrays import Array
from chainplan.errors import ExecutionError
from chainplan.kernels.storage import HeldValues
from chainplan.problem.graph import Graph
from chainplan.problem.mixed_second import OwnSecond
from chainplan.problem.problem import Problem
from chainplan.problem.second import side_name
from chainplan.structures import Block
from chainplan.structures.second import ListedSecond, SecondBlock, Side
from chainplan.values.draw import draw
from chainplan.values.jacobians import NUMBER_KINDS

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


def stored_second(own: OwnSecond, given: Any) -> HeldValues:
    """Return the second derivative that was given for an elemental or a pair of arguments, as its block is held.

    Raises
    ------
    ExecutionError
        Where nothing was given, or where the array has another shape, is not symmetric but for rounding, or has other
        nonzeros.
    """
    block, name = own.block, own.given
    shape = (block.rows, block.left, block.right)
    shapes = " or ".join(str(one) for one in (shape, *(() if block.pattern is None else ((len(block.pattern),),))))
    if given is None:
        raise ExecutionError(f"no second derivative '{name}'; expected an array of {shapes}.")
    array = np.asarray(given)
    if array.dtype.kind not in NUMBER_KINDS:
        raise ExecutionError(f"the array for '{name}' has dtype {array.dtype}; expected numbers.")
    if array.shape == shape:
        if block.symmetric:
            array = _symmetric(name, array, array.transpose(0, 2, 1))
        return _fitted(name, array, block)
    if block.pattern is None or array.shape != (len(block.pattern),):
        raise ExecutionError(f"the array for '{name}' has shape {array.shape}; expected {shapes}.")
    if block.symmetric:
        array = _symmetric(name, array, array[mirror(block.pattern)])
    return flat(block.pattern, array, block)


def stored_side(vertex: str, side: Side, block: Block, given: Mapping[str, Any]) -> Array:
    """Return the weights or directions that were given, as a matrix.

    Raises
    ------
    ExecutionError
        Where nothing was given, or an array of another shape.
    """
    name = side_name(vertex, side)
    value = given.get(name)
    if value is None:
        raise ExecutionError(f"no '{name}'; expected an array of {block.rows} x {block.cols}.")
    array = np.asarray(value)
    if array.ndim == 1 and 1 in block[:2]:
        array = array.reshape(-1, 1) if side is not Side.ROWS else array.reshape(1, -1)
    if array.shape != block[:2] or array.dtype.kind not in NUMBER_KINDS:
        found = f"shape {array.shape} of dtype {array.dtype}"
        raise ExecutionError(f"the array for '{name}' has {found}; expected numbers of {block.rows} x {block.cols}.")
    return array


def mirror(pattern: ListedSecond) -> Array:
    """Return, for each entry (i, j, k) of a symmetric pattern, the place of (i, k, j)."""
    places: Array = np.empty(len(pattern), np.intp)
    places[np.lexsort((pattern.j, pattern.k, pattern.i))] = np.arange(len(pattern))
    return places


def _symmetric(name: str, array: Array, turned: Array) -> Array:
    """Return an array that is symmetric to the bit, where it differs from its transpose by rounding alone.

    Entries that were computed in two ways differ in their last digits; half of the digits of the largest entry must
    agree, which wrong values and coarse differences do not reach.
    """
    floating = array.dtype.kind in "fc"
    if np.array_equal(array, turned, equal_nan=floating):
        return array
    if floating and np.max(abs(array - turned)) <= np.sqrt(np.finfo(array.dtype).eps) * np.max(abs(array)):
        return (array + turned) / 2
    raise ExecutionError(
        f"the array for '{name}' differs from its transpose in the columns; expected a second derivative, which is "
        "symmetric. Pass (H + H.transpose(0, 2, 1)) / 2."
    )


def _fitted(name: str, array: Array, block: SecondBlock) -> HeldValues:
    """Take the entries of the pattern, and refuse others that are not zero."""
    if block.pattern is None:
        return array
    values = array[block.pattern.i, block.pattern.j, block.pattern.k]
    if np.count_nonzero(array) != np.count_nonzero(values):
        raise ExecutionError(f"the array for '{name}' has nonzeros outside its pattern, which the plan relies on.")
    return flat(block.pattern, values, block)


def flat(pattern: ListedSecond, values: Array, block: SecondBlock) -> csr_array:
    """Lay the entries of a pattern out as a sparse array of rows x (left · right)."""
    places = pattern.i, pattern.j * block.right + pattern.k
    return csr_array((values, places), shape=(block.rows, block.left * block.right))


def draw_seconds(graph: Graph, seed: int = 0, dtype: DTypeLike = np.float64) -> dict[str, Array]:
    """Draw the second derivatives of elementals and of pairs of arguments, beside the Jacobians of `values.draw`.

    Floats are positive with mean 1 / (nonzeros per row); integers lie between -4 and 4. Those without entries are left
    out.
    """
    rng, kind = np.random.default_rng((seed, 2)), np.dtype(dtype)
    result = {}
    for own in own_seconds(graph):
        block = own.block
        if not block.nnz:
            continue
        shape = block[:3] if block.pattern is None else (len(block.pattern),)
        per_row = max(1, -(-block.nnz // block.rows))
        drawn: Array = rng.integers(-4, 5, shape) if kind.kind == "i" else (0.5 + rng.random(shape)) / per_row
        if block.symmetric:
            turned = drawn.transpose(0, 2, 1) if block.pattern is None else drawn[mirror(block.pattern)]
            drawn = np.minimum(drawn, turned)
        result[own.given] = drawn.astype(kind)
    return result


def own_seconds(graph: Graph) -> Iterator[OwnSecond]:
    """Yield the second derivatives that have values of their own."""
    names = (*(e.name for e in graph.elementals if e.values is None), *(one.name for one in graph.mixed))
    yield from filter(None, map(graph.own_second, names))


def draw_all(problem: Problem, seed: int = 0, dtype: DTypeLike = np.float64) -> dict[str, Any]:
    """Draw the Jacobians of a problem, and the second derivatives where it asks for them."""
    if problem.second is None:
        return draw(problem.graph, seed, dtype)
    rng, kind, sides = np.random.default_rng((seed, 3)), np.dtype(dtype), {}
    for name, shape in problem.second_sides.items():
        drawn = rng.integers(-4, 5, shape) if kind.kind == "i" else 0.5 + rng.random(shape)
        sides[name] = drawn.astype(kind)
    return draw(problem.graph, seed, dtype) | draw_seconds(problem.graph, seed, dtype) | sides


def second_bytes(problem: Problem, dtype: DTypeLike = np.float64) -> int:
    """Count the bytes of what `draw_all` makes beside the Jacobians."""
    entries = sum(own.block.nnz for own in own_seconds(problem.graph))
    entries += sum(rows * cols for rows, cols in problem.second_sides.values())
    return entries * int(np.dtype(dtype).itemsize)
