"""The table of renderers. A new format is one file beside this one and one line here."""

from __future__ import annotations

from collections.abc import Callable

from chainplan.report import dot, json, markdown, text
from chainplan.result import Result

RENDERERS: dict[str, Callable[[Result], str]] = {
    "text": text.render,
    "json": json.render,
    "markdown": markdown.render,
    "dot": dot.render,
}
