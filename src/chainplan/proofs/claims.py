"""What a plan file says of other plans than its own: proven again, refuted, or left as its claim.

A file claims that no plan of a class costs less than its bound, that no schedule is shorter than another bound, or that
no plan keeps the limits. Planning again decides: a cheaper plan of the class refutes the bound (`plans.classes`), a
bound on the class or on a wider one that is no lower proves it. Proofs for chains, for one machine and for as many
machines as can be used take polynomial time; exponential searches end with the budget, and where they decide nothing
the claim stays a claim. Bounds of 0 say nothing and need no proof. The maker, the date, the seed and the remarks of the
file are not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic

from chainplan.errors import PlanError, SolverError
from chainplan.io.plan_file import SavedPlan, derive
from chainplan.planner import plan as plan_again
from chainplan.plans.bound import Bound, Status
from chainplan.plans.check import check
from chainplan.plans.classes import AFTER, class_of, includes
from chainplan.plans.reorder import reordered
from chainplan.plans.replay import Replay, replay
from chainplan.plans.result import Result
from chainplan.plans.schedule import Schedule, held
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem
from chainplan.problem.units import unit_text
from chainplan.solvers.dag.order_plans import order_of
from chainplan.solvers.elimination.elimination_graph import after_accumulation, order_plan
from chainplan.solvers.elimination.path_bound import path_bound, quick_bound
from chainplan.solvers.registry import SOLVERS
from chainplan.solvers.schedule.incumbent import Incumbent, end_of
from chainplan.solvers.schedule.list_scheduling import list_schedule
from chainplan.solvers.schedule.plan_search import improve_schedule
from chainplan.solvers.search.search import Progress, Search, Stopped

BUDGET = 10.0
"""Seconds in which a file is proven again where no budget is given."""
VERTEX = "vertex elimination"
PROVERS = {VERTEX: "dag-exact", "edge elimination": "edge", "face elimination": "face"}
"""The solvers that prove bounds of a class which `auto` does not prove; `auto` is tried before them."""


class Standing(Enum):
    """What has become of a claim, and of all claims of a file; the worst standing comes last."""

    PROVEN = "proven again"
    CLAIMED = "NOT proven again: claimed by the file only"
    REFUTED = "refuted"


@dataclass(frozen=True)
class Finding:
    """What has become of one claim, in words."""

    standing: Standing
    said: str


@dataclass(frozen=True)
class Verdict:
    """What has become of the claims of a file; `replay` is that of its plan, None where that is missing or wrong.

    `str(verdict)` is the last line of `chainplan check`.
    """

    findings: tuple[Finding, ...]
    replay: Replay | None = None

    @property
    def standing(self) -> Standing:
        """The standing of the worst finding; a file that claims nothing is proven."""
        order = list(Standing)
        return max((f.standing for f in self.findings), key=order.index, default=Standing.PROVEN)

    def __str__(self) -> str:
        standing = self.standing
        if standing is not Standing.REFUTED:
            return str(standing.value)
        return f"refuted: {' '.join(next(f.said for f in self.findings if f.standing is standing).split())}"


def prove_again(
    saved: SavedPlan, budget: float = BUDGET, progress: Callable[[Progress], None] | None = None
) -> Verdict:
    """Prove the plan of a file and all figures that follow from it, then judge what it claims of other plans.

    Parameters
    ----------
    saved : SavedPlan
        The file, as `chainplan.read_plan` reads it.
    budget : float
        The seconds that the searches may take together.
    progress : Callable[[Progress], None] | None
        A function that is called now and then with how far a search is.

    Returns
    -------
    Verdict
        What has become of each claim; its text is the last line of `chainplan check`.

    Examples
    --------
    >>> import chainplan
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> result = chainplan.plan(chainplan.chain([2, 3, 4]))
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "plan.json"
    ...     _ = path.write_text(chainplan.render(result, "json"))
    ...     print(prove_again(chainplan.read_plan(path)))
    proven again
    """
    try:
        replayed = derive(saved)
    except PlanError as error:
        return refuted(error)
    again = _Again(saved.problem, monotonic() + budget, progress)
    if saved.plan is None:
        return Verdict((_no_plan(saved, again),))
    findings = [_cost(saved, again)]
    if saved.schedule is not None:
        findings += _scheduled(saved, saved.plan, saved.schedule, again)
    return Verdict(tuple(findings), replayed)


def refuted(error: PlanError) -> Verdict:
    """The verdict on a file with a wrong plan or a wrong figure."""
    return Verdict((Finding(Standing.REFUTED, str(error)),))


@dataclass
class _Again:
    """Planning again until a deadline; all results are kept."""

    problem: Problem
    deadline: float
    progress: Callable[[Progress], None] | None
    known: list[Result] = field(default_factory=list)

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return max(0.0, self.deadline - monotonic())

    @property
    def cheapest(self) -> int | None:
        """The price of the cheapest plan so far."""
        return min((result.price for result in self.known if result.price is not None), default=None)

    def results(self, within: str, share: float = 1.0) -> Iterator[Result]:
        """The result of `auto`, then that of the solver that proves bounds of the class, if there is one.

        `auto` has half of the time where a second solver follows.
        """
        other = PROVERS.get(within.removesuffix(AFTER))
        second = other is not None and SOLVERS[other].refusal(self.problem) is None
        if SOLVERS["auto"].refusal(self.problem) is not None:
            return
        if not self.known:
            self.known.append(self.plan("auto", share * (0.5 if second else 1.0)))
        yield self.known[0]
        if second and other is not None:
            self.known.append(self.plan(other, share))
            yield self.known[-1]

    def scheduled(self, machines: int) -> Result | None:
        """The best plan and schedule for so many machines, None where the limits leave none."""
        with suppress(SolverError):
            return self.plan("auto", 1.0, machines)
        return None

    def plan(self, solver: str, share: float, machines: int | None = None) -> Result:
        """The result of a solver in a share of the remaining time."""
        return plan_again(self.problem, solver, budget=share * self.left, progress=self.progress, machines=machines)


def _cost(saved: SavedPlan, again: _Again) -> Finding:
    """Whether no plan of the class costs less than the bound."""
    problem, claimed = saved.problem, saved.document
    bound = Bound(claimed["bound"][problem.cost.unit], claimed["bound"]["within"])
    within = bound.within
    if within is None or bound.value == 0:
        return Finding(Standing.PROVEN, "nothing is claimed of what other plans cost")
    optimal = claimed["status"] == Status.OPTIMAL.value
    figure = f"{bound.value:,} {unit_text(problem)}"
    said = "optimal" if optimal else f"bound of {figure}"
    proven = Finding(Standing.PROVEN, f"{said}: proven again within {within}")
    if _at_once(problem, bound, again):
        return proven
    for result in again.results(within, 0.5 if saved.schedule is not None else 1.0):
        cheaper = _member(result, bound, problem)
        if cheaper is not None:
            claim = "to be optimal" if optimal else f"that no plan within {within} costs less than {figure}"
            price = f"{replay(cheaper, problem.cost).total:,} {unit_text(problem)}"
            return Finding(Standing.REFUTED, f"{saved.source}: claims {claim}, but '{result.solver}' finds {price}.")
        if _proves(result.lower_bound, bound, problem):
            return proven
    return Finding(Standing.CLAIMED, f"{said} within {within}: claimed by the file, not proven again")


def _at_once(problem: Problem, bound: Bound, again: _Again) -> bool:
    """Whether the bounds that take polynomial time prove a bound on vertex elimination."""
    name = after_accumulation(problem.graph, VERTEX)
    if problem.cost is not FMA or bound.within != name:
        return False
    search = Search(budget=again.left / 4)
    return path_bound(problem.graph) >= bound.value or quick_bound(problem.graph, search.watch) >= bound.value


def _proves(proven: Bound, bound: Bound, problem: Problem) -> bool:
    """Whether a proven bound is as high as another, and holds for its class or a wider one."""
    if proven.within is None or bound.within is None:
        return False
    return includes(proven.within, bound.within, problem) and proven.value >= bound.value


def _member(result: Result, bound: Bound, problem: Problem) -> Plan | None:
    """A plan of the class that costs less than the bound, made from the plan of a result; None where there is none."""
    price = result.price
    if result.plan is None or bound.within is None or price is None or price >= bound.value:
        return None
    members = _members(result, result.plan, bound.within, problem)
    return next((plan for plan in members if _price(plan, problem) < bound.value), None)


def _members(result: Result, plan: Plan, within: str, problem: Problem) -> Iterable[Plan]:
    """Plans of the class made from the plan of a result: that plan itself, or the elimination of vertices in its order.

    The second may cost a little more than the plan it is made from.
    """
    shown = class_of(plan, problem)
    own = result.status is Status.OPTIMAL and result.solver in PROVERS.values() and result.within == within
    if own or (shown is not None and includes(within, shown, problem)):
        yield plan
    elif includes(within, after_accumulation(problem.graph, VERTEX), problem):
        ordered = order_plan(problem.graph, order_of(plan))
        yield ordered if problem.memory is None else reordered(ordered, problem.memory)


def _price(plan: Plan, problem: Problem) -> float:
    """What a plan costs, infinity where it does not keep the limits."""
    try:
        check(plan, problem)
    except PlanError:
        return float("inf")
    return replay(plan, problem.cost).total


def _no_plan(saved: SavedPlan, again: _Again) -> Finding:
    """Whether no plan keeps the limits, and which limit would be enough."""
    claimed = saved.document
    result = next(again.results(""), None)
    if result is None or claimed["status"] != Status.INFEASIBLE.value:
        return Finding(Standing.CLAIMED, f"status '{claimed['status']}': the file holds no plan to check")
    if result.plan is not None:
        said = f"claims that no plan keeps the limits, but '{result.solver}' finds one."
        return Finding(Standing.REFUTED, f"{saved.source}: {said}")
    if result.status is not Status.INFEASIBLE:
        return Finding(Standing.CLAIMED, "infeasible: claimed by the file, not proven again")
    needs = None if claimed["needs"] is None else claimed["needs"]["memory"]
    if needs not in (None, result.needs):
        if result.needs is None:
            return Finding(Standing.CLAIMED, f"needs.memory of {needs:,}: claimed by the file, not proven again")
        said = f"needs.memory is claimed to be {needs:,}, but {result.needs:,} elements are the smallest limit."
        return Finding(Standing.REFUTED, f"{saved.source}: {said}")
    return Finding(Standing.PROVEN, "infeasible: proven again")


def _scheduled(saved: SavedPlan, plan: Plan, schedule: Schedule, again: _Again) -> Iterator[Finding]:
    """What has become of the claims of a schedule on other schedules, and on one machine."""
    makespan = f"{schedule.makespan:,} {unit_text(saved.problem)}"
    said = f"scheduled on {schedule.machines:,} machine{'s' if schedule.machines > 1 else ''} in {makespan}"
    if not again.known:
        next(again.results("", 0.5), None)
    judge = _this_plan if schedule.this_plan else _all_plans
    standing, shorter = judge(saved, plan, schedule, again) if schedule.bound else (Standing.PROVEN, None)
    if shorter is not None:
        claim = "to be optimal" if schedule.optimal else f"that none takes less than {schedule.bound:,}"
        counterexample = f"one of {shorter:,} {unit_text(saved.problem)} is found"
        yield Finding(Standing.REFUTED, f"{saved.source}: schedule: claims {claim}, but {counterexample}.")
    elif not schedule.bound:
        yield Finding(standing, said)
    else:
        what = "optimal" if schedule.optimal else f"at least {schedule.bound:,}"
        how = "proven again" if standing is Standing.PROVEN else "claimed by the file, not proven again"
        yield Finding(standing, f"{said}, {what}: {how} {'for' if schedule.this_plan else 'within'} {schedule.within}")
    own = replay(plan, saved.problem.cost).total
    cheapest = min(own, own if again.cheapest is None else again.cheapest)
    alone = Standing.PROVEN if schedule.one_machine == cheapest else Standing.CLAIMED
    how = (
        "proven again"
        if alone is Standing.PROVEN
        else f"claimed by the file; the cheapest plan found takes {cheapest:,}"
    )
    yield Finding(alone, f"one machine takes {schedule.one_machine:,}: {how}")


def _this_plan(saved: SavedPlan, plan: Plan, schedule: Schedule, again: _Again) -> tuple[Standing, int | None]:
    """Whether no schedule of the plan itself is shorter than the bound, and the makespan of one that is."""
    best = Incumbent(plan, schedule.machines, saved.problem)
    with suppress(Stopped):
        improve_schedule(best, Search(budget=again.left, progress=again.progress, solver="schedule"))
    if best.makespan < schedule.bound:
        return Standing.REFUTED, best.makespan
    return (Standing.PROVEN if best.own_bound >= schedule.bound else Standing.CLAIMED), None


def _all_plans(saved: SavedPlan, plan: Plan, schedule: Schedule, again: _Again) -> tuple[Standing, int | None]:
    """Whether no schedule of a plan of the class is shorter than the bound, and the makespan of one that is."""
    problem, machines, bound = saved.problem, schedule.machines, schedule.lower_bound
    work = Bound(machines * (bound.value - 1) + 1, bound.within)
    if any(_proves(result.lower_bound, work, problem) for result in again.known):
        return Standing.PROVEN, None
    latest = again.scheduled(machines)
    results = again.known if latest is None else [*again.known, latest]
    shorter = [makespan for result in results if (makespan := _shorter(result, schedule, problem)) is not None]
    if shorter:
        return Standing.REFUTED, min(shorter)
    if latest is None or latest.schedule is None:
        return Standing.CLAIMED, None
    return (Standing.PROVEN if _proves(latest.schedule.lower_bound, bound, problem) else Standing.CLAIMED), None


def _shorter(result: Result, schedule: Schedule, problem: Problem) -> int | None:
    """A makespan below the bound of a schedule, of a plan of the class made from a result; None where there is none."""
    if result.plan is None:
        return None
    for plan in _members(result, result.plan, schedule.within, problem):
        if _price(plan, problem) == float("inf"):
            continue
        if schedule.machines > 1 and problem.memory is not None and held(plan) > problem.memory:
            continue
        same = plan is result.plan and result.schedule is not None and result.schedule.machines == schedule.machines
        listed = end_of(list_schedule(plan, replay(plan, problem.cost).prices, schedule.machines))
        makespan = min(listed, result.schedule.makespan) if same and result.schedule is not None else listed
        if makespan < schedule.bound:
            return makespan
    return None
