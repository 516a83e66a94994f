"""What is known of the pattern of a matrix-free elemental: with it, vectors that share no entry are sent together.

A batched factorisation of b matrices takes as many tangents as one of them has entries, and a convolution with a short
kernel as many as its window has, instead of one per column (`chainplan.plans.compressed_sweep`). A pattern bounds the
Jacobian from above; where nothing is known, it is dense.

Cumulative operations stay matrix-free although they are triangular: a vector costs n, where a triangular matrix would
cost n(n+1)/2. Accumulated, they are counted as the triangles that they are. Sorting, which permutes by values, costs n
too.
"""

from __future__ import annotations

from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend import core
from numpy.typing import NDArray

from chainplan._util.byte_cache import kept
from chainplan.jax.edges import ActiveEquation, entries
from chainplan.jax.rules_elementwise import ELEMENTWISE_PRIMITIVES
from chainplan.structures.base import StructureWords

MAX_PROBED_ENTRIES = 1_000_000
"""The number of entries of the largest Jacobian whose pattern is tried out."""
MAX_PROBED_PATTERN = 20_000
"""The number of entries of the largest pattern that is listed."""

AXIS_PRIMITIVES = {
    **dict.fromkeys(("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp", "top_k"), "axis"),
    "sort": "dimension",
}
"""By the name of a primitive that works along one axis: the parameter that names the axis."""

MATRIX_PRIMITIVES = frozenset(
    ("cholesky", "lu", "triangular_solve", "tridiagonal_solve", "eigh", "qr", "householder_product")
)
"""The primitives that work on each matrix of the last two axes, or on vectors with it, by itself."""

ENTRYWISE_COMPLEX_PRIMITIVES = ELEMENTWISE_PRIMITIVES | {"conj", "convert_element_type"}
"""The primitives that work on complex numbers entry by entry."""

WINDOW_PRIMITIVES: dict[str, core.Primitive | None] = {
    "conv_general_dilated": None,
    "reduce_window_sum": None,
    "reduce_window_max": lax.reduce_window_sum_p,
    "reduce_window_min": lax.reduce_window_sum_p,
}
"""The primitives of windows, each with the linear primitive that has the same windows, None for itself."""


def pattern(active: ActiveEquation, position: int, result: int) -> StructureWords:
    """Return the structure of the Jacobian of a result with respect to one operand."""
    name = active.equation.name
    if not active.real:
        return _of_complex(active, position, result)
    if name in AXIS_PRIMITIVES:
        return _along(active, position, result)
    if name in MATRIX_PRIMITIVES:
        return _batched(active, position, result)
    if name in WINDOW_PRIMITIVES:
        return _of_windows(active, position)
    return "dense"


def _of_complex(active: ActiveEquation, position: int, result: int) -> StructureWords:
    """Return the structure of a complex primitive: a block of real and imaginary parts for each entry."""
    equation = active.equation
    one, other = equation.ins[position], equation.outs[result]
    count = prod(one.shape)
    if equation.name not in ENTRYWISE_COMPLEX_PRIMITIVES or one.shape != other.shape or count == 1:
        return "dense"
    return {"kronecker": [[entries(other) // count, entries(one) // count], count]}


def _along(active: ActiveEquation, position: int, result: int) -> StructureWords:
    """Return the structure of a primitive that works along one axis."""
    equation = active.equation
    axis = equation.params[AXIS_PRIMITIVES[equation.name]]
    before, after = equation.ins[position].shape, equation.outs[result].shape
    axis %= len(before)
    b, k = prod(before[:axis]), prod(before[axis + 1 :])
    r, n = after[axis], before[axis]
    if b == k == 1:
        if not equation.name.startswith("cum"):
            return "dense"
        return "upper_triangular" if equation.params["reverse"] else "lower_triangular"
    if k == 1:
        return {"block_diagonal": [b, r, n]}
    if b == 1:
        return {"kronecker": [[r, n], k]}
    if b * k * r * n > MAX_PROBED_PATTERN:
        return "dense"
    return listed(np.kron(np.eye(b), np.kron(np.ones((r, n)), np.eye(k))) != 0)


def _batched(active: ActiveEquation, position: int, result: int) -> StructureWords:
    """Return the structure of a primitive that works on each matrix of a batch."""
    equation = active.equation
    one, other = equation.ins[position].shape, equation.outs[result].shape
    b = prod(one[:-2])
    if b <= 1 or other[: len(one) - 2] != one[:-2]:
        return "dense"
    return {"block_diagonal": [b, prod(other) // b, prod(one) // b]}


def _of_windows(active: ActiveEquation, position: int) -> StructureWords:
    """Return the structure of a primitive of windows."""
    equation = active.equation
    shapes = tuple(tuple(aval.shape) for aval in equation.ins)
    if prod(equation.outs[0].shape) * prod(shapes[position]) > MAX_PROBED_ENTRIES:
        return "dense"
    params = {**equation.params, **({"preferred_element_type": None} if len(shapes) > 1 else {})}
    linear = WINDOW_PRIMITIVES[equation.name] or equation.primitive
    asked = linear, tuple(sorted(params.items())), shapes, position
    return kept(("tried", *asked), lambda: _tried(*asked))


def _tried(
    primitive: core.Primitive,
    params: tuple[tuple[str, object], ...],
    shapes: tuple[tuple[int, ...], ...],
    position: int,
) -> StructureWords:
    """Work out the pattern by trying every column of a small operand; all other operands are ones."""
    one = shapes[position]

    def column(direction: Array) -> Array:
        given = [jnp.ones(shape, np.float32) for shape in shapes]
        given[position] = direction.reshape(one)
        return primitive.bind(*given, **dict(params)).ravel()

    with jax.ensure_compile_time_eval():
        nonzero = np.asarray(jax.jit(jax.vmap(column))(np.eye(prod(one), dtype=np.float32))).T != 0
    return listed(nonzero)


def listed(nonzero: NDArray[np.bool_]) -> StructureWords:
    """List the entries of a pattern; it is dense where there are too many of them or no zeros."""
    count = int(nonzero.sum())
    if count > MAX_PROBED_PATTERN or count == nonzero.size or not count:
        return "dense"
    return {"coo": np.argwhere(nonzero).tolist()}
