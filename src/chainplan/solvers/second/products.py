"""Products with a Hessian: which vertices to eliminate in both orders once, and what to go through for each product.

The second derivatives are weighted first (`plans.second_weighted`). A set-up then eliminates some vertices, and each
product goes forward and backward through the edges that are left (`plans.second_programs`): to eliminate none is
forward over reverse, and to eliminate all is to form H. What is left depends on the vertices that have gone, not on
their order. So the price of a set-up and of all products is looked at behind every elimination of an order.

H itself is planned as well, and the plan that forms it and multiplies by it competes.
"""

from __future__ import annotations

from dataclasses import replace
from operator import itemgetter
from typing import final

from chainplan.plans.bound import NO_BOUND, Bound
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import SECOND_PRODUCTS
from chainplan.plans.result import Outcome, bounded
from chainplan.plans.second_elimination import SecondElimination, products_plan
from chainplan.plans.second_programs import multiplied, product_price
from chainplan.problem.problem import Problem
from chainplan.solvers.search.search import Search, SearchStopped
from chainplan.solvers.search.solver import Solver, not_fma, not_of_products, not_of_second_order
from chainplan.solvers.second.orders import (
    MAX_SUBSET_VERTICES,
    PricedVertices,
    beginning,
    cheapest_order,
    greedy_order,
    improved_orders,
    priced,
)


@final
class SecondProductsSolver(Solver):
    """Elimination of some vertices with second-order edges, and products that go through the edges that are left.

    Cost: 2^n states for n intermediate vertices up to 10; above that the moves of the local search, each of which
        prices an order.
    Exact: yes, within second-order vertex elimination and products, up to 10 intermediates where entries are counted
        exactly.
    Refuses: problems that ask for the second derivative itself, or for products with the Jacobian; other objectives
        than fma.
    """

    name = "second-products"
    multiplies = True
    twice = True

    def __init__(self, seconds: Solver) -> None:
        self._seconds = seconds

    def refuses(self, problem: Problem) -> str | None:
        return not_of_products(problem) or not_of_second_order(problem) or not_fma(problem)

    def solve(self, problem: Problem, search: Search) -> Outcome:
        asked, products = problem.second, problem.products
        assert asked is not None
        assert products is not None
        work = SecondElimination(problem.graph, asked, weighted=True)

        def stop(state: SecondElimination) -> int:
            return products.right * product_price(state.kept)

        def offered(order: list[str]) -> PricedVertices:
            found = priced(work, order, stop=stop), order
            search.offer(
                lambda: products_plan(problem.graph, asked, beginning(work, order, stop), products.right), found[0]
            )
            return found

        forward = work.middle
        orders = [forward, forward[::-1], greedy_order(work, search.tick), greedy_order(work, search.tick, stop)]
        best, bound = min(map(offered, orders), key=itemgetter(0)), NO_BOUND
        if len(forward) <= MAX_SUBSET_VERTICES:
            best, counted = cheapest_order(work, best, search.tick, stop)
            bound = Bound(best[0], SECOND_PRODUCTS) if counted else NO_BOUND
        else:
            for found in improved_orders(work, best, search.seed, search.tick, stop):
                best = offered(found[1])
        plan = products_plan(problem.graph, asked, beginning(work, best[1], stop), products.right)
        candidate = Candidate(plan, problem.cost)
        search.offer(plan, candidate.price)
        candidate = min((candidate, *self._formed(problem, search)), key=lambda one: one.price)
        return bounded(candidate, candidate.price, bound.below(candidate.price))

    def _formed(self, problem: Problem, search: Search) -> list[Candidate]:
        """The plan that forms H and multiplies by it, where one is found in what is left of the limits."""
        whole = replace(problem, products=None)
        try:
            plan = self._seconds.solve(whole, search.apart(self._seconds.name)).plan
        except SearchStopped:
            return []
        assert problem.products is not None
        return [] if plan is None else [Candidate(multiplied(plan, problem.products.right), problem.cost)]
