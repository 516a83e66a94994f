"""Planning again with something changed, within a budget of time that all questions about a plan share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import monotonic

from chainplan.planner import plan
from chainplan.problem import Problem
from chainplan.result import Status
from chainplan.search import Progress
from chainplan.steps import Plan

EACH = 1.0
"""Seconds that one question may take at most."""


@dataclass(frozen=True)
class Found:
    """The cheapest plan found for a changed problem, and whether it is proven optimal within the moves `within`."""

    price: int
    plan: Plan
    within: str | None

    @property
    def proven(self) -> bool:
        """Whether no plan of these moves is cheaper."""
        return self.within is not None


class OutOfTime(Exception):
    """The questions have taken their time."""


@dataclass
class Replanner:
    """Answers what a changed problem costs until `seconds` have passed."""

    seconds: float
    progress: Callable[[Progress], None] | None = None
    _start: float = field(default_factory=monotonic)

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.seconds - (monotonic() - self._start)

    def cheapest(self, problem: Problem) -> Found:
        """The cheapest plan that is found without a memory limit.

        Raises
        ------
        OutOfTime
            Where there is no time left to ask.
        """
        if self.left <= 0:
            raise OutOfTime
        result = plan(replace(problem, memory=None), budget=min(self.left, EACH), progress=self.progress)
        if result.plan is None or result.price is None:
            raise OutOfTime
        proven = result.status is Status.OPTIMAL
        return Found(result.price, result.plan, result.within if proven else None)
