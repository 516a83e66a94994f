"""A plan as PyTorch code: its steps run once on tensors that are traced, which leaves one graph of operations.

Nothing here is specific to tracing; on plain tensors the same code computes the Jacobian step by step. The form of a
block (`forms`) follows from the forms of its factors, whatever structure the plan counts with.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import cache, reduce
from typing import NoReturn

import torch
from torch import Tensor
from torch.fx import Node

from chainplan.plans.steps import (
    Accumulate,
    Add,
    Again,
    Interpreter,
    Load,
    Multiply,
    Plan,
    Propagate,
    Step,
)
from chainplan.problem.graph import Mode
from chainplan.torch.edges import BlockFunction
from chainplan.torch.forms import TensorBlock, TensorDiagonal, TensorMatrix, matrix
from chainplan.torch.linearise import LinearisedGraph
from chainplan.torch.products import product, total
from chainplan.torch.types import Value


def jacobian_blocks(
    linearised: LinearisedGraph,
    plan: Plan | None,
    leaves: Sequence[Tensor],
    constants: Mapping[str, Tensor],
    active: Sequence[int],
    chunk: int | None,
) -> list[Tensor]:
    """Compute the blocks of a Jacobian by a plan, by result and argument, in the shapes that `jacrev` gives them.

    Parameters
    ----------
    plan : Plan | None
        The plan; None where no path leads from an argument to a result.
    leaves : Sequence[Tensor]
        All arguments of the graph.
    constants : Mapping[str, Tensor]
        The tensors that the graph holds, by name.
    active : Sequence[int]
        The positions of those to differentiate by.
    chunk : int | None
        The most vectors to which a matrix-free elemental is applied at a time; None applies it to all at once.
    """
    values, results = evaluated(linearised, leaves, constants)
    dtype = reduce(torch.promote_types, [*(leaves[i].dtype for i in active), *(result.dtype for result in results)])
    like = torch.empty((), dtype=dtype, device=leaves[active[0]].device)
    held: dict[tuple[str, str], TensorBlock] = {}
    if plan is not None:
        made = _PlanRun(linearised, plan, values, like, chunk).blocks()
        held = {(output, source): made[position] for output, source, position in plan.outputs}
    blocks = []
    for output, result in zip(linearised.outputs, results, strict=True):
        for source, i in zip(linearised.inputs, active, strict=True):
            block, leaf = held.get((output or "", source or "")), leaves[i]
            shape = (*result.shape, *leaf.shape)
            whole = torch.zeros(shape, dtype=dtype, device=leaf.device) if block is None else matrix(block, like)
            blocks.append(whole.reshape(shape).to(leaf.dtype))
    return blocks


def evaluated(
    linearised: LinearisedGraph, leaves: Sequence[Tensor], constants: Mapping[str, Tensor]
) -> tuple[dict[Node, Value], list[Tensor]]:
    """Evaluate the graph: the value of every node, and the results."""
    values: dict[Node, Value] = {}
    given = iter(leaves)
    for node in linearised.graph.graph.nodes:
        if node.op == "placeholder":
            values[node] = next(given)
        elif node.op == "get_attr":
            values[node] = constants[node.target]
        elif node.op == "call_function":
            args, kwargs = torch.fx.map_arg((node.args, node.kwargs), values.__getitem__)
            values[node] = args[0][args[1]] if node.target is operator.getitem else node.target(*args, **kwargs)
        else:
            ends = node.args[0]
    return values, [values[end] for end in ends]


class _PlanRun(Interpreter[TensorBlock]):
    """The steps of a plan, at the values of a graph."""

    def __init__(
        self, linearised: LinearisedGraph, plan: Plan, values: dict[Node, Value], like: Tensor, chunk: int | None
    ) -> None:
        self._plan, self._edges, self._values = plan, linearised.edges, values
        self._like, self._chunk = like, chunk
        self._made: list[TensorBlock] = []
        self._load = cache(self._computed)
        self._pair = cache(self._functions)

    def blocks(self) -> list[TensorBlock]:
        """Run the steps and return their blocks."""
        for step in self._plan.steps:
            self._made.append(step.accept(self))
        return self._made

    def load(self, step: Load) -> TensorBlock:
        return self._load(step.elemental)

    def accumulate(self, step: Accumulate) -> TensorBlock:
        block = self._plan.graph[step.elemental].block
        size = block.cols if step.mode is Mode.TANGENT else block.rows
        eye = torch.eye(size, dtype=self._like.dtype, device=self._like.device)
        return self._apply(step.elemental, eye, step.mode)

    def propagate(self, step: Propagate) -> TensorBlock:
        return self._apply(step.elemental, matrix(self._made[step.arg], self._like), step.mode)

    def multiply(self, step: Multiply) -> TensorBlock:
        block = product(self._made[step.left], self._made[step.right], self._like)
        return block if step.onto is None else total(self._made[step.onto], block, self._like)

    def add(self, step: Add) -> TensorBlock:
        return total(self._made[step.left], self._made[step.right], self._like)

    def again(self, step: Again) -> TensorBlock:
        return self._made[step.arg]

    def _foreign(self, step: Step) -> NoReturn:
        raise AssertionError(
            "a plan of a PyTorch function has loads, accumulations, propagations, products and sums alone"
        )

    seed: Callable[..., TensorBlock] = _foreign
    decompress: Callable[..., TensorBlock] = _foreign
    direction: Callable[..., TensorBlock] = _foreign
    load_second: Callable[..., TensorBlock] = _foreign
    apply_second: Callable[..., TensorBlock] = _foreign
    given: Callable[..., TensorBlock] = _foreign
    contract: Callable[..., TensorBlock] = _foreign
    exchange: Callable[..., TensorBlock] = _foreign
    advance: Callable[..., TensorBlock] = _foreign
    store: Callable[..., TensorBlock] = _foreign
    restore: Callable[..., TensorBlock] = _foreign
    write: Callable[..., TensorBlock] = _foreign
    read: Callable[..., TensorBlock] = _foreign

    def _computed(self, name: str) -> TensorBlock:
        """Compute the block of an explicit elemental; one without a node leads to a result that is an argument."""
        if name not in self._edges:
            return TensorDiagonal(self._plan.graph[name].block.rows)
        node, edge = self._edges[name]
        assert edge.values is not None, "loaded elementals are explicit"
        return edge.values([self._values[operand] for operand in node.operands])

    def _functions(self, name: str) -> tuple[BlockFunction, BlockFunction]:
        """Make the tangent and the adjoint of a matrix-free elemental."""
        node, edge = self._edges[name]
        assert edge.functions is not None, "applied elementals are matrix-free"
        return edge.functions([self._values[operand] for operand in node.operands])

    def _apply(self, name: str, block: Tensor, mode: Mode) -> TensorMatrix:
        """Apply an elemental to a block, a chunk of its vectors at a time."""
        axis = 1 if mode is Mode.TANGENT else 0
        function = self._pair(name)[0 if mode is Mode.TANGENT else 1]
        pieces = [block] if self._chunk is None else torch.split(block, self._chunk, axis)
        made = [function(piece) for piece in pieces]
        return TensorMatrix(made[0] if len(made) == 1 else torch.cat(made, axis))
