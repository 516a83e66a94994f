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

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

from chainplan.plans.recorder import Recorder
from chainplan.plans.second_open import EdgePair, applied_price, jacobian_price, late_price, second_price
from chainplan.plans.second_steps import ApplySecond
from chainplan.plans.second_weighted import WaitingSecond
from chainplan.plans.second_writer import FreeSecond, HeldJacobian, HeldSecond
from chainplan.plans.steps import Plan
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.problem.second import SecondOrder
from chainplan.structures.second import SecondBlock, Side


class KeptEdges(NamedTuple):
    """The edges of both orders that products go through.

    Jacobians and matrix-free elementals that are applied stand by (target, source); second derivatives are weighted, or
    `waiting` for a vector.
    """

    jacobians: Mapping[EdgePair, HeldJacobian]
    seconds: Sequence[HeldSecond]
    applied: Mapping[EdgePair, Sequence[Elemental]] = MappingProxyType({})
    waiting: Sequence[WaitingSecond] = ()

    @property
    def into(self) -> dict[str, list[str]]:
        """The arguments of each vertex, in order."""
        into: dict[str, list[str]] = {}
        for v, u in dict.fromkeys((*self.jacobians, *self.applied)):
            into.setdefault(v, []).append(u)
        return into


def product_price(edges: KeptEdges) -> int:
    """Return the fma of one product."""
    price = sum(jacobian_price(held.block) for held in edges.jacobians.values())
    price += sum(applied_price(e) for elementals in edges.applied.values() for e in elementals)
    price += sum(second_price(pair.block, pair.left != pair.right) for pair in edges.seconds)
    return price + sum(map(late_price, edges.waiting))


def programmed(graph: Graph, asked: SecondOrder, recorder: Recorder, edges: KeptEdges, times: int) -> Plan:
    """Return the plan of a set-up that has been recorded, with the program that goes through what it keeps."""
    writer = _ProgramWriter(graph, recorder.begun(), edges)
    program = writer.recorder.program(Mode.TANGENT, times, writer.written(), second=True)
    return recorder.plan((), [program], second=asked)


class _ProgramWriter:
    """Writes a product: columns forward, rows where they meet second derivatives, and these backward."""

    def __init__(self, graph: Graph, recorder: Recorder, edges: KeptEdges) -> None:
        self.recorder, self._graph, self._edges, self._into = recorder, graph, edges, edges.into
        self._columns: dict[str, int] = {}
        self._rows: dict[str, int] = {}

    def written(self) -> list[tuple[str, int]]:
        """Write the product, and return (input, handle) of its parts."""
        for v in self._graph.order:
            self._arrive(v)
        for pair in self._edges.seconds:
            self._meet(pair, None)
        for one in self._edges.waiting:
            if one.free is None:
                self._meet(one.edge, one.row)
            else:
                self._apply(one, one.free)
        for v in reversed(self._graph.order):
            if v in self._rows:
                self._leave(v)
        return [(v, self._rows[v]) for v in self._graph.inputs if v in self._rows]

    def _arrive(self, v: str) -> None:
        """Carry the vector forward to a vertex with which something is left to be done."""
        recorder, columns, edges = self.recorder, self._columns, self._edges
        if v in self._graph.inputs and v in self._needed:
            columns[v] = recorder.direction(v, Mode.TANGENT)
        for u in self._into.get(v, ()):
            if (v, u) in edges.jacobians:
                columns[v] = recorder.multiply(edges.jacobians[v, u].handle, columns[u], columns.get(v))
            for e in edges.applied.get((v, u), ()):
                made = recorder.propagate(e.name, columns[u], Mode.TANGENT)
                columns[v] = made if v not in columns else recorder.add(columns[v], made)

    @cached_property
    def _needed(self) -> set[str]:
        """The vertices whose columns are read."""
        met = (*self._edges.seconds, *(one.edge for one in self._edges.waiting))
        ends = {v for pair in met for v in (pair.left, pair.right)}
        return ends.union(*self._into.values())

    def _meet(self, pair: HeldSecond, row: HeldJacobian | None) -> None:
        """Multiply a second derivative by the vector, and then by the row of its weights if that has waited."""
        sides = ((Side.RIGHT, pair.left, pair.right), (Side.LEFT, pair.right, pair.left))
        for side, end, start in sides[: 1 if pair.left == pair.right else 2]:
            onto, column = self._rows.get(end), self._columns[start]
            if row is None:
                self._rows[end] = self.recorder.contract(pair.handle, column, side, symmetric=False, onto=onto)
            else:
                made = self.recorder.contract(pair.handle, column, side, symmetric=False)
                self._rows[end] = self.recorder.multiply(row.handle, made, onto)

    def _apply(self, one: WaitingSecond, free: FreeSecond) -> None:
        """Apply a second adjoint to its weights and to the vector."""
        row, v = None if one.row is None else one.row.handle, one.edge.left
        made = self.recorder.apply_second(ApplySecond(free.name, Mode.ADJOINT, row, None, self._columns[v]))
        self._rows[v] = made if v not in self._rows else self.recorder.add(self._rows[v], made)

    def _leave(self, v: str) -> None:
        """Carry the row at a vertex back to its arguments."""
        recorder, rows, edges = self.recorder, self._rows, self._edges
        for u in self._into.get(v, ()):
            if (v, u) in edges.jacobians:
                rows[u] = recorder.multiply(rows[v], edges.jacobians[v, u].handle, rows.get(u))
            for e in edges.applied.get((v, u), ()):
                made = recorder.propagate(e.name, rows[v], Mode.ADJOINT)
                rows[u] = made if u not in rows else recorder.add(rows[u], made)


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
