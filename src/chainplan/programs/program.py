"""A program of layers, with the problem that its linearisation poses.

Every value has a name: inputs and layers have their own, parameters are called `layer.parameter`. The graph has a
vertex for each value that depends on the variables of the Jacobian, and one for each inner vertex of an op; all other
values are constant and give no edge. The vertices have their names before any number is known, so that one plan serves
all points.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import NamedTuple, cast

from chainplan.errors.arguments import expect
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem
from chainplan.problem.second import ElementalSecond, SecondOrder
from chainplan.programs.ops import RESULT_VERTEX, Op, OpEdge
from chainplan.programs.ops.base import ArrayShape
from chainplan.programs.ops.elementwise import Elementwise
from chainplan.structures import Block


def program_of(value: object) -> Program:
    """Return a value that is a program.

    Raises
    ------
    ArgumentError
        Where the value is something else.
    """
    expect("program", value, Program, "a program of layers", "Make one by chainplan.program(spec).")
    return cast(Program, value)


@dataclass(frozen=True)
class Layer:
    """An op applied to values; `varying` lists position and block of each edge that starts at a varying value."""

    name: str
    op: Op
    sources: tuple[str, ...]
    edges: tuple[OpEdge, ...] = ()
    varying: tuple[tuple[int, Block], ...] = ()

    @property
    def mixed(self) -> bool:
        """Whether it may have second derivatives with respect to two vertices, which are those of no edge alone."""
        starts = {source for position, _ in self.varying if isinstance(source := self.edges[position].source, int)}
        affine = len(starts) == 1 and self.op.affine_in(next(iter(starts)))
        return len(self.varying) > 1 and not affine and not self.op.jointly_affine

    def vertex(self, end: int | str) -> str:
        """Return the vertex of the graph for an end of an edge."""
        if isinstance(end, int):
            return self.sources[end]
        return self.name if end == RESULT_VERTEX else f"{self.name}.{end}"


class PlacedEdge(NamedTuple):
    """An edge of the linearised program: its elemental's name, its layer, and its position among the layer's edges."""

    name: str
    layer: Layer
    position: int
    block: Block

    @property
    def edge(self) -> OpEdge:
        """The edge as the op describes it."""
        return self.layer.edges[self.position]


def applied(name: str, op: Op, sources: tuple[str, ...], shapes: Sequence[ArrayShape], variables: set[str]) -> Layer:
    """Make the layer of an op that is applied to values, some of which vary.

    Raises
    ------
    ValueError
        Where the structure of a varying edge is too large to be listed.
    """
    edges = op.edges(*shapes)
    reached: set[int | str] = {i for i, source in enumerate(sources) if source in variables}
    varying = []
    for position, edge in enumerate(edges):
        if edge.source in reached:
            reached.add(edge.target)
            varying.append((position, edge.block()))
    return Layer(name, op, sources, edges, tuple(varying))


def second_of(layer: Layer, edge: OpEdge) -> ElementalSecond | None:
    """Return the second derivative of an edge, None where it has all entries that its structure allows."""
    starts = {one.source for position, _ in layer.varying if isinstance((one := layer.edges[position]).source, int)}
    if all(layer.op.affine_in(argument) for argument in starts if isinstance(argument, int)):
        return ElementalSecond("zero")
    return ElementalSecond("diagonal") if isinstance(layer.op, Elementwise) else None


@dataclass(frozen=True, eq=False)
class Program:
    """Layers in evaluation order, the shapes of all values, and what is differentiated with respect to what.

    `parameters` maps each parameter to the op that draws it, and to the name by which that op knows it.
    """

    layers: tuple[Layer, ...]
    shapes: Mapping[str, ArrayShape]
    inputs: tuple[str, ...]
    parameters: Mapping[str, tuple[Op, str]]
    variables: tuple[str, ...]
    outputs: tuple[str, ...]
    memory: int | None = None
    name: str | None = None
    recompute: bool = False
    disk: int | None = None
    transfer: int = 0
    second: SecondOrder | None = None

    @cached_property
    def placed(self) -> tuple[PlacedEdge, ...]:
        """The edges on a path from a variable, in evaluation order."""
        edges, counts = [], dict[str, int]()
        for layer in self.layers:
            for position, block in layer.varying:
                edge = layer.edges[position]
                name = f"{layer.vertex(edge.target)}/{layer.vertex(edge.source)}"
                count = counts[name] = counts.get(name, 0) + 1
                edges.append(PlacedEdge(name if count == 1 else f"{name}#{count}", layer, position, block))
        return tuple(edges)

    @cached_property
    def problem(self) -> Problem:
        """The problem of the program's Jacobian: its linearised DAG and its limits."""
        sizes = {v: prod(self.shapes[v]) for v in self.variables}
        elementals = []
        for name, layer, position, block in self.placed:
            edge = layer.edges[position]
            source, target = layer.vertex(edge.source), layer.vertex(edge.target)
            sizes[target] = edge.rows
            second = None if self.second is None else second_of(layer, edge)
            prices = edge.tangent, edge.adjoint, edge.tape
            elementals.append(Elemental(name, source, target, block, *prices, second=second))
        for output in self.outputs:
            sizes.setdefault(output, prod(self.shapes[output]))
        graph = Graph(sizes, self.variables, self.outputs, tuple(elementals), self.transfer)
        return Problem(graph, self.memory, self.name, recompute=self.recompute, disk=self.disk, second=self.second)

    @property
    def notes(self) -> Iterator[str]:
        """What a reader of a plan should know about the elementals."""
        return (f"{p.name} ({p.layer.op.name}): {p.edge.note}" for p in self.placed if p.edge.note)
