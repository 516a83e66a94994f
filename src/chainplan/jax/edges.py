"""What a rule says of an equation: its elemental Jacobians, as edges between operands, inner vertices and results.

Structures are written in the words of a spec, as in `programs.ops.base.OpEdge`. Inner vertices make small factors of a
Jacobian that has no structure itself. The values of an edge are computed in JAX, at a point, when a plan asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from chainplan.jax.forms import HeldBlock, HeldDiagonal, picked
from chainplan.jax.indexing import IndexArray
from chainplan.jax.trace import TraceConstant, TraceEquation
from chainplan.jax.types import Shaped
from chainplan.structures.base import StructureWords
from chainplan.structures.picks import pick_words

EdgeValues = Callable[[Sequence[Array]], HeldBlock]
"""Computes the block of an edge from the operands of its equation, and what the equation kept behind them."""
JaxFunction = Callable[[Array], Array]
"""The tangent or the adjoint of a matrix-free edge: it takes a block and gives one."""
EdgeFunctions = Callable[[Sequence[Array]], tuple[JaxFunction, JaxFunction]]
"""Makes (tangent, adjoint) of a matrix-free edge from the operands of its equation."""
Slopes = Callable[[Sequence[Array]], Array]
"""Computes the entries of a diagonal from the operands of an equation."""


@dataclass(frozen=True)
class JaxEdge:
    """One elemental Jacobian of rows x cols within an equation.

    `source` is the position of an operand and `target` that of a result; a string names an inner vertex. An edge has
    `values` or, where it is matrix-free, `functions` and costs in fma per vector. A matrix-free edge may have functions
    `on_blocks`, which take `block_count` equal blocks along a diagonal as one array and give a matrix.
    """

    source: int | str
    target: int | str
    rows: int
    cols: int
    words: StructureWords = "dense"
    values: EdgeValues | None = None
    functions: EdgeFunctions | None = None
    tangent: int | None = None
    adjoint: int | None = None
    on_blocks: EdgeFunctions | None = None
    block_count: int = 1


@dataclass(frozen=True)
class ActiveEquation:
    """An equation with the operands and results that derivatives pass through."""

    equation: TraceEquation
    ins: tuple[int, ...]
    outs: tuple[int, ...]

    def along(self, position: int, values: Sequence[Array], result: int = 0) -> JaxFunction:
        """Return the result as a function of one operand, the others fixed."""

        def function(x: Array) -> Array:
            return self.equation.apply(*values[:position], x, *values[position + 1 :])[result]

        return function

    def slopes(self, position: int, result: int = 0) -> Slopes:
        """Return what computes the tangent of ones along one operand: the derivatives of an elementwise function."""

        def slopes(values: Sequence[Array]) -> Array:
            x = jnp.asarray(values[position])
            return jax.jvp(self.along(position, values, result), (x,), (jnp.ones_like(x),))[1].ravel()

        return slopes

    def size(self, position: int) -> int:
        """Count the entries of the vertex of an operand."""
        return entries(self.equation.ins[position])

    @property
    def real(self) -> bool:
        """Whether all active operands and results are real."""
        sides = [self.equation.ins[i] for i in self.ins] + [self.equation.outs[j] for j in self.outs]
        return not any(map(is_complex, sides))

    def known(self, position: int) -> bool:
        """Say whether the value of an operand is known while the function is traced."""
        return isinstance(self.equation.operands[position], TraceConstant)


def is_float(aval: Shaped) -> bool:
    """Say whether entries are real floating-point numbers."""
    return hasattr(aval, "dtype") and bool(jnp.issubdtype(aval.dtype, np.floating))


def is_complex(aval: Shaped) -> bool:
    """Say whether entries are complex floating-point numbers."""
    return hasattr(aval, "dtype") and bool(jnp.issubdtype(aval.dtype, np.complexfloating))


def entries(aval: Shaped) -> int:
    """Count the entries of the vertex of an array; complex ones count twice, as real and imaginary parts."""
    return int(prod(aval.shape)) * (2 if is_complex(aval) else 1)


def shape_of(value: Shaped) -> jax.ShapeDtypeStruct:
    """Return the shape and the dtype alone, in the type that JAX traces with."""
    return jax.ShapeDtypeStruct(value.shape, value.dtype)


def sign_edge(source: int | str, target: int | str, size: int, sign: int = 1) -> JaxEdge:
    """Make the edge of an identity or of its negation."""
    words = "identity" if sign == 1 else "negated_identity"
    return JaxEdge(source, target, size, size, words, lambda values: HeldDiagonal(size, None, sign))


def diagonal_edge(source: int | str, target: int | str, size: int, vector: Slopes) -> JaxEdge:
    """Make the edge of a diagonal that `vector` computes."""
    return JaxEdge(source, target, size, size, "diagonal", lambda values: HeldDiagonal(size, vector(values)))


def blocks_edge(
    source: int | str, target: int | str, count: int, r: int, c: int, kronecker: bool, values: EdgeValues
) -> JaxEdge:
    """Make the edge of `count` blocks of r x c, side by side or as layers."""
    words: StructureWords = {"kronecker": [[r, c], count]} if kronecker else {"block_diagonal": [count, r, c]}
    if count == 1:
        words = "dense"
    elif r == c == 1:
        words = "diagonal"
    return JaxEdge(source, target, count * r, count * c, words, values)


def pick_edge(source: int | str, target: int | str, index: IndexArray, cols: int) -> JaxEdge:
    """Make the edge that copies entry `index[i]` of the source to entry i of the target."""
    return _index_edge(source, target, np.asarray(index, np.int64), cols, turned=False)


def scatter_edge(source: int | str, target: int | str, index: IndexArray, rows: int) -> JaxEdge:
    """Make the edge that adds entry i of the source to entry `index[i]` of the target."""
    return _index_edge(source, target, np.asarray(index, np.int64), rows, turned=True)


def _index_edge(source: int | str, target: int | str, index: IndexArray, width: int, turned: bool) -> JaxEdge:
    size = len(index)
    rows, cols = (width, size) if turned else (size, width)
    return JaxEdge(
        source, target, rows, cols, pick_words(index, width, turned), lambda values: picked(index, width, None, turned)
    )
