"""A table of all solvers on one problem: what each of them finds, proves and refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic

from chainplan.planner import plan
from chainplan.plans.ratios import gap_text, ratio_text
from chainplan.plans.result import Result
from chainplan.problem.problem import Problem
from chainplan.problem.units import in_fma, unit_text
from chainplan.report.words.table import CLAIMED_NOTE, seconds_text
from chainplan.solvers.auto import DEFAULT_AUTO_SECONDS
from chainplan.solvers.registry import SOLVERS
from chainplan.solvers.search.search import SearchProgress

FIGURE_COLUMNS = {2, 3, 4, 5, 6, 7, 9}
"""Columns of `rows` that hold figures."""


@dataclass(frozen=True)
class SolverComparison:
    """The results of the solvers that were asked, in the order of their table, and why the others refuse.

    `unasked` names the solvers for which no time was left.
    """

    problem: Problem
    results: tuple[tuple[str, Result], ...]
    refused: tuple[tuple[str, str], ...]
    unasked: tuple[str, ...] = ()

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Header and a row per result; the ratio is how many times as much as the cheapest plan of all it costs."""
        least = min((result.price for _, result in self.results if result.price is not None), default=0)
        more = () if in_fma(self.problem) else ("fma",)
        unit = unit_text(self.problem)
        head = ("solver", "status", unit, "ratio", "bound", "gap", "peak", "time", "bound is within", *more)
        return [head, *(_row(name, result, least, more) for name, result in self.results)]

    @property
    def notes(self) -> list[str]:
        """What the solvers add to their results, and why some of them refuse."""
        said = [f"{name}: {note}" for name, result in self.results for note in result.notes]
        said += [f"{name} refuses: {reason}" for name, reason in self.refused]
        return said + [f"{name} was not asked: the time was over" for name in self.unasked]


def compare(
    problem: Problem,
    budget: float | None = None,
    seed: int = 0,
    progress: Callable[[SearchProgress], None] | None = None,
    solvers: Sequence[str] = tuple(SOLVERS),
    together: float | None = None,
) -> SolverComparison:
    """Plan a problem with every solver that accepts it, each within a budget in seconds; Ctrl-C ends it early.

    Without a budget 'auto' has the time that it takes by itself, as in `chainplan plan`, and each of the others 10 s.
    All of them take no more than `together` seconds; the comparison names those for which no time is left.
    """
    end = inf if together is None else monotonic() + together
    reasons = {name: SOLVERS[name].refusal(problem) for name in solvers}
    results: list[tuple[str, Result]] = []
    unasked: list[str] = []
    for name in [n for n, reason in reasons.items() if reason is None]:
        seconds = DEFAULT_AUTO_SECONDS if budget is None and name != "auto" else budget
        if together is not None:
            left = end - monotonic()
            if left <= 0:
                unasked.append(name)
                continue
            seconds = min(together if seconds is None else seconds, left)
        results.append((name, plan(problem, name, budget=seconds, seed=seed, progress=progress)))
        if any("interrupted" in note for note in results[-1][1].notes):
            break
    refused = tuple((name, reason) for name, reason in reasons.items() if reason is not None)
    return SolverComparison(problem, tuple(results), refused, tuple(unasked))


def _row(name: str, result: Result, least: int, more: tuple[str, ...]) -> tuple[str, ...]:
    cost, price = result.cost, result.price
    label = name if result.solver == name else f"{name} ({result.solver})"
    took = seconds_text(result.seconds)
    if cost is None or price is None:
        return (label, result.status.value, "", "", "", "", "", took, "", *("" for _ in more))
    proof = (
        (f"{result.bound:,}", gap_text(price, result.bound)) if result.bound or not result.gap else ("none known", "")
    )
    return (
        label,
        f"{result.status.value}, {CLAIMED_NOTE}" if result.claimed and result.bound else result.status.value,
        f"{price:,}",
        ratio_text(price, least),
        *proof,
        f"{cost.peak_elements:,}",
        took,
        result.within or "",
        *(f"{cost.fma:,}" for _ in more),
    )
