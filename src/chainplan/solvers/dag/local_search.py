"""Large-neighbourhood search and annealing on orders of elimination; the search is in `elimination.local_search`."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import final

from chainplan.plans.bound import Bound
from chainplan.plans.result import Outcome
from chainplan.problem.problem import Problem
from chainplan.solvers.dag.order_plans import cheapest, order_of
from chainplan.solvers.elimination.edge_prices import counts_fma
from chainplan.solvers.elimination.elimination_graph import WorkGraph, after_accumulation
from chainplan.solvers.elimination.greedy import PricedOrder, by_all_keys
from chainplan.solvers.elimination.local_search import improve
from chainplan.solvers.elimination.path_bound import quick_bound
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver

DEFAULT_REORDERED_VERTICES = 100_000
"""Vertices that are re-ordered where no budget is given, which takes some ten seconds."""
BOUND_SHARE = 0.1
"""Share of the budget that the bound may take."""


@final
class LocalSearchSolver(Solver):
    """Greedy orders, improved by exact re-ordering of fragments and by annealing until the budget ends.

    Cost: near-linear time per sweep; without a budget until nothing is gained or 100,000 vertices have been re-ordered.
    Exact: where a graph falls apart into trees of at most 8 vertices, 12 if dense, but it claims no proof. Its bound is
        in fma, or in operations; for objectives in time it has none.
    Refuses: nothing.
    """

    name = "local-search"

    def refuses(self, problem: Problem) -> str | None:
        return None

    def solve(self, problem: Problem, search: Search) -> Outcome:
        return cheapest(problem, search, lambda work: _orders(problem, search, work))


def _orders(problem: Problem, search: Search, work: WorkGraph) -> Iterator[PricedOrder]:
    """The greedy orders, then better and better ones; in between a bound is proven if the search has none above 0."""
    yield from by_all_keys(work, search.going, search.greedy, surely=search.best is None)
    if not any(search.greedy.values()):
        return
    if not search.bound.value and counts_fma(problem.cost):
        bound = quick_bound(work, search.stage(LocalSearchSolver.name, BOUND_SHARE).tick)
        search.prove(Bound(bound, after_accumulation(problem.graph, "vertex elimination")))
    patience, visits = (40, None) if search.limited else (6, DEFAULT_REORDERED_VERTICES)
    start = None if search.start is None else order_of(search.start)
    yield from improve(work, Random(search.seed), search.going, patience, visits, start, search.greedy)
