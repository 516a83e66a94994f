"""The grammar of `limits`: how much memory a plan may hold, and whether it has to evaluate the states itself.

limits: {memory: 100000}                     # elements alive at once
limits: {memory: 64 MiB, recompute: true}    # bytes, 8 per element; the plan evaluates and stores states
"""

from __future__ import annotations

from typing import NamedTuple

from chainplan._util.bytesize import UNITS, elements
from chainplan.io.located.nodes import Node, Scalar, Spelling
from chainplan.io.located.reader import Reader, number_or_text

LARGEST = 10**36


class Limits(NamedTuple):
    """The limits of a problem."""

    memory: int | None = None
    recompute: bool = False


def read_limits(node: Node | None, reader: Reader) -> Limits:
    """Read the limits of a spec; what cannot be read is noted and left out."""
    given = {} if node is None else reader.fields(node, ("memory", "recompute")) or {}
    memory = _memory(given["memory"], reader) if "memory" in given else None
    recompute = reader.flag(given["recompute"]) if "recompute" in given else None
    return Limits(memory, bool(recompute))


def _has_unit(text: str) -> bool:
    return any(c.isalpha() for c in text) and isinstance(number_or_text(text), str)


def _memory(node: Node, reader: Reader) -> int | None:
    """Read a number of elements, which may be given as bytes with a unit."""
    if isinstance(node, Scalar) and node.spelling is not Spelling.NONE and _has_unit(node.text):
        count = elements(node.text)
        if count is None or count > LARGEST:
            units = ", ".join(UNITS)
            reader.refuse(node, f"elements, or bytes in one of {units}", "Write it as 100000 or '64 MiB'.")
        return count
    return reader.whole(node, LARGEST)
