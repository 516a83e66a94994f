"""Text and data of a page, never able to leave the place they stand in.

Everything a spec says reaches the page in one of three ways: through a template, which escapes it; through `text` in a
drawing; through `embedded` in the data of the script. What is put in as it is, is marked by `trusted` alone.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from chainplan.report.words.figures import label

if TYPE_CHECKING:
    from markupsafe import Markup

MAX_SHOWN_TEXT = 2000
"""Characters of the longest text on a page."""
_MAX_BROWSER_NUMBER = 2**53
"""Whole numbers from here on are no longer exact in a browser and travel as text."""


class Drawing(NamedTuple):
    """A drawing: its elements, its size in pixels, what it shows in words, and what its elements refer to by name."""

    elements: str
    width: float
    height: float
    about: str
    defs: str = ""

    def __str__(self) -> str:
        """Write the drawing as an SVG of its own, as a page holds it."""
        return (
            f'<svg role="img" aria-label="{text(self.about, 200)}" width="{self.width:.0f}" '
            f'height="{self.height:.0f}" viewBox="0 0 {self.width:.0f} {self.height:.0f}">'
            f"{self.defs}{self.elements}</svg>"
        )


def text(words: str, most: int = MAX_SHOWN_TEXT) -> str:
    """Escape words for a drawing."""
    return escape(label(words, most), quote=True)


def trusted(markup: str) -> Markup:
    """Mark a drawing, the style, the script or its data as markup that no template escapes."""
    from markupsafe import Markup

    return Markup(markup)


def embedded(value: Any) -> str:
    """Write a value as JSON that no parser of HTML takes for markup; whole numbers beyond 2^53 become text."""
    dumped = json.dumps(_portable(value), separators=(",", ":"))
    return dumped.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _portable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _portable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_portable(each) for each in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _MAX_BROWSER_NUMBER:
        return str(value)
    return value
