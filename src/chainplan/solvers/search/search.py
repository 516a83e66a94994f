"""What a solver is given besides the problem: seed, limits, a place to put its best plan, a way to say how far it is.

A search is stopped by raising `Stopped` out of `tick`, or by Ctrl-C; both leave the incumbent here, where the planner
picks it up. A solver that is not anytime just never offers one. Time ends a search anywhere; nodes, which are calls of
`tick`, end it at the same place on every machine, so that a seed and a number of nodes say which plan is found. So the
places at which a search looks at its limits are given by the work it has done (`Pace`), never by the clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from chainplan.errors.arguments import called, seconds, whole
from chainplan.plans.ratios import gap
from chainplan.plans.steps import Plan

SILENT = 0.5
"""Seconds before a search says anything."""
EVERY = 0.2
"""Seconds between two reports."""
GRACE = 0.4
"""Seconds beyond its budget that a search may take to write its plan down."""


class Stopped(Exception):
    """The budget of a search has run out."""


class Pace:
    """Says when work that comes in small pieces is due for a look at the limits: after so much of it, on any machine.

    `most` is the work between two looks, in elementary operations of some tenths of a microsecond.
    """

    def __init__(self, most: int = 20_000) -> None:
        self._most = self._left = most

    def due(self, work: int) -> bool:
        """Whether to look, now that so much more has been done."""
        self._left -= work
        if self._left > 0:
            return False
        self._left = self._most
        return True


Look = Callable[[int], None]
"""Told how much work has been done since it was told last; raises `Stopped` where the limits are reached."""


def paced(tick: Callable[[], None], most: int = 20_000) -> Look:
    """Calls `tick` at a pace."""
    pace = Pace(most)

    def look(work: int) -> None:
        if pace.due(work):
            tick()

    return look


def unwatched(work: int = 0) -> None:
    """There is no limit."""


@dataclass(frozen=True)
class Progress:
    """How far a search is: share done from 0 to 1 (None where unknown), seconds so far, best cost and bound in fma."""

    solver: str
    done: float | None
    seconds: float
    best: int | None = None
    bound: int = 0

    @property
    def gap(self) -> float | None:
        """How far the best plan may be above the optimum, as a share of its cost; None where one is not known."""
        return gap(self.best, self.bound) if self.bound else None


@dataclass
class Search:
    """The state of one search.

    `budget` in seconds and `nodes` in ticks are limits, None is none; `start` is a plan to improve. `writing` are the
    seconds that it takes to write the best plan down; the search ends so much earlier. `greedy` holds the orders that
    keys have given, by key, so that stages need not find them again; None is one that was given up. `unfinished` holds
    what a solver leaves for a later stage in which it goes on, by the name of the solver.
    """

    seed: int = 0
    budget: float | None = None
    progress: Callable[[Progress], None] | None = None
    solver: str = ""
    nodes: int | None = None
    start: Plan | None = None
    bound: int = 0
    within: str | None = None
    best: int | None = None
    ticks: int = 0
    writing: float = 0.0
    greedy: dict[str, tuple[int, list[int]] | None] = field(default_factory=dict)
    unfinished: dict[str, object] = field(default_factory=dict)
    _incumbent: Plan | Callable[[], Plan] | None = None
    _parent: Search | None = None
    _start: float = field(default_factory=lambda: monotonic())
    _said: float = 0.0

    def __post_init__(self) -> None:
        self.seed = whole("seed", self.seed, most=None)
        self.budget = seconds("budget", self.budget)
        self.nodes = None if self.nodes is None else whole("nodes", self.nodes)
        called("progress", self.progress)

    @property
    def seconds(self) -> float:
        """Seconds since the search began."""
        return monotonic() - self._start

    @property
    def limited(self) -> bool:
        """Whether time or nodes are limited."""
        return self.budget is not None or self.nodes is not None

    @property
    def spent(self) -> str:
        """What the search has taken, in the unit of its limit."""
        return f"{self.seconds:.1f} s" if self.nodes is None else f"{min(self.ticks, self.nodes):,} nodes"

    def stage(self, solver: str, share: float = 1.0) -> Search:
        """A search within this one, of its seed and best plan, that ends after a share of the limits."""
        self.solver = solver
        left = None if self.budget is None else max(0.0, min(self.budget - self.seconds, share * self.budget))
        nodes = None if self.nodes is None else max(0, min(self.nodes - self.ticks, int(share * self.nodes)))
        return Search(
            seed=self.seed,
            budget=left,
            progress=self.progress,
            solver=solver,
            nodes=nodes,
            start=self.start,
            bound=self.bound,
            within=self.within,
            best=self.best,
            greedy=self.greedy,
            unfinished=self.unfinished,
            _incumbent=self._incumbent,
            _parent=self,
        )

    def offer(self, plan: Plan | Callable[[], Plan], cost: int) -> None:
        """Keep a plan, or what makes it, of a cost in fma, unless a cheaper one is kept."""
        if self.best is not None and cost > self.best:
            return
        self._incumbent, self.best = plan, cost
        if self._parent is not None:
            self._parent.offer(plan, cost)

    def prove(self, bound: int, within: str) -> None:
        """Keep a lower bound in fma on all plans of the moves named, in case the search is stopped."""
        if bound > self.bound or self.within is None:
            self.bound, self.within = bound, within
        if self._parent is not None:
            self._parent.prove(bound, within)

    @property
    def incumbent(self) -> Plan | None:
        """The plan offered last."""
        if callable(self._incumbent):
            self._incumbent = self._incumbent()
        return self._incumbent

    def going(self, done: float | None = None) -> bool:
        """Say how far the search is, as `tick` does, and whether there is budget left."""
        try:
            self.tick(done)
        except Stopped:
            return False
        return True

    def in_time(self) -> bool:
        """Whether there is time left, without counting a node: for what is done once the search is over."""
        try:
            self.watch()
        except Stopped:
            return False
        return True

    def tick(self, done: float | None = None) -> None:
        """Count a node and say how far the search is; call it often.

        Raises
        ------
        Stopped
            When the seconds or the nodes have run out.
        """
        stage: Search | None = self
        while stage is not None:
            stage.ticks += 1
            stage = stage._parent
        if self.nodes is not None and self.ticks > self.nodes:
            raise Stopped
        self.watch(done)

    def watch(self, done: float | None = None) -> None:
        """As `tick`, without counting a node: for what is called by the clock.

        Raises
        ------
        Stopped
            When the seconds have run out.
        """
        seconds = self.seconds
        if self.budget is not None and seconds > self.budget - max(0.0, self.writing - GRACE):
            raise Stopped
        if self.progress is not None and seconds - self._said > EVERY and seconds > SILENT:
            self._said = seconds
            self.progress(Progress(self.solver, done, seconds, self.best, self.bound))
