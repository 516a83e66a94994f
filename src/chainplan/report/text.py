"""Plain text: the table that the command line prints."""

from __future__ import annotations

from chainplan.plans.result import Result
from chainplan.report.words.table import table


def render(result: Result) -> str:
    """Write the table of a result, with a final newline."""
    return f"{table(result)}\n"
