"""Products with the Jacobian of a graph: what to form once, by elimination of some vertices, and what to go through.

The vectors are a vertex of their own (`directions`), so that a solver for Jacobians of graphs finds the plan. Where
elementals are matrix-free, or empty rows and columns of blocks make the two sides differ, a search with propagation
finds it (`elimination.propagation_search`), in which the vectors of products have prices of their own.

The Jacobian itself is planned first. The order in which it is formed is one of those to begin with, and the plan that
forms it and multiplies by it competes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import final

from chainplan.plans.bound import NO_BOUND, Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import SWEPT_PROPAGATION_PRODUCTS, products_class
from chainplan.plans.product_orders import through_blocks
from chainplan.plans.recorder import Recorder
from chainplan.plans.result import Outcome
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.solvers.dag.order_plans import order_of
from chainplan.solvers.elimination.elimination_graph import WorkGraph, order_plan
from chainplan.solvers.elimination.path_bound import quick_bound
from chainplan.solvers.elimination.propagation_graph import PropagationGraph
from chainplan.solvers.elimination.propagation_search import FoundPlan, least_parts, search_propagation
from chainplan.solvers.search.search import Search, SearchStopped, paced
from chainplan.solvers.search.solver import Solver, not_of_products
from chainplan.solvers.uses.directions import VECTORS, directions_of, plain, side_of, with_units_apart, with_vectors
from chainplan.solvers.uses.vector_program import products_plan

JACOBIAN_SHARE = 0.3
"""Share of the limits for the Jacobian itself."""
DEFAULT_PRODUCTS_SECONDS = 10.0
"""Budget of the search where none is given."""


@final
class GraphProductsSolver(Solver):
    """Elimination of a graph with one vertex more, that of the vectors of all products.

    Cost: that of auto, for the Jacobian and for the graph with the vectors, 10 seconds by default; with matrix-free
        elementals that of propagation.
    Exact: where the search ends, within vertex elimination and products.
    Refuses: problems that ask for the Jacobian itself.
    """

    name = "graph-products"
    multiplies = True

    def __init__(self, jacobians: Solver) -> None:
        self._jacobians = jacobians

    def refuses(self, problem: Problem) -> str | None:
        return not_of_products(problem)

    def solve(self, problem: Problem, search: Search) -> Outcome:
        if not search.limited:
            search.budget = DEFAULT_PRODUCTS_SECONDS
        best, jacobian = _CheapestProducts(problem, search), self._jacobian(problem, search)
        if jacobian is not None:
            best.offer(_formed(problem, jacobian))
            if best.candidate is not None and not search.in_time():
                return Outcome(Status.FEASIBLE, best.candidate)
        graph = VectorGraph(problem)
        inner = search.apart(search.solver)
        try:
            found = self._found(graph, inner, graph.order([] if jacobian is None else _vertices(jacobian)))
        except (SearchStopped, KeyboardInterrupt) as stop:
            search.prove(_of_products(inner.bound, problem))
            if inner.incumbent is not None:
                best.offer(graph.products_plan(inner.incumbent))
            if isinstance(stop, KeyboardInterrupt) or best.candidate is None:
                raise
        else:
            search.prove(_of_products(found.bound, problem))
            best.offer(graph.products_plan(found.plan))
        search.ticks += inner.ticks
        assert best.candidate is not None
        price = best.candidate.price
        bound = search.bound.below(price)
        return Outcome(bound.status(price), best.candidate, bound)

    def _jacobian(self, problem: Problem, search: Search) -> Plan | None:
        """The plan of the Jacobian itself that is found in its share of the limits."""
        inner = search.apart(search.solver, JACOBIAN_SHARE)
        shown = inner.progress
        if shown is not None:
            inner.progress = lambda progress: shown(replace(progress, best=None, bound=0))
        try:
            plan = self._jacobians.solve(Problem(problem.graph), inner).plan
        except SearchStopped:
            plan = inner.incumbent
        search.ticks += inner.ticks
        return plan

    def _found(self, graph: VectorGraph, search: Search, order: list[int]) -> FoundPlan:
        """The cheapest plan of the graph with vectors that is found; the search begins with an order."""
        if not graph.plain:
            return search_propagation(graph.work(), search, [order])
        search.start = order_plan(graph.whole, order)
        search.offer(search.start, Candidate(search.start, FMA).price)
        outcome = self._jacobians.solve(Problem(graph.whole), search)
        if outcome.plan is None:
            raise SearchStopped
        return FoundPlan(outcome.plan, outcome.bound)


class VectorGraph:
    """The graph of a problem of products with a vertex for the vectors, and plans of it."""

    def __init__(self, problem: Problem) -> None:
        assert problem.products is not None
        self._problem, self._products = problem, problem.products
        self._mode, self._graph = side_of(self._products), with_units_apart(problem.graph)
        self.plain = plain(self._graph, self._products)
        """Whether it is a graph whose Jacobian costs as much as the products."""
        self.whole = with_vectors(self._graph, self._mode, self._products.total if self.plain else 1)

    def work(self) -> PropagationGraph:
        """The work graph in which the vectors of products have prices of their own."""
        return PropagationGraph(self.whole, directions=directions_of(self._graph, self._products))

    def least(self, within: str, watch: Callable[[], None]) -> int:
        """A lower bound on a class of plans in polynomial time; where `watch` ends it, what has been counted by then.

        All plans of the graph with a vector for every product are bounded by it. Products with vectors cost no less
        than they do there, where vectors may have zeros, and matrix-free elementals no less than in `counted`.
        """
        if self.plain:
            return quick_bound(WorkGraph(self.whole), watch)
        work = self.work()
        swept = work.parts.within if within == SWEPT_PROPAGATION_PRODUCTS else 0
        bound = least_parts(work, paced(watch), swept).total
        return max(bound, quick_bound(WorkGraph(work.counted), watch)) if work.counted.explicit else bound

    def products_plan(self, plan: Plan) -> Plan:
        """The plan for products that does what a plan of the graph does."""
        return products_plan(self._problem.graph, self._products, plan, self._mode)

    def order(self, first: Sequence[str]) -> list[int]:
        """The order that eliminates some vertices, named in order, and carries the vectors through all others."""
        work, own = WorkGraph(self.whole), self._problem.graph.sizes
        free = [v for v in sorted(work.middle) if work.names[v] not in own and VECTORS not in work.names[v]]
        listed = [v for name in first if (v := work.index.get(name, -1)) in work.middle]
        rest = sorted(work.middle - {*listed, *free}, reverse=self._mode is Mode.ADJOINT)
        return [*free, *listed, *rest]


class _CheapestProducts:
    """The cheapest plan for products so far."""

    def __init__(self, problem: Problem, search: Search) -> None:
        self._problem, self._search = problem, search
        self.candidate: Candidate | None = None

    def offer(self, plan: Plan) -> None:
        """Keep a plan unless an earlier one is cheaper."""
        other = Candidate(plan, self._problem.cost)
        if self.candidate is None or other.price <= self.candidate.price:
            self.candidate = other
            self._search.offer(plan, other.price)


def _of_products(bound: Bound, problem: Problem) -> Bound:
    """A bound on plans of the graph with vectors as one on plans for products, which says nothing but of fma."""
    if problem.cost is not FMA or bound.within is None:
        return NO_BOUND
    return replace(bound, within=products_class(bound.within, problem))


def _vertices(plan: Plan) -> list[str]:
    """The vertices in the order in which a plan goes through them."""
    names = WorkGraph(plan.graph).names
    return [names[v] for v in order_of(plan)]


def _formed(problem: Problem, jacobian: Plan) -> Plan:
    """The plan that forms the Jacobian and multiplies vectors by it."""
    assert problem.products is not None
    recorder, programs = Recorder.after(jacobian), []
    for mode, times in problem.products.sides():
        program = recorder.begun()
        programs.append(program.program(mode, times, through_blocks(program, mode, jacobian.outputs)))
    return recorder.plan((), programs)
