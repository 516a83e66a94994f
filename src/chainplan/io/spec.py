"""The grammar of a spec: it turns located values into a Problem.

`chain` and `dag` are both read into a `Draft`, which holds the parts of a graph together with the nodes that they came
from. `graph.faults` alone defines what a well-formed graph is; here its faults get back their line and column. A part
that could not be read is replaced by one that fits, so that one mistake gives one message.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from chainplan.errors.suggest import did_you_mean
from chainplan.io.located.diagnostics import Messages, describe
from chainplan.io.located.nodes import Mapping, Node, Scalar, Sequence, descend, shown, written
from chainplan.io.located.reader import LONGEST_NAME, Reader, plain, unnamable
from chainplan.io.spec_limits import read_limits
from chainplan.problem.graph import Elemental, Fault, Graph, faults
from chainplan.problem.problem import Problem, chain_vertex
from chainplan.structures import DENSE, NAMES, Block, Structure

LARGEST_SIZE = 10**12
LARGEST_COST = 10**36

Costs = tuple[int | None, int | None, int, int | None]
"""Tangent, adjoint, tape and advance of an elemental."""
EXPLICIT: Costs = (None, None, 0, None)
_DETAILS = ("structure", "tangent", "adjoint", "tape", "advance")


@dataclass
class Draft:
    """The parts of a graph while they are read, and for each part the nodes that it was read from."""

    node: Node
    sizes: dict[str, int]
    parts: dict[str, list[str]]
    elementals: list[Elemental]
    origins: dict[str, list[Node]]

    def faults(self) -> Iterator[tuple[Node, Fault]]:
        """Yield the faults of the graph with their nodes; a part that could not be read is not called empty."""
        for fault in faults(self.sizes, self.parts["inputs"], self.parts["outputs"], self.elementals):
            match fault.place:
                case (str() as part, int() as index, *rest):
                    yield descend(self.origins[part][index], tuple(rest)), fault
                case (str() as part,) if _is_empty_list(descend(self.node, fault.place)):
                    yield descend(self.node, fault.place), fault


def read_problem(root: Node, messages: Messages) -> Problem:
    """Read the problem that a spec describes.

    Raises
    ------
    SpecError
        Where the spec has errors; the message lists every error.
    """
    reader = Reader(messages)
    top = reader.fields(root, ("chain", "dag", "limits", "name")) or {}
    name = reader.name(top["name"]) if "name" in top else None
    limits = read_limits(top.get("limits"), reader)
    draft = _draft(root, top, reader)
    messages.finish()
    assert draft is not None
    ends = tuple(draft.parts["inputs"]), tuple(draft.parts["outputs"])
    return Problem(Graph(draft.sizes, *ends, tuple(draft.elementals)), limits.memory, name, recompute=limits.recompute)


def _draft(root: Node, top: dict[str, Node], reader: Reader) -> Draft | None:
    """Read the parts of the graph, and note every fault."""
    if isinstance(root, Mapping) and ("chain" in top) == ("dag" in top):
        what = "both 'chain' and 'dag'" if "chain" in top else "neither 'chain' nor 'dag'"
        todo = "Remove one of them." if "chain" in top else "Add the one that describes the problem."
        reader.messages.add(root, f"the spec has {what}; expected exactly one. {todo}")
    chain = _chain(top["chain"], reader) if "chain" in top else None
    dag = _dag(top["dag"], reader) if "dag" in top else None
    for draft in filter(None, (chain, dag)):
        for node, fault in draft.faults():
            reader.messages.add(node, _worded(draft, node, fault))
    return chain or dag


def _is_empty_list(node: Node) -> bool:
    return isinstance(node, Sequence) and not node.items


def _worded(draft: Draft, node: Node, fault: Fault) -> str:
    """Write the message of a fault, in words of the spec where those say more."""
    path, text = written(node.path), fault.message
    match fault.place:
        case ("jacobians", int() as index, "shape"):
            right, left = draft.elementals[index - 1 : index + 1]
            return (
                f"chain[{index}] '{left.name}' has {left.block.cols} columns, "
                f"but chain[{index - 1}] '{right.name}' has {right.block.rows} rows; "
                "adjacent Jacobians must agree."
            )
        case ("jacobians", int() as index, "name"):
            name = draft.elementals[index].name
            first = [e.name for e in draft.elementals].index(name)
            taken = written(draft.origins["jacobians"][first].path)
            text = f"the name '{name}' is taken by {taken}; expected unique names. Rename one."
        case ("inputs" | "outputs" as part, int() as index):
            word = draft.parts[part][index]
            hint = "" if word in draft.sizes else did_you_mean(word, draft.sizes)
            text = f"{text} {hint}".rstrip()
    return f"{path}: {text}"


# Chains


def _chain(node: Node, reader: Reader) -> Draft | None:
    """Read a chain, given by sizes or by Jacobians."""
    items = reader.items(node, "sizes or of mappings")
    if items is None:
        return None
    if not items:
        reader.messages.add(node, "chain is empty; expected at least two sizes or one jacobian. Add them.")
        return None
    if all(isinstance(item, Scalar) for item in items):
        return _chain_of_sizes(node, items, reader)
    return _chain_of_jacobians(node, items, reader)


def _chain_of_sizes(node: Node, items: tuple[Node, ...], reader: Reader) -> Draft:
    sizes = [reader.whole(item, LARGEST_SIZE) or 0 for item in items]
    if len(items) == 1:
        text = "chain has one size; expected at least two, those of x0 and x1. Add the size of the output."
        reader.messages.add(node, text)
        sizes *= 2
    blocks = [Block(rows, cols) for cols, rows in pairwise(sizes)]
    elementals = [_link(i, f"F{i + 1}", block) for i, block in enumerate(blocks)]
    return _chain_draft(node, sizes, elementals, items)


def _chain_of_jacobians(node: Node, items: tuple[Node, ...], reader: Reader) -> Draft:
    fields = [reader.fields(item, ("name", "shape", *_DETAILS), ("shape",)) or {} for item in items]
    shapes = [_shape(own["shape"], reader) if "shape" in own else None for own in fields]
    sizes = _chain_sizes(shapes)
    elementals = []
    for i, (own, shape) in enumerate(zip(fields, shapes, strict=True)):
        name = _own_name(own, reader) or f"F{i + 1}"
        structure = _structure_of(own, shape, reader)
        block = Block(*shape, structure) if shape else Block(sizes[i + 1], sizes[i])
        elementals.append(_link(i, name, block, _costs(own, reader)))
    return _chain_draft(node, sizes, elementals, items)


def _chain_sizes(shapes: list[tuple[int, int] | None]) -> list[int]:
    """Return the sizes of x_0 ... x_q: the rows of the Jacobian before x_i, else the columns of the next, else 0."""
    rows = [None, *(shape and shape[0] for shape in shapes)]
    cols = [*(shape and shape[1] for shape in shapes), None]
    return [(n if m is None else m) or 0 for m, n in zip(rows, cols, strict=True)]


def _shape(node: Node, reader: Reader) -> tuple[int, int] | None:
    pair = reader.pair(node, "[rows, cols]")
    if pair is None:
        return None
    rows, cols = (reader.whole(item, LARGEST_SIZE) for item in pair)
    return None if rows is None or cols is None else (rows, cols)


def _link(i: int, name: str, block: Block, costs: Costs = EXPLICIT) -> Elemental:
    return Elemental(name, chain_vertex(i), chain_vertex(i + 1), block, *costs)


def _chain_draft(node: Node, sizes: list[int], links: list[Elemental], items: tuple[Node, ...]) -> Draft:
    named = {chain_vertex(i): size for i, size in enumerate(sizes)}
    ends = {"inputs": [chain_vertex(0)], "outputs": [chain_vertex(len(links))]}
    return Draft(node, named, ends, links, {"jacobians": list(items)})


# DAGs


def _dag(node: Node, reader: Reader) -> Draft | None:
    """Read a DAG, given by `jacobians`, or in short by `edges` alone."""
    short = isinstance(node, Mapping) and "edges" in node.keys
    keys = ("sizes", "inputs", "outputs", "jacobians", "edges")
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
    known = ("edge", "name", *_DETAILS)
    fields = [{"edge": item} if short else reader.fields(item, known, ("edge",)) or {} for item in items]
    edges = [_edge(own["edge"], reader) if "edge" in own else None for own in fields]
    sizes = _sizes(dag.get("sizes"), [edge for edge in edges if edge], reader)
    draft = Draft(node, {v: size or 0 for v, size in sizes.items()}, {}, [], {"jacobians": []})
    _read_jacobians(items, fields, edges, sizes, draft, reader)
    for end in ("inputs", "outputs"):
        if short and end not in dag:
            draft.parts[end] = _open_ends(end, [edge for edge in edges if edge])
            draft.origins[end] = [node] * len(draft.parts[end])
        else:
            _read_ends(end, dag, draft, part in dag and all(edges), reader)
    return draft


def _read_jacobians(
    items: tuple[Node, ...],
    fields: list[dict[str, Node]],
    edges: list[tuple[str, str] | None],
    sizes: dict[str, int | None],
    draft: Draft,
    reader: Reader,
) -> None:
    """Add the elementals of a DAG to the draft; those whose edge could not be read are left out."""
    counts: dict[str, int] = {}
    for item, own, edge in zip(items, fields, edges, strict=True):
        shape = _edge_shape(edge, sizes)
        name, structure, costs = _own_name(own, reader), _structure_of(own, shape, reader), _costs(own, reader)
        if edge:
            source, target = edge
            block = Block(*shape, structure) if shape else Block(sizes[target] or 0, sizes[source] or 0)
            name = name or _default_name(item, edge, counts, reader)
            draft.elementals.append(Elemental(name, source, target, block, *costs))
            draft.origins["jacobians"].append(item)


def _open_ends(end: str, edges: list[tuple[str, str]]) -> list[str]:
    """Return the vertices that no edge enters, or that none leaves: the inputs, or outputs, of a bare list of edges."""
    near, far = (0, 1) if end == "inputs" else (1, 0)
    inner = {edge[far] for edge in edges}
    return [vertex for vertex in dict.fromkeys(edge[near] for edge in edges) if vertex not in inner]


def _edge(node: Node, reader: Reader) -> tuple[str, str] | None:
    pair = reader.pair(node, "[from, to]")
    if pair is None:
        return None
    source, target = map(reader.name, pair)
    return None if source is None or target is None else (source, target)


def _sizes(node: Node | None, edges: list[tuple[str, str]], reader: Reader) -> dict[str, int | None]:
    """Return the sizes, first of declared vertices, then of those that only edges name; None stands for unreadable."""
    sizes: dict[str, int | None] = {}
    left_out: int | None = 1
    if isinstance(node, Mapping):
        for vertex, place in node.keys.items():
            if reason := unnamable(vertex):
                reader.messages.add_at(*place, f"{written(node.path)} has a key that {reason}")
            sizes[vertex] = reader.whole(node.values[vertex], LARGEST_SIZE)
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


def _default_name(item: Node, edge: tuple[str, str], counts: dict[str, int], reader: Reader) -> str:
    """Return the name `to/from`; the second of parallel edges without a name becomes `to/from#2`, and so on."""
    name = f"{edge[1]}/{edge[0]}"
    count = counts[name] = counts.get(name, 0) + 1
    name = name if count == 1 else f"{name}#{count}"
    if len(name) > LONGEST_NAME:
        text = f"has no name, and its default has {len(name)} characters; expected at most {LONGEST_NAME}."
        reader.messages.add(item, f"{written(item.path)} {text} Name it.")
    return name


def _read_ends(part: str, dag: dict[str, Node], draft: Draft, complete: bool, reader: Reader) -> None:
    """Read the inputs or outputs; where some edges could not be read, any name may be a vertex."""
    items = (reader.items(dag[part], "vertices") if part in dag else None) or ()
    named = [(name, item) for item in items if (name := reader.name(item)) is not None]
    draft.parts[part] = [name for name, _ in named]
    draft.origins[part] = [item for _, item in named]
    if not complete:
        for name in draft.parts[part]:
            draft.sizes.setdefault(name, 0)


# What the jacobians of both have in common


def _own_name(own: dict[str, Node], reader: Reader) -> str | None:
    return reader.name(own["name"]) if "name" in own else None


def _costs(own: dict[str, Node], reader: Reader) -> Costs:
    """Read `tangent`, `adjoint`, `tape` and `advance` as far as they are given."""
    if "tape" in own and not ("tangent" in own or "adjoint" in own):
        node = own["tape"]
        text = f"{written(node.path)} is {describe(node)}, but there is no 'tangent' and no 'adjoint'"
        reader.messages.add(node, f"{text}; expected one beside it. Add it, or remove 'tape'.")
    tangent, adjoint, tape, advance = (
        reader.whole(own[key], LARGEST_COST) if key in own else None
        for key in ("tangent", "adjoint", "tape", "advance")
    )
    return tangent, adjoint, tape or 0, advance


def _structure_of(own: dict[str, Node], shape: tuple[int, int] | None, reader: Reader) -> Structure:
    """Read the structure; it is dense where none is given or it cannot be read."""
    return (_structure(own["structure"], shape, reader) if "structure" in own else None) or DENSE


def _structure(node: Node, shape: tuple[int, int] | None, reader: Reader) -> Structure | None:
    argument, place = None, (node.line, node.column)
    if isinstance(node, Mapping) and len(node.keys) == 1:
        ((word, place),) = node.keys.items()
        argument = plain(node.values[word])
    elif isinstance(node, Scalar):
        word = node.text
    else:
        reader.refuse(node, "a structure", "Write its name, or {name: argument}.")
        return None
    if word not in NAMES:
        todo = did_you_mean(word, NAMES, "Use 'dense' where nothing is known.")
        text = f"{written(node.path)} is '{shown(word)}'; expected one of {', '.join(NAMES)}. {todo}"
        reader.messages.add_at(*place, text)
        return None
    try:
        folder = Path(reader.messages.source).parent if reader.messages.files else None
        return reader.patterns.read(word, argument, shape, folder)
    except ValueError as error:
        text = f"{written(node.path)} has no fitting argument for '{word}'; expected {error}. Correct it."
        reader.messages.add(node, text)
        return None
