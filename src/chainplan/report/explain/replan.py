"""Planning again with something changed, within a budget of time that all questions about a plan share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import monotonic

from chainplan.planner import plan
from chainplan.plans.bound import Status
from chainplan.plans.steps import Plan
from chainplan.problem.problem import Problem
from chainplan.report.explain.carried import carried
from chainplan.solvers.search.search import SearchProgress

MAX_QUESTION_SECONDS = 1.0
"""Seconds that one question may take at most."""


@dataclass(frozen=True)
class ReplannedOptimum:
    """The cheapest plan known for a changed problem; it is proven optimal within the class `within`, if any."""

    price: int
    plan: Plan
    within: str | None

    @property
    def proven(self) -> bool:
        """Whether no plan of the class is cheaper."""
        return self.within is not None


class OutOfQuestionTime(Exception):
    """The time for questions is over."""


@dataclass
class Replanner:
    """Answers what a changed problem costs until `seconds` have passed."""

    seconds: float
    progress: Callable[[SearchProgress], None] | None = None
    _start: float = field(default_factory=lambda: monotonic())

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.seconds - (monotonic() - self._start)

    def cheapest(self, problem: Problem, *known: ReplannedOptimum) -> ReplannedOptimum:
        """Search for the cheapest plan without a memory limit; plans `known` for similar problems compete.

        Raises
        ------
        OutOfQuestionTime
            If there is no time left.
        """
        left = self.left
        if left <= 0:
            raise OutOfQuestionTime
        result = plan(replace(problem, memory=None), budget=min(left, MAX_QUESTION_SECONDS), progress=self.progress)
        if result.plan is None or result.price is None:
            raise OutOfQuestionTime
        proven = result.status is Status.OPTIMAL
        best = ReplannedOptimum(result.price, result.plan, result.within if proven else None)
        for other in known:
            moved = carried(other.plan, problem)
            if moved is not None and moved.price < best.price:
                best = ReplannedOptimum(moved.price, moved.plan, None)
        return best

    def easier(self, problem: Problem, now: ReplannedOptimum, *known: ReplannedOptimum) -> ReplannedOptimum:
        """Do the same for a problem that is easier than that of `now`: what solves that problem solves this one.

        Under an objective in time the kernels of a sparser block may take longer than those of the dense one, and a
        block of fewer entries may be held as one of more.
        """
        best = self.cheapest(problem, now, *known)
        return best if best.price <= now.price else ReplannedOptimum(now.price, now.plan, None)
