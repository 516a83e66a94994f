"""Chooses the solvers for a problem and compares what they return; only it and its parts in `choosing` know others."""

from __future__ import annotations

from typing import final

from chainplan.plans.result import Outcome
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem
from chainplan.solvers.checkpoint.reversal_solver import ChainReversalSolver
from chainplan.solvers.choosing.chains import solve_chain, solve_evaluating
from chainplan.solvers.choosing.graphs import DEFAULT_AUTO_SECONDS, solve_graph
from chainplan.solvers.choosing.other_costs import searched_alone, solve_by_other_costs
from chainplan.solvers.choosing.other_uses import solve_products, solve_second_order, solve_second_products
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver

__all__ = ["DEFAULT_AUTO_SECONDS", "AutoSolver"]


@final
class AutoSolver(Solver):
    """Chains by the first exact solver that takes them; other graphs exactly where that is quick, else by local search.

    Cost: that of the solvers it picks; on graphs that are not chains at most the budget, 10 seconds by default.
    Exact: yes on chains (up to 150 elementals under a memory limit that matters, above that where a single sweep over a
        chain that evaluates its states is proven); on other graphs where the exact
        search ends within its share of the budget. Under an objective in time only on chains without such a limit;
        elsewhere the best plan by fma competes with that of local search, and nothing is proven.
    Refuses: nothing but recomputation on what is not a chain, or for another objective than fma.
    """

    name = "auto"
    recomputes = True
    multiplies = True
    twice = True

    def refuses(self, problem: Problem) -> str | None:
        return ChainReversalSolver().refuses(problem) if problem.recompute else None

    def solve(self, problem: Problem, search: Search) -> Outcome:
        if problem.recompute:
            return solve_evaluating(problem, search)
        if problem.products is not None and problem.second is not None:
            return solve_second_products(problem, search, self)
        if problem.products is not None:
            return solve_products(problem, search, self)
        if problem.second is not None and problem.cost is FMA:
            return solve_second_order(problem, search)
        if problem.cost is not FMA and (problem.second is not None or not searched_alone(problem)):
            return solve_by_other_costs(problem, search, self)
        outcome = solve_chain(problem, search)
        return solve_graph(problem, search, self) if outcome is None else outcome
