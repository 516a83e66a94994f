"""Located values: the values of a spec together with their places in it.

A tree of immutable nodes stands between the file and the grammar, so that every error can name line and column, and so
that Python objects, which have neither, go through the same grammar. A node also knows its path (`chain[2].shape`),
which is kept as linked pairs, shared by all nodes below, and written out only for a message. Scalars keep the text as
written: whether `y`, `1` or `1e3` is a name, a number or an error is for the grammar to decide, not for a YAML
resolver.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, NamedTuple

MAX_NESTING_DEPTH = 32
"""How deep lists and mappings may nest. The bound holds for every tree, so recursion over a tree is safe."""
MAX_SPEC_VALUES = 2_000_000
"""How many values a spec may hold, keys included."""
UNPRINTABLE_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff]")
"""Characters that would break a message, or the terminal that shows it."""

NodePath = tuple["NodePath", str | int] | None
"""The path from the root to a node: the path to its parent, then its key or position; None at the root."""


class ScalarSpelling(Enum):
    """How a scalar was written."""

    PLAIN = "plain"
    QUOTED = "quoted"
    NONE = "none"
    """A Python value that is neither text nor a whole number: never a name, never a size."""


class ScalarNode(NamedTuple):
    """A piece of text; lines and columns count from 1, a line of 0 stands for no position.

    The two halves of its path are separate fields, because a pair for each of many scalars would cost most.
    """

    above: NodePath
    step: str | int | None
    line: int
    column: int
    text: str
    spelling: ScalarSpelling = ScalarSpelling.PLAIN

    @property
    def path(self) -> NodePath:
        """The path from the root."""
        return None if self.step is None else (self.above, self.step)


class SequenceNode(NamedTuple):
    """A list; a pattern or sizes given as a Python object stay as they are in `listed`, without nodes in `items`."""

    path: NodePath
    line: int
    column: int
    items: tuple[LocatedNode, ...]
    listed: Any = None


class MappingNode(NamedTuple):
    """A mapping from text to values; `keys` holds the line and column of each key."""

    path: NodePath
    line: int
    column: int
    keys: dict[str, tuple[int, int]]
    values: dict[str, LocatedNode]


LocatedNode = ScalarNode | SequenceNode | MappingNode


def written(path: NodePath) -> str:
    """Write a path as messages show it: `chain[2].shape`, or `the spec` for the root."""
    steps: list[str | int] = []
    while path is not None:
        path, step = path
        steps.append(step)
    text = "".join(f"[{s}]" if isinstance(s, int) else f".{shown(s)}" for s in reversed(steps))
    return text.removeprefix(".") or "the spec"


def descend(node: LocatedNode, steps: tuple[str | int, ...]) -> LocatedNode:
    """Return the node to which the steps lead, or the last one that exists on the way."""
    for step in steps:
        if isinstance(node, MappingNode) and step in node.values:
            node = node.values[str(step)]
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
        else:
            break
    return node


def depth(node: LocatedNode) -> int:
    """Count how many lists and mappings nest in a node, itself included."""
    if isinstance(node, ScalarNode):
        return 0
    below = node.items if isinstance(node, SequenceNode) else node.values.values()
    return 1 + max(map(depth, below), default=0)


def moved(node: LocatedNode, path: NodePath) -> LocatedNode:
    """Return the same value, with the same line and column, at another path of the tree."""
    if isinstance(node, ScalarNode):
        above, step = path or (None, None)
        return node._replace(above=above, step=step)
    if isinstance(node, SequenceNode):
        return node._replace(path=path, items=tuple(moved(n, (path, i)) for i, n in enumerate(node.items)))
    return node._replace(path=path, values={key: moved(n, (path, key)) for key, n in node.values.items()})


def shown(text: str, most: int = 60) -> str:
    """Write a text on one line, with unprintable characters escaped and the end of a long one cut off."""
    cut = text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"
    return UNPRINTABLE_CHARACTERS.sub(lambda character: ascii(character[0])[1:-1], cut)
