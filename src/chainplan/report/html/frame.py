"""The templates of a page, and the file around its parts: style and script in one, allowed to run nothing else.

The templates in `templates/` escape all that is put into them (autoescape); names and sentences are cut and put on one
line before. The content security policy names the style and the script by their hashes, so that whatever else came to
stand in the page, by markup in a name or by an edit, would be shown at most and never run.
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from chainplan.report.html.markup import MAX_SHOWN_TEXT, trusted
from chainplan.report.words.figures import figure, label

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


def framed(parts: dict[str, Any]) -> str:
    """Fill the frame with the parts of a page; `data` is JSON as `embedded` writes it."""
    style, script = style_sheet(), _file("script.js")
    framing = {
        "style": trusted(style),
        "script": trusted(script),
        "style_hash": _hashed(style),
        "script_hash": _hashed(script),
        "data": trusted(parts["data"]),
    }
    return str(filled("page.html", **{**parts, **framing}))


def filled(template: str, **values: Any) -> Markup:
    """Fill a template with values, each of which is escaped unless it is marked as markup."""
    return trusted(_environment().get_template(template).render(**values))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("chainplan.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_on_one_line,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(label=label, figure=figure, unbroken=_unbroken)
    return environment


def _on_one_line(value: Any) -> Any:
    """Cut what is put into a template, unless it is markup, to one line without marks that move the text around it."""
    return value if hasattr(value, "__html__") else label(str(value), MAX_SHOWN_TEXT)


def _unbroken(words: str) -> str:
    """Glue each percent sign to its number, so that no line begins with one."""
    return words.replace(" %", "\u00a0%")


def style_sheet() -> str:
    """Return the style sheet of a page and of the drawings on it."""
    return _file("style.css")


@cache
def _file(name: str) -> str:
    return files("chainplan.report.html").joinpath(name).read_text(encoding="utf-8")


def _hashed(content: str) -> str:
    return f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}"
