"""The shortest schedule of a plan where moving a block takes time, as a constraint program for few tasks.

Every task has an optional interval on each machine, of which one is chosen. A task that is chosen on another machine
than one that it needs starts after the transfer. Machines are alike, so the first task is on the first of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chainplan.plans.schedule import Task
from chainplan.solvers.schedule.placing import PlacedPlan
from chainplan.solvers.search.cp_sat import attend, new_solver
from chainplan.solvers.search.search import Search

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

    from chainplan.solvers.schedule.incumbent import ScheduleIncumbent

MAX_PLACES = 600
"""Tasks times machines of the largest plan whose places are improved by a constraint program."""


def improve_places(incumbent: ScheduleIncumbent, search: Search) -> None:
    """Improve the schedule of the incumbent's plan, and prove a bound on its schedules with transfers."""
    assert incumbent.bandwidth is not None, "without a bandwidth places do not matter"
    candidate = incumbent.candidate
    placed = PlacedPlan.of(candidate, incumbent.machines, incumbent.bandwidth)
    most, least = incumbent.makespan, incumbent.own_bound
    if least >= most or len(placed.tasks) * placed.machines > MAX_PLACES or most >= 1 << 50:
        return
    from ortools.sat.python import cp_model

    model = _PlaceModel(placed, least, most)
    model.hint(incumbent.tasks)

    class Improved(cp_model.CpSolverSolutionCallback):
        def on_solution_callback(self) -> None:
            start = {step: self.value(start) for step, start in model.starts.items()}
            machine = {step: next(m for m, one in enumerate(row) if self.value(one)) for step, row in model.on.items()}
            order = sorted(start, key=lambda step: (start[step], step))
            incumbent.offer(candidate, placed.timed(machine, order))

    solver = new_solver(search)
    attend(solver, lambda: solver.solve(model.model, Improved()), search, incumbent.prove_own)


class _PlaceModel:
    """The constraint program of all schedules whose makespan lies between two numbers."""

    def __init__(self, placed: PlacedPlan, least: int, most: int) -> None:
        from ortools.sat.python import cp_model

        self.placed, self.model = placed, cp_model.CpModel()
        makespan = self.model.new_int_var(least, most, "makespan")
        self.starts: dict[int, cp_model.IntVar] = {}
        self.on: dict[int, list[cp_model.IntVar]] = {}
        rows: list[list[cp_model.IntervalVar]] = [[] for _ in range(placed.machines)]
        for step in placed.tasks:
            price = placed.prices[step]
            self.starts[step] = start = self.model.new_int_var(0, most, f"start {step}")
            self.on[step] = [self.model.new_bool_var(f"{step} on {m}") for m in range(placed.machines)]
            self.model.add_exactly_one(self.on[step])
            for m, chosen in enumerate(self.on[step]):
                held = self.model.new_optional_interval_var(start, price, start + price, chosen, f"{step} at {m}")
                rows[m].append(held)
            self.model.add(makespan >= start + price)
            for source in placed.needs[step]:
                self._add_need(source, step)
        for row in rows:
            self.model.add_no_overlap(row)
        if placed.tasks:
            self.model.add(self.on[placed.tasks[0]][0] == 1)
        self.model.minimize(makespan)

    def _add_need(self, source: int, step: int) -> None:
        """Have a task start after one that it needs, and after the transfer where they are on two machines."""
        placed, model = self.placed, self.model
        end = self.starts[source] + placed.prices[source]
        model.add(self.starts[step] >= end)
        if not placed.times[source]:
            return
        apart = model.new_bool_var(f"{source} to {step}")
        for here, there in zip(self.on[source], self.on[step], strict=True):
            model.add_bool_or(apart, here.negated(), there)
        model.add(self.starts[step] >= end + placed.times[source]).only_enforce_if(apart)

    def hint(self, tasks: Sequence[Task]) -> None:
        """Begin with a schedule."""
        for task in tasks:
            self.model.add_hint(self.starts[task.id], task.start)
            for m, chosen in enumerate(self.on[task.id]):
                self.model.add_hint(chosen, int(m == task.machine))
