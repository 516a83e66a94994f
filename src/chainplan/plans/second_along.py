"""Second derivatives of graphs along directions: own second derivatives with directions in place of arguments.

Let ẏ(u) be the directions at an input carried on to u. Contracted with them, the second derivative of a vertex v by its
arguments a and b is an edge of one argument that is still open, S(v; a, ·)[ẏ(b)], and for b the other way round; along
directions on both sides none is open. Eliminating the vertices of these edges forms no second derivative of more
columns than asked for. In topological order that is forward over forward, in reverse topological order forward over
reverse, the second-order adjoint (Griewank & Walther, *Evaluating Derivatives*, section 5.1). Where there are many
directions it may cost less to multiply by them at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from chainplan.plans.second_writer import FreeSecond, HeldJacobian, HeldSecond, SecondWriter
from chainplan.problem.graph import Graph
from chainplan.problem.mixed_second import OwnSecond
from chainplan.problem.second import SecondOrder, side_name
from chainplan.structures import Block
from chainplan.structures.second import Side


def standing_for(vertex: str, side: Side) -> str:
    """Return what stands for the weights or directions at a vertex as if they were one; no vertex has this name."""
    return f"\0{side_name(vertex, side)}"


CarriedDirections = dict[str, dict[str, HeldJacobian]]
"""By vertex, the directions at each input carried on to it, by the name that they are given under."""


def seconds_along(
    graph: Graph, asked: SecondOrder, bent: dict[str, OwnSecond], writer: SecondWriter
) -> Iterator[tuple[str, HeldSecond | FreeSecond]]:
    """Yield (vertex, edge) for each own second derivative along the directions that are asked for."""
    counts = {Side.LEFT: asked.left, Side.RIGHT: asked.right}
    args = {v for own in bent.values() for v in (own.left, own.right)}
    carried = {side: _carried(graph, side, count, args, writer) for side, count in counts.items() if count is not None}
    for name, own in bent.items():
        edge = writer.own_second(name, own)
        orders = (
            [(Side.LEFT, Side.RIGHT)] if own.left == own.right else [(Side.LEFT, Side.RIGHT), (Side.RIGHT, Side.LEFT)]
        )
        for order in orders:
            near = dict(zip((Side.LEFT, Side.RIGHT), order, strict=True))
            if isinstance(edge, FreeSecond):
                yield from ((own.target, free) for free in _directed(edge, near, carried))
                continue
            for made in _taken(edge, near, carried, writer):
                yield own.target, made


def _taken(
    edge: HeldSecond, near: dict[Side, Side], carried: dict[Side, CarriedDirections], writer: SecondWriter
) -> Iterator[HeldSecond]:
    """Yield an edge with directions at its column sides; `near` says which directions belong at which of its sides."""
    edges = [edge]
    for side, which in sorted(near.items(), key=lambda pair: pair[0] is Side.LEFT):
        if which in carried:
            edges = [
                writer.contract(one, block, side, (name, one.right) if side is Side.LEFT else (one.left, name))
                for one in edges
                for name, block in carried[which].get(one.left if side is Side.LEFT else one.right, {}).items()
            ]
    yield from edges


def _directed(free: FreeSecond, near: dict[Side, Side], carried: dict[Side, CarriedDirections]) -> Iterator[FreeSecond]:
    """Yield a matrix-free second derivative with directions at its column sides, which its calls take along later."""
    ways = [
        [(name, held) for name, held in carried[which].get(end, {}).items()] if which in carried else [(end, None)]
        for end, which in zip(free.ends, (near[Side.LEFT], near[Side.RIGHT]), strict=True)
    ]
    for (left_name, left), (right_name, right) in product(*ways):
        yield free._replace(ends=(left_name, right_name), left=left, right=right)


def _carried(graph: Graph, side: Side, count: int, args: set[str], writer: SecondWriter) -> CarriedDirections:
    """Carry the directions at all inputs on to the arguments of second derivatives."""
    needed = set(args)
    for v in reversed(graph.order):
        if any(e.target in needed for e in graph.out_of.get(v, ())):
            needed.add(v)
    held: CarriedDirections = {
        v: {standing_for(v, side): writer.given(v, side, Block(graph.sizes[v], count))}
        for v in graph.inputs
        if v in needed
    }
    for v in graph.order:
        for e in graph.out_of.get(v, ()):
            if e.target in needed:
                there = held.setdefault(e.target, {})
                for name, block in held[v].items():
                    there[name] = writer.tangent(e, block, there.get(name))
    return held
