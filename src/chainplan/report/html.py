"""HTML: the page of a result, one file that opens from disk and asks for nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import chainplan
from chainplan.frontends.plan_file import document
from chainplan.report.comparison import compare
from chainplan.report.page import player, sections
from chainplan.report.page.frame import framed
from chainplan.report.page.markup import embedded, label, text
from chainplan.report.sentence import headline
from chainplan.report.why.reasons import reasons
from chainplan.result import Result
from chainplan.search import Progress
from chainplan.summary import describe

SECONDS = 1.0
"""What each solver may take for the comparison."""
REASONS = 5.0
"""Seconds that the reasons may take together."""
COMPARED = 2000
"""Elementals of the largest problem that all solvers are compared on; on larger ones, forward and reverse order."""


def render(result: Result) -> str:
    """The page of a result, with its comparison and its reasons planned anew within some seconds."""
    return page(result, document(result))


def page(result: Result, saved: dict[str, Any], progress: Callable[[Progress], None] | None = None) -> str:
    """The page of a result and of the document that it was read from or is written to."""
    problem = result.problem
    large = len(problem.graph.useful) > COMPARED
    chosen = {"solvers": ("forward", "reverse")} if large else {}
    comparison = compare(problem, SECONDS, result.seed, progress, **chosen)
    if large:
        comparison = replace(comparison, results=((result.solver, result), *comparison.results))
    own = f"The plan of this page is by {result.solver}."
    if large:
        own += f" Only two orders are compared: the problem has more than {COMPARED:,} elementals."
    steps = player.data(result)
    parts = (
        sections.problem_drawn(result),
        sections.order_drawn(result),
        sections.explained(reasons(result, REASONS, progress)),
        player.section(result, steps),
        sections.memory_drawn(result),
        sections.schedule_drawn(saved),
        sections.compared(comparison, SECONDS, own),
    )
    name = problem.name or "problem"
    notes = "".join(f'<p class="warn">{text(note)}</p>' for note in result.notes)
    return framed(
        {
            "title": f"{text(name, 80)} – chainplan",
            "name": text(name, 120),
            "about": text(describe(problem).removeprefix(f"{name}: ")),
            "headline": text(headline(result)),
            "tiles": sections.tiles(result),
            "notes": notes,
            "sections": "\n".join(filter(None, parts)),
            "footer": text(
                f"chainplan {chainplan.__version__}, problem {problem.fingerprint}, objective "
                f"{label(problem.cost.objective)}, seed {result.seed}. Works without a network."
            ),
            "data": embedded(steps),
        }
    )
