"""HTML: the page of a result, one file that opens from disk and asks for nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from time import monotonic
from typing import Any

from chainplan._version import __version__
from chainplan.io.plan_file import document
from chainplan.plans.result import Result
from chainplan.problem.units import unit_text
from chainplan.report.explain.comparison import SolverComparison, compare
from chainplan.report.explain.reasons import reasons
from chainplan.report.html import player, sections
from chainplan.report.html.frame import framed
from chainplan.report.html.markup import embedded
from chainplan.report.words.figures import label
from chainplan.report.words.sentence import headline
from chainplan.report.words.table import describe
from chainplan.solvers.search.search import SearchProgress

MAX_COMPARED_SOLVER_SECONDS = 1.0
"""Seconds that each solver may take for the comparison."""
MAX_PAGE_REASON_SECONDS = 5.0
"""Seconds that the reasons may take together."""
MAX_COMPARED_ELEMENTALS = 2000
"""Elementals of the largest problem on which all solvers are compared; on larger ones, two orders are compared."""


def render(result: Result) -> str:
    """Write the page of a result; its comparison and its reasons are planned within some seconds.

    Where a solver of the comparison finds a cheaper plan, that one is shown.
    """
    compared = comparison(result)
    best = cheapest(result, compared)
    return page(best, document(best), compared=compared)


def comparison(
    result: Result, progress: Callable[[SearchProgress], None] | None = None, seconds: float | None = None
) -> SolverComparison:
    """Compare all solvers on the problem of a result within some seconds; on a large one, two orders are compared."""
    large = len(result.problem.graph.useful) > MAX_COMPARED_ELEMENTALS
    chosen = {"solvers": ("forward", "reverse")} if large else {}
    return compare(result.problem, MAX_COMPARED_SOLVER_SECONDS, result.seed, progress, together=seconds, **chosen)


def cheapest(result: Result, compared: SolverComparison) -> Result:
    """Return the result, or the cheapest of those it is compared with and a note that says so.

    A plan for several machines is made for its makespan, which nothing in a comparison competes with.
    """
    if result.schedule is not None and result.schedule.machines > 1:
        return result
    name, best = min((r for r in compared.results if r[1].price is not None), key=_price, default=("", result))
    if best.price is None or (result.price is not None and result.price <= best.price):
        return result
    known = "no plan" if result.price is None else f"one of {result.price:,} {unit_text(result.problem)}"
    note = f"'{result.solver}' found {known}; this plan is by '{name}', which was compared with it."
    return replace(best, notes=(note, *result.notes))


def _price(named: tuple[str, Result]) -> int:
    return named[1].price or 0


def page(
    result: Result,
    saved: dict[str, Any],
    progress: Callable[[SearchProgress], None] | None = None,
    compared: SolverComparison | None = None,
    seconds: float | None = None,
) -> str:
    """Write the page of a result and of the plan file that it was read from or is written to.

    Comparison and reasons take at most some seconds, and no more than `seconds` together; the page says what was left
    out for want of time.
    """
    end = inf if seconds is None else monotonic() + seconds
    half = None if seconds is None else seconds / 2
    problem, compared = result.problem, compared or comparison(result, progress, half)
    warned, own = _warnings(result, compared), _own_line(result)
    compared = replace(compared, results=(("this plan", result), *compared.results))
    steps = player.data(result)
    parts = (
        sections.problem_drawn(result),
        sections.order_drawn(result),
        sections.explained(reasons(result, min(MAX_PAGE_REASON_SECONDS, max(0.0, end - monotonic())), progress)),
        player.section(steps),
        *sections.programs_listed(result),
        sections.memory_drawn(result),
        sections.schedule_drawn(saved, result),
        sections.compared(compared, MAX_COMPARED_SOLVER_SECONDS, own),
    )
    name = problem.name or "problem"
    return framed(
        {
            "title": f"{label(name, 80)} – chainplan",
            "name": name,
            "about": describe(problem).removeprefix(f"{name}: "),
            "headline": headline(result),
            "tiles": sections.tiles(result),
            "notes": warned,
            "sections": [part for part in parts if part],
            "footer": f"chainplan {__version__}, problem {problem.fingerprint}, objective "
            f"{label(problem.cost.objective)}, seed {result.seed}. Works without a network.",
            "data": embedded(steps),
        }
    )


def _warnings(result: Result, compared: SolverComparison) -> tuple[str, ...]:
    """Return the notes of a result, and one more where another solver has a cheaper plan."""
    better = cheapest(result, compared)
    if better is result:
        return result.notes
    return (*result.notes, f"This plan is not the cheapest: '{better.solver}' finds one of {better.price:,}.")


def _own_line(result: Result) -> str:
    """Say which line of the comparison is that of the page, and why only two orders are compared if so."""
    own = f"The first line is the plan of this page, by {result.solver}."
    if len(result.problem.graph.useful) > MAX_COMPARED_ELEMENTALS:
        own += f" Only two orders are compared: the problem has more than {MAX_COMPARED_ELEMENTALS:,} elementals."
    return own
