"""Turns Python objects of the JSON kind into located values; they have no lines, so messages name the path alone.

The limit on depth bounds the recursion, which also stops objects that contain themselves.
"""

from __future__ import annotations

from collections import abc
from itertools import chain
from numbers import Integral

from chainplan.io.located.diagnostics import SpecMessages
from chainplan.io.located.nodes import (
    MAX_NESTING_DEPTH,
    MAX_SPEC_VALUES,
    LocatedNode,
    MappingNode,
    NodePath,
    ScalarNode,
    ScalarSpelling,
    SequenceNode,
    shown,
    written,
)

MAX_DECIMAL_BITS = 10_000
"""Bits of the largest number that is written in decimal; Python refuses to write more than 4300 digits."""
MAX_EXACT_FLOAT = 2**53
"""Up to this number every whole number is a float, so that the float 1e4 stands for 10000."""
MAX_LISTED_SIZE = 2**39
"""Below this number a size in a list of sizes needs no node, for no grammar refuses it."""
LISTING_KEYS = ("coo", "permutation", "selection", "scatter")
"""The keys whose values may be long lists of numbers."""


def from_objects(value: object, messages: SpecMessages) -> LocatedNode:
    """Turn a Python value into a tree; mappings, lists, tuples, text and whole numbers can be read."""
    return _ObjectWalk(messages).node(value, None, 0)


class _ObjectWalk:
    """One walk over an object, which counts the values, because a small object may be huge when written out."""

    def __init__(self, messages: SpecMessages) -> None:
        self._messages = messages
        self._count = 1

    def node(self, value: object, path: NodePath, depth: int) -> LocatedNode:
        if isinstance(value, str | int):
            return _scalar(value, path)
        if isinstance(value, list | tuple):
            self._enter(value, path, depth)
            items = (self.node(item, (path, i), depth + 1) for i, item in enumerate(value))
            return SequenceNode(path, 0, 0, tuple(items))
        if isinstance(value, abc.Mapping):
            self._enter(value, path, depth)
            return self._mapping(value, path, depth)
        return _scalar(value, path)

    def _mapping(self, value: abc.Mapping[object, object], path: NodePath, depth: int) -> MappingNode:
        values: dict[str, LocatedNode] = {}
        for key, item in value.items():
            name = _scalar(key, path)
            if name.spelling is ScalarSpelling.NONE:
                text = f"{written(path)} has the key {shown(name.text)}; expected text. Put it in quotes."
                self._messages.add_at(0, 0, text)
            elif name.text in values:
                key_text = shown(name.text)
                text = f"{written(path)} has the key '{key_text}' twice; expected it once. Remove one."
                self._messages.add_at(0, 0, text)
            else:
                place = (path, name.text)
                listed = _listing(place, item)
                values[name.text] = self.node(item, place, depth + 1) if listed is None else listed._replace(path=place)
        return MappingNode(path, 0, 0, dict.fromkeys(values, (0, 0)), values)

    def _enter(self, value: abc.Sized, path: NodePath, depth: int) -> None:
        if depth == MAX_NESTING_DEPTH:
            text = f"{written(path)} nests deeper than {MAX_NESTING_DEPTH} levels; a spec needs fewer."
            self._messages.fatal(0, 0, text)
        self._count += len(value) * (2 if isinstance(value, abc.Mapping) else 1)
        if self._count > MAX_SPEC_VALUES:
            self._messages.fatal(0, 0, f"more than {MAX_SPEC_VALUES} values; expected fewer. Split the problem.")


def _listing(place: tuple[NodePath, str], value: object) -> SequenceNode | None:
    """Make one node of a value that may have millions of entries; None where each entry needs a node."""
    above, key = place
    if key in LISTING_KEYS:
        return _listed(value)
    if key == "sparse":
        return _matrix(value)
    return _sizes(value) if key == "chain" and above is None else None


def _sizes(value: object) -> SequenceNode | None:
    """Make one node of the sizes of a chain, where each of them is surely one."""
    if not isinstance(value, list | tuple) or set(map(type, value)) != {int} or len(value) >= MAX_SPEC_VALUES:
        return None
    return SequenceNode(None, 0, 0, (), value) if min(value) >= 0 and max(value) < MAX_LISTED_SIZE else None


def _listed(value: object) -> SequenceNode | None:
    """Make one node of a list of whole numbers, or of lists of them, because patterns have millions of entries."""
    value = value.tolist() if type(value).__module__ == "numpy" and hasattr(value, "tolist") else value
    if type(value) is not list or not set(map(type, value)) <= {int, list}:
        return None
    pairs = [entry for entry in value if type(entry) is list]
    if not set(map(len, pairs)) <= {0, 1, 2} or not set(map(type, chain.from_iterable(pairs))) <= {int}:
        return None
    return SequenceNode(None, 0, 0, (), value)


def _matrix(value: object) -> SequenceNode | None:
    """Make one node of a sparse array of scipy, whose nonzeros are the pattern."""
    return SequenceNode(None, 0, 0, (), value) if type(value).__module__.startswith("scipy.sparse") else None


def _scalar(value: object, path: NodePath) -> ScalarNode:
    above, step = path or (None, None)
    return ScalarNode(above, step, 0, 0, *_spelt(value))


def _spelt(value: object) -> tuple[str, ScalarSpelling]:
    if isinstance(value, str):
        return str(value), ScalarSpelling.QUOTED
    if isinstance(value, int | Integral) and not isinstance(value, bool):
        number = int(value)
        return str(number) if number.bit_length() < MAX_DECIMAL_BITS else hex(number), ScalarSpelling.PLAIN
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_EXACT_FLOAT:
        return str(int(value)), ScalarSpelling.PLAIN
    if value is None or isinstance(value, bool | float):
        return repr(value), ScalarSpelling.NONE
    return f"a Python object of type {type(value).__name__}", ScalarSpelling.NONE
