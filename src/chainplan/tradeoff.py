"""pareto(problem): the exact trade of memory against price on a chain, every point with its plan.

With recomputation the fronts of `solvers.nested` hold all points at once. Without it the chain is solved under one
limit after another: unlimited, then below the peak of the plan just found, until nothing is left; each solve is exact,
so that no point is missed. A search that is stopped keeps the points that it has proven.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from chainplan.errors import SolverError
from chainplan.plans.bound import Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.check import prove
from chainplan.plans.reorder import peak_floor, reordered
from chainplan.plans.result import Outcome
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem, problem_of
from chainplan.solvers.chain.interval_dp import ChainDp
from chainplan.solvers.chain.memory_limit import ChainMemory
from chainplan.solvers.checkpoint.solver import WITHIN, ChainRecompute, Fronts
from chainplan.solvers.checkpoint.writer import write
from chainplan.solvers.search.search import Progress, Search, Stopped


@dataclass(frozen=True, eq=False)
class Tradeoff:
    """A plan that none beats in both memory and price: its peak in elements and its price in fma.

    No plan of this memory or less costs less than `bound`.
    """

    memory: int
    fma: int
    plan: Plan
    bound: int

    @property
    def proven(self) -> bool:
        """Whether no plan of this memory or less is cheaper."""
        return self.bound == self.fma


@dataclass(frozen=True, eq=False)
class Pareto:
    """The points of a front by rising memory; `within` names the moves among which they are all there are.

    `ended` says why there may be more points of less memory, None where there are none. It is `exact` where every point
    is proven, and that less memory costs more; colours that were not found may else give other points.
    """

    problem: Problem
    within: str
    points: tuple[Tradeoff, ...]
    ended: str | None = None
    exact: bool = True


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
        The points of the front by memory, and the class of plans within which it is exact. Where the budget does not
        suffice, or the search is interrupted, they are those that have been proven, and `ended` says so.

    Raises
    ------
    SolverError
        Where the graph is no chain or too long, or another objective than fma is asked for.
    ArgumentError
        If an argument is something else than what is described above.

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
    within, points, ended = set[str](), list[Tradeoff](), None
    doubts = set[Status]()
    try:
        for point in (_recomputing if problem.recompute else _descending)(problem, search, within, doubts):
            points.append(point)
    except Stopped:
        ended = f"out of budget after {search.spent}"
    except KeyboardInterrupt:
        ended = f"interrupted after {search.spent}"
    points.sort(key=lambda point: point.memory)
    return Pareto(problem, within.pop() if within else "bracketings", tuple(points), ended, not doubts)


def _recomputing(problem: Problem, search: Search, within: set[str], doubts: set[Status]) -> Iterator[Tradeoff]:
    within.add(WITHIN)
    limit, fronts = problem.memory, Fronts(problem, search)
    front = whole = fronts.whole()
    if not fronts.proven:
        front = fronts.at_least().whole()
        if [point[:2] for point in front] != [point[:2] for point in whole]:
            doubts.add(Status.FEASIBLE)
    for point in whole:
        if limit is None or point[0] <= limit:
            candidate = Candidate(write(problem.graph, point), FMA)
            yield _checked(problem, candidate, min(low[1] for low in front if low[0] <= point[0]))


def _descending(problem: Problem, search: Search, within: set[str], doubts: set[Status]) -> Iterator[Tradeoff]:
    limit = problem.memory
    without = _without_limit(problem, search)
    while True:
        outcome = without
        if outcome.candidate is None or not outcome.candidate.fits(limit):
            outcome = ChainMemory().solve(replace(problem, memory=limit), search)
        doubts |= {outcome.status} - {Status.OPTIMAL, Status.INFEASIBLE}
        if outcome.candidate is None:
            return
        within.add(outcome.bound.within or "bracketings")
        found = _least(problem, _checked(problem, outcome.candidate, outcome.bound.value), search)
        yield found
        if found.memory == 0:
            return
        limit = found.memory - 1


def _without_limit(problem: Problem, search: Search) -> Outcome:
    """The cheapest plan of all by the faster solver, with its steps in an order of low peak."""
    free = replace(problem, memory=None)
    if ChainDp().refusal(free) is not None:
        return Outcome(Status.BUDGET)
    outcome = ChainDp().solve(free, search)
    if outcome.candidate is None or outcome.status is not Status.OPTIMAL:
        return Outcome(Status.BUDGET)
    return replace(outcome, candidate=reordered(outcome.candidate, going=search.in_time))


def _least(problem: Problem, found: Tradeoff, search: Search) -> Tradeoff:
    """The plan of the least memory among those of this price: limits below are tried by halving."""
    low, high = min(peak_floor(problem.graph), found.memory), found.memory
    while low < high:
        middle = (low + high) // 2
        outcome = ChainMemory().solve(replace(problem, memory=middle), search)
        point = None if outcome.candidate is None else _checked(problem, outcome.candidate, outcome.bound.value)
        if point is not None and point.fma == found.fma:
            found, high = point, point.memory
        else:
            low = middle + 1
    return found


def _checked(problem: Problem, candidate: Candidate, bound: int) -> Tradeoff:
    proven = prove(candidate, replace(problem, memory=None))
    return Tradeoff(proven.peak, proven.price, proven.plan, bound)
