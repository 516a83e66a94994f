"""The grammar of `implicit`: the unknowns that are solved together, and the residuals that are zero at them.

implicit: {unknowns: [y1, y2]}                          # each by its edges, y = f(y, x): what is on a cycle
implicit: [{unknowns: [u], residuals: [r], name: beam}] # R(u, x) = 0; a list of as many systems as there are
"""

from __future__ import annotations

from chainplan.io.located.nodes import LocatedNode, SequenceNode, written
from chainplan.io.located.reader import NodeReader
from chainplan.problem.systems import NamedSystem


def read_implicit(node: LocatedNode, reader: NodeReader) -> tuple[list[NamedSystem], list[LocatedNode]]:
    """Read one system or a list of them, each with its node; what cannot be read is noted and left out."""
    systems, origins = [], []
    for item in node.items if isinstance(node, SequenceNode) else (node,):
        own = reader.fields(item, ("unknowns", "residuals", "name"), ("unknowns",)) or {}
        name = reader.name(own["name"]) if "name" in own else None
        unknowns = _vertices(own["unknowns"], reader) if "unknowns" in own else ()
        residuals = _vertices(own["residuals"], reader) if "residuals" in own else None
        if unknowns and residuals != ():
            systems.append(NamedSystem(name, unknowns, residuals))
            origins.append(item)
    return systems, origins


def _vertices(node: LocatedNode, reader: NodeReader) -> tuple[str, ...]:
    """Read a list of vertices, each of which stands once."""
    items = reader.items(node, "vertices")
    if items is not None and not items:
        reader.messages.add(node, f"{written(node.path)} names no vertex; expected at least one. Add it.")
    names = [name for item in items or () if (name := reader.name(item)) is not None]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        reader.messages.add(node, f"{written(node.path)} names '{twice}' twice; expected each vertex once. Remove one.")
    return tuple(dict.fromkeys(names))
