"""The grammar of `limits`: how much memory a plan may hold, and whether it has to evaluate the states itself.

limits: {memory: 100000}                     # elements alive at once
limits: {memory: 64 MiB, recompute: true}    # bytes, 8 per element; the plan evaluates and stores states
limits: {memory: 64 MiB, recompute: true, disk: 2 GB, transfer: 3}    # it may write them to disk, at 3 fma an element
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from chainplan._util.bytesize import BYTE_UNITS, elements
from chainplan.io.located.nodes import LocatedNode, ScalarNode, ScalarSpelling
from chainplan.io.located.reader import NodeReader, number_or_text

MAX_LIMIT = 10**36
MAX_TRANSFER = 10**12


class SpecLimits(NamedTuple):
    """The limits of a problem."""

    memory: int | None = None
    recompute: bool = False
    disk: int | None = None
    transfer: int = 0


def read_limits(node: LocatedNode | None, reader: NodeReader) -> SpecLimits:
    """Read the limits of a spec; what cannot be read is noted and left out."""
    given = {} if node is None else reader.fields(node, ("memory", "recompute", "disk", "transfer")) or {}
    memory = _elements(given["memory"], reader) if "memory" in given else None
    recompute = reader.flag(given["recompute"]) if "recompute" in given else None
    disk = _elements(given["disk"], reader) if "disk" in given else None
    transfer = reader.whole(given["transfer"], MAX_TRANSFER) if "transfer" in given else None
    if node is not None:
        _check_disk(node, given, bool(recompute), reader)
    return SpecLimits(memory, bool(recompute), disk, transfer or 0)


def _check_disk(node: LocatedNode, given: Mapping[str, LocatedNode], recompute: bool, reader: NodeReader) -> None:
    """Note a disk without a price of transfers, a price without a disk, and a disk to which no state would go."""
    for key, other, meaning in (
        ("disk", "transfer", "the fma per element of a state that is written or read"),
        ("transfer", "disk", "the elements, or bytes, that the disk holds"),
    ):
        if key in given and other not in given:
            text = f"limits has '{key}' but no '{other}'; expected both or none. Add '{other}', {meaning}."
            reader.messages.add(node, text)
    if "disk" in given and not recompute:
        text = (
            "limits has 'disk', but states are given; expected states that the plan evaluates. Add 'recompute: true'."
        )
        reader.messages.add(node, text)


def _has_unit(text: str) -> bool:
    return any(c.isalpha() for c in text) and isinstance(number_or_text(text), str)


def _elements(node: LocatedNode, reader: NodeReader) -> int | None:
    """Read a number of elements, which may be given as bytes with a unit."""
    if isinstance(node, ScalarNode) and node.spelling is not ScalarSpelling.NONE and _has_unit(node.text):
        count = elements(node.text)
        if count is None or count > MAX_LIMIT:
            units = ", ".join(BYTE_UNITS)
            reader.refuse(node, f"elements, or bytes in one of {units}", "Write it as 100000 or '64 MiB'.")
        return count
    return reader.whole(node, MAX_LIMIT)
