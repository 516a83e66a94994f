"""Products of which nothing is formed: every one goes through all elementals, a baseline of every report."""

from __future__ import annotations

from typing import final

from chainplan.plans.bound import Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.product_orders import baseline_plan
from chainplan.plans.result import Outcome
from chainplan.problem.problem import Problem
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver, not_of_products


@final
class FreeSolver(Solver):
    """Each product through all elementals, of which none is formed: the baseline that is right for few products.

    Cost: one product with a vector per edge.
    Exact: no, a baseline.
    Refuses: problems that ask for the Jacobian itself.
    """

    name = "free"
    multiplies = True
    twice = True

    def refuses(self, problem: Problem) -> str | None:
        return not_of_products(problem)

    def solve(self, problem: Problem, search: Search) -> Outcome:
        return Outcome(Status.FEASIBLE, Candidate(baseline_plan(problem, self.name), problem.cost))
