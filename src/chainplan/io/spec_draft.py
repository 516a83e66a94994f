"""The draft of a graph while a spec is read, and what the jacobians of chains and of DAGs have in common.

A draft holds the parts of a graph together with the nodes that they came from. A part that could not be read is
replaced by one that fits, so that one mistake gives one message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chainplan.errors.suggest import did_you_mean
from chainplan.io.located.diagnostics import describe
from chainplan.io.located.nodes import LocatedNode, MappingNode, ScalarNode, SequenceNode, descend, shown, written
from chainplan.io.located.reader import NodeReader, plain
from chainplan.io.spec_second import SECOND_DETAILS
from chainplan.problem.graph import Elemental, Graph, GraphFault
from chainplan.problem.mixed_second import MixedSecond
from chainplan.problem.systems import NamedSystem, graph_with_systems
from chainplan.structures import DENSE, STRUCTURE_NAMES, Structure

MAX_VERTEX_SIZE = 10**12
"""The largest size of a vertex."""
MAX_COST = 10**36
"""The largest tangent, adjoint, tape or advance of an elemental."""

ElementalCosts = tuple[int | None, int | None, int, int | None]
"""Tangent, adjoint, tape and advance of an elemental."""
DETAILS = ("structure", "tangent", "adjoint", "tape", "advance", *SECOND_DETAILS)
"""The keys of a jacobian besides its name and its place."""


@dataclass
class GraphDraft:
    """The parts of a graph while they are read, and for each part the nodes that it was read from."""

    node: LocatedNode
    sizes: dict[str, int]
    parts: dict[str, list[str]]
    elementals: list[Elemental]
    origins: dict[str, list[LocatedNode]]
    mixed: list[MixedSecond] = field(default_factory=list)
    systems: list[NamedSystem] = field(default_factory=list)

    def graph(self) -> Graph:
        """Return the graph of the parts.

        Raises
        ------
        FaultyGraphError
            Where they make none.
        """
        ends = tuple(self.parts["inputs"]), tuple(self.parts["outputs"])
        if self.systems:
            return graph_with_systems(self.sizes, *ends, tuple(self.elementals), self.systems)
        return Graph(self.sizes, *ends, tuple(self.elementals), mixed=tuple(self.mixed))

    def located(self, faults: Iterable[GraphFault]) -> Iterator[tuple[LocatedNode, GraphFault]]:
        """Yield the faults of the graph with their nodes; a part that could not be read is not called empty."""
        for fault in faults:
            match fault.place:
                case (str() as part, int() as index, *rest):
                    yield descend(self.origins[part][index], tuple(rest)), fault
                case (str() as part,) if _is_empty_list(descend(self.node, fault.place)):
                    yield descend(self.node, fault.place), fault


def _is_empty_list(node: LocatedNode) -> bool:
    return isinstance(node, SequenceNode) and not node.items


def own_name(own: dict[str, LocatedNode], reader: NodeReader) -> str | None:
    return reader.name(own["name"]) if "name" in own else None


def read_costs(own: dict[str, LocatedNode], reader: NodeReader) -> ElementalCosts:
    """Read `tangent`, `adjoint`, `tape` and `advance` as far as they are given."""
    if "tape" in own and not ("tangent" in own or "adjoint" in own):
        node = own["tape"]
        text = f"{written(node.path)} is {describe(node)}, but there is no 'tangent' and no 'adjoint'"
        reader.messages.add(node, f"{text}; expected one beside it. Add it, or remove 'tape'.")
    tangent, adjoint, tape, advance = (
        reader.whole(own[key], MAX_COST) if key in own else None for key in ("tangent", "adjoint", "tape", "advance")
    )
    return tangent, adjoint, tape or 0, advance


def structure_of(own: dict[str, LocatedNode], shape: tuple[int, int] | None, reader: NodeReader) -> Structure:
    """Read the structure; it is dense where none is given or it cannot be read."""
    return (_structure(own["structure"], shape, reader) if "structure" in own else None) or DENSE


def _structure(node: LocatedNode, shape: tuple[int, int] | None, reader: NodeReader) -> Structure | None:
    argument, place = None, (node.line, node.column)
    if isinstance(node, MappingNode) and len(node.keys) == 1:
        ((word, place),) = node.keys.items()
        argument = plain(node.values[word])
    elif isinstance(node, ScalarNode):
        word = node.text
    else:
        reader.refuse(node, "a structure", "Write its name, or {name: argument}.")
        return None
    if word not in STRUCTURE_NAMES:
        todo = did_you_mean(word, STRUCTURE_NAMES, "Use 'dense' where nothing is known.")
        text = f"{written(node.path)} is '{shown(word)}'; expected one of {', '.join(STRUCTURE_NAMES)}. {todo}"
        reader.messages.add_at(*place, text)
        return None
    try:
        folder = Path(reader.messages.source).parent if reader.messages.files else None
        return reader.patterns.read(word, argument, shape, folder)
    except ValueError as error:
        text = f"{written(node.path)} has no fitting argument for '{word}'; expected {error}. Correct it."
        reader.messages.add(node, text)
        return None
