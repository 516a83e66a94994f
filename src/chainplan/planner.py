"""plan(problem): solve, order the steps, schedule them, accept what is proven right.

Every stage takes an outcome and returns one; its `Candidate` replays the plan once for all of them. Nothing that a
solver says is believed: the plan that it returns is proved here, and the bound of a proven optimum must equal the
replayed cost. A search that is stopped (budget or Ctrl-C) still answers with the best plan there is, which is its own
incumbent or the cheaper of forward and reverse order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from chainplan.costs.objectives import objective_model
from chainplan.errors import PlanError, SolverError
from chainplan.errors.arguments import expect, whole
from chainplan.errors.suggest import did_you_mean
from chainplan.plans.accumulations import decided_once
from chainplan.plans.bound import NO_BOUND, Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.check import prove
from chainplan.plans.factored import on_graph, with_factors, without_factors
from chainplan.plans.product_orders import baseline_plan, baseline_price, baselines_for, priced_by_edges
from chainplan.plans.result import Outcome, Result
from chainplan.plans.schedule import check_schedule, held
from chainplan.plans.steps import Plan, Planned, plan_of
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem, problem_of
from chainplan.solvers.choosing.stages import in_order
from chainplan.solvers.registry import SOLVERS
from chainplan.solvers.schedule.best import DEFAULT_SCHEDULE_SECONDS, best_schedule
from chainplan.solvers.search.search import Search, SearchProgress, SearchStopped
from chainplan.solvers.search.solver import Solver

ONE_MACHINE_SHARE = 0.5
"""Share of the limits for the plan for one machine, where there are several."""
WARM_START = "warm start"
"""What stands for a solver where the plan is the one that the search was given to start from."""


def plan(
    problem: Problem,
    solver: str = "auto",
    *,
    budget: float | None = None,
    seed: int = 0,
    progress: Callable[[SearchProgress], None] | None = None,
    objective: str | None = None,
    machines: int | None = None,
    bandwidth: int | None = None,
    nodes: int | None = None,
    warm_start: Plan | Planned | None = None,
) -> Result:
    """Find a plan for the Jacobian of a problem.

    Parameters
    ----------
    problem : Problem
        The problem to plan.
    solver : str
        The name of a solver, from the list of `chainplan solvers`.
    budget : float | None
        The seconds that the search may take; None lets it finish.
    seed : int
        The seed of solvers that draw random numbers.
    progress : Callable[[SearchProgress], None] | None
        A function that is called a few times a second with how far a search of more than half a second is.
    objective : str | None
        What is minimised: fma, weighted (nanoseconds by a static table) or calibrated (by a table of this machine,
        which `chainplan calibrate` measures); None takes the problem's own cost model.
    machines : int | None
        The number of machines to plan for: the makespan is minimised, the result has a `schedule`. On more than one, a
        solver other than auto gives the plan and only its schedule is searched.
    bandwidth : int | None
        The bytes per second at which blocks move between machines, under an objective in nanoseconds; None where moving
        takes no time.
    nodes : int | None
        The steps of the search after which it ends; unlike seconds, the same plan results on every machine.
    warm_start : Plan | Planned | None
        A plan of the same graph, or what holds one; the result is no worse, and local search begins there.

    Returns
    -------
    Result
        With `status`, `plan`, `cost`, `bound` and the baselines; costs in fma, `price` and `bound` in the unit of the
        objective. The plan has passed `check`.

    Raises
    ------
    SolverError
        If there is no such solver or it refuses the problem, or there is no schedule on so many machines.
    ArgumentError
        If an argument is something else than what is described above.
    SpecError
        If there is no such objective, or it is 'calibrated' and this machine has not been measured.
    PlanError
        If the plan to start from is wrong or for another graph.

    Examples
    --------
    >>> import chainplan
    >>> result = plan(chainplan.chain([1000, 1, 1000, 1, 1000]))
    >>> result.cost.fma, result.baselines.forward, result.optimal_within
    (1002000, 3000000, 'bracketings')
    """
    problem = by_objective(problem_of(problem), objective)
    chosen = _accepting(_solver(solver), without_factors(problem))
    if machines is not None:
        machines = _machines(machines, problem)
    if bandwidth is not None:
        bandwidth = _bandwidth(bandwidth, machines, problem)
    search = Search(seed=seed, budget=budget, progress=progress, solver=solver, nodes=nodes)
    return plan_by(chosen, problem, search, warm_start=warm_start, machines=machines, bandwidth=bandwidth)


def by_objective(problem: Problem, objective: str | None) -> Problem:
    """The problem with the cost model of an objective; None leaves it its own."""
    return problem if objective is None else replace(problem, cost=objective_model(objective))


def plan_by(
    chosen: Solver,
    problem: Problem,
    search: Search,
    *,
    warm_start: Plan | Planned | None = None,
    machines: int | None = None,
    bandwidth: int | None = None,
) -> Result:
    """Plan as `plan` does, by a solver that takes the problem, within the limits of a search."""
    bare, name = without_factors(problem), search.solver
    start = None if warm_start is None else on_graph(_start(problem, warm_start), bare.graph)
    search.start = None if start is None else start.plan
    search.unit, search.exact = problem.cost.short_unit, problem.graph.exact
    with decided_once(lambda: search.gone):
        outcome = _solved(bare, chosen, search, start, ONE_MACHINE_SHARE if (machines or 1) > 1 else None)
        outcome = in_order(bare, outcome, search)
        outcome = _scheduled(bare, outcome, machines, bandwidth, search, replan=name == "auto")
    outcome = _accepted(problem, with_factors(outcome, problem), name)
    return Result(
        problem=problem,
        solver=outcome.solver or name,
        seed=search.seed,
        seconds=search.seconds,
        status=outcome.status,
        candidate=outcome.candidate,
        lower_bound=outcome.bound,
        needs=outcome.needs,
        notes=() if outcome.note is None else (outcome.note,),
        schedule=outcome.schedule,
    )


def _solver(name: str) -> Solver:
    expect("solver", name, str, "the name of a solver", "Pass solver='auto', or a name of 'chainplan solvers'.")
    if name not in SOLVERS:
        text = f"solver '{name}' does not exist; expected one of {', '.join(SOLVERS)}."
        raise SolverError(f"{text} {did_you_mean(name, SOLVERS)}".rstrip())
    return SOLVERS[name]


def _accepting(solver: Solver, problem: Problem) -> Solver:
    """The solver, unless it refuses the problem."""
    reason = solver.refusal(problem)
    if reason is None:
        return solver
    advice = "Leave limits.recompute, or --recompute, out: states are then taken as given."
    if problem.products is not None:
        advice = "Leave 'products' out, and plan for the Jacobian."
    if problem.second is not None:
        advice = "Leave 'derivative' out, and plan for the Jacobian."
    if SOLVERS["auto"].refusal(problem) is None:
        advice = "Try 'auto'."
    raise SolverError(f"solver '{solver.name}' refuses this problem: {reason}. {advice}")


def _machines(machines: int, problem: Problem) -> int:
    """A number of machines on which the problem can be planned."""
    machines = whole("machines", machines, least=1)
    if problem.products is not None:
        raise SolverError(
            f"machines: found {machines} with products, whose programs are run one after the other; expected one of "
            "the two. Leave one out."
        )
    if problem.graph.solves:
        raise SolverError(
            f"machines: found {machines} with implicit systems, which are factored before the first step; expected one "
            "of the two. Leave one out."
        )
    if problem.second is not None:
        raise SolverError(
            f"machines: found {machines} with second derivatives; expected one of the two, because schedules are for "
            "the Jacobian. Leave one out."
        )
    if problem.recompute:
        raise SolverError(
            f"machines: found {machines} with limits.recompute, whose states are evaluated one after the other; "
            "expected one of the two. Leave one out."
        )
    return machines


def _bandwidth(bandwidth: int, machines: int | None, problem: Problem) -> int:
    """A bandwidth between machines, where what steps take is known in time as well."""
    bandwidth = whole("bandwidth", bandwidth, least=1, most=None)
    if machines is None:
        raise SolverError(f"bandwidth: found {bandwidth} without machines; expected several. Pass machines=2, say.")
    if problem.cost.unit != "nanoseconds":
        raise SolverError(
            f"bandwidth: found {bandwidth} bytes per second with an objective in {problem.cost.unit}; expected one in "
            "nanoseconds, to add transfers to what steps take. Choose the objective 'weighted' or 'calibrated'."
        )
    return bandwidth


def _solved(problem: Problem, solver: Solver, search: Search, start: Candidate | None, share: float | None) -> Outcome:
    """What the solver finds, in a share of the limits where one is given, or the best plan so far where it is stopped.

    It is no worse than the plan that the search starts from.
    """
    if start is not None and start.fits(problem.memory):
        search.offer(start.plan, start.price)
    try:
        outcome = solver.solve(problem, search if share is None else search.stage(solver.name, share))
    except (SearchStopped, KeyboardInterrupt) as stop:
        outcome = _rescue(problem, search, "interrupted" if isinstance(stop, KeyboardInterrupt) else "out of budget")
    else:
        if not problem.graph.exact:
            outcome = _counted(problem, outcome, solver, search)
    return outcome if start is None else _no_worse(problem, outcome, start)


def _counted(problem: Problem, outcome: Outcome, solver: Solver, search: Search) -> Outcome:
    """The outcome without what it proves by counts from above, and with what the solver proves by exact ones."""
    if outcome.bound.sure and outcome.status is not Status.INFEASIBLE:
        return outcome
    status, bound = _proven_by_lists(problem, solver, search)
    if outcome.candidate is None:
        return outcome if status is Status.INFEASIBLE else replace(outcome, status=Status.BUDGET, bound=NO_BOUND)
    bound = bound.below(outcome.candidate.price)
    return replace(outcome, status=bound.status(outcome.candidate.price), bound=bound)


def _proven_by_lists(problem: Problem, solver: Solver, search: Search) -> tuple[Status, Bound]:
    """The status and the bound of the same problem with listed patterns, within what is left of the limits."""
    listed = problem.graph.listed if problem.cost is FMA else None
    if listed is None or solver.refusal(same := replace(problem, graph=listed)) is not None:
        return Status.BUDGET, NO_BOUND
    left = replace(_rest(search, solver.name, None), start=None)
    try:
        outcome = solver.solve(same, left)
    except (SearchStopped, KeyboardInterrupt):
        return Status.BUDGET, replace(left.bound, sure=True)
    return outcome.status, replace(outcome.bound, sure=True)


def _rest(search: Search, solver: str, unlimited: float | None) -> Search:
    """A search with what is left of the limits, and with the seconds `unlimited` where there are none."""
    nodes = None if search.nodes is None else max(0, search.nodes - search.ticks)
    seconds = None if nodes is not None else unlimited
    if search.budget is not None:
        seconds = max(0.0, search.budget - search.seconds)
    return Search(
        seed=search.seed,
        budget=seconds,
        progress=search.progress,
        solver=solver,
        nodes=nodes,
        start=search.start,
        unit=search.unit,
    )


def _scheduled(
    problem: Problem, outcome: Outcome, machines: int | None, bandwidth: int | None, search: Search, *, replan: bool
) -> Outcome:
    """The outcome with a schedule for so many machines, and with the plan that it schedules.

    What is proven of the cost of all plans holds for that plan too, which may be dearer than the one for one machine.
    """
    if machines is None or outcome.candidate is None:
        return outcome
    needs = held(outcome.candidate)
    if machines > 1 and problem.memory is not None and needs > problem.memory:
        raise SolverError(
            f"machines: found {machines} with limits.memory = {problem.memory:,}, but the blocks and tapes of the plan "
            f"take {needs:,} elements together; only one machine is sure to keep the limit. Raise it, or take one."
        )
    rest = _rest(search, "schedule", DEFAULT_SCHEDULE_SECONDS)
    best, note = best_schedule(problem, outcome, machines, rest, replan=replan, bandwidth=bandwidth)
    if note is not None:
        outcome = replace(outcome, note=f"{outcome.note} {note}" if outcome.note else note)
    outcome = replace(outcome, schedule=best.schedule())
    if best.candidate.plan is outcome.plan:
        return outcome
    return replace(_proven(outcome, best.candidate), solver=_maker(best.candidate.plan, search, "auto"))


def _proven(outcome: Outcome, candidate: Candidate) -> Outcome:
    """The outcome with another plan, and with what its bound, where it is one, says of that."""
    bound = outcome.bound.below(candidate.price)
    return replace(outcome, status=bound.status(candidate.price), candidate=candidate, bound=bound)


def _start(problem: Problem, given: Plan | Planned) -> Candidate:
    """The plan to start from, proved right."""
    held = getattr(given, "plan", given)
    plan = None if held is None else plan_of(held, "warm_start")
    if plan is None or Problem(plan.graph).fingerprint != Problem(problem.graph).fingerprint:
        found = "no plan" if plan is None else "a plan of another graph"
        raise PlanError(f"warm start: found {found}; expected a plan of this problem's graph. Leave it out.")
    return prove(Candidate(plan, problem.cost), replace(problem, memory=None))


def _no_worse(problem: Problem, outcome: Outcome, start: Candidate) -> Outcome:
    """The outcome, with the plan that the search started from where that is the better one."""
    if not start.fits(problem.memory):
        return outcome
    if outcome.candidate is not None and outcome.candidate.price <= start.price:
        same = outcome.candidate.plan.steps == start.plan.steps
        return replace(outcome, solver=WARM_START) if same else outcome
    note = "the search found nothing better than the plan that it started from."
    return replace(_proven(outcome, start), needs=None, note=note, solver=WARM_START)


def _maker(plan: Plan, search: Search, solver: str) -> str:
    """Who made a plan that is at hand in a search: the solver, unless the search was given it."""
    return WARM_START if plan is search.start else solver


def _accepted(problem: Problem, outcome: Outcome, asked: str) -> Outcome:
    """The outcome with its plan proved; one that exceeds the memory limit is withdrawn, a wrong one is a defect."""
    if outcome.candidate is None:
        return outcome
    candidate, unit = prove(outcome.candidate, replace(problem, memory=None)), problem.cost.unit
    if outcome.status is Status.OPTIMAL and candidate.price != outcome.bound.value:
        raise PlanError(
            f"solver '{outcome.solver}' proves {outcome.bound.value:,} {unit}, but its plan costs "
            f"{candidate.price:,}; this is a defect of chainplan. Report it with the spec."
        )
    if not candidate.fits(problem.memory):
        others = "" if asked == "auto" else "; 'auto' tries other plans"
        note = (
            f"the plan found needs {candidate.peak:,} elements in the best order of its steps, limits.memory is "
            f"{problem.memory:,}{others}. Raise it."
        )
        return Outcome(Status.BUDGET, needs=outcome.needs, solver=outcome.solver, note=note)
    if outcome.schedule is not None:
        check_schedule(candidate, outcome.schedule, problem.memory)
    return _proven(outcome, candidate)


def _rescue(problem: Problem, search: Search, why: str) -> Outcome:
    """The best plan at hand when a search has been stopped."""
    fitting = [(name, candidate) for name, candidate in _at_hand(problem, search) if candidate.fits(problem.memory)]
    if not fitting:
        return Outcome(Status.BUDGET, note=f"'{search.solver}' was {why} before it found a plan within the limits.")
    name, best = min(fitting, key=lambda pair: pair[1].price)
    return Outcome(
        Status.FEASIBLE,
        best,
        bound=search.bound.below(best.price),
        solver=name,
        note=f"'{search.solver}' was {why} after {search.spent}; this is the best plan so far, from '{name}'.",
    )


def _at_hand(problem: Problem, search: Search) -> Iterator[tuple[str, Candidate]]:
    """What the search has offered, then forward and reverse order, written down where they may be the better ones.

    Once time is up these two are priced only where that is quick, or where there is nothing else.
    """
    enough = None
    if search.incumbent is not None:
        known = Candidate(search.incumbent, problem.cost)
        yield _maker(known.plan, search, search.solver), known
        enough = known.price if known.fits(problem.memory) else None
    if problem.recompute or (enough is not None and not search.in_time() and not priced_by_edges(problem)):
        return
    for name in baselines_for(problem):
        if enough is None or baseline_price(problem, name, problem.cost) < enough:
            yield name, Candidate(baseline_plan(problem, name), problem.cost)
