"""The same search from several seeds, spread over a cluster: the best plan and the best bound are kept.

Searches do not talk to each other, so that each gives what `plan` gives for its seed; with a number of nodes all are
awaited, and the result is the same on every cluster. Otherwise a proof ends the other searches, and so does Ctrl-C:
they are told to end, and answer with the best plan that they have.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict
from uuid import uuid4

from chainplan.distributed.executors.dask_cluster import client_of
from chainplan.errors.arguments import whole
from chainplan.planner import plan
from chainplan.plans.bound import NO_BOUND, Status
from chainplan.plans.result import Result
from chainplan.plans.steps import Plan
from chainplan.problem.problem import Problem, problem_of
from chainplan.solvers.search.search import SearchProgress

if TYPE_CHECKING:
    from distributed import Client, Future

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
    scheduler: Client | str | None = None,
    workers: int | None = None,
) -> Result:
    """Find a plan by restarts of a search on a cluster, with seeds from `seed` on.

    Parameters
    ----------
    problem : Problem
        The problem to plan.
    solver : str
        The name of a solver, as for `chainplan.plan`.
    restarts : int
        How many searches there are.
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
    scheduler : Client | str | None
        The cluster, as for `chainplan.execute`.
    workers : int | None
        The processes of a local cluster, as for `chainplan.execute`.

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
    problem, restarts, seed = problem_of(problem), whole("restarts", restarts, least=1), whole("seed", seed, most=None)
    with client_of(scheduler, workers) as client:
        from distributed import as_completed

        options = _Options(budget=budget, objective=objective, nodes=nodes, warm_start=warm_start)
        name, seeds = uuid4().hex, range(seed, seed + restarts)
        tasks = [client.submit(_search, problem, solver, i, options, name, pure=False) for i in seeds]
        results: list[Result] = []
        try:
            for task in as_completed(tasks):
                results.append(task.result())
                if results[-1].status is Status.OPTIMAL and nodes is None:
                    break
        except KeyboardInterrupt:
            results = _end_all(client, tasks, name)
            if not results:
                raise
        finally:
            _end_all(client, tasks, name)
    return best_of(sorted(results, key=lambda result: result.seed), restarts)


def _end_all(client: Client, tasks: Sequence[Future], name: str) -> list[Result]:
    """Tell the searches that are still going to end, and return the results of all."""
    from distributed import wait

    if not all(task.done() for task in tasks):
        client.run(_stop, name)
        with suppress(TimeoutError):
            wait(tasks, timeout=SECONDS_TO_ANSWER)
        client.cancel([task for task in tasks if not task.done()])
    answers = [task.result() for task in tasks if task.status == "finished"]
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
