"""Memory in elements and in bytes: a limit is a number of elements, or bytes with a unit, 8 bytes to an element."""

from __future__ import annotations

import re
from fractions import Fraction

BYTES = 8
"""Of an element: a float64."""
UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "kB": 10**3} | {
    f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGT", start=1)
}
_QUANTITY = re.compile(r"([0-9]{1,30}(?:\.[0-9]{1,30})?) ?([A-Za-z]+)")


def elements(text: str) -> int | None:
    """The elements that fit into bytes such as `64 MiB` or `1.5 GB`, None where the text is no such quantity."""
    found = _QUANTITY.fullmatch(text)
    if found is None or found[2] not in UNITS:
        return None
    return int(Fraction(found[1]) * UNITS[found[2]] / BYTES)


def bytes_text(count: int) -> str:
    """The bytes of so many elements, in the largest binary unit that leaves at least one."""
    size = count * BYTES
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size >= UNITS[unit]:
            return f"{size / UNITS[unit]:,.1f} {unit}"
    return f"{size:,} B"
