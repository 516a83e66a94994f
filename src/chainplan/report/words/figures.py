"""Names and numbers as people read them: short, on one line, with separators; the same in text and on a page."""

from __future__ import annotations

import re

from chainplan.io.located.nodes import UNPRINTABLE_CHARACTERS
from chainplan.plans.ratios import ratio_text

_TURNING_MARKS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of writing, by which a name could rearrange the text around it."""
_MAX_EXACTLY_SHOWN = 10**15
"""Numbers from here on are shown to four digits."""


def label(name: str, most: int = 40) -> str:
    """Cut a name to one line without marks that move the text around it; markup in it stays as it is."""
    cut = name if len(name) <= most else name[: most - 1] + "…"
    for marks in (UNPRINTABLE_CHARACTERS, _TURNING_MARKS):
        cut = marks.sub(lambda mark: ascii(mark[0])[1:-1], cut)
    return cut


def figure(number: int) -> str:
    """Write a whole number with separators, and one too long to read as a power of ten."""
    return f"{number:,}" if abs(number) < _MAX_EXACTLY_SHOWN else _power(number, 4)


def brief(number: int) -> str:
    """Write a whole number in at most nine characters, for drawings."""
    return f"{number:,}" if abs(number) < 10**7 else _power(number, 3)


def _power(number: int, digits: int) -> str:
    whole = str(abs(number))
    return f"{'-' if number < 0 else ''}{whole[0]}.{whole[1:digits]}·10^{len(whole) - 1}"


def counted(number: int, one: str, several: str = "") -> str:
    """Write a number of things."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def percent(part: int, whole: int) -> str:
    """Write a share in percent, of something that may be nothing."""
    share = 100 * part / whole if whole else 0.0
    return f"{share:.1f} %" if share >= 0.05 or not part else "below 0.1 %"


def ratio(other: int, price: int) -> str:
    """Write how many times as much as the plan something else costs, short where that is a large number."""
    return f"{figure(other // price)}x" if price and other > 10**6 * price else ratio_text(other, price)
