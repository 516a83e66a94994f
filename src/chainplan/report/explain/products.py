"""The number of products with vectors from which it pays to form the Jacobian.

A product J·v without J takes one tangent of every elemental in turn, a product w·J one adjoint. With J at hand it takes
one multiply-add per nonzero of J. So k products are cheaper with J where cost + k·nnz(J) < k·(price without J).
"""

from __future__ import annotations

from dataclasses import dataclass

from chainplan.plans.replay import Replay
from chainplan.plans.steps import Plan
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.report.explain.changes import vector_price


@dataclass(frozen=True)
class JacobianProducts:
    """Products of J with vectors on the right (tangents) or left (adjoints): the fma of one with and without J.

    `least` is the smallest number of products at which forming J first is cheaper, None where it never is.
    """

    mode: Mode
    without: int
    with_it: int
    least: int | None


def products(problem: Problem, plan: Plan, replayed: Replay) -> list[JacobianProducts]:
    """Find the break-even numbers of products for the modes that every matrix-free elemental has."""
    nnz = sum(replayed.blocks[output.step].block.nnz for output in plan.outputs)
    break_evens = []
    for mode in Mode:
        if any(not e.explicit and e.per_vector(mode) is None for e in problem.graph.useful):
            continue
        without = sum(vector_price(e) if e.explicit else e.per_vector(mode) or 0 for e in problem.graph.useful)
        break_evens.append(JacobianProducts(mode, without, nnz, _least(replayed.total, without - nnz)))
    return break_evens


def _least(cost: int, gain: int) -> int | None:
    """Return the least k with cost < k · gain."""
    return None if gain <= 0 else cost // gain + 1
