"""What a solver is given besides the problem: seed, limits, a place to put its best plan, a way to say how far it is.

A search is stopped by raising `SearchStopped` out of `tick`, or by Ctrl-C; both leave the incumbent here, where the
planner picks it up. A solver that is not anytime never offers one. Time ends a search anywhere. Nodes, which are calls
of `tick`, end it at the same place on every machine, so that a seed and a number of nodes determine the plan. For the
same reason the work done (`WorkPace`), never the clock, decides where a search looks at its limits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from time import monotonic

from chainplan.errors.arguments import called, seconds, whole
from chainplan.plans.bound import NO_BOUND, Bound
from chainplan.plans.ratios import gap
from chainplan.plans.steps import Plan

SECONDS_BEFORE_REPORTS = 0.5
"""Seconds before a search says anything."""
SECONDS_BETWEEN_REPORTS = 0.2
"""Seconds between two reports."""
SECONDS_OF_GRACE = 0.4
"""Seconds beyond its budget that a search may take to write its plan down."""


class SearchStopped(Exception):
    """The budget of a search has run out."""


class WorkPace:
    """Decides when a search that works in small pieces looks at its limits: after the same work on every machine.

    `most` is the work between two looks, in elementary operations of some tenths of a microsecond.
    """

    def __init__(self, most: int = 20_000) -> None:
        self._most = self._left = most

    def due(self, work: int) -> bool:
        """Whether a look is due, now that `work` more has been done."""
        self._left -= work
        if self._left > 0:
            return False
        self._left = self._most
        return True


WorkWatcher = Callable[[int], None]
"""A function that is told how much work has been done since the last call, and raises `SearchStopped` at the limits."""


def paced(tick: Callable[[], None], most: int = 20_000) -> WorkWatcher:
    """A look that calls `tick` once per `most` work."""
    pace = WorkPace(most)

    def look(work: int) -> None:
        for left in range(work, 0, -most):
            if pace.due(min(left, most)):
                tick()

    return look


def unwatched(work: int = 0) -> None:
    """Do nothing: the look of a search without limits."""


@dataclass(frozen=True)
class SearchProgress:
    """How far a search is: share done from 0 to 1 (None where unknown), seconds so far, best cost and bound.

    Cost and bound are prices in `unit`.
    """

    solver: str
    done: float | None
    seconds: float
    best: int | None = None
    bound: int = 0
    unit: str = "fma"

    @property
    def gap(self) -> float | None:
        """How far the best plan may be above the optimum, as a share of its cost; None where one is not known."""
        return gap(self.best, self.bound) if self.bound else None


@dataclass
class Search:
    """The state of one search.

    `budget` in seconds and `nodes` in ticks are limits, None where there is none; `start` is a plan to improve.
    All costs and bounds are prices by the objective, whose unit in short is `unit`.
    `exact` says whether the counts of nonzeros are exact; where they are not, only bounds that are sure are kept.
    `writing` is the time in seconds that it takes to write the best plan down; the search ends that much earlier.
    `keeps` says which bounds are kept: those of classes narrower than that of the plans that are compared say nothing.
    `greedy` holds the greedy orders by key, so that later stages need not compute them again; None stands for an order
    that was given up. `unfinished` holds, by the name of a solver, the search that a later stage of it goes on with.
    """

    seed: int = 0
    budget: float | None = None
    progress: Callable[[SearchProgress], None] | None = None
    solver: str = ""
    nodes: int | None = None
    start: Plan | None = None
    unit: str = "fma"
    bound: Bound = NO_BOUND
    keeps: Callable[[Bound], bool] = lambda bound: True
    best: int | None = None
    ticks: int = 0
    exact: bool = True
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
    def gone(self) -> float:
        """The share of the seconds that has gone by, 0 where they are not limited."""
        return self.seconds / self.budget if self.budget else float(self.budget is not None)

    @property
    def left(self) -> float:
        """The seconds that are left before the best plan must be written down, infinite where they are not limited."""
        return self._end(self.writing) - monotonic()

    @property
    def limited(self) -> bool:
        """Whether time or nodes are limited."""
        return self.budget is not None or self.nodes is not None

    @property
    def spent(self) -> str:
        """The time or the nodes that the search has taken, in the unit of its limit."""
        return f"{self.seconds:.1f} s" if self.nodes is None else f"{min(self.ticks, self.nodes):,} nodes"

    def stage(self, solver: str, share: float = 1.0) -> Search:
        """A search within this one, with its seed and best plan, that ends after a share of the limits."""
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
            unit=self.unit,
            bound=self.bound,
            best=self.best,
            exact=self.exact,
            greedy=self.greedy,
            unfinished=self.unfinished,
            _incumbent=self._incumbent,
            _parent=self,
        )

    def apart(self, solver: str, share: float = 1.0) -> Search:
        """A search for another problem that ends after a share of the limits: its plans and bounds stay its own."""
        left = self.stage(solver, share)
        return Search(left.seed, left.budget, left.progress, solver, left.nodes, exact=left.exact)

    def offer(self, plan: Plan | Callable[[], Plan], cost: int) -> None:
        """Keep a plan of this price, or a function that writes it, unless a cheaper one is kept already."""
        if self.best is not None and cost > self.best:
            return
        self._incumbent, self.best = plan, cost
        if self._parent is not None:
            self._parent.offer(plan, cost)

    def prove(self, bound: Bound) -> None:
        """Keep a lower bound, in case the search is stopped."""
        if not self.keeps(bound):
            return
        self.bound = self.bound.stronger(bound.counted(self.exact))
        if self._parent is not None:
            self._parent.prove(bound)

    @property
    def incumbent(self) -> Plan | None:
        """The cheapest plan offered so far, the last of equal ones."""
        if callable(self._incumbent):
            self._incumbent = self._incumbent()
        return self._incumbent

    def going(self, done: float | None = None) -> bool:
        """Report progress and count a node, as `tick` does, and return whether there is budget left."""
        try:
            self.tick(done)
        except SearchStopped:
            return False
        return True

    def in_time(self) -> bool:
        """Whether there is time left, without counting a node: for work after the search is over."""
        try:
            self.watch()
        except SearchStopped:
            return False
        return True

    def tick(self, done: float | None = None) -> None:
        """Count a node and report progress; to be called often.

        Raises
        ------
        SearchStopped
            When the seconds or the nodes have run out.
        """
        stage: Search | None = self
        while stage is not None:
            stage.ticks += 1
            stage = stage._parent
        if self.nodes is not None and self.ticks > self.nodes:
            raise SearchStopped
        self.watch(done)

    def _end(self, writing: float) -> float:
        """When the clock says that the seconds have run out; a stage may write after its own, before those of all."""
        end = inf if self.budget is None else self._start + self.budget
        if self._parent is None:
            return end - max(0.0, writing - SECONDS_OF_GRACE)
        return min(end, self._parent._end(writing))

    def watch(self, done: float | None = None) -> None:
        """Report progress without counting a node: for calls that the clock triggers.

        Raises
        ------
        SearchStopped
            When the seconds have run out.
        """
        now = monotonic()
        if now > self._end(self.writing):
            raise SearchStopped
        seconds = now - self._start
        if (
            self.progress is not None
            and seconds - self._said > SECONDS_BETWEEN_REPORTS
            and seconds > SECONDS_BEFORE_REPORTS
        ):
            self._said = seconds
            self.progress(SearchProgress(self.solver, done, seconds, self.best, self.bound.value, self.unit))
