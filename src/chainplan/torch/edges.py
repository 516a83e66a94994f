"""What a rule says of a node: its elemental Jacobians, as edges between operands, inner vertices and results.

Structures are written in the words of a spec. Inner vertices make small factors of a Jacobian that has no structure
itself. The values of an edge are computed by PyTorch when a plan asks for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
import torch
from torch import Tensor
from torch.fx import Node
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from chainplan.structures.base import StructureWords
from chainplan.structures.picks import pick_words
from chainplan.torch.forms import TensorBlock, TensorDiagonal, picked
from chainplan.torch.types import Index, OperandValues, Value

EdgeBlock = Callable[[OperandValues], TensorBlock]
"""Computes the block of an edge from the operands of its node."""
BlockFunction = Callable[[Tensor], Tensor]
"""The tangent or the adjoint of a matrix-free edge: it takes a block and gives one."""
TangentAdjoint = Callable[[OperandValues], tuple[BlockFunction, BlockFunction]]
"""Makes (tangent, adjoint) of a matrix-free edge from the operands of its node."""
SlopeValues = Callable[[OperandValues], Tensor]
"""Computes the entries of a diagonal from the operands of a node."""


@dataclass(frozen=True)
class TorchEdge:
    """One elemental Jacobian of rows x cols within a node.

    `source` is the position of an operand and `target` that of a result; a string names an inner vertex. An edge has
    `values` or, where it is matrix-free, `functions` and costs in fma per vector.
    """

    source: int | str
    target: int | str
    rows: int
    cols: int
    words: StructureWords = "dense"
    values: EdgeBlock | None = None
    functions: TangentAdjoint | None = None
    tangent: int | None = None
    adjoint: int | None = None


@dataclass(frozen=True, eq=False)
class ActiveNode:
    """An operation with the operands and results that derivatives pass through.

    `operands` are the nodes among its arguments, in order; `ins` are the positions of active ones, `outs` those of
    results. `known` gives the value of a node that depends on no argument.
    """

    node: Node
    ins: tuple[int, ...]
    outs: tuple[int, ...]
    known: Callable[[Node], Value]

    @cached_property
    def _flat(self) -> tuple[list[Value], TreeSpec]:
        return tree_flatten((self.node.args, dict(self.node.kwargs)))

    @cached_property
    def operands(self) -> tuple[Node, ...]:
        """The nodes among the arguments, one for each place where one stands."""
        return operands_of(self.node)

    @property
    def name(self) -> str:
        """The name of the operation without its overload, such as `mul`."""
        return str(self.node.target.overloadpacket.__name__)

    @cached_property
    def given(self) -> dict[str, Value]:
        """The arguments by the names of the schema; nodes stand for operands."""
        schema = self.node.target._schema.arguments
        given = {a.name: a.default_value for a in schema if a.has_default_value()}
        given.update({a.name: value for a, value in zip(schema, self.node.args, strict=False)})
        return {**given, **self.node.kwargs}

    def shape(self, position: int) -> tuple[int, ...]:
        """Return the shape of an operand."""
        return tuple(self.operands[position].meta["val"].shape)

    def size(self, position: int) -> int:
        """Count the entries of an operand."""
        return prod(self.shape(position))

    @property
    def results(self) -> tuple[Tensor, ...]:
        """The results, without values."""
        value = self.node.meta["val"]
        return tuple(value) if isinstance(value, tuple | list) else (value,)

    @property
    def out_shape(self) -> tuple[int, ...]:
        """The shape of the first active result."""
        return tuple(self.results[self.outs[0]].shape)

    def apply(self, values: OperandValues, **changed: Value) -> tuple[Value, ...]:
        """Call the operation on other operands, keyword arguments changed."""
        leaves, spec = self._flat
        given = iter(values)
        args, kwargs = tree_unflatten([next(given) if isinstance(x, Node) else x for x in leaves], spec)
        made = self.node.target(*args, **{**kwargs, **changed})
        return tuple(made) if isinstance(made, tuple | list) else (made,)

    def along(self, position: int, values: OperandValues, result: int = 0) -> Callable[[Tensor], Tensor]:
        """Return a result as a function of one operand, the others fixed."""

        def function(x: Tensor) -> Tensor:
            made: Tensor = self.apply([*values[:position], x, *values[position + 1 :]])[result]
            return made

        return function

    def slopes(self, position: int) -> SlopeValues:
        """Return what computes the tangent of ones along one operand: the derivatives of an elementwise function."""

        def slopes(values: OperandValues) -> Tensor:
            x = values[position]
            made: Tensor = torch.func.jvp(self.along(position, values, self.outs[0]), (x,), (torch.ones_like(x),))[1]
            return made.expand(self.out_shape).reshape(-1)

        return slopes

    def weights(self, position: int) -> SlopeValues:
        """Return what computes the adjoint of ones along one operand, as a vector."""

        def weights(values: OperandValues) -> Tensor:
            result, pull = torch.func.vjp(self.along(position, values, self.outs[0]), values[position])
            made: Tensor = pull(torch.ones_like(result))[0]
            return made.reshape(-1)

        return weights


def operands_of(node: Node) -> tuple[Node, ...]:
    """Return the nodes among the arguments of a node, one for each place where one stands."""
    return tuple(leaf for leaf in tree_flatten((node.args, dict(node.kwargs)))[0] if isinstance(leaf, Node))


def sign_edge(source: int | str, target: int | str, size: int, sign: int = 1) -> TorchEdge:
    """Make the edge of an identity or of its negation."""
    words = "identity" if sign == 1 else "negated_identity"
    return TorchEdge(source, target, size, size, words, lambda values: TensorDiagonal(size, None, sign))


def diagonal_edge(source: int | str, target: int | str, size: int, vector: SlopeValues) -> TorchEdge:
    """Make the edge of a diagonal that `vector` computes."""
    return TorchEdge(source, target, size, size, "diagonal", lambda values: TensorDiagonal(size, vector(values)))


def blocks_edge(
    source: int | str, target: int | str, count: int, r: int, c: int, kronecker: bool, values: EdgeBlock
) -> TorchEdge:
    """Make the edge of `count` blocks of r x c, side by side or as layers."""
    words: StructureWords = {"kronecker": [[r, c], count]} if kronecker else {"block_diagonal": [count, r, c]}
    if count == 1:
        words = "dense"
    elif r == c == 1:
        words = "diagonal"
    return TorchEdge(source, target, count * r, count * c, words, values)


def pick_edge(source: int | str, target: int | str, index: Index, cols: int) -> TorchEdge:
    """Make the edge that copies entry `index[i]` of the source to entry i of the target."""
    return _index_edge(source, target, np.asarray(index, np.int64), cols, turned=False)


def scatter_edge(source: int | str, target: int | str, index: Index, rows: int) -> TorchEdge:
    """Make the edge that adds entry i of the source to entry `index[i]` of the target."""
    return _index_edge(source, target, np.asarray(index, np.int64), rows, turned=True)


def _index_edge(source: int | str, target: int | str, index: Index, width: int, turned: bool) -> TorchEdge:
    size = len(index)
    rows, cols = (width, size) if turned else (size, width)
    return TorchEdge(
        source, target, rows, cols, pick_words(index, width, turned), lambda values: picked(index, width, None, turned)
    )
