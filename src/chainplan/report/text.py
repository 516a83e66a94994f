"""Plain text: the printed table, the same as `str(result)`."""

from __future__ import annotations

from chainplan.plans.result import Result


def render(result: Result) -> str:
    """The table of a result, with a final newline."""
    return f"{result}\n"
