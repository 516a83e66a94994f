"""Schedules of plans that other searches find: the shortest of several plans, then the best schedule of that one.

On a graph that is not a chain no search goes over plans and schedules together. What is best for one machine, forward
and reverse order, and greedy orders of elimination by all keys and by keys drawn at random are list scheduled; the
schedule of the best of them is then improved by a constraint program, which proves how good it is for this plan. Of all
plans no more is known than that their work has to be shared out.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from chainplan.cost import FMA
from chainplan.cp_run import attend, new_solver
from chainplan.elimination.greedy import by_all_keys, randomised
from chainplan.elimination.workgraph import WorkGraph, order_plan
from chainplan.problem import Problem
from chainplan.replayer import replay
from chainplan.scheduling.incumbent import Incumbent
from chainplan.scheduling.listing import list_schedule, lower_bound, placed_on_machines
from chainplan.search import Search
from chainplan.steps import Plan, Recorder, operands
from chainplan.graph import Mode
from chainplan.sweep import sweep

DRAWN = 30
"""Greedy orders by keys drawn at random."""
LARGE = 300
"""Elementals above which only forward and reverse order compete."""
MOST_TASKS = 300
"""Tasks of the largest plan whose schedule is improved by a constraint program."""


def search_plans(problem: Problem, incumbent: Incumbent, search: Search) -> None:
    """List schedule the plans that compete and keep the best."""
    for plan in _plans(problem, search):
        incumbent.offer(plan, list_schedule(plan, replay(plan, incumbent.cost).prices, incumbent.machines))
        search.tick()


def _plans(problem: Problem, search: Search) -> Iterator[Plan]:
    graph = problem.graph
    for mode in Mode:
        recorder = Recorder(graph)
        yield recorder.plan(sweep(graph, recorder, mode))
    if len(graph.useful) <= LARGE and problem.cost is FMA:
        work = WorkGraph(graph)
        for found in by_all_keys(work, search.going):
            yield order_plan(graph, found.order)
        for found in randomised(work, Random(search.seed), DRAWN, search.going):
            yield order_plan(graph, found.order)


def improve_schedule(incumbent: Incumbent, search: Search, budget: float) -> None:
    """Find the best schedule of the incumbent's plan, in at most so many seconds, and a bound on them."""
    plan, machines = incumbent.plan, incumbent.machines
    prices = replay(plan, incumbent.cost).prices
    incumbent.prove_own(lower_bound(plan, prices, machines))
    most, least = incumbent.makespan, incumbent.own_bound
    if least >= most or sum(map(bool, prices)) > MOST_TASKS or machines * most >= 1 << 50:
        return
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    makespan = model.new_int_var(least, most, "makespan")
    known = {task.id: task.start for task in incumbent.tasks}
    starts, there, busy = {}, list[cp_model.LinearExprT](), []
    for position, step in enumerate(plan.steps):
        start = model.new_int_var(0, most, f"start {position}")
        for operand in operands(step):
            model.add(start >= there[operand])
        if prices[position]:
            starts[position] = start
            busy.append(model.new_fixed_size_interval_var(start, prices[position], f"step {position}"))
            model.add_hint(start, known[position])
        there.append(start + prices[position])
    for end in there:
        model.add(makespan >= end)
    model.add_cumulative(busy, [1] * len(busy), machines)
    model.minimize(makespan)

    class Improved(cp_model.CpSolverSolutionCallback):
        def on_solution_callback(self) -> None:
            spans = [(step, self.value(start), self.value(start) + prices[step]) for step, start in starts.items()]
            incumbent.offer(plan, placed_on_machines(spans))

    solver = new_solver(search, budget)
    solver.parameters.use_timetable_edge_finding_in_cumulative = True
    attend(solver, lambda: solver.solve(model, Improved()), search, incumbent.prove_own)
