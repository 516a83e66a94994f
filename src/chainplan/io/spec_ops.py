"""Reads the options of ops in a spec; every option is a typed field of its op, and the type decides how it is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from math import inf, isfinite
from typing import Any, get_type_hints

from chainplan.io.located.nodes import LocatedNode, ScalarNode, ScalarSpelling, SequenceNode
from chainplan.io.located.reader import NodeReader
from chainplan.programs.ops import Op

_INTEGER_PATTERN = re.compile("-?[0-9]{1,12}")
_NUMBER_PATTERN = re.compile(r"[-+]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][-+]?[0-9]{1,9})?")


def known_options(op: type[Op]) -> tuple[str, ...]:
    """Return the names of the options of an op."""
    return tuple(field.name for field in fields(op))


def needed_options(op: type[Op]) -> tuple[str, ...]:
    """Return the names of the options that have no default."""
    return tuple(field.name for field in fields(op) if field.default is MISSING)


def read_options(op: type[Op], given: dict[str, LocatedNode], reader: NodeReader) -> Op | None:
    """Return the op with its options, or None where an option is missing or cannot be read."""
    kinds = get_type_hints(op)
    read = {
        name: _OPTION_READERS[kinds[name]](node, reader) for name, node in given.items() if name in known_options(op)
    }
    if None in read.values() or any(name not in read for name in needed_options(op)):
        return None
    return op(**read)


def integer(node: LocatedNode, reader: NodeReader) -> int | None:
    """Read a whole number, which may be negative."""
    if isinstance(node, ScalarNode) and node.spelling is ScalarSpelling.PLAIN and _INTEGER_PATTERN.fullmatch(node.text):
        return int(node.text)
    reader.refuse(node, "a whole number", "Write it in digits alone, such as 2 or -1.")
    return None


def integers(node: LocatedNode, reader: NodeReader) -> tuple[int, ...] | None:
    """Read a list of whole numbers; a single number stands for a list of one."""
    if not isinstance(node, SequenceNode):
        one = integer(node, reader)
        return None if one is None else (one,)
    read = [integer(item, reader) for item in node.items]
    return None if None in read else tuple(n for n in read if n is not None)


def number(node: LocatedNode, reader: NodeReader) -> float | None:
    """Read a finite number."""
    if isinstance(node, ScalarNode) and node.spelling is not ScalarSpelling.QUOTED:
        value = float(node.text) if _NUMBER_PATTERN.fullmatch(node.text) else inf
        if isfinite(value):
            return value
    reader.refuse(node, "a finite number", "Write it as 0.5 or 1e-3.")
    return None


_OPTION_READERS: dict[Any, Callable[[LocatedNode, NodeReader], Any]] = {
    int: integer,
    int | None: integer,
    float: number,
    bool: lambda node, reader: reader.flag(node),
    tuple[int, ...]: integers,
}
