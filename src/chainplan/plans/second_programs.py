"""Products H·v from what a set-up has kept: forward through Jacobians, by second derivatives, and backward again.

Let the outputs be weighted, so that there is one row, and let ȳ(h) be the weights carried back to a vertex h. With
M(a, b) the sum of ȳ(h)·S(h; a, b) over the second derivatives S of all vertices h by their arguments a and b,

    v(h) = Σ_u J(h, u)·v(u),    w(a) = Σ_b M(a, b)·v(b) + Σ_h w(h)·J(h, a),

forward from the vector at the inputs and backward to the inputs, where w is H·v. This is forward over reverse (Griewank
& Walther, *Evaluating Derivatives*, section 5.1), and as H is symmetric, reverse over reverse goes through the same
blocks the other way round and costs as much. It holds for any graph with edges of both orders: also for one in which
vertices have been eliminated (`second_elimination`), which leaves fewer and larger blocks, and in the end one block M
for each pair of inputs, the Hessian. So between forming nothing and forming H lie all sets of eliminated vertices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from chainplan.plans.recorder import Recorder
from chainplan.plans.second_writer import HeldJacobian, HeldSecond
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Graph, Mode
from chainplan.problem.second import SecondOrder
from chainplan.structures import Block
from chainplan.structures.second import SecondBlock, Side


class KeptEdges(NamedTuple):
    """The edges of both orders that products go through: Jacobians by (target, source), and second-order ones."""

    jacobians: Mapping[tuple[str, str], HeldJacobian]
    seconds: Sequence[HeldSecond]


def product_price(edges: KeptEdges) -> int:
    """Return the fma of one product."""
    price = 0
    for held in edges.jacobians.values():
        price += FMA.multiply(held.block, Block(held.block.cols, 1)) + FMA.multiply(
            Block(1, held.block.rows), held.block
        )
    for pair in edges.seconds:
        block = pair.block
        price += FMA.contract(block, Block(block.right, 1), Side.RIGHT, False)
        if pair.left != pair.right:
            price += FMA.contract(block, Block(block.left, 1), Side.LEFT, False)
    return price


def programmed(graph: Graph, asked: SecondOrder, recorder: Recorder, edges: KeptEdges, times: int) -> Plan:
    """Return the plan of a set-up that has been recorded, with the program that goes through what it keeps."""
    program = recorder.begun()
    columns = _carried(graph, program, edges)
    rows: dict[str, int] = {}
    for pair in edges.seconds:
        sides = ((Side.RIGHT, pair.left, pair.right), (Side.LEFT, pair.right, pair.left))
        for side, end, start in sides[: 1 if pair.left == pair.right else 2]:
            onto = rows.get(end)
            rows[end] = program.contract(pair.handle, columns[start], side, symmetric=False, onto=onto)
    into = _arguments(edges.jacobians)
    for v in reversed(graph.order):
        for u in into.get(v, ()) if v in rows else ():
            rows[u] = program.multiply(rows[v], edges.jacobians[v, u].handle, rows.get(u))
    ends = [(v, rows[v]) for v in graph.inputs if v in rows]
    return recorder.plan((), [program.program(Mode.TANGENT, times, ends, second=True)], second=asked)


def _carried(graph: Graph, program: Recorder, edges: KeptEdges) -> dict[str, int]:
    """Carry the vector forward to all vertices with second derivatives."""
    needed = {v for pair in edges.seconds for v in (pair.left, pair.right)} | {u for _, u in edges.jacobians}
    columns = {v: program.direction(v, Mode.TANGENT) for v in graph.inputs if v in needed}
    into = _arguments(edges.jacobians)
    for v in graph.order:
        for u in into.get(v, ()):
            columns[v] = program.multiply(edges.jacobians[v, u].handle, columns[u], columns.get(v))
    return columns


def _arguments(edges: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the arguments of each vertex, in order."""
    into: dict[str, list[str]] = {}
    for v, u in edges:
        into.setdefault(v, []).append(u)
    return into


def multiplied(plan: Plan, times: int) -> Plan:
    """Return a plan that forms the second derivative, of one row, with the program that multiplies it by vectors."""
    recorder, place = Recorder.after(plan), {v: number for number, v in enumerate(plan.graph.inputs)}
    sums: dict[tuple[str, str], int] = {}
    for _, left, right, step in plan.second_outputs:
        if place[left] <= place[right]:
            held = sums.get((left, right))
            sums[left, right] = step if held is None else recorder.add(held, step)
    blocks = [HeldSecond(left, right, _UNSEEN, handle) for (left, right), handle in sums.items()]
    assert plan.second is not None
    return programmed(plan.graph, plan.second, recorder, KeptEdges({}, blocks), times)


_UNSEEN = SecondBlock(0, 0, 0)
"""What stands for blocks that are not looked at."""
