"""Cheapest plan of a chain that evaluates its own states, stores some and evaluates others again, under a limit.

Without recomputation the states at which elementals are linearised are given. Here they count, as tapes and blocks do,
and what does not fit is evaluated again, so that "infeasible" becomes "costs so much". The space of plans is that of
`nested`; binomial checkpointing (Griewank & Walther 2000, "Algorithm 799: revolve") is the case of one sweep of
adjoints over equal elementals.

The fronts of all tasks are exact but many: O(q³) tasks of O(q) ways. A first pass makes only blocks that begin at the
input or end at the output, which forward and reverse order are made of. The price of what it finds rules out every
block that costs more even with all states given and no limit, and mostly none is left for a second pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from chainplan.checkpointing.fronts import Front, least, under
from chainplan.problem import Problem
from chainplan.result import Outcome, Status
from chainplan.search import Search
from chainplan.solvers.base import Solver, not_fma
from chainplan.solvers.chains import not_a_chain
from chainplan.solvers.nested import Chain, Interval, Tasks
from chainplan.solvers.nested_writer import write

LONGEST = 150
WITHIN = "bracketings and nested checkpoints"


@final
class ChainRecompute(Solver):
    """Pareto fronts of memory and price over intervals of a chain, with checkpoints.

    Cost: O(q³) to O(q⁴) joins of fronts for q elementals, as prices leave few or many blocks worth a thought.
    Exact: yes, within bracketings and nested checkpoints, under any memory limit; an infeasible one comes with the
        smallest that would work.
    Refuses: graphs that are not chains; more than 150 elementals; other objectives than fma; states that are given.
    """

    name = "chain-recompute"
    recomputes = True

    def refuses(self, problem: Problem) -> str | None:
        if not problem.recompute:
            return "its states are given; set limits.recompute to have them evaluated"
        return not_fma(problem) or not_a_chain(problem, LONGEST)

    def solve(self, problem: Problem, search: Search) -> Outcome:
        fronts = Fronts(problem, search)
        point = under(fronts.under(problem.memory), problem.memory)
        if point is None:
            return Outcome(Status.INFEASIBLE, needs=fronts.smallest())
        return Outcome(Status.OPTIMAL, write(problem.graph, point), bound=point[1], within=WITHIN)


class Fronts:
    """The exact fronts of one problem."""

    def __init__(self, problem: Problem, search: Search) -> None:
        self._chain, self._search = Chain(problem.graph), search
        self._floors = self._chain.floors()
        self._smallest: int | None = None

    def under(self, limit: int | None) -> Front:
        """The front up to a limit, exact at the limit itself."""
        first = self._pass(limit, self._outer)
        point = under(first, limit)
        return self._again(limit, first, None if point is None else point[1])

    def whole(self) -> Front:
        """The front of all limits."""
        low, first = self.smallest(), self._pass(None, self._outer)
        if first[0][0] > low:
            point = under(self._pass(low, lambda _: True), low)
            assert point is not None
            return self._again(None, first, point[1])
        return self._again(None, first, first[0][1])

    def smallest(self) -> int:
        """The least memory of any plan."""
        if self._smallest is None:
            self._smallest = Tasks(self._chain, None, lambda _: True, self._search, least).front[0][0]
        return self._smallest

    def _again(self, limit: int | None, first: Front, price: int | None) -> Front:
        """A pass over the blocks that might make a plan of at most this price, where there are more than the outer."""

        def wanted(interval: Interval) -> bool:
            return price is None or self._floors[interval] <= price

        if all(self._outer(interval) or not wanted(interval) for interval in self._floors):
            return first
        return self._pass(limit, lambda interval: wanted(interval) or self._outer(interval))

    def _outer(self, interval: Interval) -> bool:
        i, j = interval
        return i == 0 or j == self._chain.q or j == i + 1

    def _pass(self, limit: int | None, wanted: Callable[[Interval], bool]) -> Front:
        return Tasks(self._chain, limit, wanted, self._search).front
