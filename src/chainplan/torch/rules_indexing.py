"""Operations that move, copy, leave out or add up entries: selections and their transposes.

The numbers of the entries, from 1, are moved by the operation itself, which says where the entries go; 0 stands for
none, as operations fill with zeros. Indices decide the structure where they are known while the function is traced;
where they are values of the program, the rules answer None.
"""

from __future__ import annotations

from math import prod

import numpy as np
import torch

from chainplan.torch.edges import ActiveNode, TorchEdge, pick_edge, scatter_edge, sign_edge
from chainplan.torch.types import Index, Value

MAX_MOVED_ENTRIES = 2_000_000
"""The most entries of an operand or a result whose places are listed."""


def moved(active: ActiveNode) -> list[TorchEdge] | None:
    """Make the edges of an operation that moves, copies or leaves out entries without changing their values."""
    if active.given.get("accumulate"):
        return accumulated(active)
    if max(map(active.size, active.ins)) > MAX_MOVED_ENTRIES or not _indices_known(active):
        return None
    edges: list[TorchEdge] = []
    for position in active.ins:
        made = active.apply(_numbers(active, position), **_without_fill(active))
        for result in active.outs:
            index = made[result].numpy().ravel() - 1
            edges += _moved(index, position, result, active.size(position))
    return edges


def copied(active: ActiveNode) -> list[TorchEdge] | None:
    """Make the edge of `copy`: its second operand, spread out to the shape of the first."""
    return _moved(_spread(active, 1), 1, 0, active.size(1)) if 1 in active.ins else []


def _spread(active: ActiveNode, position: int) -> Index:
    numbers = np.arange(active.size(position)).reshape(active.shape(position))
    return np.broadcast_to(numbers, active.out_shape).ravel()


def _without_fill(active: ActiveNode) -> dict[str, Value]:
    """Return the keyword arguments that make an operation fill with zeros, and nothing where it fills with none."""
    return {"value": 0} if "value" in active.node.kwargs else {}


def _indices_known(active: ActiveNode) -> bool:
    """Say whether all operands that are integers or truth values are known."""
    return all(active.known(active.operands[i]) is not None for i in _indices(active))


def _indices(active: ActiveNode) -> list[int]:
    """Return the positions of the operands that are integers or truth values."""
    operands = enumerate(active.operands)
    return [i for i, operand in operands if not operand.meta["val"].dtype.is_floating_point]


def _numbers(active: ActiveNode, position: int) -> list[Value]:
    """Return operands that hold the numbers of the entries of one of them, and 0 in all others."""
    indices, given = _indices(active), []
    for i, operand in enumerate(active.operands):
        shape = active.shape(i)
        if i in indices:
            given.append(active.known(operand).cpu())
        elif i == position:
            given.append(torch.arange(1, prod(shape) + 1).reshape(shape))
        else:
            given.append(torch.zeros(shape, dtype=torch.int64))
    return given


def _moved(index: Index, source: int | str, target: int | str, cols: int) -> list[TorchEdge]:
    """Make the edges that copy entry `index[i]` of the source to entry i of the target, nothing where it is below 0."""
    there = np.flatnonzero(index >= 0)
    return _picked_and_put(source, target, f"kept{source} {target}", index[there], there, cols, len(index))


def _picked_and_put(
    source: int | str, target: int | str, inner: str, taken: Index, put: Index, cols: int, rows: int
) -> list[TorchEdge]:
    """Make the edges that add entry `taken[i]` of `cols` to entry `put[i]` of `rows`."""
    if not len(put):
        return []
    if len(put) == rows and np.array_equal(put, np.arange(rows)):
        return [pick_edge(source, target, taken, cols)]
    if len(taken) == cols and np.array_equal(taken, np.arange(cols)):
        return [scatter_edge(source, target, put, rows)]
    return [pick_edge(source, inner, taken, cols), scatter_edge(inner, target, put, rows)]


def accumulated(active: ActiveNode) -> list[TorchEdge] | None:
    """Make the edges of `index_put`, `index_add` and `scatter_add`, which add entries up at known indices.

    The transpose of the operation reads off the numbers of the places, which double precision holds exactly.
    """
    sizes = [*map(active.size, active.ins), prod(active.out_shape)]
    if max(sizes) > MAX_MOVED_ENTRIES or not _indices_known(active) or active.given.get("alpha", 1) != 1:
        return None
    rows = prod(active.out_shape)
    edges: list[TorchEdge] = []
    for position in active.ins:
        if position == 0:
            edges.append(sign_edge(0, 0, rows))
            continue
        zeros = [
            active.known(o).cpu() if i in _indices(active) else torch.zeros(active.shape(i), dtype=torch.float64)
            for i, o in enumerate(active.operands)
        ]
        result, pull = torch.func.vjp(active.along(position, zeros), zeros[position])
        numbers = torch.arange(1, rows + 1, dtype=torch.float64).reshape(result.shape)
        index = pull(numbers)[0].numpy().ravel().astype(np.int64) - 1
        there = np.flatnonzero(index >= 0)
        edges += _picked_and_put(position, 0, f"added{position}", there, index[there], active.size(position), rows)
    return edges


def axes_of(dim: Value, axes: int) -> tuple[int, ...]:
    """Return the axes that `dim` names; all of them where it names none."""
    if dim is None or (isinstance(dim, list | tuple) and not dim):
        return tuple(range(axes))
    named = dim if isinstance(dim, list | tuple) else [dim]
    return tuple(d % max(1, axes) for d in named)
