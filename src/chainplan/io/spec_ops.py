"""Reads the options of ops in a spec; every option is a typed field of its op, and the type decides how it is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from math import inf, isfinite
from typing import Any, get_type_hints

from chainplan.io.located.nodes import Node, Scalar, Sequence, Spelling
from chainplan.io.located.reader import Reader
from chainplan.programs.ops import Op

_INTEGER = re.compile("-?[0-9]{1,12}")
_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][-+]?[0-9]{1,9})?")


def known_options(op: type[Op]) -> tuple[str, ...]:
    """Return the names of the options of an op."""
    return tuple(field.name for field in fields(op))


def needed_options(op: type[Op]) -> tuple[str, ...]:
    """Return the names of the options that have no default."""
    return tuple(field.name for field in fields(op) if field.default is MISSING)


def read_options(op: type[Op], given: dict[str, Node], reader: Reader) -> Op | None:
    """Return the op with its options, or None where an option is missing or cannot be read."""
    kinds = get_type_hints(op)
    read = {name: _READERS[kinds[name]](node, reader) for name, node in given.items() if name in known_options(op)}
    if None in read.values() or any(name not in read for name in needed_options(op)):
        return None
    return op(**read)


def integer(node: Node, reader: Reader) -> int | None:
    """Read a whole number, which may be negative."""
    if isinstance(node, Scalar) and node.spelling is Spelling.PLAIN and _INTEGER.fullmatch(node.text):
        return int(node.text)
    reader.refuse(node, "a whole number", "Write it in digits alone, such as 2 or -1.")
    return None


def integers(node: Node, reader: Reader) -> tuple[int, ...] | None:
    """Read a list of whole numbers; a single number stands for a list of one."""
    if not isinstance(node, Sequence):
        one = integer(node, reader)
        return None if one is None else (one,)
    read = [integer(item, reader) for item in node.items]
    return None if None in read else tuple(n for n in read if n is not None)


def number(node: Node, reader: Reader) -> float | None:
    """Read a finite number."""
    if isinstance(node, Scalar) and node.spelling is not Spelling.QUOTED:
        value = float(node.text) if _NUMBER.fullmatch(node.text) else inf
        if isfinite(value):
            return value
    reader.refuse(node, "a finite number", "Write it as 0.5 or 1e-3.")
    return None


_READERS: dict[Any, Callable[[Node, Reader], Any]] = {
    int: integer,
    int | None: integer,
    float: number,
    bool: lambda node, reader: reader.flag(node),
    tuple[int, ...]: integers,
}
