"""The grammar of `limits`: how much memory a plan may hold, and whether it has to evaluate the states itself.

limits: {memory: 100000}                     # elements alive at once
limits: {memory: 64 MiB, recompute: true}    # bytes, 8 per element; the plan evaluates and stores states
"""

from __future__ import annotations

from typing import NamedTuple

from chainplan._util.bytesize import BYTE_UNITS, elements
from chainplan.io.located.nodes import LocatedNode, ScalarNode, ScalarSpelling
from chainplan.io.located.reader import NodeReader, number_or_text

MAX_LIMIT = 10**36


class SpecLimits(NamedTuple):
    """The limits of a problem."""

    memory: int | None = None
    recompute: bool = False


def read_limits(node: LocatedNode | None, reader: NodeReader) -> SpecLimits:
    """Read the limits of a spec; what cannot be read is noted and left out."""
    given = {} if node is None else reader.fields(node, ("memory", "recompute")) or {}
    memory = _memory(given["memory"], reader) if "memory" in given else None
    recompute = reader.flag(given["recompute"]) if "recompute" in given else None
    return SpecLimits(memory, bool(recompute))


def _has_unit(text: str) -> bool:
    return any(c.isalpha() for c in text) and isinstance(number_or_text(text), str)


def _memory(node: LocatedNode, reader: NodeReader) -> int | None:
    """Read a number of elements, which may be given as bytes with a unit."""
    if isinstance(node, ScalarNode) and node.spelling is not ScalarSpelling.NONE and _has_unit(node.text):
        count = elements(node.text)
        if count is None or count > MAX_LIMIT:
            units = ", ".join(BYTE_UNITS)
            reader.refuse(node, f"elements, or bytes in one of {units}", "Write it as 100000 or '64 MiB'.")
        return count
    return reader.whole(node, MAX_LIMIT)
