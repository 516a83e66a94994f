"""Second derivatives of graphs: orders of eliminating vertices with the edges of both orders at them.

Edge pushing (Gower & Mello 2012) goes in reverse topological order, which is cheap where one output depends on many
inputs. Other orders cost less where parts of a graph have few outputs of their own, as for Jacobians.
"""

from __future__ import annotations

from typing import final

from chainplan.plans.bound import NO_BOUND, Bound
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import SECOND_ELIMINATION
from chainplan.plans.result import Outcome, bounded
from chainplan.plans.second_elimination import SecondElimination, elimination_plan
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver, not_fma, not_of_second_order
from chainplan.solvers.second.orders import (
    MAX_SUBSET_VERTICES,
    PricedVertices,
    cheapest_of,
    cheapest_order,
    greedy_order,
    improved_orders,
    priced,
)


@final
class SecondEliminationSolver(Solver):
    """Elimination of vertices with second-order edges: all orders of few vertices, else greedy and local search.

    Cost: 2^n states for n intermediate vertices up to 10; above that the moves of the local search, each of which
        prices an order.
    Exact: yes, within second-order vertex elimination, up to 10 intermediates where entries are counted exactly; no
        along directions, which are taken along or multiplied at the end, whichever a greedy order says.
    Refuses: problems that ask for the Jacobian; other objectives than fma.
    """

    name = "second-elimination"
    twice = True

    def refuses(self, problem: Problem) -> str | None:
        return not_of_second_order(problem) or not_fma(problem)

    def solve(self, problem: Problem, search: Search) -> Outcome:
        asked = problem.second
        assert asked is not None
        ways = [False] if asked.symmetric else [False, True]
        started = [_Way(problem, formed, search) for formed in ways]
        best = min(started, key=lambda way: Candidate(way.plan(), FMA).price)
        bound = NO_BOUND
        if len(best.work.middle) <= MAX_SUBSET_VERTICES:
            best.best, counted = cheapest_order(best.work, best.best, search.tick)
            bound = Bound(best.best[0], SECOND_ELIMINATION) if counted and asked.symmetric else NO_BOUND
        else:
            for price, order in improved_orders(best.work, best.best, search.seed, search.tick, watch=search.watch):
                best.offered(price, order)
        candidate = Candidate(best.plan(), problem.cost)
        return bounded(candidate, candidate.price, bound)


class _Way:
    """The best order so far: the cheaper baseline, whatever the limits, or a greedy one at first.

    The second derivative is `formed` before it is multiplied by directions, or they are taken along.
    """

    def __init__(self, problem: Problem, formed: bool, search: Search) -> None:
        assert problem.second is not None
        self._graph, self._asked, self._formed, self._search = problem.graph, problem.second, formed, search
        self.work = SecondElimination(problem.graph, problem.second, formed=formed)
        forward, watch = self.work.middle, search.watch
        self.offered(*cheapest_of(self.work, (forward[::-1], forward)))
        greedy = greedy_order(self.work, search.tick, watch=watch)
        price = priced(self.work, greedy, self.best[0], watch=watch)
        if price < self.best[0]:
            self.offered(price, greedy)

    def offered(self, price: int, order: list[str]) -> None:
        """Offer an order that is the cheapest so far."""
        self.best: PricedVertices = price, order
        graph, asked, formed = self._graph, self._asked, self._formed
        if asked.symmetric:
            self._search.offer(lambda: elimination_plan(graph, asked, order), price)
        else:
            made = elimination_plan(graph, asked, order, formed=formed)
            self._search.offer(made, Candidate(made, FMA).price)

    def plan(self) -> Plan:
        """Write the plan of the best order."""
        return elimination_plan(self._graph, self._asked, self.best[1], formed=self._formed)
