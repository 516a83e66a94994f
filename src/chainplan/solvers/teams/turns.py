"""What one member of a team does in a turn: improve a region of the best order so far, or prove a bound.

A turn is plain data, so that it can be sent to another process; what a member knows of the graph stays with it from
turn to turn. Improvements begin at the order of the turn and differ by seed, by heat and by where annealing begins.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import NamedTuple, Protocol

from chainplan.compiled.loader import compiled_core
from chainplan.problem.problem import Problem
from chainplan.solvers.elimination.bitset_problem import EliminationCore
from chainplan.solvers.elimination.branch_and_bound import STEPS_TO_DOUBLE, ExactSearch
from chainplan.solvers.elimination.compiled_search import MAX_SET_VERTICES
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.elimination.greedy import PricedOrder
from chainplan.solvers.elimination.local_search import MAX_DISTURBANCES, carry_on, improve
from chainplan.solvers.elimination.path_bound import MAX_GROUP_BOUND_INTERMEDIATES, quick_bound
from chainplan.solvers.search.search import Search, SearchStopped

TURN_PATIENCE = 40
"""Rounds of heat and annealing without gain after which a turn ends."""
MAX_UNCOMPILED_SEARCHED = 400
"""Intermediate vertices above which the exact search needs its compiled twin to say more than the quick bound."""
FINER_STEPS = 4
"""How many times finer the steps of a proof are after its first turn: what is proven counts once a step is whole."""


class Turn(NamedTuple):
    """What a member is asked for: a better order of `region` after `before` is gone, or a proof.

    `upper` is the price of the best order: a bound that reaches it proves it. `number` counts the rounds of the team
    on a small graph, on others those in a row that gained nothing; of a proof, its turns.
    """

    way: str
    seed: int
    number: int
    seconds: float | None
    nodes: int | None
    upper: int | None
    before: list[int]
    region: list[int]


class TurnAnswer(NamedTuple):
    """What a turn gave: an order of its region (a proof has one where it is complete), and a bound on the whole."""

    order: list[int] | None
    saved: int = 0
    """What it costs less than the order of the turn, or than nothing where the turn had none."""
    bound: int = 0
    done: bool = False
    """Whether the member can prove nothing more."""


class PendingAnswer(Protocol):
    """A turn that has been handed to a member: a future."""

    def done(self) -> bool:
        """Whether there is an answer, or an error."""
        ...

    def wait(self, seconds: float) -> None:
        """Wait until there is one, for at most so many seconds."""
        ...

    def result(self) -> TurnAnswer | None:
        """The answer, once it is there; None where the member was lost."""
        ...


class Crew(Protocol):
    """The members of a team, wherever they run."""

    @property
    def members(self) -> int:
        """How many there are."""
        ...

    def submit(self, member: int, turn: Turn) -> PendingAnswer:
        """Hand a turn to a member."""
        ...

    def end(self) -> None:
        """Tell all members to end their turns now."""
        ...


class Member:
    """One member: the graph and, where it proves, how far it is."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.work = problem, WorkGraph(problem.graph, None, problem.cost)
        self._core: EliminationCore | None = None
        self._exact: ExactSearch | None = None
        self._bound = 0

    def take(self, turn: Turn, over: Callable[[], bool] = lambda: False) -> TurnAnswer:
        """Take a turn; once the team is `over`, it ends at once with what there is."""
        search = Search(turn.seed, turn.seconds, nodes=turn.nodes)

        def tick() -> None:
            if over():
                raise SearchStopped
            search.tick()

        return WAYS[turn.way](self, turn, tick)

    def start(self, turn: Turn, tick: Callable[[], None]) -> TurnAnswer:
        """Improve greedy orders, and that of the turn where it has one."""
        found = improve(self.work, Random(turn.seed), _going(tick), TURN_PATIENCE, start=turn.region or None)
        best = min(found)
        return TurnAnswer(best.order, -best.price)

    def improve(self, turn: Turn, tick: Callable[[], None]) -> TurnAnswer:
        """Improve a region, with a heat of its own; no region changes the price of another."""
        now = self.work.copy()
        for v in turn.before:
            now.eliminate(v)
        part, numbers = now.part(turn.region)
        place = {v: i for i, v in enumerate(numbers)}
        order = [place[v] for v in turn.region]
        heats = MAX_DISTURBANCES if turn.seed % 2 else (MAX_DISTURBANCES[turn.seed // 2 % len(MAX_DISTURBANCES)],)
        start = PricedOrder(part.order_price(order), order)
        *_, best = carry_on(part, Random(turn.seed), _going(tick), start, TURN_PATIENCE, heats, turn.number)
        return TurnAnswer([numbers[i] for i in best.order], start.price - best.price)

    def prove(self, turn: Turn, tick: Callable[[], None]) -> TurnAnswer:
        """Raise the bound, of large graphs by quick means first, then by the exact search where it stopped.

        On small graphs the exact search begins with what the quick means would say.
        """
        if not self._bound and not (self._searchable and len(self.work.middle) <= MAX_GROUP_BOUND_INTERMEDIATES):
            self._bound = quick_bound(self.work, tick)
        if not self._searchable:
            return TurnAnswer(None, bound=self._bound, done=True)
        core = self._core = self._core or EliminationCore(self.problem.graph, self.problem.cost)
        with suppress(SearchStopped):
            if self._exact is None:
                self._exact = ExactSearch(core, tick=tick)
            upper = None if turn.upper is None else turn.upper - core.fixed
            self._exact.run(upper, tick, STEPS_TO_DOUBLE * (FINER_STEPS if turn.number else 1))
        if self._exact is None:
            return TurnAnswer(None, bound=self._bound)
        self._bound = max(self._bound, self._exact.bound + core.least_fixed)
        return TurnAnswer(self._exact.order, bound=self._bound, done=self._exact.order is not None)

    @property
    def _searchable(self) -> bool:
        """Whether the exact search takes the graph, and can be expected to prove more than the quick bound."""
        if self.work.prices.adds and not self.work.grows:
            return False
        most = MAX_UNCOMPILED_SEARCHED if compiled_core() is None or self.work.prices.adds else MAX_SET_VERTICES
        return len(self.work.middle) <= most


WAYS: dict[str, Callable[[Member, Turn, Callable[[], None]], TurnAnswer]] = {
    "start": Member.start,
    "improve": Member.improve,
    "prove": Member.prove,
}
"""What a member can be asked for, by name."""


def _going(tick: Callable[[], None]) -> Callable[[], bool]:
    """A function that ticks and says whether limits are left."""

    def going() -> bool:
        try:
            tick()
        except SearchStopped:
            return False
        return True

    return going
