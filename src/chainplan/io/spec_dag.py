"""The grammar of `dag`: sizes, inputs, outputs, and jacobians on the edges; or, in short, the edges alone."""

from __future__ import annotations

from chainplan.io.located.nodes import LocatedNode, MappingNode, written
from chainplan.io.located.reader import MAX_NAME_LENGTH, NodeReader, unnamable
from chainplan.io.spec_draft import DETAILS, MAX_VERTEX_SIZE, GraphDraft, own_name, read_costs, structure_of
from chainplan.io.spec_implicit import read_implicit
from chainplan.io.spec_same import first_of_each
from chainplan.io.spec_second import read_elemental_second, read_mixed_second
from chainplan.problem.graph import Elemental
from chainplan.problem.systems import NamedSystem
from chainplan.structures import DENSE, Block


def read_dag(node: LocatedNode, reader: NodeReader) -> GraphDraft | None:
    """Read a DAG, given by `jacobians`, or in short by `edges` alone."""
    short = isinstance(node, MappingNode) and "edges" in node.keys
    keys = ("sizes", "inputs", "outputs", "jacobians", "edges", "seconds", "implicit")
    dag = reader.fields(node, keys, ("edges",) if short else keys[1:4])
    if dag is None:
        return None
    if short and "jacobians" in dag:
        text = "dag has both 'jacobians' and 'edges'; expected exactly one. Write all edges as jacobians."
        reader.messages.add(dag["edges"], text)
    part = "edges" if short else "jacobians"
    items = (reader.items(dag[part], part) if part in dag else None) or ()
    if short and not items:
        reader.messages.add(dag["edges"], "dag.edges has no edge; expected [[from, to], ...]. Add one.")
    known = ("edge", "name", *DETAILS, "same_as")
    fields = [{"edge": item} if short else reader.fields(item, known, ("edge",)) or {} for item in items]
    edges = [_edge(own["edge"], reader) if "edge" in own else None for own in fields]
    sizes = _sizes(dag.get("sizes"), [edge for edge in edges if edge], reader)
    draft = GraphDraft(node, {v: size or 0 for v, size in sizes.items()}, {}, [], {"jacobians": []})
    _read_jacobians(items, fields, edges, sizes, draft, reader)
    if "seconds" in dag and all(edges):
        _read_mixed(reader.items(dag["seconds"], "seconds") or (), draft, reader)
    if "implicit" in dag:
        if "seconds" in dag:
            text = "dag has both 'implicit' and 'seconds'; expected one of them. Leave one out."
            reader.messages.add(dag["seconds"], text)
        draft.systems, draft.origins["implicit"] = read_implicit(dag["implicit"], reader)
    for end in ("inputs", "outputs"):
        if short and end not in dag:
            draft.parts[end] = _open_ends(end, [edge for edge in edges if edge], draft.systems)
            draft.origins[end] = [node] * len(draft.parts[end])
            if draft.systems and not draft.parts[end]:
                what = "enters" if end == "inputs" else "leaves"
                text = f"dag has no '{end}', and no vertex that no edge {what}; expected one of the two. Add '{end}'."
                reader.messages.add(node, text)
        else:
            _read_ends(end, dag, draft, part in dag and all(edges), reader)
    return draft


def _read_jacobians(
    items: tuple[LocatedNode, ...],
    fields: list[dict[str, LocatedNode]],
    edges: list[tuple[str, str] | None],
    sizes: dict[str, int | None],
    draft: GraphDraft,
    reader: NodeReader,
) -> None:
    """Add the elementals of a DAG to the draft; those whose edge could not be read are left out."""
    counts: dict[str, int] = {}
    names = [
        own_name(own, reader) or (_default_name(item, edge, counts, reader) if edge else None)
        for item, own, edge in zip(items, fields, edges, strict=True)
    ]
    firsts = first_of_each(fields, [[name] if name else [] for name in names], reader)
    shapes = [_edge_shape(edge, sizes) for edge in edges]
    details = [
        (structure_of(own, shape, reader), read_costs(own, reader), read_elemental_second(own, reader))
        if first == i
        else None
        for i, (own, shape, first) in enumerate(zip(fields, shapes, firsts, strict=True))
    ]
    for item, name, edge, shape, first in zip(items, names, edges, shapes, firsts, strict=True):
        made = details[first]
        if edge and name and made:
            source, target = edge
            structure = made[0] if shape == shapes[first] else DENSE
            block = Block(*shape, structure) if shape else Block(sizes[target] or 0, sizes[source] or 0)
            values = None if name == names[first] else names[first]
            draft.elementals.append(Elemental(name, source, target, block, *made[1], values=values, second=made[2]))
            draft.origins["jacobians"].append(item)


def _read_mixed(items: tuple[LocatedNode, ...], draft: GraphDraft, reader: NodeReader) -> None:
    """Add the second derivatives by two arguments to the draft; those that cannot be read are left out."""
    read = [(item, read_mixed_second(item, reader)) for item in items]
    draft.origins["seconds"] = [item for item, one in read if one is not None]
    draft.mixed = [one for _, one in read if one is not None]


def _open_ends(end: str, edges: list[tuple[str, str]], systems: list[NamedSystem]) -> list[str]:
    """Return the vertices that no edge enters, or that none leaves: the inputs, or outputs, of a bare list of edges.

    Nothing enters unknowns that have residuals, and nothing leaves these; neither is open.
    """
    near, far = (0, 1) if end == "inputs" else (1, 0)
    solved = (system.unknowns if end == "inputs" else system.residuals or () for system in systems)
    inner = {edge[far] for edge in edges}.union(*solved)
    return [vertex for vertex in dict.fromkeys(edge[near] for edge in edges) if vertex not in inner]


def _edge(node: LocatedNode, reader: NodeReader) -> tuple[str, str] | None:
    pair = reader.pair(node, "[from, to]")
    if pair is None:
        return None
    source, target = map(reader.name, pair)
    return None if source is None or target is None else (source, target)


def _sizes(node: LocatedNode | None, edges: list[tuple[str, str]], reader: NodeReader) -> dict[str, int | None]:
    """Return the sizes, first of declared vertices, then of those that only edges name; None stands for unreadable."""
    sizes: dict[str, int | None] = {}
    left_out: int | None = 1
    if isinstance(node, MappingNode):
        for vertex, place in node.keys.items():
            if reason := unnamable(vertex):
                reader.messages.add_at(*place, f"{written(node.path)} has a key that {reason}")
            sizes[vertex] = reader.whole(node.values[vertex], MAX_VERTEX_SIZE)
    elif node is not None:
        reader.refuse(node, "a mapping from vertices to sizes", "Write it as {x: 3, y: 2}.")
        left_out = None
    for edge in edges:
        for vertex in edge:
            sizes.setdefault(vertex, left_out)
    return sizes


def _edge_shape(edge: tuple[str, str] | None, sizes: dict[str, int | None]) -> tuple[int, int] | None:
    """Return the rows and columns of the block on an edge, or None where one of them could not be read."""
    cols, rows = (sizes[vertex] for vertex in edge) if edge else (None, None)
    return None if rows is None or cols is None else (rows, cols)


def _default_name(item: LocatedNode, edge: tuple[str, str], counts: dict[str, int], reader: NodeReader) -> str:
    """Return the name `to/from`; the second of parallel edges without a name becomes `to/from#2`, and so on."""
    name = f"{edge[1]}/{edge[0]}"
    count = counts[name] = counts.get(name, 0) + 1
    name = name if count == 1 else f"{name}#{count}"
    if len(name) > MAX_NAME_LENGTH:
        text = f"has no name, and its default has {len(name)} characters; expected at most {MAX_NAME_LENGTH}."
        reader.messages.add(item, f"{written(item.path)} {text} Name it.")
    return name


def _read_ends(part: str, dag: dict[str, LocatedNode], draft: GraphDraft, complete: bool, reader: NodeReader) -> None:
    """Read the inputs or outputs; where some edges could not be read, any name may be a vertex."""
    items = (reader.items(dag[part], "vertices") if part in dag else None) or ()
    named = [(name, item) for item in items if (name := reader.name(item)) is not None]
    draft.parts[part] = [name for name, _ in named]
    draft.origins[part] = [item for _, item in named]
    if not complete:
        for name in draft.parts[part]:
            draft.sizes.setdefault(name, 0)
