"""Large-neighbourhood search and annealing on orders of elimination."""

from __future__ import annotations

from random import Random
from typing import final

from chainplan.elimination.improve import improve
from chainplan.elimination.workgraph import WorkGraph
from chainplan.problem import Problem
from chainplan.result import Outcome
from chainplan.search import Search
from chainplan.solvers.base import Solver
from chainplan.solvers.orders import cheapest

VISITS = 100_000
"""Vertices re-ordered where no budget is given: some ten seconds."""


@final
class LocalSearch(Solver):
    """Greedy orders, improved by exact re-ordering of fragments and by annealing until the budget ends.

    Cost: near-linear time per sweep; without a budget until nothing is gained or 100,000 vertices have been re-ordered.
    Exact: where a graph falls apart into trees of at most 8 vertices, 12 if dense, but it claims no proof.
    Refuses: nothing.
    """

    name = "local-search"

    def refuses(self, problem: Problem) -> str | None:
        return None

    def solve(self, problem: Problem, search: Search) -> Outcome:
        free = search.budget is None
        limits = (6, VISITS) if free else (40, None)
        return cheapest(problem, search, improve(WorkGraph(problem.graph), Random(search.seed), search.going, *limits))
