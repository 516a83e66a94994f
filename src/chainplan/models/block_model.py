"""A model of blocks as a linearised DAG: what no path needs is left out, and what is on a cycle is solved together.

A group of vertices becomes a right-hand side for each of them that something outside enters, one system, and a
selection for each that something outside reads. Selections cost nothing, so only the solve has a price.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from chainplan._util.digraph import reachable
from chainplan.errors import ArgumentError
from chainplan.errors.arguments import expect
from chainplan.models.block_values import BlockPlace, GivenBlocks, ModelBlock, ReadBlock, read_block, refused
from chainplan.models.implicit_group import ImplicitGroup, SolvePair
from chainplan.models.vertex_sizes import sizes_of
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.solve_edges import Names, SystemPart, solve_edges, solve_name


@dataclass(frozen=True)
class BlockModel:
    """A linearised DAG, with the name of each vertex in it, and what gives each elemental its values.

    `places` has the block of an elemental, `groups` the group whose inverse it is.
    """

    graph: Graph
    names: Mapping[Hashable, str]
    places: Mapping[str, BlockPlace]
    groups: Mapping[str, ImplicitGroup]


def block_model(
    blocks: GivenBlocks,
    inputs: Sequence[Hashable],
    outputs: Sequence[Hashable],
    solvers: Mapping[Hashable, SolvePair],
) -> BlockModel:
    """Read the blocks of a model, and make the graph of what lies between inputs and outputs.

    Raises
    ------
    ArgumentError
        Where blocks disagree, are of no known kind, or no path leads from an input to an output.
    """
    _require_solvers(solvers)
    read = {place: read_block(place, value) for place, value in _places(blocks)}
    sizes = sizes_of(read)
    _require_ends(read, sizes, inputs, outputs)
    useful = _useful(read, inputs, outputs)
    reached = {vertex for place in useful for vertex in place}
    if not reached.intersection(outputs):
        found = f"found no path from {_listed(inputs)} to {_listed(outputs)}"
        raise ArgumentError(f"blocks: {found}; expected blocks that connect them. Add them, or ask for other outputs.")
    made = _ModelWriter(read, blocks, sizes, useful, solvers).model(inputs, outputs)
    solved = {vertex for group in made.groups.values() for vertex in group.sizes}
    for vertex in solvers:
        if vertex not in solved:
            found = f"found one for {vertex!r}, which is on no cycle between the inputs and the outputs"
            raise ArgumentError(f"solvers: {found}; expected a vertex that is. Leave the solver out.")
    return made


def _places(blocks: GivenBlocks) -> Iterator[tuple[BlockPlace, ModelBlock]]:
    """Yield the blocks with their places."""
    expect("blocks", blocks, Mapping, "a mapping from (output, input) to blocks", "Pass {('y', 'x'): array}.")
    for place, value in blocks.items():
        if not isinstance(place, tuple) or len(place) != 2:
            raise ArgumentError(f"blocks: found the key {place!r}; expected (output, input). Write such a pair.")
        yield place, value


def _require_solvers(solvers: Mapping[Hashable, SolvePair]) -> None:
    """Refuse what is no mapping from vertices to pairs of functions."""
    todo = "Pass {'y': (solve, solve_transposed)}."
    expect("solvers", solvers, Mapping, "a mapping from vertices to pairs of functions", todo)
    for vertex, pair in solvers.items():
        if not isinstance(pair, Sequence) or len(pair) != 2 or not all(map(callable, pair)):
            found = f"found {pair!r:.60} for {vertex!r}"
            raise ArgumentError(f"solvers: {found}; expected two functions, with R_y⁻¹ and its transpose. {todo}")


def _listed(vertices: Sequence[Hashable]) -> str:
    return ", ".join(map(repr, vertices)) or "nothing"


def _require_ends(
    read: Mapping[BlockPlace, ReadBlock],
    sizes: Mapping[Hashable, int],
    inputs: Sequence[Hashable],
    outputs: Sequence[Hashable],
) -> None:
    """Refuse inputs and outputs that are no vertices, stand twice or in both lists, and blocks that end at an input."""
    for what, ends in (("inputs", inputs), ("outputs", outputs)):
        if isinstance(ends, str | bytes) or not isinstance(ends, Sequence) or not ends:
            raise ArgumentError(f"{what}: found {ends!r}; expected a list of vertices. Pass {what}=['x'], say.")
        for vertex in ends:
            if not _is_hashable(vertex) or vertex not in sizes:
                raise ArgumentError(f"{what}: found {vertex!r}, which no block names; expected a vertex. Correct it.")
        if len(set(ends)) < len(ends):
            raise ArgumentError(f"{what}: found a vertex twice in {ends!r}; expected each once. Name it once.")
    if both := set(inputs).intersection(outputs):
        found = f"found {next(iter(both))!r} among inputs and outputs"
        raise ArgumentError(f"outputs: {found}; expected them to differ. The derivative of a vertex by itself is 1.")
    for place in read:
        if place[0] in set(inputs):
            expected = "expected none that ends at an input. Take it out of the inputs, or leave the block out."
            raise refused(place, f"found a block that ends at the input {place[0]!r}", expected)


def _is_hashable(vertex: object) -> bool:
    try:
        hash(vertex)
    except TypeError:
        return False
    return True


def _useful(
    read: Mapping[BlockPlace, ReadBlock], inputs: Sequence[Hashable], outputs: Sequence[Hashable]
) -> list[BlockPlace]:
    """Return the places of the blocks on paths from an input to an output, in the order given."""
    ahead = reachable(inputs, ((source, output) for output, source in read))
    behind = reachable(outputs, read)
    return [(output, source) for output, source in read if source in ahead and output in behind]


class _ModelWriter:
    """Writes the graph of a model."""

    def __init__(
        self,
        read: Mapping[BlockPlace, ReadBlock],
        blocks: GivenBlocks,
        sizes: Mapping[Hashable, int],
        useful: Sequence[BlockPlace],
        solvers: Mapping[Hashable, SolvePair],
    ) -> None:
        self._solvers = solvers
        self._read, self._blocks, self._sizes, self._useful = read, blocks, sizes, useful
        self._names: dict[Hashable, str] = {}
        self._name = Names()
        for vertex in dict.fromkeys(vertex for place in useful for vertex in reversed(place)):
            self._names[vertex] = self._name(str(vertex) or "vertex")
        self._graph_sizes = {name: sizes[vertex] for vertex, name in self._names.items()}
        self._elementals: list[Elemental] = []
        self._places: dict[str, BlockPlace] = {}
        self._groups: dict[str, ImplicitGroup] = {}

    def model(self, inputs: Sequence[Hashable], outputs: Sequence[Hashable]) -> BlockModel:
        """Write all elementals, and return the model."""
        group_of = self._group_of()
        entered: dict[Hashable, str] = {}
        for place in self._useful:
            output, source = place
            if output in group_of and group_of.get(source) is group_of[output]:
                continue
            target = self._names[output]
            if output in group_of:
                if output not in entered:
                    entered[output] = self._vertex(f"{target}, right-hand side", self._sizes[output])
                target = entered[output]
            self._block(place, target)
        left = {source for output, source in self._useful if group_of.get(source) is not group_of.get(output)}
        left.update(outputs)
        for group in dict.fromkeys(group_of.values()):
            self._group(group, entered, left)
        ends = tuple(tuple(self._names[v] for v in ends if v in self._names) for ends in (inputs, outputs))
        graph = Graph(self._graph_sizes, ends[0], ends[1], tuple(self._elementals))
        return BlockModel(graph, self._names, self._places, self._groups)

    def _group_of(self) -> dict[Hashable, ImplicitGroup]:
        """Find the groups of vertices that depend on each other, and return that of each of their vertices."""
        import networkx as nx

        number = {vertex: i for i, vertex in enumerate(self._names)}  # None is no node of networkx
        digraph = nx.DiGraph((number[source], number[output]) for output, source in self._useful)
        component = {i: k for k, found in enumerate(nx.strongly_connected_components(digraph)) for i in found}
        inside: dict[int, tuple[dict[Hashable, int], list[BlockPlace]]] = {}
        for place in self._useful:
            output, source = (component[number[vertex]] for vertex in place)
            if output == source:
                inside.setdefault(output, ({}, []))[1].append(place)
        for vertex, i in number.items():
            if component[i] in inside:
                inside[component[i]][0][vertex] = self._sizes[vertex]
        groups = [ImplicitGroup(sizes, tuple(places)) for sizes, places in inside.values()]
        return {vertex: group for group in groups for vertex in group.sizes}

    def _block(self, place: BlockPlace, target: str) -> None:
        """Add the elemental of a block that ends at a vertex of the graph."""
        output, source = place
        read, (m, n) = self._read[place], (self._sizes[output], self._sizes[source])
        name = self._name(f"{self._names[output]}/{self._names[source]}")
        tangent, adjoint = (m * n if there else None for there in read.functions or (False, False))
        block = read.block(m, n)
        self._elementals.append(Elemental(name, self._names[source], target, block, tangent, adjoint))
        self._places[name] = place

    def _group(self, group: ImplicitGroup, entered: Mapping[Hashable, str], left: set[Hashable]) -> None:
        """Add the elementals of a group: what puts right-hand sides together, the solve, and what takes results."""
        _, price = group.inverse(self._blocks, self._solvers)
        name = self._name(solve_name(self._names[vertex] for vertex in group.sizes))
        right = [SystemPart(entered.get(vertex), part) for vertex, part in group.sizes.items()]
        solution = [SystemPart(self._names[v] if v in left else None, part) for v, part in group.sizes.items()]
        edges = solve_edges(name, right, solution, price, self._name)
        self._graph_sizes |= edges.sizes
        self._elementals += edges.elementals
        self._groups[name] = group

    def _vertex(self, wanted: str, size: int) -> str:
        """Add a vertex that the model does not have."""
        name = self._name(wanted)
        self._graph_sizes[name] = size
        return name
