"""What a solver is given besides the problem: seed, time, a place to put its best plan, a way to say how far it is.

A search is stopped by raising `Stopped` out of `tick`, or by Ctrl-C; both leave the incumbent here, where the planner
picks it up. A solver that is not anytime just never offers one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from chainplan.steps import Plan


class Stopped(Exception):
    """The budget of a search has run out."""


@dataclass(frozen=True)
class Progress:
    """How far a search is: share done from 0 to 1 (None where unknown) and seconds so far."""

    solver: str
    done: float | None
    seconds: float


@dataclass
class Search:
    """The state of one search. `budget` in seconds, None is no limit."""

    seed: int = 0
    budget: float | None = None
    progress: Callable[[Progress], None] | None = None
    solver: str = ""
    bound: int = 0
    within: str | None = None
    _best: Plan | Callable[[], Plan] | None = None
    _parent: Search | None = None
    _start: float = field(default_factory=monotonic)
    _said: float = 0.0

    @property
    def seconds(self) -> float:
        """Seconds since the search began."""
        return monotonic() - self._start

    def stage(self, solver: str, seconds: float | None) -> Search:
        """A search within this one, of its seed and best plan, that ends after so many seconds or with this one."""
        left = None if self.budget is None else max(0.0, self.budget - self.seconds)
        limits = [limit for limit in (left, seconds) if limit is not None]
        self.solver = solver
        return Search(
            self.seed, min(limits, default=None), self.progress, solver, self.bound, self.within, self._best, self
        )

    def offer(self, plan: Plan | Callable[[], Plan]) -> None:
        """Keep a plan, or what makes it, in case the search is stopped."""
        self._best = plan
        if self._parent is not None:
            self._parent.offer(plan)

    def prove(self, bound: int, within: str) -> None:
        """Keep a lower bound in fma on all plans of the moves named, in case the search is stopped."""
        if bound > self.bound or self.within is None:
            self.bound, self.within = bound, within
        if self._parent is not None:
            self._parent.prove(bound, within)

    @property
    def incumbent(self) -> Plan | None:
        """The plan offered last."""
        if callable(self._best):
            self._best = self._best()
        return self._best

    def going(self, done: float | None = None) -> bool:
        """Say how far the search is, as `tick` does, and whether there is budget left."""
        try:
            self.tick(done)
        except Stopped:
            return False
        return True

    def tick(self, done: float | None = None) -> None:
        """Say how far the search is; call it often.

        Raises
        ------
        Stopped
            When the budget has run out.
        """
        seconds = self.seconds
        if self.budget is not None and seconds > self.budget:
            raise Stopped
        if self.progress is not None and seconds - self._said > 0.2 and seconds > 1:
            self._said = seconds
            self.progress(Progress(self.solver, done, seconds))
