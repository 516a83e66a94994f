"""Memory in elements and in bytes: a limit is a number of elements, or bytes with a unit; an element takes 8 bytes."""

from __future__ import annotations

import re
from fractions import Fraction

BYTES_PER_ELEMENT = 8
"""Bytes of an element, which is a float64."""
BYTE_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "kB": 10**3} | {
    f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGT", start=1)
}
_QUANTITY = re.compile(r"([0-9]{1,30}(?:\.[0-9]{1,30})?) ?([A-Za-z]+)")


def elements(text: str) -> int | None:
    """Return how many elements fit into `64 MiB` or `1.5 GB`, say, or None where the text is no such quantity."""
    quantity = _QUANTITY.fullmatch(text)
    if quantity is None or quantity[2] not in BYTE_UNITS:
        return None
    return int(Fraction(quantity[1]) * BYTE_UNITS[quantity[2]] / BYTES_PER_ELEMENT)


def bytes_text(count: int) -> str:
    """Write the bytes of so many elements in the largest binary unit of which they fill at least one."""
    size = count * BYTES_PER_ELEMENT
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size >= BYTE_UNITS[unit]:
            return f"{size / BYTE_UNITS[unit]:,.1f} {unit}"
    return f"{size:,} B"
