"""Forward order: eliminate the intermediate vertices in topological order, the baseline of every report."""

from __future__ import annotations

from typing import final

from chainplan.plans.bound import Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.product_orders import baseline_plan
from chainplan.plans.result import Outcome
from chainplan.problem.problem import Problem
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver


@final
class ForwardSolver(Solver):
    """Tangents all the way: the baseline that is right when inputs are few.

    Cost: one product per edge and input that reaches it.
    Exact: no, a baseline.
    Refuses: nothing.
    """

    name = "forward"
    multiplies = True
    twice = True

    def refuses(self, problem: Problem) -> str | None:
        return None

    def solve(self, problem: Problem, search: Search) -> Outcome:
        return Outcome(Status.FEASIBLE, Candidate(baseline_plan(problem, self.name), problem.cost))
