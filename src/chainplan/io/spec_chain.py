"""The grammar of `chain`: sizes of x_0 ... x_q, or Jacobians in evaluation order."""

from __future__ import annotations

from itertools import pairwise

from chainplan.io.located.nodes import LocatedNode, ScalarNode, SequenceNode
from chainplan.io.located.reader import NodeReader
from chainplan.io.spec_draft import (
    DETAILS,
    MAX_VERTEX_SIZE,
    GraphDraft,
    own_name,
    read_costs,
    structure_of,
)
from chainplan.problem.graph import Elemental
from chainplan.problem.problem import chain_vertex
from chainplan.structures import Block


def read_chain(node: LocatedNode, reader: NodeReader) -> GraphDraft | None:
    """Read a chain, given by sizes or by Jacobians."""
    if isinstance(node, SequenceNode) and node.listed is not None:
        return _chain_of_sizes(node, list(node.listed), reader)
    items = reader.items(node, "sizes or of mappings")
    if items is None:
        return None
    if not items:
        reader.messages.add(node, "chain is empty; expected at least two sizes or one jacobian. Add them.")
        return None
    if all(isinstance(item, ScalarNode) for item in items):
        return _chain_of_sizes(node, [reader.whole(item, MAX_VERTEX_SIZE) or 0 for item in items], reader)
    return _chain_of_jacobians(node, items, reader)


def _chain_of_sizes(node: LocatedNode, sizes: list[int], reader: NodeReader) -> GraphDraft:
    if len(sizes) == 1:
        text = "chain has one size; expected at least two, those of x0 and x1. Add the size of the output."
        reader.messages.add(node, text)
        sizes *= 2
    vertices = [chain_vertex(i) for i in range(len(sizes))]
    elementals = [
        Elemental(f"F{i}", source, target, Block(rows, cols))
        for i, ((source, target), (cols, rows)) in enumerate(
            zip(pairwise(vertices), pairwise(sizes), strict=True), start=1
        )
    ]
    return _chain_draft(node, dict(zip(vertices, sizes, strict=True)), elementals, [])


def _chain_of_jacobians(node: LocatedNode, items: tuple[LocatedNode, ...], reader: NodeReader) -> GraphDraft:
    fields = [reader.fields(item, ("name", "shape", *DETAILS), ("shape",)) or {} for item in items]
    shapes = [_shape(own["shape"], reader) if "shape" in own else None for own in fields]
    sizes = _chain_sizes(shapes)
    vertices = [chain_vertex(i) for i in range(len(sizes))]
    elementals = []
    for i, (own, shape) in enumerate(zip(fields, shapes, strict=True)):
        name = own_name(own, reader) or f"F{i + 1}"
        structure = structure_of(own, shape, reader)
        block = Block(*shape, structure) if shape else Block(sizes[i + 1], sizes[i])
        elementals.append(Elemental(name, vertices[i], vertices[i + 1], block, *read_costs(own, reader)))
    return _chain_draft(node, dict(zip(vertices, sizes, strict=True)), elementals, list(items))


def _chain_sizes(shapes: list[tuple[int, int] | None]) -> list[int]:
    """Return the sizes of x_0 ... x_q: the rows of the Jacobian before x_i, else the columns of the next, else 0."""
    rows = [None, *(shape and shape[0] for shape in shapes)]
    cols = [*(shape and shape[1] for shape in shapes), None]
    return [(n if m is None else m) or 0 for m, n in zip(rows, cols, strict=True)]


def _shape(node: LocatedNode, reader: NodeReader) -> tuple[int, int] | None:
    pair = reader.pair(node, "[rows, cols]")
    if pair is None:
        return None
    rows, cols = (reader.whole(item, MAX_VERTEX_SIZE) for item in pair)
    return None if rows is None or cols is None else (rows, cols)


def _chain_draft(
    node: LocatedNode, sizes: dict[str, int], links: list[Elemental], items: list[LocatedNode]
) -> GraphDraft:
    ends = {"inputs": [links[0].source], "outputs": [links[-1].target]}
    return GraphDraft(node, sizes, ends, links, {"jacobians": items})
