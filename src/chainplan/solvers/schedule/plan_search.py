"""Schedules on graphs that are not chains: the shortest of the list schedules of many plans, then improved.

On such graphs no search goes over plans and schedules together. The best plan for one machine, forward and reverse
order, and greedy orders of elimination by all keys and by keys drawn at random are list scheduled. A constraint program
then improves the schedule of the best of them and proves how good it is for this plan. The only bound on the other
plans is that machines have to share their work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING

from chainplan.plans.candidate import Candidate
from chainplan.plans.forward_reverse import sweep
from chainplan.plans.recorder import Recorder
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.solvers.elimination.elimination_graph import WorkGraph, order_plan
from chainplan.solvers.elimination.greedy import by_all_keys, randomised
from chainplan.solvers.schedule.incumbent import ScheduleIncumbent
from chainplan.solvers.schedule.list_scheduling import lower_bound, placed_on_machines
from chainplan.solvers.schedule.place_search import improve_places
from chainplan.solvers.search.cp_sat import attend, new_solver
from chainplan.solvers.search.search import Search

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

RANDOM_KEY_ORDERS = 30
"""Greedy orders by keys drawn at random that are tried."""
MAX_ELEMENTALS_FOR_GREEDY = 300
"""Elementals above which only forward and reverse order compete."""
MAX_CP_SAT_TASKS = 300
"""Tasks of the largest plan whose schedule is improved by a constraint program."""


def search_plans(problem: Problem, incumbent: ScheduleIncumbent, search: Search) -> None:
    """Offer the list schedules of all plans that compete."""
    for plan in _plans(problem, search):
        candidate = Candidate(plan, problem.cost)
        incumbent.offer(candidate, incumbent.listed(candidate))
        search.tick()


def _plans(problem: Problem, search: Search) -> Iterator[Plan]:
    """Forward and reverse order, then greedy orders where fma count and the graph is small enough."""
    graph = problem.graph
    for mode in Mode:
        recorder = Recorder(graph)
        yield recorder.plan(sweep(graph, recorder, mode))
    if len(graph.useful) <= MAX_ELEMENTALS_FOR_GREEDY and problem.cost is FMA:
        work = WorkGraph(graph)
        for candidate in by_all_keys(work, search.going):
            yield order_plan(graph, candidate.order)
        for candidate in randomised(work, Random(search.seed), RANDOM_KEY_ORDERS, search.going):
            yield order_plan(graph, candidate.order)


def improve_schedule(incumbent: ScheduleIncumbent, search: Search) -> None:
    """Improve the schedule of the incumbent's plan by a constraint program, and prove a bound on its schedules."""
    candidate, machines = incumbent.candidate, incumbent.machines
    plan, prices = candidate.plan, candidate.priced.prices
    incumbent.prove_own(lower_bound(plan, prices, machines))
    most, least = incumbent.makespan, incumbent.own_bound
    if incumbent.bandwidth is not None:
        improve_places(incumbent, search)
        return
    if least >= most or sum(map(bool, prices)) > MAX_CP_SAT_TASKS or machines * most >= 1 << 50:
        return
    from ortools.sat.python import cp_model

    model, starts = _model(plan, prices, machines, (least, most))
    for task in incumbent.tasks:
        model.add_hint(starts[task.id], task.start)

    class Improved(cp_model.CpSolverSolutionCallback):
        def on_solution_callback(self) -> None:
            begun = ((step, self.value(start)) for step, start in starts.items())
            incumbent.offer(candidate, placed_on_machines([(step, at, at + prices[step]) for step, at in begun]))

    solver = new_solver(search)
    solver.parameters.use_timetable_edge_finding_in_cumulative = True
    attend(solver, lambda: solver.solve(model, Improved()), search, incumbent.prove_own)


def _model(
    plan: Plan, prices: Sequence[int], machines: int, between: tuple[int, int]
) -> tuple[cp_model.CpModel, dict[int, cp_model.IntVar]]:
    """The constraint program of all schedules whose makespan lies between two numbers, and the start of every task."""
    from ortools.sat.python import cp_model

    model, (least, most) = cp_model.CpModel(), between
    makespan = model.new_int_var(least, most, "makespan")
    starts: dict[int, cp_model.IntVar] = {}
    there: list[cp_model.LinearExprT] = []
    busy = []
    for position, step in enumerate(plan.steps):
        start = model.new_int_var(0, most, f"start {position}")
        for operand in step.operands():
            model.add(start >= there[operand])
        if prices[position]:
            starts[position] = start
            busy.append(model.new_fixed_size_interval_var(start, prices[position], f"step {position}"))
        there.append(start + prices[position])
    for end in there:
        model.add(makespan >= end)
    model.add_cumulative(busy, [1] * len(busy), machines)
    model.minimize(makespan)
    return model, starts
