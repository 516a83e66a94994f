"""Planning again with something changed, within a budget of time that all questions about a plan share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import monotonic

from chainplan.planner import plan
from chainplan.plans.bound import Status
from chainplan.plans.replay import replay
from chainplan.plans.steps import Plan
from chainplan.problem.problem import Problem
from chainplan.report.explain.carried import carried
from chainplan.solvers.search.search import Progress

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
    _start: float = field(default_factory=lambda: monotonic())

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.seconds - (monotonic() - self._start)

    def cheapest(self, problem: Problem, *known: Found) -> Found:
        """The cheapest plan without a memory limit, by a search and of those known for problems much like it.

        Raises
        ------
        OutOfTime
            Where there is no time left to ask.
        """
        left = self.left
        if left <= 0:
            raise OutOfTime
        result = plan(replace(problem, memory=None), budget=min(left, EACH), progress=self.progress)
        if result.plan is None or result.price is None:
            raise OutOfTime
        proven = result.status is Status.OPTIMAL
        found = Found(result.price, result.plan, result.within if proven else None)
        for other in known:
            moved = carried(other.plan, problem)
            price = found.price if moved is None else replay(moved, problem.cost).total
            if moved is not None and price < found.price:
                found = Found(price, moved, None)
        return found

    def easier(self, problem: Problem, now: Found, *known: Found) -> Found:
        """The same for a problem that asks for less than that of `now`: what solves the one solves the other too.

        Under an objective in time the kernels of a sparser block may take longer than those of the dense one, and a
        block of fewer entries may be held as one of more.
        """
        found = self.cheapest(problem, now, *known)
        return found if found.price <= now.price else Found(now.price, now.plan, None)
