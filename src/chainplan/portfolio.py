"""The same search from several seeds, spread over a cluster: the best plan and the best bound are kept.

Searches do not talk to each other, so that each is what `plan` finds by itself for its seed; with a number of nodes the
whole is the same on every cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chainplan.cluster.run import client_of
from chainplan.errors import SolverError
from chainplan.planner import plan
from chainplan.problem import Problem
from chainplan.replayer import replay
from chainplan.result import Result, Status
from chainplan.steps import Plan

RESTARTS = 4


def portfolio(
    problem: Problem,
    solver: str = "auto",
    *,
    restarts: int = RESTARTS,
    budget: float | None = None,
    seed: int = 0,
    objective: str | None = None,
    nodes: int | None = None,
    warm_start: Plan | None = None,
    scheduler: Any = None,
    workers: int | None = None,
) -> Result:
    """Find a plan by restarts of a search on a cluster, with seeds from `seed` on.

    Parameters
    ----------
    problem, solver, budget, objective, nodes, warm_start : as for `chainplan.plan`, for each restart.
    restarts : how many searches.
    scheduler, workers : the cluster, as for `chainplan.execute`.

    Returns
    -------
    Result
        That of the cheapest plan, of the lowest seed among equals, with the best bound that any restart has proven.
        After Ctrl-C that of the searches that had ended.

    Raises
    ------
    SolverError
        If there is not one restart, or as `chainplan.plan` does.
    ExecutionError
        If there is no cluster.
    """
    if isinstance(restarts, bool) or not isinstance(restarts, int) or restarts < 1:
        raise SolverError(f"restarts: found {restarts!r}; expected a whole number from 1. Pass restarts=4, say.")
    with client_of(scheduler, workers) as client:
        from distributed import as_completed

        options = {"budget": budget, "objective": objective, "nodes": nodes, "warm_start": warm_start}
        tasks = [client.submit(_search, problem, solver, seed + i, options, pure=False) for i in range(restarts)]
        found: list[Result] = []
        try:
            for task in as_completed(tasks):
                found.append(task.result())
                if found[-1].status is Status.OPTIMAL:
                    break
        except KeyboardInterrupt:
            if not found:
                raise
        finally:
            client.cancel([task for task in tasks if not task.done()])
    return best_of(sorted(found, key=lambda result: result.seed), restarts)


def _search(problem: Problem, solver: str, seed: int, options: dict[str, Any]) -> Result:
    return plan(problem, solver, seed=seed, **options)


def best_of(found: Sequence[Result], restarts: int) -> Result:
    """The cheapest plan of several results on one problem, with the best of their bounds."""
    planned = [result for result in found if result.plan is not None]
    if not planned:
        return found[0]
    best = min(planned, key=_price)
    note = f"the best of {len(found)} restarts of {restarts}."
    bounds = [(r.bound, r.within) for r in found if r.within is not None and r.within == (best.within or r.within)]
    bound, within = max(bounds, key=lambda pair: pair[0], default=(0, None))
    if within is None or bound > _price(best):
        return replace(best, notes=(*best.notes, note))
    status = Status.OPTIMAL if bound == _price(best) else Status.FEASIBLE
    return replace(best, status=status, bound=bound, within=within, notes=(*best.notes, note))


def _price(result: Result) -> int:
    assert result.plan is not None, "asked only of results with a plan"
    return replay(result.plan, result.problem.cost).total
