"""Text for a page: names and figures, escaped, short enough to read and never able to leave the place they stand in.

Everything a spec says reaches the page through `text` (in HTML and SVG) or `embedded` (in JSON): there is no third way.
"""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any

from chainplan.io.located.nodes import UNPRINTABLE
from chainplan.plans.ratios import ratio_text

_TURNING = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of writing, by which a name could rearrange the text around it."""
_EXACT = 10**15
"""Numbers from here on are shown to four digits; the whole number is in their title."""
_SAFE = 2**53
"""Whole numbers from here on are no longer exact in a browser and travel as text."""


def label(name: str, most: int = 40) -> str:
    """A name on one line, cut, without marks that move the text around it; not escaped yet."""
    cut = name if len(name) <= most else name[: most - 1] + "…"
    for marks in (UNPRINTABLE, _TURNING):
        cut = marks.sub(lambda found: ascii(found[0])[1:-1], cut)
    return cut


def text(words: str, most: int = 2000) -> str:
    """Words as HTML or SVG shows them."""
    return escape(label(words, most), quote=True)


def unbroken(words: str) -> str:
    """A sentence as HTML, no line of which begins with a percent sign."""
    return text(words).replace(" %", "&nbsp;%")


def figure(number: int) -> str:
    """A whole number with separators; one too long to read as a power of ten."""
    if abs(number) < _EXACT:
        return f"{number:,}"
    digits = str(abs(number))
    return f"{'-' if number < 0 else ''}{digits[0]}.{digits[1:4]}·10^{len(digits) - 1}"


def brief(number: int) -> str:
    """A whole number in at most nine characters, for drawings."""
    if abs(number) < 10**7:
        return f"{number:,}"
    digits = str(abs(number))
    return f"{'-' if number < 0 else ''}{digits[0]}.{digits[1:3]}·10^{len(digits) - 1}"


def counted(number: int, one: str, several: str = "") -> str:
    """A number of things."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def percent(part: int, whole: int) -> str:
    """A share, short, of something that may be nothing."""
    share = 100 * part / whole if whole else 0.0
    return f"{share:.1f} %" if share >= 0.05 or not part else "below 0.1 %"


def ratio(other: int, price: int) -> str:
    """How many times as much as the plan something else costs, short where that is a large number."""
    return f"{figure(other // price)}x" if price and other > 10**6 * price else ratio_text(other, price)


def figure_html(number: int) -> str:
    """The same with the exact number in a title where it is cut; a long one may break after a separator."""
    if abs(number) < _EXACT:
        return figure(number).replace(",", ",<wbr>")
    return f'<span title="{number:,}">{figure(number)}</span>'


def embedded(value: Any) -> str:
    """A value as JSON that no parser of HTML takes for markup; whole numbers beyond 2^53 as text."""
    dumped = json.dumps(_portable(value), separators=(",", ":"))
    return dumped.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _portable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _portable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_portable(each) for each in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _SAFE:
        return str(value)
    return value


def table_html(rows: list[tuple[str, ...]], caption: str, right: set[int], identity: str = "") -> str:
    """A table whose first row is the header; columns in `right` hold figures."""
    head, *body = rows
    named = f' id="{identity}"' if identity else ""

    def cells(row: tuple[str, ...], tag: str) -> str:
        opened = f'{tag} scope="col"' if tag == "th" else tag
        return "".join(
            f"<{opened}{' class=num' if c in right else ''}>{text(cell)}</{tag}>" for c, cell in enumerate(row)
        )

    lines = [f"<table{named}><caption><span>{text(caption)}</span></caption>"]
    lines.append(f"<thead><tr>{cells(head, 'th')}</tr></thead><tbody>")
    lines += [f"<tr>{cells(row, 'td')}</tr>" for row in body]
    return "\n".join([*lines, "</tbody></table>"])
