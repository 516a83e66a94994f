"""Graphs with unknowns that are solved together, made of what is declared, and taken apart into that again.

What is declared are edges between vertices, which may form cycles through the unknowns of a system. In the graph a
system is one elemental (`solve_edges`), and its blocks of R_y are no edges. Where a system names no residuals, each of
its unknowns is given by the edges into it, y = f(y, x): then the residual is f(y, x) - y, so that what enters y enters
the residual unchanged, and R_y has a block of minus ones besides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from chainplan.problem.graph import Elemental, FaultyGraphError, Graph, GraphFault, elemental_faults
from chainplan.problem.implicit import ImplicitSystem, ResidualBlock, SystemVertex, implicit_system
from chainplan.problem.solve_edges import Names, SystemPart, solve_edges, solve_name
from chainplan.structures import Block
from chainplan.structures.identity import NegatedIdentity


class NamedSystem(NamedTuple):
    """A system as it is declared; `residuals` is None where the unknowns are given by the edges into them."""

    name: str | None
    unknowns: tuple[str, ...]
    residuals: tuple[str, ...] | None = None


def graph_with_systems(
    sizes: Mapping[str, int],
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    elementals: Sequence[Elemental],
    systems: Sequence[NamedSystem],
) -> Graph:
    """Return the graph of edges and systems.

    Raises
    ------
    FaultyGraphError
        Where they make none; faults of a system have the place ("implicit", its number).
    """
    found = [*elemental_faults(sizes, elementals), *_vertex_faults(sizes, inputs, outputs, elementals, systems)]
    if found:
        raise FaultyGraphError(found)
    writer = _SystemWriter(sizes, elementals, systems)
    writer.write()
    try:
        return Graph(writer.sizes, inputs, outputs, tuple(writer.outer.values()) + tuple(writer.added))
    except FaultyGraphError as error:
        raise FaultyGraphError([writer.located(fault) for fault in error.faults]) from None


class _SystemWriter:
    """Writes the systems of a graph; `outer` are the edges that stay, by their numbers."""

    def __init__(
        self, sizes: Mapping[str, int], elementals: Sequence[Elemental], systems: Sequence[NamedSystem]
    ) -> None:
        self.sizes = dict(sizes)
        self.outer = dict(enumerate(elementals))
        self.added: list[Elemental] = []
        self._systems = systems
        self._name = Names((*sizes, *(e.name for e in elementals)))
        self._of_added: list[int] = []

    def write(self) -> None:
        """Write all systems.

        Raises
        ------
        FaultyGraphError
            Where a system has no solution, whatever its entries are.
        """
        made = [self._system(system) for system in self._systems]
        found = [GraphFault(("implicit", i), why) for i, why in enumerate(made) if isinstance(why, str)]
        if found:
            raise FaultyGraphError(found)
        for number, (system, one) in enumerate(zip(self._systems, made, strict=True)):
            assert isinstance(one, ImplicitSystem), "others have been refused"
            name = self._name(system.name or solve_name(system.unknowns))
            right, solution = ([SystemPart(*vertex) for vertex in side] for side in (one.residuals, one.unknowns))
            edges = solve_edges(name, right, solution, one.counts.solve, self._name, one)
            self.sizes |= edges.sizes
            self.added += edges.elementals
            self._of_added += [number] * len(edges.elementals)

    def _system(self, system: NamedSystem) -> ImplicitSystem | str:
        """Take the blocks of a system out of the edges, and return it, or why it is none."""
        unknowns = [SystemVertex(name, self.sizes[name]) for name in system.unknowns]
        blocks = list[ResidualBlock]()
        residuals = system.residuals
        if residuals is None:
            residuals = tuple(self._residual(name, blocks) for name in system.unknowns)
        inside = {*system.unknowns}
        for i, e in list(self.outer.items()):
            if e.source in inside and e.target in residuals:
                blocks.append(ResidualBlock(e.name, e.source, e.target, e.block))
                del self.outer[i]
        return implicit_system(unknowns, [SystemVertex(name, self.sizes[name]) for name in residuals], blocks)

    def _residual(self, unknown: str, blocks: list[ResidualBlock]) -> str:
        """Have the edges into an unknown end at a residual instead, and add the block of minus ones."""
        size = self.sizes[unknown]
        name = self._name(f"residual of {unknown}")
        self.sizes[name] = size
        for i, e in self.outer.items():
            if e.target == unknown:
                self.outer[i] = replace(e, target=name)
        block = Block(size, size, NegatedIdentity())
        blocks.append(ResidualBlock(self._name(f"{name}/{unknown}"), unknown, name, block))
        return name

    def located(self, fault: GraphFault) -> GraphFault:
        """Return a fault of the graph at the edge, or the system, that was declared."""
        match fault.place:
            case ("jacobians", int() as i, *rest):
                kept = list(self.outer)
                number = self._of_added[i - len(kept)] if i >= len(kept) else 0
                place = ("jacobians", kept[i], *rest) if i < len(kept) else ("implicit", number)
                return GraphFault(place, fault.message)
        return fault


def _vertex_faults(
    sizes: Mapping[str, int],
    inputs: Sequence[str],
    outputs: Sequence[str],
    elementals: Sequence[Elemental],
    systems: Sequence[NamedSystem],
) -> Iterator[GraphFault]:
    """Yield every vertex of a system that cannot be what it is there, and every edge that does not fit."""
    system_of: dict[str, int] = {}
    residual_of: dict[str, int] = {}
    taken = {e.name for e in elementals}
    for number, system in enumerate(systems):
        place = ("implicit", number)
        if system.name in taken:
            yield GraphFault(place, f"the name '{system.name}' is taken; expected unique names. Rename the system.")
        taken |= {system.name} if system.name else set()
        for vertex in (*system.unknowns, *(system.residuals or ())):
            if vertex not in sizes:
                yield GraphFault(
                    place, f"'{vertex}' is no vertex; expected one that a size or an edge names. Correct it."
                )
            elif vertex in inputs:
                yield GraphFault(place, f"'{vertex}' is an input; expected one that is solved for. Take it out.")
            elif vertex in system_of or vertex in residual_of:
                yield GraphFault(
                    place, f"'{vertex}' stands in a system already; expected it in one. Take it out of one."
                )
        system_of |= dict.fromkeys(system.unknowns, number)
        for vertex in system.residuals or ():
            residual_of[vertex] = number
            if vertex in outputs:
                yield GraphFault(
                    place, f"the residual '{vertex}' is an output, but is zero. Take it out of the outputs."
                )
    for i, e in enumerate(elementals):
        to = residual_of.get(e.target, system_of.get(e.target) if _free(systems, e.target, system_of) else None)
        inside = to is not None and system_of.get(e.source) == to
        text = _edge_fault(e, inside, e.source in residual_of, e.target in system_of and to is None)
        if text is not None:
            yield GraphFault(("jacobians", i, "edge"), text)


def _free(systems: Sequence[NamedSystem], unknown: str, system_of: Mapping[str, int]) -> bool:
    """Say whether an unknown is given by the edges into it."""
    return unknown in system_of and systems[system_of[unknown]].residuals is None


def _edge_fault(e: Elemental, inside: bool, from_residual: bool, into_unknown: bool) -> str | None:
    """Say what is wrong with an edge at a system, or return None where nothing is."""
    if from_residual:
        return f"'{e.name}' starts at the residual '{e.source}', which is zero; expected no edge from it. Remove it."
    if into_unknown:
        todo = "Have it end at a residual, or leave 'residuals' out."
        return f"'{e.name}' ends at the unknown '{e.target}', which its residuals determine; expected none. {todo}"
    if inside and not e.explicit:
        return (
            f"'{e.name}' is matrix-free, but stands in the system that is solved for '{e.source}'; expected entries, "
            "which are factored. Leave 'tangent' and 'adjoint' out."
        )
    if inside and (e.values is not None or e.second is not None):
        word = "same_as" if e.values is not None else "second"
        return f"'{e.name}' stands in a system and has '{word}'; expected values of its own alone. Leave '{word}' out."
    return None


class DeclaredGraph(NamedTuple):
    """The vertices and edges of a graph as they are declared, blocks of systems among these, and the systems."""

    sizes: dict[str, int]
    elementals: tuple[Elemental, ...]
    implicit: list[dict[str, object]]


def declared_graph(graph: Graph) -> DeclaredGraph:
    """Return what a graph was made of: `graph_with_systems` makes the same graph of it."""
    systems = [(e, e.implicit) for e in graph.elementals if e.implicit is not None]
    woven = {
        vertex
        for e, system in systems
        for vertex in (e.source, e.target)
        if vertex not in {end.name for end in (*system.unknowns, *system.residuals)}
    }
    outer = (e for e in graph.elementals if e.implicit is None and not woven.intersection((e.source, e.target)))
    inner = (Elemental(b.name, b.unknown, b.residual, b.block) for _, system in systems for b in system.blocks)
    sizes = {vertex: size for vertex, size in graph.sizes.items() if vertex not in woven}
    return DeclaredGraph(sizes, (*outer, *inner), [system.to_spec(e.name) for e, system in systems])
