"""Derives the tangent of an op for which only an adjoint was written down.

The adjoint w ↦ w·J is linear in w, so the adjoint of *this* function, at any w at all, maps v to v·Jᵀ, which is the
tangent: two adjoints make a tangent (Townsend 2017, "A new trick for calculating Jacobian vector products"). The
adjoint is written as a short program of ops of the table, each linear in its first argument, so that the linearisation
of the program gives both modes. A linear map and its transpose take the same fma.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainplan._util.arrays import Array, ArrayFunction
from chainplan.kernels.convert import as_sparse, given_away, known
from chainplan.kernels.storage import HeldValues
from chainplan.programs.ops.base import RESULT_VERTEX, Op, OpEdge
from chainplan.values.jacobians import GivenJacobian

SYMMETRIC_NOTE = "its tangent is the adjoint of its adjoint"

LinearStage = tuple[Op, tuple[Array, ...]]
"""An op that is linear in its first argument, and its other arguments."""


def both_ways(adjoint: Sequence[LinearStage], rows: int) -> tuple[ArrayFunction, ArrayFunction]:
    """Return tangent and adjoint on blocks, given the adjoint of one row as a program that starts from `rows` zeros."""
    running = np.zeros(rows)
    sweeps = []
    for op, others in adjoint:
        arguments = (running, *others)
        running, kept = op.evaluate(*arguments)
        edges = op.edges(*(argument.shape for argument in arguments))
        values = op.linearise(arguments, running, kept)
        sweeps.append([(e, matrix(e, v)) for e, v in zip(edges, values, strict=True) if not _constant(e.source)])

    def apply_adjoint(block: Array) -> Array:
        columns = block.T
        for sweep in sweeps:
            held: dict[int | str, Array] = {0: columns}
            for edge, part in sweep:
                product = part @ held[edge.source]
                held[edge.target] = held[edge.target] + product if edge.target in held else product
            columns = held[RESULT_VERTEX]
        return columns.T

    def tangent(block: Array) -> Array:
        columns = block
        for sweep in reversed(sweeps):
            held: dict[int | str, Array] = {RESULT_VERTEX: columns}
            for edge, part in reversed(sweep):
                product = part.T @ held[edge.target]
                held[edge.source] = held[edge.source] + product if edge.source in held else product
            columns = held[0]
        return columns

    return tangent, apply_adjoint


def matrix(edge: OpEdge, value: GivenJacobian) -> HeldValues:
    """Return the value of an explicit edge at a point as a sparse array of rows x cols."""
    block = edge.block()
    return as_sparse(known(block, float) if given_away(block) else value, block, float)


def _constant(source: int | str) -> bool:
    """Say whether an edge starts at an argument other than the first."""
    return isinstance(source, int) and source > 0
