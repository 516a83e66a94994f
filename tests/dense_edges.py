"""Edges of ops as dense matrices, straight from the definition of each structure."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainplan.programs.ops import RESULT_VERTEX, OpEdge

Array = np.ndarray[Any, np.dtype[Any]]


def dense(edge: OpEdge, value: Any) -> Array:
    """The matrix of rows x cols that an edge stands for."""
    rows, cols = edge.rows, edge.cols
    if not edge.explicit:
        tangent, adjoint = value
        return np.asarray(tangent(np.eye(cols)) if tangent else adjoint(np.eye(rows)))
    words = edge.words()
    kind = words if isinstance(words, str) else next(iter(words))
    argument: Any = None if isinstance(words, str) else words[kind]
    if kind == "identity":
        return np.eye(rows)
    if kind == "negated_identity":
        return -np.eye(rows)
    if kind == "scaled_identity":
        return np.asarray(value * np.eye(rows))
    if kind == "diagonal":
        return np.diag(value)
    if kind in ("permutation", "selection"):
        return np.asarray(np.eye(cols)[argument])
    if kind == "scatter":
        return np.asarray(np.eye(rows)[argument]).T
    if kind in ("replicate", "reduce"):
        few, many = sorted((rows, cols))
        ones, unit = np.ones((many // few, 1)), np.eye(few)
        copies = np.kron(unit, ones) if argument == "each" else np.kron(ones, unit)
        return np.asarray(copies if kind == "replicate" else copies.T)
    if kind == "block_diagonal":
        return block_diagonal(value, *argument)
    if kind == "kronecker":
        (r, c), k = argument
        layers = np.broadcast_to(value, (k, r, c))
        return np.asarray(np.einsum("tij,ts->itjs", layers, np.eye(k))).reshape(rows, cols)
    if kind == "coo":
        matrix = value.toarray()
        listed = np.zeros((rows, cols), bool)
        listed[tuple(np.asarray(argument).T)] = True
        assert not matrix[~listed].any()
        return np.asarray(matrix)
    assert kind == "dense"
    return np.asarray(value)


def block_diagonal(value: Array, count: int, rows: int, cols: int) -> Array:
    """`count` blocks of rows x cols along the diagonal, from one array of all or of the one that they equal."""
    assert value.shape in ((count, rows, cols), (1, rows, cols))
    blocks = np.broadcast_to(value, (count, rows, cols))
    return np.asarray(np.einsum("brc,bd->brdc", blocks, np.eye(count))).reshape(count * rows, count * cols)


def composed(edges: tuple[OpEdge, ...], values: tuple[Any, ...], sizes: list[int], rows: int) -> list[Array]:
    """The Jacobian with respect to each argument: the sum over paths of products of edges."""
    reached: dict[int | str, dict[int, Array]] = {i: {i: np.eye(n)} for i, n in enumerate(sizes)}
    for edge, value in zip(edges, values, strict=True):
        matrix = dense(edge, value)
        assert matrix.shape == (edge.rows, edge.cols)
        ends = reached.setdefault(edge.target, {})
        for argument, block in reached[edge.source].items():
            product = matrix @ block
            ends[argument] = ends[argument] + product if argument in ends else product
    return [reached[RESULT_VERTEX].get(i, np.zeros((rows, n))) for i, n in enumerate(sizes)]
