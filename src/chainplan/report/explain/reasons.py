"""Why a plan is as it is: all questions about it, each answered within its share of the time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from chainplan.planner import plan as plan_again
from chainplan.plans.result import Result
from chainplan.problem.problem import Problem
from chainplan.report.explain.changes import (
    ElementalSaving,
    ElementalShare,
    MatrixFreeThreshold,
    SizeSensitivity,
    savings,
    sensitivity,
    shares,
    threshold,
)
from chainplan.report.explain.eliminations import EliminatedVertex, eliminated
from chainplan.report.explain.products import ProductRange, ProductSide, product_ranges, sides
from chainplan.report.explain.ranges import OptimalRange, UnprovenRange, ranges
from chainplan.report.explain.replan import MAX_QUESTION_SECONDS, OutOfQuestionTime, ReplannedOptimum, Replanner
from chainplan.report.explain.second_splits import second_splits
from chainplan.report.explain.splits import IntervalSplit, top_splits
from chainplan.report.explain.variants import FreeVertices, free_sizes
from chainplan.report.words.figures import label
from chainplan.solvers.registry import SOLVERS
from chainplan.solvers.search.search import SearchProgress

MAX_VARIED_SIZES, MAX_VARIED_ELEMENTALS = 12, 6
"""The most sizes that are changed, of inputs, outputs and the largest, and the most elementals, the dearest."""
MAX_REPLANNED_ELEMENTALS = 2000
"""Elementals of the largest problem that is planned again with something changed."""

Subject = TypeVar("Subject")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class PlanReasons:
    """Why a result is as it is; `notes` say which questions were not answered, and why.

    `price` is what the changes are compared with: the optimum without a memory limit and on one machine. `others` are
    other orders of a graph with their prices.
    """

    result: Result
    price: int = 0
    others: tuple[tuple[str, int], ...] = ()
    splits: tuple[IntervalSplit, ...] = ()
    vertices: tuple[EliminatedVertex, ...] = ()
    shares: tuple[ElementalShare, ...] = ()
    ranges: tuple[OptimalRange, ...] = ()
    sensitivities: tuple[SizeSensitivity, ...] = ()
    savings: tuple[ElementalSaving, ...] = ()
    thresholds: tuple[MatrixFreeThreshold, ...] = ()
    products: tuple[ProductRange, ...] = ()
    notes: tuple[str, ...] = ()


def reasons(result: Result, seconds: float, progress: Callable[[SearchProgress], None] | None = None) -> PlanReasons:
    """Find out within some seconds why the plan of a result is as it is."""
    candidate, problem = result.candidate, result.problem
    if candidate is not None and candidate.plan.programs:
        return _of_products(result, seconds, progress)
    if candidate is not None and candidate.plan.second_outputs:
        split, refusal = second_splits(problem, candidate, seconds)
        return PlanReasons(result, candidate.price, splits=split, notes=tuple(filter(None, (refusal,))))
    if candidate is None or not candidate.plan.steps or not candidate.plan.outputs:
        return PlanReasons(result)
    plan, replayed = candidate.plan, candidate.priced
    notes = [] if problem.memory is None else ["Everything else is planned without the memory limit."]
    whole = Replanner(seconds, progress)
    is_chain = plan.graph.not_a_chain is None
    splits, refusal = top_splits(problem, candidate, 0.3 * seconds) if is_chain else ((), "")
    notes += filter(None, (refusal,))
    dearest = shares(plan, replayed)
    known = PlanReasons(
        result,
        price=replayed.total,
        others=() if is_chain else _others(result, min(MAX_QUESTION_SECONDS, 0.2 * seconds)),
        splits=splits,
        vertices=() if is_chain else tuple(eliminated(plan, replayed)),
        shares=tuple(dearest),
    )
    if len(problem.graph.useful) > MAX_REPLANNED_ELEMENTALS:
        notes.append(_TOO_LARGE)
        return replace(known, notes=tuple(notes))
    free, fixed = free_sizes(problem)
    looked = _chosen(free, result)
    names = [share.elemental for share in dearest[:MAX_VARIED_ELEMENTALS]]
    if problem.recompute:
        notes.append("Products with vectors are not looked at: limits.recompute is set, and they take states as given.")
    asked = _Questions(whole, progress, notes)
    now = ReplannedOptimum(replayed.total, plan, None if result.claimed else result.optimal_within)
    if problem.memory is not None or result.schedule is not None:
        with suppress(OutOfQuestionTime):
            now = whole.cheapest(problem, now)
    answered = replace(
        known,
        price=now.price,
        ranges=asked.each("Break-evens", 0.25, looked, lambda f, again: ranges(problem, plan, f, again)),
        sensitivities=asked.each("Sensitivities", 0.15, looked, lambda f, again: [sensitivity(problem, f, again, now)]),
        savings=asked.each("Savings", 0.15, names, lambda n, again: savings(problem, n, again, now)),
        products=asked.each(
            "Products", 0.15, _sides(problem), lambda side, again: product_ranges(problem, side, again)
        ),
        thresholds=asked.each("Matrix-free prices", 0.1, names, lambda n, again: _threshold(result, n, again, now)),
    )
    if len(looked) < len(free):
        asked.notes.append(f"{len(looked)} of {len(free):,} sizes are looked at: input, output and the largest.")
    if fixed:
        shown = ", ".join(map(label, fixed[:5])) + (", ..." if len(fixed) > 5 else "")
        asked.notes.append(f"The sizes of {shown} are fixed by structures.")
    return replace(answered, notes=tuple(asked.notes))


def _sides(problem: Problem) -> list[ProductSide]:
    """List the numbers of products that are looked at: none where the plan evaluates states."""
    return [] if problem.recompute else sides(problem)


def _of_products(result: Result, seconds: float, progress: Callable[[SearchProgress], None] | None) -> PlanReasons:
    """Find out for which numbers of products which mix is the best."""
    problem, price = result.problem, result.price or 0
    if len(problem.graph.useful) > MAX_REPLANNED_ELEMENTALS:
        return PlanReasons(result, price, notes=(_TOO_LARGE,))
    notes = [] if problem.memory is None else ["Everything else is planned without the memory limit."]
    asked = _Questions(Replanner(seconds, progress), progress, notes)
    found = asked.each("Products", 1.0, sides(problem), lambda side, again: product_ranges(problem, side, again))
    return PlanReasons(result, price, products=found, notes=tuple(asked.notes))


_TOO_LARGE = f"Changes are not looked at: the problem has more than {MAX_REPLANNED_ELEMENTALS:,} elementals."


def _others(result: Result, seconds: float) -> tuple[tuple[str, int], ...]:
    """Price forward, reverse and greedy order of a graph without a memory limit, the cheapest first."""
    best = result.price_baselines
    orders = [("forward order", best.forward), ("reverse order", best.reverse)]
    problem = replace(result.problem, memory=None)
    if SOLVERS["greedy"].refusal(problem) is None:
        greedy = plan_again(problem, "greedy", budget=seconds, seed=result.seed).price
        orders += [] if greedy is None else [("greedy order", greedy)]
    return tuple(sorted(orders, key=lambda other: other[1]))


def _threshold(result: Result, name: str, again: Replanner, now: ReplannedOptimum) -> list[MatrixFreeThreshold]:
    """Compare with the optimum without a memory limit, where that is proven."""
    best = now if now.proven else again.cheapest(result.problem, now)
    most = threshold(result.problem, name, best.price, again) if best.proven else None
    return [] if most is None else [most]


def _chosen(free: list[FreeVertices], result: Result) -> list[FreeVertices]:
    """Choose the sizes at the ends first, then the largest; ties are in topological order."""
    graph = result.problem.graph
    ends = {*graph.inputs, *graph.outputs}
    return sorted(free, key=lambda f: (not ends & {*f.vertices}, -f.size))[:MAX_VARIED_SIZES]


class _Questions:
    """Asks one question about each of some subjects until its share of the time is over, and notes where that is."""

    def __init__(self, whole: Replanner, progress: Callable[[SearchProgress], None] | None, notes: list[str]) -> None:
        self._whole, self._progress, self.notes = whole, progress, notes

    def each(
        self, what: str, share: float, things: list[Subject], ask: Callable[[Subject, Replanner], Iterable[Answer]]
    ) -> tuple[Answer, ...]:
        again = Replanner(max(0.0, min(share * self._whole.seconds, self._whole.left)), self._progress)
        answers: list[Answer] = []
        unproven = 0
        for done, thing in enumerate(things):
            try:
                answers += ask(thing, again)
            except UnprovenRange:
                unproven += 1
            except OutOfQuestionTime:
                some = f"{what} are looked at for {done} of {len(things)}: {again.seconds:.1f} s were over."
                self.notes.append(f"{some} 'chainplan explain --budget' looks longer.")
                break
        if unproven:
            self.notes.append(
                f"{what} are not given for {unproven} of {len(things)}: an optimum is not proven in time."
            )
        return tuple(answers)
