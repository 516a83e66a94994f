"""Every other operation: a matrix-free elemental through PyTorch's own tangent and adjoint of that operation.

Several operands are joined to one vertex before the elemental, and several results to one vertex behind it. The modes
that exist are tried out on shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from chainplan.torch.edges import (
    ActiveNode,
    BlockFunction,
    TangentAdjoint,
    TorchEdge,
    pick_edge,
    scatter_edge,
)
from chainplan.torch.errors import NotTraced
from chainplan.torch.operations import LINEAR_ALGEBRA, MATRIX_PRODUCTS
from chainplan.torch.types import OperandValues


def operation_fma(active: ActiveNode) -> int:
    """Predict the multiply-adds of one tangent of an operation: those of its value, counted from the shapes."""
    outs = max(prod(result.shape) for result in active.results if isinstance(result, Tensor))
    sizes = [active.size(i) for i in range(len(active.operands))]
    if "convolution" in active.name:
        kernel = active.shape(1)
        return max(1, outs * prod(kernel) // max(1, kernel[0]))
    if active.name in MATRIX_PRODUCTS:
        return outs * active.shape(active.ins[0])[-1]
    if any(word in active.name for word in LINEAR_ALGEBRA):
        shape = active.shape(0)
        return max(1, sizes[0] * min(shape[-2:], default=1))
    return max(1, outs, *sizes)


def matrix_free(active: ActiveNode) -> list[TorchEdge]:
    """Make the edges of a node without a structure: one elemental, and the edges that join what it connects.

    Raises
    ------
    NotTraced
        If PyTorch has neither a tangent nor an adjoint for it.
    """
    edges: list[TorchEdge] = []
    source: int | str = active.ins[0]
    target: int | str = active.outs[0]
    sizes = [active.size(i) for i in active.ins]
    starts = np.cumsum([0, *sizes]).tolist()
    if len(active.ins) > 1:
        source = "operands"
        for i, start, size in zip(active.ins, starts, sizes, strict=False):
            edges.append(scatter_edge(i, source, np.arange(start, start + size), starts[-1]))
    lengths = [prod(active.results[j].shape) for j in active.outs]
    places = np.cumsum([0, *lengths]).tolist()
    if len(active.outs) > 1:
        target = "results"
    edges.append(_edge(active, source, target, places[-1], starts[-1]))
    if len(active.outs) > 1:
        for j, place, length in zip(active.outs, places, lengths, strict=False):
            edges.append(pick_edge(target, j, np.arange(place, place + length), places[-1]))
    return edges


def _edge(active: ActiveNode, source: int | str, target: int | str, rows: int, cols: int) -> TorchEdge:
    """Make the matrix-free edge of all active operands and results."""
    functions, price = _functions(active), operation_fma(active)
    modes = [price if _exists(active, functions, mode, (rows, cols)) else None for mode in (0, 1)]
    if modes == [None, None]:
        raise NotTraced(f"PyTorch has neither a tangent nor an adjoint for '{active.name}' alone")
    return TorchEdge(source, target, rows, cols, "dense", None, functions, modes[0], modes[1])


def _exists(active: ActiveNode, functions: TangentAdjoint, mode: int, shape: tuple[int, int]) -> bool:
    """Say whether a mode of a node can be traced; nothing is computed."""
    like = active.operands[active.ins[0]].meta["val"]
    fake: FakeTensorMode = like.fake_mode
    try:
        with fake:
            vectors = (shape[1], 2) if mode == 0 else (2, shape[0])
            given = [torch.empty_like(operand.meta["val"]) for operand in active.operands]
            made = functions(given)[mode](torch.empty(vectors, dtype=like.dtype, device=like.device))
            return bool(made.device == like.device)  # a formula that PyTorch has in Python may mistake it
    except Exception:  # whatever an operation raises where a derivative is missing
        return False


def _functions(active: ActiveNode) -> TangentAdjoint:
    """Return what makes the tangent and the adjoint of a node by its active operands."""
    shapes = [active.shape(i) for i in active.ins]
    sizes = [prod(shape) for shape in shapes]

    def functions(values: OperandValues) -> tuple[BlockFunction, BlockFunction]:
        function, primals = _of_active(active, values)

        def tangent(block: Tensor) -> Tensor:
            def push(column: Tensor) -> Tensor:
                pieces = zip(torch.split(column, sizes), primals, strict=True)
                tangents = tuple(piece.reshape(x.shape).to(x.dtype) for piece, x in pieces)
                return _vector(torch.func.jvp(function, primals, tangents)[1])

            return torch.func.vmap(push, 1, 1)(block)

        def adjoint(block: Tensor) -> Tensor:
            results, pull = torch.func.vjp(function, *primals)
            lengths = [y.numel() for y in results]

            def row(vector: Tensor) -> Tensor:
                pieces = zip(torch.split(vector, lengths), results, strict=True)
                return _vector(pull(tuple(piece.reshape(y.shape).to(y.dtype) for piece, y in pieces)))

            return torch.func.vmap(row)(block)

        return tangent, adjoint

    return functions


def _of_active(
    active: ActiveNode, values: OperandValues
) -> tuple[Callable[..., tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """Return the active results as a function of the active operands, and these."""

    def function(*primals: Tensor) -> tuple[Tensor, ...]:
        given = list(values)
        for i, x in zip(active.ins, primals, strict=True):
            given[i] = x
        made = active.apply(given)
        return tuple(made[j] for j in active.outs)

    return function, tuple(values[i] for i in active.ins)


def _vector(arrays: Sequence[Tensor]) -> Tensor:
    """Lay several tensors out as one vector."""
    flat = [array.reshape(-1) for array in arrays]
    return flat[0] if len(flat) == 1 else torch.cat(flat)
