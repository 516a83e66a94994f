"""The grammar of layers: it turns `input`, `layers` and what is differentiated into a Program.

    input: {x: 784, batch: 32}            # sizes or shapes; `batch` stands before all of them
    layers:
      - {op: linear, out: 256, name: hidden}
      - {op: sigmoid}                     # takes the layer before it, unless `from` names values
      - {op: add, from: [sigmoid1, hidden]}
    outputs: [add1]                       # the last layer unless given
    with_respect_to: [x, hidden.weight]   # all inputs unless given

Shapes are followed layer by layer. Where a shape could not be read, nothing that depends on it is checked, so that one
mistake gives one message.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from math import prod

from chainplan.errors.suggest import did_you_mean, nearest
from chainplan.io.located.diagnostics import SpecMessages
from chainplan.io.located.nodes import (
    LocatedNode,
    MappingNode,
    ScalarNode,
    ScalarSpelling,
    SequenceNode,
    shown,
    written,
)
from chainplan.io.located.reader import NodeReader
from chainplan.io.spec_limits import read_limits
from chainplan.io.spec_ops import known_options, needed_options, read_options
from chainplan.io.spec_second import read_second
from chainplan.programs.ops import OPS, Op
from chainplan.programs.ops.base import ArrayShape
from chainplan.programs.program import Layer, Program, applied

MAX_LAYER_SIZE = 10**12
MAX_LAYER_NAME_LENGTH = 60
_LAYER_NAME_PATTERN = re.compile(r"[^\W\d][\w-]*")
_MIXED = (
    "is '{op}', which has mixed second derivatives, of several values or of steps inside; expected layers of one "
    "varying value, or sums of several, where 'derivative' is 2. Leave 'derivative' out."
)


@dataclass
class _ProgramDraft:
    """The values known so far: a shape for each name, or None where the shape could not be determined."""

    reader: NodeReader
    shapes: dict[str, ArrayShape | None] = field(default_factory=dict)
    parameters: dict[str, tuple[Op, str]] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    variables: set[str] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)
    last: str | None = None
    """The name of the layer before, whether or not it could be read."""
    complete: bool = True
    """Whether every name so far is known; otherwise an unknown one may belong to a layer that could not be read."""

    def note(self, node: LocatedNode, text: str) -> None:
        """Note an error at a node."""
        self.reader.messages.add(node, f"{written(node.path)} {text}")

    def strange(self, name: str, known: Collection[str]) -> bool:
        """Say whether a name is not among the known ones, and cannot belong to a layer that could not be read."""
        layer = name.split(".")[0]
        unread = layer in self.shapes and self.shapes[layer] is None
        return name not in known and self.complete and not unread


def read_program(root: LocatedNode, messages: SpecMessages) -> Program:
    """Read the program that a spec describes.

    Raises
    ------
    SpecError
        Where the spec has errors; the message lists every error.
    """
    reader = NodeReader(messages)
    keys = ("input", "layers", "outputs", "with_respect_to", "limits", "derivative", "name")
    top = reader.fields(root, keys, ("input", "layers")) or {}
    name = reader.name(top["name"]) if "name" in top else None
    limits = read_limits(top.get("limits"), reader)
    second = read_second(top, reader)
    draft = _ProgramDraft(reader)
    inputs = _inputs(top["input"], draft) if "input" in top else ()
    wanted = _names(top.get("with_respect_to"), draft)
    draft.variables |= {n for n, _ in wanted} if "with_respect_to" in top else set(inputs)
    items = (reader.items(top["layers"], "layers") if "layers" in top else None) or ()
    if "layers" in top and isinstance(top["layers"], SequenceNode) and not items:
        draft.note(top["layers"], "is empty; expected at least one layer. Add one.")
    for item in items:
        _layer(item, inputs, draft)
    fed = (*inputs, *draft.parameters)
    variables = _chosen(wanted, fed, "an input or a parameter", draft) or inputs
    results = tuple(name for name in draft.shapes if name not in fed)
    ends = _chosen(_names(top.get("outputs"), draft), results, "a layer", draft)
    messages.finish()
    for item, layer in zip(items, draft.layers if second else (), strict=False):
        if layer.mixed:
            draft.note(item, _MIXED.format(op=layer.op.name))
    messages.finish()
    shapes = {name: shape for name, shape in draft.shapes.items() if shape is not None}
    outputs = ends or (draft.layers[-1].name,)
    return Program(
        tuple(draft.layers),
        shapes,
        inputs,
        draft.parameters,
        variables,
        outputs,
        limits.memory,
        name,
        limits.recompute,
        limits.disk,
        limits.transfer,
        second,
    )


# Inputs


def _inputs(node: LocatedNode, draft: _ProgramDraft) -> tuple[str, ...]:
    """Read the inputs: return their names, and put their shapes into the draft."""
    reader = draft.reader
    if not isinstance(node, MappingNode):
        reader.refuse(node, "a mapping from inputs to sizes", "Write it as {x: 784, batch: 32}.")
        return ()
    batch: ArrayShape | None = ()
    if "batch" in node.values:
        size = _size(node.values["batch"], reader)
        batch = None if size is None else (size,)
    names = [name for name in node.values if name != "batch"]
    if not names:
        draft.note(node, "names no input; expected at least one. Add one, such as x: 784.")
    for name in names:
        if reason := _unnamable(name):
            reader.messages.add_at(*node.keys[name], f"{written(node.path)} has a key that {reason}")
        draft.shapes[name] = _input(node.values[name], batch, reader)
    return tuple(names)


def _input(node: LocatedNode, batch: ArrayShape | None, reader: NodeReader) -> ArrayShape | None:
    """Read the shape of an input: a size, a list of sizes, or {shape: ..., batch: false}."""
    if isinstance(node, MappingNode):
        own = reader.fields(node, ("shape", "batch"), ("shape",)) or {}
        if "batch" in own and reader.flag(own["batch"]) is False:
            batch = ()
        if isinstance(own.get("shape"), MappingNode):
            reader.refuse(own["shape"], "a size or a list of sizes", "Write it as 3 or [3, 4].")
        return _input(own["shape"], batch, reader) if isinstance(own.get("shape"), ScalarNode | SequenceNode) else None
    sizes = [_size(item, reader) for item in (node.items if isinstance(node, SequenceNode) else (node,))]
    if batch is None or None in sizes:
        return None
    shape = (*batch, *(size for size in sizes if size is not None))
    if prod(shape) > MAX_LAYER_SIZE:
        text = f"{written(node.path)} has {prod(shape):,} entries; expected at most 10^12. Correct the sizes."
        reader.messages.add(node, text)
        return None
    return shape


def _size(node: LocatedNode, reader: NodeReader) -> int | None:
    size = reader.whole(node, MAX_LAYER_SIZE)
    if size == 0:
        reader.refuse(node, "a size of at least 1", "Correct it.")
        return None
    return size


# Layers


def _layer(node: LocatedNode, inputs: tuple[str, ...], draft: _ProgramDraft) -> None:
    """Read one layer into the draft."""
    kind = _kind(node, draft.reader)
    name = _own_name(node, "layer" if kind is None else kind.name, draft)
    shape, last, draft.last = None, draft.last, name
    if kind is None:
        draft.complete = False
    else:
        known = ("op", "name", "from", *known_options(kind))
        given = draft.reader.fields(node, known, ("op", *needed_options(kind))) or {}
        op = read_options(kind, given, draft.reader) if _keys(node) <= {*known} else None
        sources = _sources(node, given.get("from"), (last,) if last else inputs, draft)
        if op is not None and sources is not None:
            shape = _fitted(node, name, op, sources, draft)
    draft.shapes[name] = shape


def _keys(node: LocatedNode) -> set[str]:
    return set(node.keys) if isinstance(node, MappingNode) else set()


def _kind(node: LocatedNode, reader: NodeReader) -> type[Op] | None:
    """Return the op that a layer names."""
    if not isinstance(node, MappingNode):
        reader.refuse(node, "a mapping with 'op'", "Write it as {op: relu}.")
        return None
    if "op" not in node.values:
        near = nearest("op", node.values)
        todo = f"Did you mean '{shown(near)}' to be 'op'?" if near else "Add 'op'."
        reader.messages.add(node, f"{written(node.path)} has no 'op'; expected one of {', '.join(OPS)}. {todo}")
        return None
    word = node.values["op"]
    if not isinstance(word, ScalarNode) or word.spelling is ScalarSpelling.NONE:
        reader.refuse(word, "the name of an op", f"Use one of {', '.join(OPS)}.")
        return None
    if word.text not in OPS:
        todo = did_you_mean(word.text, OPS, "Choose one of them.")
        text = f"is '{shown(word.text)}'; expected one of {', '.join(OPS)}. {todo}"
        reader.messages.add(word, f"{written(word.path)} {text}")
        return None
    return OPS[word.text]


def _own_name(node: LocatedNode, op: str, draft: _ProgramDraft) -> str:
    """Return the name of a layer, or its op with a number where it has none."""
    if isinstance(node, MappingNode) and "name" in node.values:
        name = draft.reader.name(node.values["name"])
        reason = name and (_unnamable(name) or _taken(name, draft))
        if reason:
            draft.note(node.values["name"], reason)
        if name and not reason:
            return name
    count = draft.counts.get(op, 0) + 1
    while f"{op}{count}" in draft.shapes:
        count += 1
    draft.counts[op] = count
    return f"{op}{count}"


def _unnamable(name: str) -> str | None:
    if not _LAYER_NAME_PATTERN.fullmatch(name) or len(name) > MAX_LAYER_NAME_LENGTH:
        what = f"at most {MAX_LAYER_NAME_LENGTH} letters, digits, '_' and '-', a letter first"
        return f"is '{shown(name)}'; expected {what}. Rename it."
    return None


def _taken(name: str, draft: _ProgramDraft) -> str | None:
    return f"is '{name}', which is taken; expected unique names. Rename one." if name in draft.shapes else None


def _sources(
    node: LocatedNode, given: LocatedNode | None, before: tuple[str, ...], draft: _ProgramDraft
) -> tuple[str, ...] | None:
    """Return the arguments of a layer: the values that `from` names, else the layer before it, else the one input."""
    if given is None:
        if len(before) > 1:
            text = f"is the first and has no 'from', and there are {len(before)} inputs; expected one. Add 'from'."
            draft.note(node, text)
        return before if len(before) == 1 else None
    items = given.items if isinstance(given, SequenceNode) else (given,)
    if not items:
        draft.note(given, "is empty; expected at least one value. Name it.")
    read = [(item, draft.reader.name(item)) for item in items]
    for item, name in read:
        if name is not None and draft.strange(name, draft.shapes):
            todo = did_you_mean(name, map(shown, draft.shapes), "Correct the name, or move the layer.")
            draft.note(item, f"is '{shown(name)}'; expected an input, a parameter or an earlier layer. {todo}")
    names = tuple(name for _, name in read if name is not None and name in draft.shapes)
    return names if names and len(names) == len(items) else None


def _fitted(node: LocatedNode, name: str, op: Op, sources: tuple[str, ...], draft: _ProgramDraft) -> ArrayShape | None:
    """Add a layer, and the parameters that it is not fed, to the draft; return the shape of its result."""
    fed = [shape for source in sources if (shape := draft.shapes[source]) is not None]
    if len(fed) != len(sources):
        return None
    takes = tuple("x" for _ in fed) if op.variadic else op.takes()
    try:
        own = op.parameters(*fed) if len(fed) < len(takes) else {}
        if len(fed) > len(takes) or not own.keys() >= {*takes[len(fed) :]}:
            text = f"found {len(fed)} values fed to it; expected {len(takes)}: {', '.join(takes)}. Name them in 'from'."
            raise ValueError(text)
        rest = {f"{name}.{argument}": argument for argument in takes[len(fed) :]}
        full = [*fed, *(own[argument] for argument in rest.values())]
        shape = op.shape(*full)
        _require_sizes(shape, *full)
        layer = applied(name, op, (*sources, *rest), full, draft.variables)
        _require_sizes(*((edge.rows,) for edge in layer.edges))
    except ValueError as error:
        draft.note(node, f"'{name}' ({op.name}): {error}")
        return None
    for parameter, argument in rest.items():
        draft.parameters[parameter], draft.shapes[parameter] = (op, argument), own[argument]
    if layer.varying:
        draft.variables.add(name)
    draft.layers.append(layer)
    return shape


def _require_sizes(*shapes: ArrayShape) -> None:
    """Refuse a value without entries, or with more entries than a size may be."""
    for total in map(prod, shapes):
        if not 0 < total <= MAX_LAYER_SIZE:
            raise ValueError(f"found {total:,} entries; expected 1 to 10^12. Correct the sizes.")


# What is differentiated


def _names(node: LocatedNode | None, draft: _ProgramDraft) -> list[tuple[str, LocatedNode]]:
    """Read a list of names, each with its node."""
    if node is None:
        return []
    items = draft.reader.items(node, "names")
    if items == ():
        draft.note(node, "is empty; expected at least one name. Add one, or leave it out.")
    return [(name, item) for item in items or () if (name := draft.reader.name(item)) is not None]


def _chosen(
    wanted: list[tuple[str, LocatedNode]], known: tuple[str, ...], what: str, draft: _ProgramDraft
) -> tuple[str, ...]:
    """Return the names that a list asks for; each must be known and stand once."""
    names: list[str] = []
    for name, node in wanted:
        if draft.strange(name, known):
            todo = did_you_mean(name, map(shown, known), f"Name one of {', '.join(map(shown, known[:8]))}.")
            draft.note(node, f"is '{shown(name)}'; expected {what}. {todo}")
        elif name in names:
            draft.note(node, f"is '{shown(name)}', which stands twice; expected it once. Remove one.")
        names.append(name)
    return tuple(names)
