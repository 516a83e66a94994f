"""The grammar of `chain`: sizes of x_0 ... x_q, or Jacobians in evaluation order."""

from __future__ import annotations

from itertools import pairwise

from chainplan.io.located.nodes import LocatedNode, MappingNode, ScalarNode, SequenceNode, written
from chainplan.io.located.reader import NodeReader
from chainplan.io.spec_draft import (
    DETAILS,
    MAX_VERTEX_SIZE,
    ElementalCosts,
    GraphDraft,
    own_name,
    read_costs,
    structure_of,
)
from chainplan.io.spec_same import MAX_TIMES, first_of_each, names_of, times_of
from chainplan.io.spec_second import read_elemental_second
from chainplan.problem.graph import Elemental
from chainplan.problem.problem import chain_vertex
from chainplan.problem.second import ElementalSecond
from chainplan.structures import Block, Structure


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
    known = ("name", "shape", *DETAILS, "same_as", "times")
    fields = [reader.fields(item, known, () if _shares(item) else ("shape",)) or {} for item in items]
    names = _names(fields, items, reader)
    firsts = first_of_each(fields, names, reader)
    shapes = _shapes(fields, names, firsts, reader)
    copied = [shape for shape, some in zip(shapes, names, strict=True) for _ in some]
    sizes = _chain_sizes(copied)
    vertices = [chain_vertex(i) for i in range(len(sizes))]
    elementals: list[Elemental] = []
    made: dict[int, tuple[Structure, ElementalCosts, ElementalSecond | None]] = {}
    for i, (own, first) in enumerate(zip(fields, firsts, strict=True)):
        if first == i:
            made[i] = structure_of(own, shapes[i], reader), read_costs(own, reader), read_elemental_second(own, reader)
    for i, first in enumerate(firsts):
        (structure, costs, second), shape = made[first], shapes[i]
        for name in names[i]:
            place, values = len(elementals), names[first][0]
            block = Block(*shape, structure) if shape else Block(sizes[place + 1], sizes[place])
            shared = None if name == values else values
            source, target = vertices[place], vertices[place + 1]
            elementals.append(Elemental(name, source, target, block, *costs, values=shared, second=second))
    origins = [item for item, some in zip(items, names, strict=True) for _ in some]
    return _chain_draft(node, dict(zip(vertices, sizes, strict=True)), elementals, origins)


def _shares(item: LocatedNode) -> bool:
    """Whether an entry says whose values it has, so that its shape follows."""
    return isinstance(item, MappingNode) and "same_as" in item.keys


def _names(fields: list[dict[str, LocatedNode]], items: tuple[LocatedNode, ...], reader: NodeReader) -> list[list[str]]:
    """Return the names of the elementals that each entry stands for."""
    names: list[list[str]] = []
    place = 0
    for own, item in zip(fields, items, strict=True):
        count = times_of(own, MAX_TIMES - place, reader)
        names.append(names_of(own_name(own, reader) or f"F{place + 1}", count, item, reader))
        place += count
    return names


def _shapes(
    fields: list[dict[str, LocatedNode]], names: list[list[str]], firsts: list[int], reader: NodeReader
) -> list[tuple[int, int] | None]:
    """Return the shape of each entry, that of its first where it shares values; one that cannot repeat is noted."""
    given = [_shape(own["shape"], reader) if "shape" in own else None for own in fields]
    shapes = [given[first] for first in firsts]
    for own, some, first, mine, shape in zip(fields, names, firsts, given, shapes, strict=True):
        if shape is None:
            continue
        if mine is not None and mine != shape:
            text = f"{written(own['shape'].path)} is {list(mine)}, but 'same_as' names '{names[first][0]}' of"
            reader.messages.add(own["shape"], f"{text} {list(shape)}; expected the same shape. Remove 'shape'.")
        if len(some) > 1 and shape[0] != shape[1]:
            text = f"{written(own['times'].path)} repeats '{some[0]}' of {shape[0]} x {shape[1]}"
            reader.messages.add(own["times"], f"{text}; expected a square one, which can follow itself. Remove it.")
    return [
        None if shape is not None and len(some) > 1 and shape[0] != shape[1] else shape
        for shape, some in zip(shapes, names, strict=True)
    ]


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
