"""Blocks that all points of a batch have in common: computed once, and scaled point by point as late as possible.

Under `jax.vmap` what depends on shared arrays alone is computed once. A product keeps that as long as its factors do,
so that a diagonal which differs from point to point is not multiplied into a shared matrix but kept beside it. Between
two shared matrices it becomes a vector: A·diag(d)·B = Σ_k d_k a_k b_kᵀ, where the matrices a_k b_kᵀ of columns and rows
are made once, and one product of matrices serves the whole batch. A plan may go through shared elementals first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chainplan.jax.equal import operands_read
from chainplan.jax.forms import HeldBlock, HeldDense, HeldDiagonal
from chainplan.jax.linearise import LinearisedFunction
from chainplan.jax.products import matmul, product, total
from chainplan.jax.trace import TraceConstant
from chainplan.plans.candidate import Candidate
from chainplan.problem.graph import Graph
from chainplan.solvers.dag.order_plans import order_of
from chainplan.solvers.elimination.elimination_graph import WorkGraph, order_plan
from chainplan.solvers.elimination.propagation_graph import propagation_plan
from chainplan.structures import Dense

if TYPE_CHECKING:
    from jax.typing import DTypeLike

MAX_OUTER_ENTRIES = 1 << 17
"""The most entries of the products of columns and rows that are made once for a batch: a cache has to hold them."""


@dataclass(frozen=True, eq=False)
class SharedBlock:
    """diag(left) · core · diag(right), whose `core` all points of a batch have in common; None scales by nothing."""

    core: HeldBlock
    left: HeldDiagonal | None = None
    right: HeldDiagonal | None = None

    def written(self, dtype: DTypeLike) -> HeldBlock:
        """Return the block with its scales multiplied in."""
        return _scaled(self.left, self.core, self.right, dtype)


RunBlock = HeldBlock | SharedBlock
"""A block of a run on a batch."""


def shared_elementals(linearised: LinearisedFunction, shared: Sequence[bool]) -> frozenset[str]:
    """Name the elementals that a batch has in common; `shared` says so of each argument and constant of the trace."""
    trace = linearised.trace
    known = {i for i, same in enumerate(shared[: trace.arguments]) if same}
    known |= {-1 - i for i, same in enumerate(shared[trace.arguments :]) if same}
    for equation in trace.equations:
        if all(isinstance(o, TraceConstant) or o in known for o in equation.operands):
            known.update((*equation.results, *equation.kept))
    return frozenset(
        named[0]
        for one in linearised.found
        for place, named in enumerate(one.edges)
        if all(
            isinstance(o, TraceConstant) or o in known
            for o in (*operands_read(one.equation, one.edges, place), *one.equation.kept)
        )
    )


def has_shared_matrix(graph: Graph, shared: frozenset[str]) -> bool:
    """Say whether a batch has a matrix in common, with more than one row and more than one column."""
    blocks = (graph[name].block for name in shared)
    return any(isinstance(block.structure, Dense) and min(block.rows, block.cols) > 1 for block in blocks)


def shared_first(candidate: Candidate, shared: frozenset[str]) -> Candidate | None:
    """Return the plan that goes through the vertices between shared elementals first, else in the order of a plan.

    None is returned where there is no such vertex.
    """
    graph = candidate.plan.graph
    work, alone = WorkGraph(graph), set(graph.sizes)
    for e in graph.useful:
        if e.name not in shared and not (e.explicit and e.block.structure.unit):
            alone -= {e.source, e.target}
    order = order_of(candidate.plan)
    first = [v for v in order if work.names[v] in alone]
    if not first:
        return None
    order = [*first, *(v for v in order if work.names[v] not in alone)]
    return Candidate(order_plan(graph, order) if graph.explicit else propagation_plan(graph, order), candidate.cost)


def written(block: RunBlock, dtype: DTypeLike) -> HeldBlock:
    """Return a block as one of a single point."""
    return block.written(dtype) if isinstance(block, SharedBlock) else block


def shared_product(left: RunBlock, right: RunBlock, dtype: DTypeLike) -> RunBlock:
    """Return left · right; of shared matrices the shared part."""
    if isinstance(left, SharedBlock) and isinstance(right, SharedBlock):
        middle = _both(left.right, right.left, dtype)
        if middle is None:
            return SharedBlock(product(left.core, right.core, dtype), left.left, right.right)
        return _scaled(left.left, _contracted(left.core, middle, right.core, dtype), right.right, dtype)
    if isinstance(left, SharedBlock) and isinstance(left.core, HeldDense):
        if isinstance(right, HeldDiagonal):
            return replace(left, right=_both(left.right, right, dtype))
        return _scaled(
            left.left, product(left.core, _scaled(left.right, written(right, dtype), None, dtype), dtype), None, dtype
        )
    if isinstance(right, SharedBlock) and isinstance(right.core, HeldDense):
        if isinstance(left, HeldDiagonal):
            return replace(right, left=_both(left, right.left, dtype))
        return _scaled(
            None, product(_scaled(None, written(left, dtype), right.left, dtype), right.core, dtype), right.right, dtype
        )
    return product(written(left, dtype), written(right, dtype), dtype)


def shared_total(left: RunBlock, right: RunBlock, dtype: DTypeLike) -> RunBlock:
    """Return left + right, shared where both are."""
    if all(isinstance(block, SharedBlock) and block.left is block.right is None for block in (left, right)):
        return SharedBlock(total(written(left, dtype), written(right, dtype), dtype))
    return total(written(left, dtype), written(right, dtype), dtype)


def _scaled(left: HeldDiagonal | None, held: HeldBlock, right: HeldDiagonal | None, dtype: DTypeLike) -> HeldBlock:
    held = held if left is None else product(left, held, dtype)
    return held if right is None else product(held, right, dtype)


def _both(left: HeldDiagonal | None, right: HeldDiagonal | None, dtype: DTypeLike) -> HeldDiagonal | None:
    if left is None or right is None:
        return left or right
    made = product(left, right, dtype)
    assert isinstance(made, HeldDiagonal), "diagonals multiply to one"
    return made


def _contracted(left: HeldBlock, middle: HeldDiagonal, right: HeldBlock, dtype: DTypeLike) -> HeldBlock:
    """Return left · middle · right of two shared blocks, by products of columns and rows where both are matrices."""
    m, k, n = left.rows, middle.rows, right.cols
    if (
        not isinstance(left, HeldDense)
        or not isinstance(right, HeldDense)
        or middle.vector is None
        or m * k * n > MAX_OUTER_ENTRIES
    ):
        return product(product(left, middle, dtype), right, dtype)
    outer = left.values.T[:, :, None] * right.values[:, None, :]
    return HeldDense(matmul(middle.vector[None], outer.reshape(k, m * n)).reshape(m, n))
