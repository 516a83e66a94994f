"""Second derivatives of graphs: orders of eliminating vertices with the edges of both orders at them.

Edge pushing (Gower & Mello 2012) goes in reverse topological order, which is cheap where one output depends on many
inputs. Other orders cost less where parts of a graph have few outputs of their own, as for Jacobians.
"""

from __future__ import annotations

from operator import itemgetter
from typing import final

from chainplan.plans.bound import NO_BOUND, Bound
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import SECOND_ELIMINATION
from chainplan.plans.result import Outcome, bounded
from chainplan.plans.second_elimination import SecondElimination, elimination_plan
from chainplan.problem.problem import Problem
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver, not_fma, not_of_second_order
from chainplan.solvers.second.orders import PricedVertices, cheapest_order, greedy_order, improved_orders, priced

MAX_SUBSET_VERTICES = 10
"""Intermediate vertices up to which the sets of them are gone through."""


@final
class SecondEliminationSolver(Solver):
    """Elimination of vertices with second-order edges: all orders of few vertices, else greedy and local search.

    Cost: 2^n states for n intermediate vertices up to 10; above that the moves of the local search, each of which
        prices an order.
    Exact: yes, within second-order vertex elimination, up to 10 intermediates where entries are counted exactly.
    Refuses: problems that ask for the Jacobian; directions; other objectives than fma.
    """

    name = "second-elimination"
    twice = True

    def refuses(self, problem: Problem) -> str | None:
        reason = not_of_second_order(problem) or not_fma(problem)
        if reason is None and problem.second is not None and not problem.second.symmetric:
            return "it takes no directions, but forms the second derivative"
        return reason

    def solve(self, problem: Problem, search: Search) -> Outcome:
        asked, graph = problem.second, problem.graph
        assert asked is not None
        work = SecondElimination(graph, asked)
        forward = work.middle

        def offered(price: int, order: list[str]) -> PricedVertices:
            search.offer(lambda: elimination_plan(graph, asked, order), price)
            return price, order

        best = min((offered(priced(work, order), order) for order in (forward, forward[::-1])), key=itemgetter(0))
        greedy = greedy_order(work, search.tick)
        best = min(best, offered(priced(work, greedy), greedy), key=itemgetter(0))
        for price, order in improved_orders(work, best, search.seed, search.tick):
            best = offered(price, order)
        bound = NO_BOUND
        if len(forward) <= MAX_SUBSET_VERTICES:
            best, counted = cheapest_order(work, best, search.tick)
            bound = Bound(best[0], SECOND_ELIMINATION) if counted else NO_BOUND
        candidate = Candidate(elimination_plan(graph, asked, best[1]), problem.cost)
        return bounded(candidate, candidate.price, bound)
