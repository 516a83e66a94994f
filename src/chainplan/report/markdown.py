"""Markdown: the headline and the steps as tables, for notes and issues."""

from __future__ import annotations

from collections.abc import Sequence

from chainplan.plans.result import Result
from chainplan.problem.units import unit_text
from chainplan.report.words.table import describe, headline, listed_steps


def render(result: Result) -> str:
    """Write a section with one table for the headline and one for the steps."""
    lines = [f"## {escape(describe(result.problem))}", ""]
    lines += markdown_table([("", "figure", ""), *headline(result)])
    lines += ["", *(f"> {escape(note)}" for note in result.notes)] if result.notes else []
    for listed in listed_steps(result):
        title = ["", f"### {escape(listed.title)}"] if listed.title else []
        lines += [*title, "", *markdown_table(listed.rows(unit_text(result.problem)))]
    return "\n".join(lines) + "\n"


def markdown_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose first row is the header."""
    head, *body = rows
    rule = ["---"] * len(head)
    return [f"| {' | '.join(map(escape, row))} |" for row in (head, rule, *body)]


def escape(text: str) -> str:
    """Mask markup in names, so that it is shown as it is written."""
    for mark in "\\`*_<>[]|#":
        text = text.replace(mark, "\\" + mark)
    return text
