"""Forward order: eliminate the intermediate vertices in topological order, the baseline of every report."""

from __future__ import annotations

from typing import final

from chainplan.plans.bound import Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.forward_reverse import sweep
from chainplan.plans.recorder import Recorder
from chainplan.plans.result import Outcome
from chainplan.problem.graph import Mode
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

    def refuses(self, problem: Problem) -> str | None:
        return None

    def solve(self, problem: Problem, search: Search) -> Outcome:
        recorder = Recorder(problem.graph)
        plan = recorder.plan(sweep(problem.graph, recorder, Mode.TANGENT))
        return Outcome(Status.FEASIBLE, Candidate(plan, problem.cost))
