"""What a rule says of an equation: its elemental Jacobians, as edges between operands, inner vertices and results.

As for `ops.base.Edge`, structures are in the words of a spec and inner vertices make small factors of what is no
structure itself; values are computed in JAX, at a point, when a plan asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from chainplan.jax.forms import Diagonal, Held, picked
from chainplan.jax.indexing import Index
from chainplan.jax.trace import Constant, Equation

Values = Callable[[Sequence[Any]], Held]
"""Given the operands of an equation, the block."""
Function = Callable[[Any], Any]
Functions = Callable[[Sequence[Any]], tuple[Function, Function]]
"""Given the operands of an equation, (tangent, adjoint) of a matrix-free edge on blocks."""


@dataclass(frozen=True)
class Edge:
    """One elemental Jacobian of rows x cols within an equation.

    `source` is the position of an operand, `target` that of a result; a string is an inner vertex. An edge has `values`
    or, where it is matrix-free, `functions` and costs in fma per vector.
    """

    source: int | str
    target: int | str
    rows: int
    cols: int
    words: Any = "dense"
    values: Values | None = None
    functions: Functions | None = None
    tangent: int | None = None
    adjoint: int | None = None


@dataclass(frozen=True)
class Active:
    """An equation with the operands and results that derivatives pass through."""

    equation: Equation
    ins: tuple[int, ...]
    outs: tuple[int, ...]

    def along(self, position: int, values: Sequence[Any], result: int = 0) -> Function:
        """The result as a function of one operand, the others as they are."""

        def function(x: Any) -> Any:
            return self.equation.apply(*values[:position], x, *values[position + 1 :])[result]

        return function

    def slopes(self, position: int, result: int = 0) -> Callable[[Sequence[Any]], Any]:
        """The tangent of ones along one operand, as a vector: of an elementwise function, its derivatives."""

        def slopes(values: Sequence[Any]) -> Any:
            x = jnp.asarray(values[position])
            return jax.jvp(self.along(position, values, result), (x,), (jnp.ones_like(x),))[1].ravel()

        return slopes

    def size(self, position: int) -> int:
        """Entries of the vertex of an operand."""
        return entries(self.equation.ins[position])

    @property
    def real(self) -> bool:
        """Whether no complex numbers take part."""
        sides = [self.equation.ins[i] for i in self.ins] + [self.equation.outs[j] for j in self.outs]
        return not any(map(is_complex, sides))

    def known(self, position: int) -> bool:
        """Whether an operand is a constant whose value is there while the function is traced."""
        operand = self.equation.operands[position]
        return isinstance(operand, Constant) and operand.concrete


def is_float(aval: Any) -> bool:
    """Whether entries are real floating-point numbers."""
    return hasattr(aval, "dtype") and bool(jnp.issubdtype(aval.dtype, np.floating))


def is_complex(aval: Any) -> bool:
    """Whether entries are complex floating-point numbers."""
    return hasattr(aval, "dtype") and bool(jnp.issubdtype(aval.dtype, np.complexfloating))


def entries(aval: Any) -> int:
    """Entries of the vertex of an array: its own, or the real parts of complex ones and then the imaginary parts."""
    return int(prod(aval.shape)) * (2 if is_complex(aval) else 1)


def shape_of(value: Any) -> Any:
    """Shape and dtype alone, as JAX takes them for tracing."""
    make: Any = jax.ShapeDtypeStruct
    return make(value.shape, value.dtype)


def sign_edge(source: int | str, target: int | str, size: int, sign: int = 1) -> Edge:
    """An identity or its negation."""
    words = "identity" if sign == 1 else "negated_identity"
    return Edge(source, target, size, size, words, lambda values: Diagonal(size, None, sign))


def diagonal_edge(source: int | str, target: int | str, size: int, vector: Callable[[Sequence[Any]], Any]) -> Edge:
    """A diagonal that is computed."""
    return Edge(source, target, size, size, "diagonal", lambda values: Diagonal(size, vector(values)))


def pick_edge(source: int | str, target: int | str, index: Index, cols: int) -> Edge:
    """Entry i of the target is entry `index[i]` of the source."""
    return _index_edge(source, target, np.asarray(index, np.int64), cols, turned=False)


def scatter_edge(source: int | str, target: int | str, index: Index, rows: int) -> Edge:
    """Entry i of the source is added to entry `index[i]` of the target."""
    return _index_edge(source, target, np.asarray(index, np.int64), rows, turned=True)


def _index_edge(source: int | str, target: int | str, index: Index, width: int, turned: bool) -> Edge:
    size = len(index)
    rows, cols = (width, size) if turned else (size, width)
    return Edge(
        source, target, rows, cols, _words(index, width, turned), lambda values: picked(index, width, None, turned)
    )


def _words(index: Index, width: int, turned: bool) -> Any:
    """The structure of picks in the words of a spec, regular ones by name."""
    size = len(index)
    if size == width and np.array_equal(index, np.arange(size)):
        return "identity"
    if width and size % width == 0:
        times = size // width
        whole = np.arange(width)
        for kind, regular in (("each", np.repeat(whole, times)), ("whole", np.tile(whole, times))):
            if np.array_equal(index, regular):
                return {"reduce" if turned else "replicate": kind}
    permuted = size == width and len(np.unique(index)) == size
    if permuted:
        return {"permutation": (np.argsort(index) if turned else index).tolist()}
    return {"scatter" if turned else "selection": index.tolist()}
