"""pareto(problem): the exact trade of memory against price on a chain, every point with its plan.

With recomputation the fronts of `solvers.nested` hold all points at once. Without it the chain is solved under one
limit after another: unlimited, then below the peak of the plan just found, until nothing is left; each solve is exact,
so that no point is missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from chainplan.checker import check
from chainplan.errors import SolverError
from chainplan.problem import Problem, problem_of
from chainplan.search import Progress, Search
from chainplan.solvers.chain_memory import ChainMemory
from chainplan.solvers.chain_recompute import WITHIN, ChainRecompute, Fronts
from chainplan.solvers.nested_writer import write
from chainplan.steps import Plan


@dataclass(frozen=True, eq=False)
class Tradeoff:
    """A plan that none beats in both memory and price: its peak in elements and its price in fma."""

    memory: int
    fma: int
    plan: Plan


@dataclass(frozen=True, eq=False)
class Pareto:
    """The points of a front by rising memory; `within` names the moves among which they are all there are."""

    problem: Problem
    within: str
    points: tuple[Tradeoff, ...]


def pareto(
    problem: Problem, *, budget: float | None = None, progress: Callable[[Progress], None] | None = None
) -> Pareto:
    """Find every plan of a chain that no other one beats in both memory and price.

    Parameters
    ----------
    problem : Problem
        The problem, whose graph is a chain; its `memory` bounds the front from above.
    budget : float | None
        The seconds that the search may take; None lets it finish.
    progress : Callable[[Progress], None] | None
        A function that is called a few times a second with how far a search of more than a second is.

    Returns
    -------
    Pareto
        The points of the front by memory, and the class of plans within which it is exact.

    Raises
    ------
    SolverError
        Where the graph is no chain or too long, or another objective than fma is asked for.
    chainplan.search.Stopped
        Where the budget, in seconds, does not suffice.

    Examples
    --------
    >>> import chainplan
    >>> front = pareto(chainplan.chain([2, 9, 3, 9, 2, 9]))
    >>> [(point.memory, point.fma) for point in front.points]
    [(51, 180), (57, 156)]
    """
    problem = problem_of(problem)
    solver = ChainRecompute() if problem.recompute else ChainMemory()
    reason = solver.refusal(problem)
    if reason is not None:
        raise SolverError(
            f"there is no exact front for this problem: {reason}. Plan it without --pareto, under limits."
        )
    search = Search(budget=budget, progress=progress, solver=solver.name)
    points, within = _recomputing(problem, search) if problem.recompute else _given(problem, search)
    return Pareto(problem, within, tuple(sorted(points, key=lambda point: point.memory)))


def _recomputing(problem: Problem, search: Search) -> tuple[list[Tradeoff], str]:
    limit = problem.memory
    front = [point for point in Fronts(problem, search).whole() if limit is None or point[0] <= limit]
    return [_proven(problem, write(problem.graph, point)) for point in front], WITHIN


def _given(problem: Problem, search: Search) -> tuple[list[Tradeoff], str]:
    within = set[str]()
    points = list(_descending(problem, search, within))
    return points, within.pop() if within else "bracketings"


def _descending(problem: Problem, search: Search, within: set[str]) -> Iterator[Tradeoff]:
    limit = problem.memory
    while True:
        outcome = ChainMemory().solve(replace(problem, memory=limit), search)
        if outcome.plan is None:
            return
        within.add(outcome.within or "bracketings")
        found = _least(problem, _proven(problem, outcome.plan), search)
        yield found
        if found.memory == 0:
            return
        limit = found.memory - 1


def _least(problem: Problem, found: Tradeoff, search: Search) -> Tradeoff:
    """The plan of the least memory among those of this price: limits below are tried by halving."""
    low, high = 0, found.memory
    while low < high:
        middle = (low + high) // 2
        outcome = ChainMemory().solve(replace(problem, memory=middle), search)
        point = None if outcome.plan is None else _proven(problem, outcome.plan)
        if point is not None and point.fma == found.fma:
            found, high = point, point.memory
        else:
            low = middle + 1
    return found


def _proven(problem: Problem, plan: Plan) -> Tradeoff:
    replayed = check(plan, replace(problem, memory=None))
    return Tradeoff(replayed.peak, replayed.total, plan)
