"""What a plan file claims of schedules: that none is shorter than its bound, and what one machine takes.

The bound is either one on the schedules of the plan itself or one on those of all plans of a class. A bound on the work
of the class also bounds makespans, because machines can at best share the work evenly.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from chainplan.io.plan_file import SavedPlan
from chainplan.plans.bound import Bound
from chainplan.plans.candidate import Candidate
from chainplan.plans.result import Result
from chainplan.plans.schedule import Schedule, held
from chainplan.problem.problem import Problem
from chainplan.problem.units import unit_text
from chainplan.proofs.evidence import Replanning, members, proves, valid
from chainplan.proofs.verdict import ClaimFinding, ClaimStanding
from chainplan.solvers.schedule.incumbent import ScheduleIncumbent, end_of
from chainplan.solvers.schedule.list_scheduling import list_schedule
from chainplan.solvers.schedule.plan_search import improve_schedule
from chainplan.solvers.search.search import Search, SearchStopped


def judge_schedule(
    saved: SavedPlan, candidate: Candidate, schedule: Schedule, again: Replanning
) -> Iterator[ClaimFinding]:
    """What has become of the claims of a schedule on other schedules, and on one machine."""
    makespan = f"{schedule.makespan:,} {unit_text(saved.problem)}"
    said = f"scheduled on {schedule.machines:,} machine{'s' if schedule.machines > 1 else ''} in {makespan}"
    if not again.known:
        next(again.results("", 0.5), None)
    judge = _this_plan if schedule.this_plan else _all_plans
    standing, shorter = judge(saved, candidate, schedule, again) if schedule.bound else (ClaimStanding.PROVEN, None)
    if shorter is not None:
        claim = "to be optimal" if schedule.optimal else f"that none takes less than {schedule.bound:,}"
        counterexample = f"one of {shorter:,} {unit_text(saved.problem)} is found"
        yield ClaimFinding(ClaimStanding.REFUTED, f"{saved.source}: schedule: claims {claim}, but {counterexample}.")
    elif not schedule.bound:
        yield ClaimFinding(standing, said)
    else:
        what = "optimal" if schedule.optimal else f"at least {schedule.bound:,}"
        how = "proven again" if standing is ClaimStanding.PROVEN else "claimed by the file, not proven again"
        yield ClaimFinding(
            standing, f"{said}, {what}: {how} {'for' if schedule.this_plan else 'within'} {schedule.within}"
        )
    own = candidate.price
    cheapest = min(own, own if again.cheapest is None else again.cheapest)
    alone = ClaimStanding.PROVEN if schedule.one_machine == cheapest else ClaimStanding.CLAIMED
    how = (
        "proven again"
        if alone is ClaimStanding.PROVEN
        else f"claimed by the file; the cheapest plan found takes {cheapest:,}"
    )
    yield ClaimFinding(alone, f"one machine takes {schedule.one_machine:,}: {how}")


def _this_plan(
    saved: SavedPlan, own: Candidate, schedule: Schedule, again: Replanning
) -> tuple[ClaimStanding, int | None]:
    """Whether no schedule of the plan itself is shorter than the bound, and the makespan of one that is."""
    best = ScheduleIncumbent(own, schedule.machines, saved.problem, schedule.bandwidth)
    with suppress(SearchStopped):
        improve_schedule(best, Search(budget=again.left, progress=again.progress, solver="schedule"))
    if best.makespan < schedule.bound:
        return ClaimStanding.REFUTED, best.makespan
    return (ClaimStanding.PROVEN if best.own_bound >= schedule.bound else ClaimStanding.CLAIMED), None


def _all_plans(
    saved: SavedPlan, own: Candidate, schedule: Schedule, again: Replanning
) -> tuple[ClaimStanding, int | None]:
    """Whether no schedule of a plan of the class is shorter than the bound, and the makespan of one that is."""
    problem, machines, bound = saved.problem, schedule.machines, schedule.lower_bound
    work = Bound(machines * (bound.value - 1) + 1, bound.within)
    if any(proves(result.lower_bound, work, problem) for result in again.known):
        return ClaimStanding.PROVEN, None
    latest = again.scheduled(machines)
    results = again.known if latest is None else [*again.known, latest]
    shorter = [makespan for result in results if (makespan := _shorter(result, schedule, problem)) is not None]
    if shorter:
        return ClaimStanding.REFUTED, min(shorter)
    if latest is None or latest.schedule is None:
        return ClaimStanding.CLAIMED, None
    return (
        ClaimStanding.PROVEN if proves(latest.schedule.lower_bound, bound, problem) else ClaimStanding.CLAIMED
    ), None


def _shorter(result: Result, schedule: Schedule, problem: Problem) -> int | None:
    """A makespan below the bound of a schedule, of a plan of the class made from a result; None where there is none."""
    if result.candidate is None:
        return None
    for candidate in members(result, result.candidate, schedule.within, problem):
        if not valid(candidate, problem):
            continue
        if schedule.machines > 1 and problem.memory is not None and held(candidate) > problem.memory:
            continue
        makespan = end_of(list_schedule(candidate.plan, candidate.priced.prices, schedule.machines))
        own = result.schedule if candidate is result.candidate else None
        if own is not None and own.machines == schedule.machines:
            makespan = min(makespan, own.makespan)
        if makespan < schedule.bound:
            return makespan
    return None
