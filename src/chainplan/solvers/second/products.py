"""Products with a Hessian: which vertices to eliminate in both orders once, and what to go through for each product.

The second derivatives are weighted first (`plans.second_weighted`). A set-up then eliminates some vertices, and each
product goes forward and backward through the edges that are left (`plans.second_programs`): to eliminate none is
forward over reverse, and to eliminate all is to form H. What is left depends on the vertices that have gone, not on
their order. So the price of a set-up and of all products is looked at behind every elimination of an order. On chains
an interval program finds the cheapest groups (`hessian_groups`).

H itself is planned as well, and the plan that forms it and multiplies by it competes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from operator import itemgetter
from typing import final

from chainplan.plans.bound import NO_BOUND, Bound
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import SECOND_PRODUCTS
from chainplan.plans.result import Outcome, bounded
from chainplan.plans.second_elimination import SecondElimination, products_plan
from chainplan.plans.second_open import OpenChoice
from chainplan.plans.second_programs import multiplied
from chainplan.plans.steps import Plan
from chainplan.problem.problem import Problem
from chainplan.problem.second import SecondOrder
from chainplan.solvers.search.search import Search, SearchStopped
from chainplan.solvers.search.solver import Solver, not_fma, not_of_products, not_of_second_order
from chainplan.solvers.second.hessian_groups import MAX_HESSIAN_CHAIN, HessianGroups
from chainplan.solvers.second.orders import (
    MAX_SUBSET_VERTICES,
    PricedVertices,
    beginning,
    cheapest_of,
    cheapest_order,
    greedy_order,
    improved_orders,
    priced,
)


@final
class SecondProductsSolver(Solver):
    """Elimination of some vertices with second-order edges, and products that go through the edges that are left.

    Cost: O(q³) time and O(q²) memory for chains of q elementals up to 200; on other graphs 2^n states for n
        intermediate vertices up to 10, above that the moves of the local search, each of which prices an order.
    Exact: yes, within second-order vertex elimination and products, on such chains and up to 10 intermediates, where
        entries are counted exactly.
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
        offers = _Offers(problem, asked, products.right, search)
        proven = offers.groups() if _is_chain(problem) else offers.orders()
        candidate = Candidate(offers.plan(offers.best[1]), problem.cost)
        search.offer(candidate.plan, candidate.price)
        whole = Candidate(offers.plan(offers.whole, OpenChoice.FORMED), problem.cost)
        formed = min((whole, *self._formed(problem, search)), key=lambda one: one.price)
        best = min((candidate, formed), key=lambda one: one.price)
        bound = Bound(offers.best[0], SECOND_PRODUCTS) if proven else NO_BOUND
        outcome = bounded(best, best.price, bound.below(best.price))
        return replace(outcome, note=_break_even(best, formed))

    def _formed(self, problem: Problem, search: Search) -> list[Candidate]:
        """The plan for H itself, multiplied by vectors, where one is found in what is left of the limits."""
        whole = replace(problem, products=None)
        try:
            plan = self._seconds.solve(whole, search.apart(self._seconds.name)).plan
        except SearchStopped:
            return []
        assert problem.products is not None
        return [] if plan is None else [Candidate(multiplied(plan, problem.products.right), problem.cost)]


def _break_even(best: Candidate, formed: Candidate) -> str:
    """Say from how many products on it costs less to form H than to go on with a plan."""
    mine, whole = best.replay.products, formed.replay.products
    if mine == whole:
        return "this plan forms H."
    price = f"to form H costs {whole.setup:,} fma once and {whole.per_right or 0:,} for each product"
    saved = (mine.per_right or 0) - (whole.per_right or 0)
    if saved <= 0:
        return f"{price}, which is more than this plan costs for any number of products."
    first = max(0, whole.setup - mine.setup) // saved + 1
    return f"{price}, which is less than this plan costs from {first:,} products on."


def _is_chain(problem: Problem) -> bool:
    """Whether the problem is a chain whose groups are looked for among all."""
    return problem.graph.not_a_chain is None and len(problem.graph.chain) <= MAX_HESSIAN_CHAIN


class _Offers:
    """The best vertices to eliminate so far, in order."""

    def __init__(self, problem: Problem, asked: SecondOrder, times: int, search: Search) -> None:
        self._graph, self._asked, self._times, self._search = problem.graph, asked, times, search
        self._work = SecondElimination(problem.graph, asked, weighted=True)
        self.best: PricedVertices = self._offered([])
        self.whole: list[str] = []
        """The cheapest order known that eliminates all vertices."""

    def plan(self, order: list[str], choice: OpenChoice | None = None) -> Plan:
        """The plan that eliminates some vertices."""
        return products_plan(self._graph, self._asked, order, self._times, choice)

    def groups(self) -> bool:
        """Look for the cheapest groups of a chain, and say whether they are proven to be."""
        found = HessianGroups(self._graph, self._work, self._times, self._search.tick)
        self.best, self.whole = (found.price, found.order()), found.whole_order()
        return found.counted

    def orders(self) -> bool:
        """Look for the cheapest vertices of a graph, and say whether they are proven to be."""
        work, tick = self._work, self._search.tick
        forward = work.middle
        orders = [forward, forward[::-1], greedy_order(work, tick)]
        for order in (*orders, greedy_order(work, tick, self._stop)):
            self.best = min(self.best, self._offered(order), key=itemgetter(0))
        known = cheapest_of(work, orders)
        self.whole = known[1]
        if len(forward) <= MAX_SUBSET_VERTICES:
            (_, self.whole), _ = cheapest_order(work, known, tick)
            self.best, counted = cheapest_order(work, self.best, tick, self._stop)
            return counted
        start = self.best[0], [*self.best[1], *(v for v in forward if v not in self.best[1])]
        for _, order in improved_orders(work, start, self._search.seed, tick, self._stop):
            self.best = self._offered(order)
        return False

    def _stop(self, state: SecondElimination) -> int:
        return state.products_price(self._times)

    def _offered(self, order: list[str]) -> PricedVertices:
        """The best beginning of an order, which the search may keep."""
        found = priced(self._work, order, stop=self._stop), beginning(self._work, order, self._stop)
        plan = partial(products_plan, self._graph, self._asked, found[1], self._times)
        self._search.offer(plan, found[0])
        return found
