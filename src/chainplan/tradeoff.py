"""pareto(problem): the exact trade-off of memory against price on a chain, with a plan for every point.

With recomputation the fronts of `solvers.checkpoint` hold all points at once. Without it the chain is solved under one
limit after another, first without a limit and then below the peak of the last plan, until no plan is left. Each solve
is exact, so that no point is missed, and all share the moves of the chain. A search that is stopped keeps the points
that it has proven.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from chainplan.errors import SolverError
from chainplan.plans.bound import Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.check import prove
from chainplan.plans.classes import CHECKPOINTS
from chainplan.plans.reorder import peak_floor, reordered
from chainplan.plans.result import Outcome
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem, problem_of
from chainplan.solvers.chain.interval_dp import ChainDpSolver
from chainplan.solvers.chain.memory_limit import ChainMemorySolver, LimitedChain
from chainplan.solvers.checkpoint.solver import ChainRecomputeSolver, ExactFronts
from chainplan.solvers.checkpoint.writer import write
from chainplan.solvers.search.search import Search, SearchProgress, SearchStopped


@dataclass(frozen=True, eq=False)
class Tradeoff:
    """A plan that no other plan beats in both memory and price, with its peak in elements and its price in fma.

    No plan within this memory costs less than `bound`.
    """

    memory: int
    fma: int
    plan: Plan
    bound: int

    @property
    def proven(self) -> bool:
        """Whether it is proven that no plan within this memory is cheaper."""
        return self.bound == self.fma


@dataclass(frozen=True, eq=False)
class Pareto:
    """The points of a front by rising memory; `within` names the class of plans whose points are all here.

    `ended` says why there may be more points of less memory, and is None where there are none. The front is `exact`
    where it is proven that each point is optimal and that less memory costs more; where it is not, better colours might
    give other points.
    """

    problem: Problem
    within: str
    points: tuple[Tradeoff, ...]
    ended: str | None = None
    exact: bool = True


def pareto(
    problem: Problem, *, budget: float | None = None, progress: Callable[[SearchProgress], None] | None = None
) -> Pareto:
    """Find every plan of a chain that no other one beats in both memory and price.

    Parameters
    ----------
    problem : Problem
        The problem, whose graph is a chain; its `memory` bounds the front from above.
    budget : float | None
        The seconds that the search may take; None lets it finish.
    progress : Callable[[SearchProgress], None] | None
        A function that is called a few times a second with the progress of a search of more than a second.

    Returns
    -------
    Pareto
        The points of the front by memory, and the class of plans within which it is exact. Where the budget does not
        suffice, or the search is interrupted, the front has the points proven so far, and `ended` says so.

    Raises
    ------
    SolverError
        Where the graph is no chain or too long, or where the objective is not fma.
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
    solver = ChainRecomputeSolver() if problem.recompute else ChainMemorySolver()
    reason = solver.refusal(problem)
    if problem.graph.solves:
        reason = "it has implicit systems, whose factors are no trade"
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
    except SearchStopped:
        ended = f"out of budget after {search.spent}"
    except KeyboardInterrupt:
        ended = f"interrupted after {search.spent}"
    points.sort(key=lambda point: point.memory)
    return Pareto(problem, within.pop() if within else "bracketings", tuple(points), ended, not doubts)


def _recomputing(problem: Problem, search: Search, within: set[str], doubts: set[Status]) -> Iterator[Tradeoff]:
    """Yield the points of the front with recomputation; note the class of plans, and whether it is in doubt."""
    within.add(CHECKPOINTS)
    limit, fronts = problem.memory, ExactFronts(problem, search)
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
    """Yield the points of the front by falling memory; note the class of plans, and what is in doubt."""
    limit = problem.memory
    without = _without_limit(problem, search)
    chain = LimitedChain(problem.graph, search)
    while True:
        outcome = without
        if outcome.candidate is None or not outcome.candidate.fits(limit):
            outcome = chain.solve(replace(problem, memory=limit), smallest=False)
        doubts |= {outcome.status} - {Status.OPTIMAL, Status.INFEASIBLE}
        if outcome.candidate is None:
            return
        within.add(outcome.bound.within or "bracketings")
        point = _least_memory(problem, _checked(problem, outcome.candidate, outcome.bound.value), chain)
        yield point
        if point.memory == 0:
            return
        limit = point.memory - 1


def _without_limit(problem: Problem, search: Search) -> Outcome:
    """Solve without a limit by the faster solver, and put the steps in an order of low peak."""
    free = replace(problem, memory=None)
    if ChainDpSolver().refusal(free) is not None:
        return Outcome(Status.BUDGET)
    outcome = ChainDpSolver().solve(free, search)
    if outcome.candidate is None or outcome.status is not Status.OPTIMAL:
        return Outcome(Status.BUDGET)
    return replace(outcome, candidate=reordered(outcome.candidate, going=search.in_time))


def _least_memory(problem: Problem, best: Tradeoff, chain: LimitedChain) -> Tradeoff:
    """Find the plan of least memory among those of this price, by bisection of the limit."""
    low, high = min(peak_floor(problem.graph), best.memory), best.memory
    while low < high:
        middle = (low + high) // 2
        outcome = chain.solve(replace(problem, memory=middle), smallest=False)
        point = None if outcome.candidate is None else _checked(problem, outcome.candidate, outcome.bound.value)
        if point is not None and point.fma == best.fma:
            best, high = point, point.memory
        else:
            low = middle + 1
    return best


def _checked(problem: Problem, candidate: Candidate, bound: int) -> Tradeoff:
    """Prove a plan right, and make it a point of the front."""
    proven = prove(candidate, replace(problem, memory=None))
    return Tradeoff(proven.peak, proven.price, proven.plan, bound)
