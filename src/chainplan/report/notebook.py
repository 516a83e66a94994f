"""What a notebook shows of a result: headline, figures and steps as HTML, with the slide where there is one."""

from __future__ import annotations

from collections.abc import Sequence

from chainplan.plans.result import Result
from chainplan.problem.units import unit_text
from chainplan.report.html.markup import text
from chainplan.report.slide import slide, undrawable
from chainplan.report.words.sentence import headline
from chainplan.report.words.table import MAX_TABLE_STEPS, describe, listed_steps
from chainplan.report.words.table import headline as summary_rows


def notebook_svg(result: Result) -> str | None:
    """Write the slide of a result, None where it has none."""
    return None if undrawable(result) else slide(result)


def notebook_html(result: Result) -> str:
    """Write headline, figures, steps and slide of a result as a fragment of HTML."""
    parts = [f"<p>{text(describe(result.problem))}<br/><b>{text(headline(result))}</b></p>"]
    parts += [notebook_svg(result) or "", _table([row for row in summary_rows(result) if any(row[1:])])]
    for listed in listed_steps(result):
        hidden = f", the last {MAX_TABLE_STEPS} of them" if listed.hidden(MAX_TABLE_STEPS) else ""
        title = f"{listed.title}: " if listed.title else ""
        summary = f"<summary>{text(title)}{len(listed.steps):,} steps{hidden}</summary>"
        steps = _table(listed.rows(unit_text(result.problem), MAX_TABLE_STEPS), header=True)
        parts.append(f"<details>{summary}{steps}</details>")
    return f"<div>{''.join(parts)}</div>"


def _table(rows: Sequence[Sequence[str]], header: bool = False) -> str:
    cells = [[f"<td>{text(cell)}</td>" for cell in row] for row in rows]
    if header:
        cells[0] = [f"<th>{text(cell)}</th>" for cell in rows[0]]
    lines = "".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    return f"<table>{lines}</table>"
