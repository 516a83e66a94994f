"""Second derivatives under a memory limit: the cheapest that fits of many orders, each with its steps in a good order.

What is alive at a step depends on the order in which vertices are eliminated and on the order of the steps, which that
leaves partly open. Of few vertices all orders are tried; else those of the baselines and a greedy one, and then single
vertices are moved: first until a plan fits, then for as long as it gets cheaper. The steps of each candidate are put in
an order of low peak (`plans.reorder`), and equal parts are made once, which holds them longer, where that fits too.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from random import Random
from typing import final

from chainplan.plans.bound import Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.reorder import reordered
from chainplan.plans.result import Outcome
from chainplan.plans.second_elimination import SecondElimination, elimination_plan
from chainplan.plans.sharing import shared
from chainplan.problem.cost import CostModel
from chainplan.problem.graph import Graph
from chainplan.problem.problem import Problem
from chainplan.problem.second import SecondOrder
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver, not_fma, not_of_second_order
from chainplan.solvers.second.orders import greedy_order

MAX_PERMUTED_VERTICES = 5
"""Intermediate vertices up to which all orders are tried."""
MAX_SECOND_MOVES = 200
"""Moves of single vertices that are tried in larger graphs."""


@final
class SecondMemorySolver(Solver):
    """The cheapest of many elimination orders with second-order edges whose steps can keep the memory limit.

    Cost: a replay of up to 120 plans of at most 5 intermediate vertices, or of some 200 plans, each with a search over
        the order of its steps.
    Exact: no; it proves that no plan keeps a limit only where the result, or one second derivative, exceeds it.
    Refuses: problems without a memory limit; problems that ask for the Jacobian; other objectives than fma.
    """

    name = "second-memory"
    twice = True

    def refuses(self, problem: Problem) -> str | None:
        nothing = "there is no limits.memory to keep" if problem.memory is None else None
        return not_of_second_order(problem) or not_fma(problem) or nothing

    def solve(self, problem: Problem, search: Search) -> Outcome:
        assert problem.second is not None
        assert problem.memory is not None
        limited = _LimitedSearch(problem.graph, problem.second, problem.memory, problem.cost, search)
        floor = limited.floor()
        if floor > problem.memory:
            said = f"no plan holds fewer than {floor:,} elements at once; limits.memory is {problem.memory:,}."
            return Outcome(Status.INFEASIBLE, note=f"{said} Raise it.")
        return Outcome(Status.FEASIBLE, limited.best())


class _LimitedSearch:
    """The candidates so far: first that of the lowest peak, and of those that fit the cheapest."""

    def __init__(self, graph: Graph, asked: SecondOrder, limit: int, cost: CostModel, search: Search) -> None:
        self._graph, self._asked, self._limit, self._cost, self._search = graph, asked, limit, cost, search
        self._ways = (False,) if asked.symmetric else (False, True)
        self._work = SecondElimination(graph, asked)
        self._best: Candidate | None = None

    def floor(self) -> int:
        """Bound from below what every plan holds: the result, and each explicit second derivative while it is read."""
        made = self._candidate(self._work.middle, False)
        ends = [made.replay.blocks[end.step] for end in made.plan.second_outputs]
        result = sum(end.block.nnz for end in ends) if all(end.block.structure.exact for end in ends) else 0
        if any(not e.block.nnz for e in self._graph.useful):
            return result
        explicit = (own.block.nnz for own in self._graph.useful_seconds.values() if own.explicit)
        return max(result, *explicit, 0)

    def best(self) -> Candidate:
        """Try orders for as long as the search goes on, at least one of them."""
        rng, middle = Random(self._search.seed), self._work.middle
        order, now = middle, self._key(self._offered(middle))
        for other in self._orders(middle, rng):
            if not self._search.going():
                break
            made = self._key(self._offered(other))
            if made < now:
                order, now = other, made
        for _ in range(MAX_SECOND_MOVES if len(middle) > MAX_PERMUTED_VERTICES else 0):
            if not self._search.going():
                break
            moved = list(order)
            vertex = moved.pop(rng.randrange(len(moved)))
            moved.insert(rng.randrange(len(moved) + 1), vertex)
            made = self._key(self._offered(moved))
            if made <= now:
                order, now = moved, made
        assert self._best is not None, "an order has been tried"
        return self._best

    def _orders(self, middle: list[str], rng: Random) -> Iterator[list[str]]:
        if len(middle) <= MAX_PERMUTED_VERTICES:
            yield from map(list, permutations(middle))
        else:
            yield from (middle[::-1], greedy_order(self._work, self._search.tick))

    def _offered(self, order: list[str]) -> Candidate:
        """Return the better candidate of an order, and keep it where it is the best so far."""
        made = min((self._candidate(order, formed) for formed in self._ways), key=self._key)
        if self._best is None or self._key(made) < self._key(self._best):
            self._best = made
            if made.fits(self._limit):
                self._search.offer(made.plan, made.price)
        return made

    def _candidate(self, order: list[str], formed: bool) -> Candidate:
        plain = Candidate(elimination_plan(self._graph, self._asked, order, formed=formed), self._cost)
        once = shared(plain)
        some = [plain] if once is plain else [once, plain]
        return min((reordered(one, self._limit, self._search.going) for one in some), key=self._key)

    def _key(self, candidate: Candidate) -> tuple[int, int]:
        """What is worse comes later: elements beyond the limit, then the price."""
        return max(0, candidate.peak - self._limit), candidate.price
