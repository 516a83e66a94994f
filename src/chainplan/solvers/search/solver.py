"""The interface of a solver.

A solver is stateless: it looks at a problem and refuses it with a reason or solves it. Its docstring has three fixed
lines, `Cost:`, `Exact:` and `Refuses:`, which `chainplan solvers` prints. It never sees another solver and is never
trusted: the planner checks and replays every plan that it returns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from chainplan.plans.result import Outcome
from chainplan.problem.problem import Problem
from chainplan.solvers.search.search import Search


def not_fma(problem: Problem) -> str | None:
    """The refusal of solvers that count fma alone: another objective is asked for."""
    objective = problem.cost.objective
    return None if objective == "fma" else f"it minimises fma; the objective is '{objective}'"


def not_of_products(problem: Problem) -> str | None:
    """The refusal of solvers for products with vectors: the Jacobian itself is asked for."""
    return "it plans for products with vectors; 'products' is not set" if problem.products is None else None


def not_of_second_order(problem: Problem) -> str | None:
    """The refusal of solvers for second derivatives: the Jacobian itself is asked for."""
    return "it plans for second derivatives; 'derivative: 2' is not set" if problem.second is None else None


class Solver(ABC):
    """One way of finding a plan."""

    name: ClassVar[str]
    recomputes: ClassVar[bool] = False
    """Whether its plans evaluate the states themselves where the problem asks for that."""

    multiplies: ClassVar[bool] = False
    """Whether its plans make products with vectors where the problem asks for these."""

    twice: ClassVar[bool] = False
    """Whether its plans are for second derivatives where the problem asks for these."""

    @abstractmethod
    def refuses(self, problem: Problem) -> str | None:
        """Say why this solver cannot take the problem, or None where it can."""

    def refusal(self, problem: Problem) -> str | None:
        """The reason of `refuses`, or that the problem asks for something that the solver does not plan for."""
        if problem.recompute and not self.recomputes:
            return "limits.recompute is set, and it takes the states of the chain as given"
        if problem.products is not None and not self.multiplies:
            return "products with vectors are asked for, and it plans for the Jacobian"
        if problem.second is not None and not self.twice:
            return "second derivatives are asked for, and it plans for the Jacobian"
        return self.refuses(problem)

    @abstractmethod
    def solve(self, problem: Problem, search: Search) -> Outcome:
        """Solve a problem that is not refused."""
