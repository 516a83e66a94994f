"""Second derivatives of one row: weights carried back to each vertex, and multiplied onto its own second derivatives.

Where one row is asked for, of weighted outputs or of a single number, the weights ȳ(h) at a vertex h are those of the
outputs, carried back along all paths. With them the second derivative S(h; a, b) becomes M(a, b) = ȳ(h)·S(h; a, b), of
one row, and what follows handles a row where it would handle size(h). All these M are edges of one vertex behind the
outputs. One of which nothing is made but products with vectors may also wait: S is then multiplied by each vector, and
what comes out of that by ȳ(h).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from chainplan.plans.second_free import SideBlocks, made_along
from chainplan.plans.second_writer import FreeSecond, HeldJacobian, HeldSecond, SecondWriter
from chainplan.problem.graph import Graph
from chainplan.problem.mixed_second import OwnSecond
from chainplan.problem.second import SecondOrder
from chainplan.structures import Block
from chainplan.structures.second import Side


class WaitingSecond(NamedTuple):
    """A second derivative, and the row that it is to be multiplied by; None where it has one row by itself.

    A matrix-free one waits as `free`, to be applied to vectors or to be formed; its `edge` says what will be formed.
    """

    edge: HeldSecond
    row: HeldJacobian | None
    free: FreeSecond | None = None

    @property
    def mixed(self) -> bool:
        """Whether it is one by two arguments."""
        return self.edge.left != self.edge.right

    def weighted(self, writer: SecondWriter) -> HeldSecond:
        """Form a matrix-free one, multiplied by its row."""
        assert self.free is not None, "others are contracted"
        return made_along(writer, self.free, SideBlocks(rows=self.row), (self.edge.left, self.edge.right))


def seconds_weighted(
    graph: Graph, asked: SecondOrder, bent: Mapping[str, OwnSecond], writer: SecondWriter
) -> Iterator[WaitingSecond]:
    """Yield the second derivative of each elemental or pair of arguments with its row."""
    rows = _carried_back(graph, asked, {own.target for own in bent.values()}, writer)
    for name, own in bent.items():
        edge, row, ends = writer.own_second(name, own), rows.get(own.target), (own.left, own.right)
        if not isinstance(edge, FreeSecond):
            yield WaitingSecond(edge, row)
        elif own.adjoint is None or own.left != own.right:
            yield WaitingSecond(made_along(writer, edge, SideBlocks(rows=row), ends), None)
        else:
            yield WaitingSecond(HeldSecond(*ends, own.block), row, edge)


def _carried_back(graph: Graph, asked: SecondOrder, targets: set[str], writer: SecondWriter) -> dict[str, HeldJacobian]:
    """Carry the weights of the outputs back to these vertices; a single number that is an output has none."""
    needed = set(targets)
    for v in graph.order:
        if v in needed:
            needed.update(e.target for e in graph.out_of.get(v, ()))
    rows: dict[str, HeldJacobian] = {}
    for v in reversed(graph.order):
        if v not in needed:
            continue
        row = None
        if asked.weights and v in graph.outputs:
            row = writer.given(v, Side.ROWS, Block(1, graph.sizes[v]))
        for e in graph.out_of.get(v, ()):
            behind = rows.get(e.target)
            if behind is not None:
                row = writer.adjoint(e, behind, row)
            else:
                held = writer.loaded(e)
                row = held if row is None else writer.total(row, held)
        if row is not None:
            rows[v] = row
    return rows
