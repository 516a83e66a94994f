"""plan(problem): choose the solver, solve, check, return a Result.

Nothing that a solver says is believed: its plan is checked and replayed here, and the bound of a proven optimum must
equal the replayed cost. A search that is stopped (budget or Ctrl-C) still answers with the best plan there is, which is
its own incumbent or the cheaper of forward and reverse order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from chainplan.costs.objectives import objective_model
from chainplan.errors import PlanError, SolverError
from chainplan.errors.arguments import expect, whole
from chainplan.errors.suggest import did_you_mean
from chainplan.plans.bound import NO_BOUND, Status
from chainplan.plans.check import check
from chainplan.plans.forward_reverse import order_price
from chainplan.plans.reorder import reordered
from chainplan.plans.replay import Replay, replay
from chainplan.plans.result import Outcome, Result
from chainplan.plans.schedule import Schedule, check_schedule, held
from chainplan.plans.steps import Plan, Planned, plan_of
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem, problem_of
from chainplan.solvers.registry import SOLVERS
from chainplan.solvers.schedule.best import SECONDS, best_schedule
from chainplan.solvers.search.search import Progress, Search, Stopped
from chainplan.solvers.search.solver import Solver

SHARE = 0.5
"""Share of the limits for the plan for one machine, where there are several."""
WARM_START = "warm start"
"""What stands for a solver where the plan is the one that the search was given to start from."""


def plan(
    problem: Problem,
    solver: str = "auto",
    *,
    budget: float | None = None,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
    objective: str | None = None,
    machines: int | None = None,
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
    progress : Callable[[Progress], None] | None
        A function that is called a few times a second with how far a search of more than half a second is.
    objective : str | None
        What is minimised: fma, weighted (nanoseconds by a static table) or calibrated (by a table of this machine,
        which `chainplan calibrate` measures); None takes the problem's own cost model.
    machines : int | None
        The number of machines to plan for: the makespan is minimised, the result has a `schedule`. On more than one, a
        solver other than auto gives the plan and only its schedule is searched.
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
    problem = problem_of(problem)
    if objective is not None:
        problem = replace(problem, cost=objective_model(objective))
    chosen = _solver(solver)
    reason = chosen.refusal(problem)
    if reason is not None:
        raise SolverError(f"solver '{solver}' refuses this problem: {reason}. {_advice(problem)}")
    if machines is not None:
        machines = whole("machines", machines, least=1)
    if machines is not None and problem.recompute:
        raise SolverError(
            f"machines: found {machines} with limits.recompute, whose states are evaluated one after the other; "
            "expected one of the two. Leave one out."
        )
    start = None if warm_start is None else _start(problem, warm_start)
    search = Search(seed=seed, budget=budget, progress=progress, solver=solver, nodes=nodes, start=start)
    if start is not None:
        known = replay(start)
        if problem.memory is None or known.peak <= problem.memory:
            search.offer(start, known.total)
    try:
        outcome = chosen.solve(problem, search.stage(solver, SHARE) if (machines or 1) > 1 else search)
    except (Stopped, KeyboardInterrupt) as stop:
        outcome = _rescue(problem, search, "interrupted" if isinstance(stop, KeyboardInterrupt) else "out of budget")
    if start is not None:
        outcome = _no_worse(problem, outcome, start)
    if problem.memory is not None and outcome.plan is not None:
        outcome = replace(outcome, plan=reordered(outcome.plan, problem.memory, search.in_time))
    schedule = None
    if machines is not None and outcome.plan is not None:
        inner = _rest(search, budget, progress)
        outcome, schedule = _scheduled(problem, outcome, machines, inner, replan=solver == "auto")
    outcome, replayed = _accept(problem, outcome)
    if schedule is not None and outcome.plan is not None:
        check_schedule(outcome.plan, schedule, problem.cost, problem.memory)
    return Result(
        problem=problem,
        solver=outcome.solver or solver,
        seed=seed,
        seconds=search.seconds,
        status=outcome.status,
        plan=outcome.plan,
        replay=replayed,
        lower_bound=outcome.bound,
        needs=outcome.needs,
        notes=() if outcome.note is None else (outcome.note,),
        schedule=None if replayed is None else schedule,
    )


def _solver(name: str) -> Solver:
    expect("solver", name, str, "the name of a solver", "Pass solver='auto', or a name of 'chainplan solvers'.")
    if name not in SOLVERS:
        text = f"solver '{name}' does not exist; expected one of {', '.join(SOLVERS)}."
        raise SolverError(f"{text} {did_you_mean(name, SOLVERS)}".rstrip())
    return SOLVERS[name]


def _advice(problem: Problem) -> str:
    """What to do where a solver refuses."""
    if SOLVERS["auto"].refusal(problem) is None:
        return "Try 'auto'."
    return "Leave limits.recompute, or --recompute, out: states are then taken as given."


def _rest(search: Search, budget: float | None, progress: Callable[[Progress], None] | None) -> Search:
    """The search for a schedule, with what is left of the limits."""
    nodes = None if search.nodes is None else max(0, search.nodes - search.ticks)
    seconds = (None if nodes is not None else SECONDS) if budget is None else max(0.0, budget - search.seconds)
    return Search(
        seed=search.seed, budget=seconds, progress=progress, solver="schedule", nodes=nodes, start=search.start
    )


def _scheduled(
    problem: Problem, outcome: Outcome, machines: int, search: Search, *, replan: bool
) -> tuple[Outcome, Schedule]:
    """The schedule for so many machines, and the outcome with the plan that it schedules.

    What is proven of the cost of all plans holds for that plan too, which may be dearer than the one for one machine.
    """
    assert outcome.plan is not None
    needs = held(outcome.plan)
    if machines > 1 and problem.memory is not None and needs > problem.memory:
        raise SolverError(
            f"machines: found {machines} with limits.memory = {problem.memory:,}, but the blocks and tapes of the plan "
            f"take {needs:,} elements together; only one machine is sure to keep the limit. Raise it, or take one."
        )
    best, note = best_schedule(problem, outcome, machines, search, replan=replan)
    if note is not None:
        outcome = replace(outcome, note=f"{outcome.note} {note}" if outcome.note else note)
    schedule = best.schedule()
    if best.plan is outcome.plan:
        return outcome, schedule
    return replace(_proven(outcome, best.work), plan=best.plan, solver=_maker(best.plan, search, "auto")), schedule


def _proven(outcome: Outcome, price: int) -> Outcome:
    """The outcome with what its bound, where it is one, says of a plan of this price."""
    bound = outcome.bound.below(price)
    return replace(outcome, status=bound.status(price), bound=bound)


def _start(problem: Problem, given: Plan | Planned) -> Plan:
    """The plan to start from, proved right."""
    held = getattr(given, "plan", given)
    plan = None if held is None else plan_of(held, "warm_start")
    if plan is None or Problem(plan.graph).fingerprint != Problem(problem.graph).fingerprint:
        found = "no plan" if plan is None else "a plan of another graph"
        raise PlanError(f"warm start: found {found}; expected a plan of this problem's graph. Leave it out.")
    check(plan, replace(problem, memory=None))
    return Plan(problem.graph, plan.steps, plan.outputs)


def _no_worse(problem: Problem, outcome: Outcome, start: Plan) -> Outcome:
    """The outcome, with the plan that the search started from where that is the better one."""
    replayed, price = replay(start), replay(start, problem.cost).total
    if problem.memory is not None and replayed.peak > problem.memory:
        return outcome
    if outcome.plan is not None and replay(outcome.plan, problem.cost).total <= price:
        return replace(outcome, solver=WARM_START) if outcome.plan.steps == start.steps else outcome
    note = "the search found nothing better than the plan that it started from."
    return replace(_proven(outcome, price), plan=start, needs=None, note=note, solver=WARM_START)


def _maker(plan: Plan, search: Search, solver: str) -> str:
    """Who made a plan that is at hand in a search: the solver, unless the search was given it."""
    return WARM_START if plan is search.start else solver


def _accept(problem: Problem, outcome: Outcome) -> tuple[Outcome, Replay | None]:
    """Check the plan of an outcome; one that exceeds the memory limit is withdrawn, a wrong one is a defect."""
    if outcome.plan is None:
        return outcome, None
    replayed = check(outcome.plan, replace(problem, memory=None))
    price, unit = replay(outcome.plan, problem.cost).total, problem.cost.unit
    if outcome.status is Status.OPTIMAL and price != outcome.bound.value:
        raise PlanError(
            f"solver '{outcome.solver}' proves {outcome.bound.value:,} {unit}, but its plan costs {price:,}; this is a "
            "defect of chainplan. Report it with the spec."
        )
    if outcome.status is Status.FEASIBLE:
        outcome = replace(outcome, status=outcome.bound.status(price))
    if problem.memory is not None and replayed.peak > problem.memory:
        note = (
            f"the plan found needs {replayed.peak:,} elements in the best order of its steps, limits.memory is "
            f"{problem.memory:,}; 'auto' tries other plans. Raise it."
        )
        return replace(outcome, status=Status.BUDGET, plan=None, bound=NO_BOUND, note=note), None
    return outcome, replayed


def _rescue(problem: Problem, search: Search, why: str) -> Outcome:
    """The best plan at hand when a search has been stopped."""
    fitting = []
    for name, candidate in _at_hand(problem, search):
        replayed = replay(candidate, problem.cost)
        if problem.memory is None or replayed.peak <= problem.memory:
            fitting.append((replayed.total, name, candidate))
    if not fitting:
        return Outcome(Status.BUDGET, note=f"'{search.solver}' was {why} before it found a plan within the limits.")
    price, name, best = min(fitting, key=lambda f: f[0])
    return Outcome(
        Status.FEASIBLE,
        best,
        bound=search.bound.below(price),
        solver=name,
        note=f"'{search.solver}' was {why} after {search.spent}; this is the best plan so far, from '{name}'.",
    )


def _at_hand(problem: Problem, search: Search) -> Iterator[tuple[str, Plan]]:
    """What the search has offered, then forward and reverse order, written down where they may be the better ones."""
    known = search.incumbent
    if known is not None:
        yield _maker(known, search, search.solver), known
    if problem.recompute:
        return
    enough = None
    if known is not None and (problem.memory is None or replay(known).peak <= problem.memory):
        enough = replay(known, problem.cost).total
    for name, mode in (("forward", Mode.TANGENT), ("reverse", Mode.ADJOINT)):
        if enough is None or order_price(problem.graph, mode, problem.cost) < enough:
            found = SOLVERS[name].solve(problem, Search()).plan
            if found is not None:
                yield name, found
