"""The formats of a comparison of solvers: a table in plain text, in Markdown or in LaTeX, and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable

from chainplan.plans.result import Result
from chainplan.problem.units import in_fma, unit_text
from chainplan.report.explain.comparison import FIGURE_COLUMNS, SolverComparison
from chainplan.report.latex import latex_table, latex_text
from chainplan.report.markdown import escape, markdown_table
from chainplan.report.words.table import columns, describe


def _title(compared: SolverComparison) -> str:
    objective = compared.problem.cost.objective
    return describe(compared.problem) + ("" if in_fma(compared.problem) else f", objective '{objective}'")


def _text(compared: SolverComparison) -> str:
    notes = [f"  {note}" for note in compared.notes]
    table = columns(compared.rows, right=FIGURE_COLUMNS, indent="  ")
    return "\n".join([f"{_title(compared)}\n", *table, *notes])


def _markdown(compared: SolverComparison) -> str:
    notes = [f"- {escape(note)}" for note in compared.notes]
    return "\n".join(
        [f"## {escape(_title(compared))}", "", *markdown_table(compared.rows), *([""] if notes else []), *notes]
    )


def _latex(compared: SolverComparison) -> str:
    notes = [rf"{latex_text(note)}\par" for note in compared.notes]
    return "\n".join(
        [rf"\noindent {latex_text(_title(compared))}", "", *latex_table(compared.rows, FIGURE_COLUMNS), *notes]
    )


def _json(compared: SolverComparison) -> str:
    problem = compared.problem
    head = {"name": problem.name, "fingerprint": problem.fingerprint, "objective": problem.cost.objective}
    document = {
        "problem": head,
        "unit": unit_text(problem),
        "solvers": [_entry(name, result) for name, result in compared.results],
        "refused": dict(compared.refused),
        "unasked": list(compared.unasked),
    }
    return json.dumps(document, ensure_ascii=False, indent=1)


def _entry(name: str, result: Result) -> dict[str, object]:
    """Return what a solver found, with numbers as numbers; what is not known is null."""
    cost = result.cost
    return {
        "solver": name,
        "by": result.solver,
        "status": result.status.value,
        "price": result.price,
        "bound": result.bound or None,
        "within": result.within,
        "gap": result.gap if result.bound or not result.gap else None,
        "fma": None if cost is None else cost.fma,
        "peak_elements": None if cost is None else cost.peak_elements,
        "seconds": result.seconds,
        "notes": list(result.notes),
    }


COMPARISON_RENDERERS: dict[str, Callable[[SolverComparison], str]] = {
    "text": _text,
    "markdown": _markdown,
    "latex": _latex,
    "json": _json,
}
"""The formats of `chainplan compare`."""
