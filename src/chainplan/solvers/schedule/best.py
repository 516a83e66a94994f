"""The best plan and schedule for p machines within a budget, starting from the best plan for one machine.

The search minimises the makespan, and the work of the plan only among plans of the same makespan: a plan for several
machines may cost more than the cheapest one.
"""

from __future__ import annotations

from contextlib import suppress

from chainplan.plans.bound import Bound
from chainplan.plans.candidate import Candidate
from chainplan.plans.result import Outcome
from chainplan.problem.problem import Problem
from chainplan.solvers.schedule.chain_search import ChainScheduleSearch, searchable
from chainplan.solvers.schedule.incumbent import ScheduleIncumbent
from chainplan.solvers.schedule.list_scheduling import in_turn, list_schedule
from chainplan.solvers.schedule.plan_search import improve_schedule, search_plans
from chainplan.solvers.search.search import Search, SearchStopped

DEFAULT_SCHEDULE_SECONDS = 10.0
"""Budget of the search for a schedule where none is given."""
SHARE_WITHOUT_TRANSFERS = 0.2
"""Share of the budget for each search of plans, where transfers take time."""


def best_schedule(
    problem: Problem, outcome: Outcome, machines: int, search: Search, *, replan: bool, bandwidth: int | None = None
) -> tuple[ScheduleIncumbent, str | None]:
    """Schedule the plan of an outcome, or a better one for these machines.

    Parameters
    ----------
    outcome : Outcome
        It has a plan; its bound on the work of all plans gives a bound on makespans.
    replan : bool
        Whether other plans compete.
    bandwidth : int | None
        The bytes per second between machines, None where transfers take no time.

    Returns
    -------
    tuple
        The best plan and schedule, and why the search ended if it was stopped.
    """
    assert outcome.candidate is not None
    best = ScheduleIncumbent(outcome.candidate, machines, problem, bandwidth)
    if outcome.bound.within is not None:
        best.prove(Bound(-(-outcome.bound.value // machines), outcome.bound.within))
    if machines == 1:
        best.tasks = in_turn(outcome.candidate.priced.prices)
        if outcome.bound.within is None:
            best.prove_own(best.work)
        return best, None
    try:
        if bandwidth is None:
            _search(problem, best, search, replan)
        else:
            _search_with_transfers(problem, best, search, replan)
    except (SearchStopped, KeyboardInterrupt) as stop:
        why = "interrupted" if isinstance(stop, KeyboardInterrupt) else "out of budget"
        return best, f"the search for a schedule was {why} after {search.spent}."
    return best, None


def _search(problem: Problem, best: ScheduleIncumbent, search: Search, replan: bool) -> None:
    """Improve the incumbent: by a joint search on chains, else over plans first and over schedules of the best next."""
    if search.start is not None and replan:
        start = Candidate(search.start, problem.cost)
        best.offer(start, list_schedule(start.plan, start.priced.prices, best.machines))
    if replan and searchable(problem.graph):
        ChainScheduleSearch(problem, best, search).run()
        return
    if replan:
        search_plans(problem, best, search)
    improve_schedule(best, search)


def _search_with_transfers(problem: Problem, best: ScheduleIncumbent, search: Search, replan: bool) -> None:
    """Improve the incumbent, whose transfers take time: all plans are placed, the best one by a constraint program.

    The best plans without such times are among them, also those for fewer machines, which move less. No schedule with
    them is below what none without them is below.
    """
    first = best.candidate
    for machines in sorted({2, -(-best.machines // 2), best.machines}) if replan else ():
        at_once = ScheduleIncumbent(first, machines, problem)
        with suppress(SearchStopped):
            _search(problem, at_once, search.stage("schedule", SHARE_WITHOUT_TRANSFERS), replan)
        if machines == best.machines and best.bound.within in (None, at_once.bound.within):
            best.prove(at_once.bound)
        best.offer(at_once.candidate, best.listed(at_once.candidate))
    if replan:
        with suppress(SearchStopped):
            search_plans(problem, best, search.stage("schedule", SHARE_WITHOUT_TRANSFERS))
    improve_schedule(best, search)
