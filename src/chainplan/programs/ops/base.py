"""The interface of an op: its shapes, its value at a point, and the elemental Jacobians of its linearisation.

The linearisation of an op is a small DAG of *edges*, each from an argument or an inner vertex to an inner vertex or the
result. Inner vertices make low rank cheap without a structure of its own: softmax is a diagonal edge beside two edges
through a vertex with one entry per item. An op writes structures as a spec does, so that it knows nothing of how they
are counted.

An op has typed options and no shapes: every method gets the shapes or the arrays of its arguments. Arrays come in their
own shapes, and edges see them in row-major order, so that entry (i, j) of an m x n argument is column i·n + j. The
values of edges are what `chainplan.execute` takes: compact arrays, such as one of b x r x c for b blocks, None where
the structure determines all values, and a pair of functions on blocks for a matrix-free edge: a tangent
(cols x c -> rows x c) and an adjoint (r x rows -> r x cols).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from chainplan._util.arrays import Array
from chainplan.structures import Block, from_spec
from chainplan.structures.base import StructureWords
from chainplan.values.jacobians import GivenJacobian

ArrayShape = tuple[int, ...]

KeptValues = Any
"""What an op computes for its value and needs again for its derivative: mostly arrays, None where there is nothing."""

RESULT_VERTEX = ""
"""The name of the vertex of an op's result."""
UNIT_WORDS = ("identity", "negated_identity", "zero")
"""Structures without an argument that determine all values."""
INDEXED_WORDS = ("permutation", "selection", "scatter", "replicate", "reduce")
"""Structures with an argument that determine all values."""
MAX_LISTED_INDICES = 2_000_000
"""How many rows or columns a structure may list one by one."""


class LazyIndexList(NamedTuple):
    """A structure that lists one index per row or column, but only when the edge is used."""

    kind: str
    make: Callable[[], Array]


class OpEdge(NamedTuple):
    """One elemental Jacobian of an op, of rows x cols.

    `source` is the position of an argument or the name of an inner vertex, and `target` is the name of an inner vertex
    or `RESULT_VERTEX`. The structure is written as in a spec, or is `LazyIndexList`. Costs are in fma per vector, the
    tape size is in elements; an edge without costs is explicit. `note` says what a reader of the plan should know about
    the edge.
    """

    source: int | str
    target: str
    rows: int
    cols: int
    structure: StructureWords | LazyIndexList = "dense"
    tangent: int | None = None
    adjoint: int | None = None
    tape: int = 0
    note: str = ""

    @property
    def explicit(self) -> bool:
        """Whether the edge has entries instead of functions."""
        return self.tangent is None and self.adjoint is None

    @property
    def given_away(self) -> bool:
        """Whether the structure determines all values."""
        kind = self.structure
        if not isinstance(kind, str):
            kind = kind.kind if isinstance(kind, LazyIndexList) else next(iter(kind))
        return self.explicit and kind in (*UNIT_WORDS, *INDEXED_WORDS)

    def words(self) -> StructureWords:
        """Return the structure as a spec writes it.

        Raises
        ------
        ValueError
            Where it lists more indices than a structure may.
        """
        if isinstance(self.structure, LazyIndexList):
            return {self.structure.kind: indices(self.structure.make())}
        return self.structure

    def block(self) -> Block:
        """Return the block of the edge; raise as `words` does."""
        words = self.words()
        ((word, argument),) = ((words, None),) if isinstance(words, str) else words.items()
        structure = from_spec(word, argument, (self.rows, self.cols), Path())
        return Block(self.rows, self.cols, structure)


class EqualBlocks(NamedTuple):
    """`number` blocks of rows x cols along the diagonal; one block is dense, blocks of one entry are a diagonal."""

    number: int
    rows: int
    cols: int

    def edge(self, source: int | str, target: str = RESULT_VERTEX) -> OpEdge:
        """Return the edge that has these blocks."""
        number, rows, cols = self
        if number == 1:
            return OpEdge(source, target, rows, cols)
        structure = "diagonal" if rows == cols == 1 else {"block_diagonal": list(self)}
        return OpEdge(source, target, number * rows, number * cols, structure)

    def values(self, blocks: Array) -> Array:
        """Return the compact values of the edge, given number x rows x cols, or 1 x rows x cols where all are equal."""
        if self.number == 1:
            return np.asarray(blocks[0])
        if self.rows == self.cols == 1:
            return np.broadcast_to(blocks.ravel(), self.number)
        return blocks


@dataclass(frozen=True)
class Op(ABC):
    """An operation with its options; arguments have names, and trailing ones that are left out become parameters."""

    name: ClassVar[str]
    """The word by which a spec names the op."""
    formula: ClassVar[str]
    """The source of value and derivative: a work and its section."""
    arguments: ClassVar[tuple[str, ...]] = ("x",)
    variadic: ClassVar[bool] = False
    """Whether the op takes any number of arguments."""
    analytic: ClassVar[bool] = True
    """Whether `value` takes complex arguments, so that complex steps differentiate it."""
    positive: ClassVar[bool] = False
    """Whether arguments have to be positive."""

    def takes(self) -> tuple[str, ...]:
        """Return the names of the arguments under the options."""
        return self.arguments

    def parameters(self, *shapes: ArrayShape) -> dict[str, ArrayShape]:
        """Return the shapes of arguments that may be left out, by name, given the shapes of the ones before them.

        Raises
        ------
        ValueError
            Where the shapes do not follow; the message says what was found and expected.
        """
        return {}

    def drawn(self, name: str, shape: ArrayShape, rng: np.random.Generator) -> Array:
        """Draw a parameter from a normal distribution, scaled by 1 / sqrt(number of terms it is summed over)."""
        return np.asarray(rng.standard_normal(shape) / np.sqrt(max(1, prod(shape[1:]))))

    @abstractmethod
    def shape(self, *shapes: ArrayShape) -> ArrayShape:
        """Return the shape of the result.

        Raises
        ------
        ValueError
            Where the arguments do not fit; the message says what was found and expected.
        """

    @abstractmethod
    def edges(self, *shapes: ArrayShape) -> tuple[OpEdge, ...]:
        """Return the elemental Jacobians, for shapes that fit."""

    @abstractmethod
    def evaluate(self, *arguments: Array) -> tuple[Array, KeptValues]:
        """Return the result, and whatever of the computation the linearisation uses again."""

    @abstractmethod
    def partials(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        """Return the values of the edges in their order, without those whose structure determines all values."""

    @classmethod
    @abstractmethod
    def examples(cls) -> tuple[tuple[Op, tuple[ArrayShape, ...]], ...]:
        """Return small instances with shapes of arguments, on which the tests compare with difference quotients."""

    def kinks(self, argument: Array, reach: float) -> Array | None:
        """Say which entries of the result have no derivative within `reach` of an argument; None for a smooth op.

        An op with kinks must have a single edge, from its first argument.
        """
        return None

    jointly_affine: ClassVar[bool] = False
    """Whether the result is affine in all arguments together, so that it has no mixed second derivatives."""

    def affine_in(self, argument: int) -> bool:
        """Say whether the result is affine in an argument while the others are constant, piece by piece.

        The elemental Jacobians on the way from that argument then have no second derivative.
        """
        return False

    def value(self, *arguments: Array) -> Array:
        """Return the result."""
        return self.evaluate(*arguments)[0]

    def linearise(self, arguments: Sequence[Array], value: Array, kept: KeptValues) -> tuple[GivenJacobian, ...]:
        """Return the values of all edges at a point, None where the structure determines them.

        `value` and `kept` are what `evaluate` returned.
        """
        partials = iter(self.partials(arguments, value, kept))
        edges = self.edges(*(argument.shape for argument in arguments))
        values = tuple(None if edge.given_away else next(partials) for edge in edges)
        assert next(partials, None) is None
        return values


def inner_vertices(edges: Sequence[OpEdge]) -> dict[str, int]:
    """Return the names and sizes of the vertices between the arguments and the result."""
    return {edge.target: edge.rows for edge in edges if edge.target != RESULT_VERTEX}


def size(shape: ArrayShape) -> int:
    """Count the entries of a shape."""
    return prod(shape)


def items(shape: ArrayShape) -> int:
    """Count the items along all axes but the last."""
    return prod(shape[:-1])


def shown(shape: ArrayShape) -> str:
    """Write a shape as messages show it."""
    return f"[{', '.join(map(str, shape))}]"


def misfit(found: str, expected: str, todo: str) -> ValueError:
    """Return the error for arguments or options that do not fit."""
    return ValueError(f"found {found}; expected {expected}. {todo}")


def require_axes(shape: ArrayShape, least: int, meaning: str) -> None:
    """Refuse a shape with too few axes."""
    if len(shape) < least:
        what = f"at least {least} axes, {meaning}" if least > 1 else f"at least one axis, {meaning}"
        raise misfit(f"shape {shown(shape)}", what, "Insert a 'reshape' before it.")


def axis_of(axis: int, shape: ArrayShape) -> int:
    """Return an axis counted from 0, or refuse it where the shape has no such axis."""
    if not -len(shape) <= axis < len(shape):
        what = f"an axis from {-len(shape)} to {len(shape) - 1}" if shape else "an argument with axes"
        raise misfit(f"axis {axis} for shape {shown(shape)}", what, "Correct 'axis'.")
    return axis % len(shape)


def require_listable(count: int) -> None:
    """Refuse more indices than a structure may list."""
    if count > MAX_LISTED_INDICES:
        what = f"at most {MAX_LISTED_INDICES:,}, the most that a structure lists"
        raise misfit(f"{count:,} entries to be rearranged", what, "Use smaller sizes or another order of axes.")


def indices(array: Array) -> list[int]:
    """Return indices as a structure lists them, or refuse them where there are too many."""
    require_listable(array.size)
    listed: list[int] = array.ravel().tolist()
    return listed


def positions(shape: ArrayShape) -> Array:
    """Return the position of every entry in row-major order, or refuse a shape with too many entries to list."""
    require_listable(size(shape))
    return np.arange(size(shape)).reshape(shape)


def exchanged(source: int | str, target: str, shape: ArrayShape, axis: int = -2) -> OpEdge:
    """Return the edge of a permutation that exchanges an axis with the next one."""
    return OpEdge(
        source, target, size(shape), size(shape), LazyIndexList("permutation", lambda: _exchanged(shape, axis))
    )


def _exchanged(shape: ArrayShape, axis: int) -> Array:
    return positions(shape).swapaxes(axis, axis + 1)


def broadcast(source: int | str, target: str, small: ArrayShape, shape: ArrayShape) -> tuple[OpEdge, ...]:
    """Return the edges that repeat an argument of shape `small` until it has `shape`, by the rules of numpy."""
    rows, cols = size(shape), size(small)
    if rows == cols:
        return (OpEdge(source, target, rows, cols, "identity"),)
    full = (1,) * (len(shape) - len(small)) + small
    kept = [i for i, (n, m) in enumerate(zip(full, shape, strict=True)) if n == m != 1]
    first, last = (kept[0], kept[-1] + 1) if kept else (len(shape), len(shape))
    if full[first:last] != shape[first:last]:
        picked = LazyIndexList("selection", lambda: np.broadcast_to(positions(small).reshape(full), shape))
        return (OpEdge(source, target, rows, cols, picked),)
    each, whole = prod(shape[last:]), prod(shape[:first])
    if each == 1:
        return (OpEdge(source, target, rows, cols, {"replicate": "whole"}),)
    if whole == 1:
        return (OpEdge(source, target, rows, cols, {"replicate": "each"}),)
    between = f"{target}_" if target != RESULT_VERTEX else f"repeated{source}"
    return (
        OpEdge(source, between, each * cols, cols, {"replicate": "each"}),
        OpEdge(between, target, rows, each * cols, {"replicate": "whole"}),
    )
