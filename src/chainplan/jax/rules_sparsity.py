"""What is known of the pattern of a matrix-free elemental: with it, vectors that share no entry are sent together.

A batched factorisation of b matrices takes as many tangents as one of them has entries, a convolution with a short
kernel as many as its window has, instead of one per column (`chainplan.plans.compressed_sweep`). A pattern bounds the
Jacobian from above; where nothing is known it is dense.

Cumulative operations stay matrix-free, though they are triangular: a vector costs n where a triangular matrix would
cost n(n+1)/2, and accumulated they are counted as the triangles they are. Sorting, which permutes by values, costs n
too.
"""

from __future__ import annotations

from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from chainplan._util.byte_cache import kept
from chainplan.jax.edges import Active, entries
from chainplan.jax.rules_elementwise import ELEMENTWISE

LARGEST_PROBED = 1_000_000
"""Entries of the largest Jacobian whose pattern is tried out."""
LARGEST_PATTERN = 20_000
"""Entries of the largest pattern that is listed."""

ALONG = {
    **dict.fromkeys(("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp", "top_k"), "axis"),
    "sort": "dimension",
}
"""By primitive that works along one axis: the parameter that names it."""

MATRICES = frozenset(("cholesky", "lu", "triangular_solve", "tridiagonal_solve", "eigh", "qr", "householder_product"))
"""Primitives that work on the matrices, or vectors of matrices, of the last two axes, each by itself."""

ENTRYWISE_COMPLEX = ELEMENTWISE | {"conj", "convert_element_type"}
"""Primitives that work on complex numbers entry by entry."""

PROBED: dict[str, Any] = {
    "conv_general_dilated": None,
    "reduce_window_sum": None,
    "reduce_window_max": lax.reduce_window_sum_p,
    "reduce_window_min": lax.reduce_window_sum_p,
}
"""Primitives of windows, and the linear one that has the same windows where it is another."""


def pattern(active: Active, position: int, result: int) -> Any:
    """The structure, in the words of a spec, of the Jacobian of a result with respect to one operand."""
    name = active.equation.name
    if not active.real:
        return _of_complex(active, position, result)
    if name in ALONG:
        return _along(active, position, result)
    if name in MATRICES:
        return _batched(active, position, result)
    if name in PROBED:
        return _of_windows(active, position)
    return "dense"


def _of_complex(active: Active, position: int, result: int) -> Any:
    """Entry by entry: a block of real and imaginary parts for each."""
    equation = active.equation
    one, other = equation.ins[position], equation.outs[result]
    count = prod(one.shape)
    if equation.name not in ENTRYWISE_COMPLEX or one.shape != other.shape or count == 1:
        return "dense"
    return {"kronecker": [[entries(other) // count, entries(one) // count], count]}


def _along(active: Active, position: int, result: int) -> Any:
    equation = active.equation
    axis = equation.params[ALONG[equation.name]]
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
    if b * k * r * n > LARGEST_PATTERN:
        return "dense"
    return listed(np.kron(np.eye(b), np.kron(np.ones((r, n)), np.eye(k))) != 0)


def _batched(active: Active, position: int, result: int) -> Any:
    equation = active.equation
    one, other = equation.ins[position].shape, equation.outs[result].shape
    b = prod(one[:-2])
    if b <= 1 or other[: len(one) - 2] != one[:-2]:
        return "dense"
    return {"block_diagonal": [b, prod(other) // b, prod(one) // b]}


def _of_windows(active: Active, position: int) -> Any:
    equation = active.equation
    shapes = tuple(tuple(aval.shape) for aval in equation.ins)
    if prod(equation.outs[0].shape) * prod(shapes[position]) > LARGEST_PROBED:
        return "dense"
    params = {**equation.params, **({"preferred_element_type": None} if len(shapes) > 1 else {})}
    linear = PROBED[equation.name] or equation.primitive
    asked = linear, tuple(sorted(params.items())), shapes, position
    return kept(("tried", *asked), lambda: _tried(*asked))


def _tried(primitive: Any, params: tuple[tuple[str, Any], ...], shapes: tuple[Any, ...], position: int) -> Any:
    """The pattern by trying every column of a small operand, ones in the place of all others."""
    one = shapes[position]

    def column(direction: Any) -> Any:
        given = [jnp.ones(shape, np.float32) for shape in shapes]
        given[position] = direction.reshape(one)
        return primitive.bind(*given, **dict(params)).ravel()

    with jax.ensure_compile_time_eval():
        found = np.asarray(jax.jit(jax.vmap(column))(np.eye(prod(one), dtype=np.float32))).T != 0
    return listed(found)


def listed(found: Any) -> Any:
    """A pattern as its entries, dense where it has too many of them or no zeros."""
    nonzeros = int(found.sum())
    if nonzeros > LARGEST_PATTERN or nonzeros == found.size or not nonzeros:
        return "dense"
    return {"coo": np.argwhere(found).tolist()}
