"""LaTeX: the bracketing, the headline and the steps of a plan as tables that no package is needed for."""

from __future__ import annotations

from collections.abc import Sequence

from chainplan.plans.result import Result
from chainplan.problem.units import unit_text
from chainplan.report.words.figures import label
from chainplan.report.words.table import describe, headline, listed_steps

_LATEX_CHARACTERS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "←": r"$\leftarrow$",
    "µ": r"$\mu$",
    "[": "{[}",
    **{mark: f"\\{mark}" for mark in "{}$&#_%"},
}
"""What stands for characters that LaTeX reads as markup, or that its fonts lack."""


def render(result: Result) -> str:
    """Write one table for the headline and one for the steps, each behind a line of text."""
    lines = [f"% {label(describe(result.problem), 200)}", rf"\noindent {latex_text(describe(result.problem))}", ""]
    lines += latex_table([("figure", "", ""), *headline(result)], {1})
    lines += [rf"{latex_text(note)}\par" for note in result.notes]
    for listed in listed_steps(result):
        lines += ["", rf"\noindent {latex_text((listed.title or 'steps').capitalize())}", ""]
        lines += latex_table(listed.rows(unit_text(result.problem)), {0, 6, 7, 8})
    return "\n".join(lines) + "\n"


def latex_table(rows: Sequence[Sequence[str]], right: set[int]) -> list[str]:
    """Return the lines of a tabular whose first row is the header; columns in `right` are aligned to the right."""
    head, *body = ["  " + " & ".join(map(latex_text, row)) + r" \\" for row in rows]
    columns = "".join("r" if place in right else "l" for place in range(len(rows[0])))
    return [rf"\begin{{tabular}}{{{columns}}}", r"  \hline", head, r"  \hline", *body, r"  \hline", r"\end{tabular}"]


def latex_text(text: str) -> str:
    """Write text so that LaTeX shows it as it is."""
    return "".join(_LATEX_CHARACTERS.get(character, character) for character in label(text, 2000))
