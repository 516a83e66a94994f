"""Several searches of one problem, spread over a cluster or an executor: the best plan and the best bound are kept.

On graphs the searches are a team (`solvers.teams`): they exchange orders and bounds every few seconds. Other problems
get the same search from several seeds, which do not talk to each other, so that each gives what `plan` gives for its
seed. With a number of nodes all are awaited, and the result is the same on every cluster. Otherwise a proof ends all
searches, and so does Ctrl-C: they are told to end, and answer with the best that they have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, as_completed, wait
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict
from uuid import uuid4

from chainplan.distributed.crew import RemoteCrew
from chainplan.distributed.places import Places, places_of
from chainplan.errors.arguments import whole
from chainplan.planner import by_objective, plan, plan_by
from chainplan.plans.bound import NO_BOUND, Status
from chainplan.plans.result import Result
from chainplan.plans.steps import Plan
from chainplan.problem.problem import Problem, problem_of
from chainplan.solvers.auto import DEFAULT_AUTO_SECONDS, AutoSolver
from chainplan.solvers.search.search import Search, SearchProgress
from chainplan.solvers.teams.leader import TeamSolver, not_for_teams

if TYPE_CHECKING:
    from distributed import Client

MAX_RESTARTS = 10_000
DEFAULT_RESTARTS = 4
SECONDS_TO_ANSWER = 10.0
"""Seconds in which searches that have been told to end must answer."""


class _Options(TypedDict):
    """What all searches have in common, as `chainplan.plan` takes it."""

    budget: float | None
    objective: str | None
    nodes: int | None
    warm_start: Plan | None


def portfolio(
    problem: Problem,
    solver: str = "auto",
    *,
    restarts: int = DEFAULT_RESTARTS,
    budget: float | None = None,
    seed: int = 0,
    objective: str | None = None,
    nodes: int | None = None,
    warm_start: Plan | None = None,
    scheduler: Client | Executor | str | None = None,
    workers: int | None = None,
    progress: Callable[[SearchProgress], None] | None = None,
) -> Result:
    """Find a plan by several searches on a cluster, which exchange what they find.

    Where `solver` is auto and the problem is a graph of explicit elementals, the first search is that of
    `chainplan.plan`, in this process. Beside it one of the others proves a bound, if there are two or more, and the
    rest improve regions of the best order, or all of it: every two seconds the best goes on. Otherwise the searches
    have the seeds from `seed` on and nothing to do with each other.

    Parameters
    ----------
    problem : Problem
        The problem to plan.
    solver : str
        The name of a solver, as for `chainplan.plan`.
    restarts : int
        How many searches there are, with that of this process where they exchange what they find; of the others then,
        within a budget, no more than there are threads.
    budget : float | None
        The seconds that each search may take.
    seed : int
        The seed of the first search; the next ones have the seeds that follow.
    objective : str | None
        What is minimised, as for `chainplan.plan`.
    nodes : int | None
        The steps of each search after which it ends.
    warm_start : Plan | None
        A plan of the same graph from which each search starts.
    scheduler : Client | Executor | str | None
        The cluster, as for `chainplan.execute`, or an executor of `concurrent.futures`, whatever its room.
    workers : int | None
        The processes of a local cluster; by default one for each search beside this process, at most one for each
        processor.
    progress : Callable[[SearchProgress], None] | None
        A function that is called a few times a second with how far searches are that exchange what they find.

    Returns
    -------
    Result
        The result with the cheapest plan, of the lowest seed among equals, and the best bound that any restart has
        proven; after Ctrl-C, of the searches' best plans so far.

    Raises
    ------
    SolverError
        As `chainplan.plan` does.
    ArgumentError
        If there is not one restart, or an argument is something else than what is described.
    ExecutionError
        If there is no cluster.

    Examples
    --------
    >>> import chainplan
    >>> from distributed import Client
    >>> with Client(processes=False, dashboard_address=None) as client:
    ...     result = portfolio(chainplan.chain([7, 2, 9, 3]), restarts=2, nodes=100, scheduler=client)
    >>> result.cost.fma
    96
    """
    problem, seed = problem_of(problem), whole("seed", seed, most=None)
    restarts = whole("restarts", restarts, least=1, most=MAX_RESTARTS)
    options = _Options(budget=budget, objective=objective, nodes=nodes, warm_start=warm_start)
    priced = by_objective(problem, objective)
    if solver != "auto" or restarts == 1 or not_for_teams(priced) is not None:
        with places_of(scheduler, workers, restarts) as places:
            return _search_apart(places, problem, solver, seed, options)
    with places_of(scheduler, workers, restarts - 1) as places:
        members = restarts - 1 if nodes is not None or places.room is None else min(restarts - 1, places.room)
        team = TeamSolver(RemoteCrew(places, priced, members), AutoSolver())
        limit = DEFAULT_AUTO_SECONDS if budget is None and nodes is None else budget
        search = Search(seed=seed, budget=limit, progress=progress, solver=team.name, nodes=nodes)
        return plan_by(team, priced, search, warm_start=warm_start)


def _search_apart(places: Places, problem: Problem, solver: str, seed: int, options: _Options) -> Result:
    """The best of searches that differ by their seeds, as many as there are executors."""
    name, restarts, sent = uuid4().hex, len(places.executors), places.send(problem)
    tasks = [
        executor.submit(_search, sent, solver, seed + i, options, name) for i, executor in enumerate(places.executors)
    ]
    results: list[Result] = []
    try:
        for task in as_completed(tasks):
            result = task.result()
            assert result is not None, "no search is told to end before this loop does"
            results.append(result)
            if result.status is Status.OPTIMAL and options["nodes"] is None:
                break
    except KeyboardInterrupt:
        results = _end_all(places, tasks, name)
        if not results:
            raise
    finally:
        _end_all(places, tasks, name)
    return best_of(sorted(results, key=lambda result: result.seed), restarts)


def _end_all(places: Places, tasks: Sequence[Future[Result | None]], name: str) -> list[Result]:
    """Tell the searches that are still going to end, and return the results of all."""
    if not all(task.done() for task in tasks):
        places.tell(_stop, name)
        wait(tasks, timeout=SECONDS_TO_ANSWER)
    done = [task for task in tasks if not task.cancel() and task.done() and task.exception() is None]
    answers = [task.result() for task in done]
    return [answer for answer in answers if answer is not None]


# On the workers

_ENDED_PORTFOLIOS: set[str] = set()
"""Names of the portfolios that are over."""


def _stop(name: str) -> None:
    _ENDED_PORTFOLIOS.add(name)


def _search(problem: Problem, solver: str, seed: int, options: _Options, name: str) -> Result | None:
    """The result of one search, interrupted when its portfolio is over; None where that was before its start."""

    def stop_if_over(_: SearchProgress) -> None:
        if name in _ENDED_PORTFOLIOS:
            raise KeyboardInterrupt

    return None if name in _ENDED_PORTFOLIOS else plan(problem, solver, seed=seed, progress=stop_if_over, **options)


def best_of(results: Sequence[Result], restarts: int) -> Result:
    """The cheapest plan of several results on one problem, with the best of their bounds."""
    planned = [result for result in results if result.plan is not None]
    if not planned:
        return results[0]
    best = min(planned, key=_price)
    note = f"the best of {len(results)} restarts of {restarts}."
    bounds = [r.lower_bound for r in results if r.within is not None and r.within == (best.within or r.within)]
    bound = max(bounds, key=lambda bound: bound.value, default=NO_BOUND).below(_price(best))
    if bound.within is None:
        return replace(best, notes=(*best.notes, note))
    return replace(best, status=bound.status(_price(best)), lower_bound=bound, notes=(*best.notes, note))


def _price(result: Result) -> int:
    assert result.price is not None, "asked only of results with a plan"
    return result.price
