"""How notebooks show objects: views by their format, which objects of low floors ask for and the package fills in.

A notebook calls `_repr_html_` and `_repr_svg_` of the object itself, but drawings are made on a floor above it.
"""

from __future__ import annotations

from collections.abc import Callable

NOTEBOOK_VIEWS: dict[str, Callable[[object], str | None]] = {}
"""Functions from an object to its text, None where an object has no such view."""


def viewed(form: str, shown: object) -> str | None:
    """Write an object as a notebook shows it."""
    view = NOTEBOOK_VIEWS.get(form)
    return None if view is None else view(shown)
