"""Greedy elimination by every key; no key is best on all graphs (`elimination.greedy_keys`)."""

from __future__ import annotations

from typing import final

from chainplan.plans.result import Outcome
from chainplan.problem.problem import Problem
from chainplan.solvers.dag.order_plans import cheapest
from chainplan.solvers.elimination.greedy import by_all_keys
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver


@final
class GreedySolver(Solver):
    """The cheapest of forward order, reverse order, and greedy elimination by every key with both ties.

    Cost: O(log n) per changed key besides the eliminations; above 20,000 vertices only keys that look at neighbours.
    Exact: no.
    Refuses: nothing.
    """

    name = "greedy"

    def refuses(self, problem: Problem) -> str | None:
        return None

    def solve(self, problem: Problem, search: Search) -> Outcome:
        return cheapest(problem, search, lambda work: by_all_keys(work, search.going, search.greedy))
