"""Chooses the solver for a problem; the only one that knows the others."""

from __future__ import annotations

from dataclasses import replace
from typing import final

from chainplan.problem import Problem
from chainplan.replayer import replay
from chainplan.result import Outcome
from chainplan.search import Search
from chainplan.solvers.base import Solver
from chainplan.solvers.chain_dense import ChainDense
from chainplan.solvers.chain_dp import ChainDp
from chainplan.solvers.chain_memory import ChainMemory
from chainplan.solvers.forward import Forward
from chainplan.solvers.reverse import Reverse

_EXACT: tuple[Solver, ...] = (ChainDense(), ChainDp())
_LIMITED = ChainMemory()


@final
class Auto(Solver):
    """The first exact solver that takes the problem, else the cheaper of forward and reverse order.

    Cost: that of the solver it picks; under a memory limit a chain is planned without it first.
    Exact: yes on chains (under a memory limit that matters: up to 150 elementals), no on other graphs.
    Refuses: nothing.
    """

    name = "auto"

    def refuses(self, problem: Problem) -> str | None:
        return None

    def solve(self, problem: Problem, search: Search) -> Outcome:
        bound = 0
        for solver in _EXACT:
            if solver.refuses(problem) is None:
                outcome = _named(solver, problem, search)
                if _fits(outcome, problem):
                    return outcome
                if _LIMITED.refuses(problem) is None:
                    return _named(_LIMITED, problem, search)
                bound = outcome.bound
                break
        found = [_named(solver, problem, search) for solver in (Forward(), Reverse())]
        best = min(found, key=lambda o: (not _fits(o, problem), replay(o.plan).total if o.plan else 0))
        return replace(best, bound=bound)


def _named(solver: Solver, problem: Problem, search: Search) -> Outcome:
    search.solver = solver.name
    return replace(solver.solve(problem, search), solver=solver.name)


def _fits(outcome: Outcome, problem: Problem) -> bool:
    return outcome.plan is not None and (problem.memory is None or replay(outcome.plan).peak <= problem.memory)
