"""The best plan and schedule so far with the bounds proven so far: what a search leaves behind when it is stopped."""

from __future__ import annotations

from collections.abc import Sequence

from chainplan.plans.bound import NO_BOUND, Bound
from chainplan.plans.candidate import Candidate
from chainplan.plans.schedule import THIS_PLAN, Schedule, Task, held, made
from chainplan.problem.problem import Problem
from chainplan.solvers.schedule.list_scheduling import list_schedule, lower_bound
from chainplan.solvers.schedule.placing import PlacedPlan


class ScheduleIncumbent:
    """The best plan and its tasks, at first the list schedule of the best plan for one machine.

    Ties in makespan go to the plan of less work. `bound` is a lower bound on the makespan of all plans of a class,
    `own_bound` on that of the schedules of this plan alone. `bandwidth` is that between machines, in bytes per second,
    None where transfers take no time.
    """

    def __init__(self, candidate: Candidate, machines: int, problem: Problem, bandwidth: int | None = None) -> None:
        self.machines, self._memory, self.candidate = machines, problem.memory, candidate
        self.bandwidth = bandwidth
        self.tasks: Sequence[Task] = self.listed(candidate)
        self.makespan = end_of(self.tasks)
        self.one_machine = candidate.price
        self.bound, self.own_bound = NO_BOUND, 0

    def listed(self, candidate: Candidate) -> list[Task]:
        """A list schedule of a plan."""
        prices = candidate.priced.prices
        tasks = list_schedule(candidate.plan, prices, self.machines)
        if self.bandwidth is None:
            return tasks
        return PlacedPlan.of(candidate, self.machines, self.bandwidth).listed(tasks)

    @property
    def work(self) -> int:
        """What the plan takes on one machine."""
        return self.candidate.price

    @property
    def optimal(self) -> bool:
        """Whether no plan of the moves is shorter."""
        return self.bound.within is not None and self.makespan <= self.bound.value

    def prove(self, bound: Bound) -> None:
        """Keep a bound on all plans of a class if it is better than the one so far."""
        self.bound = self.bound.stronger(bound)

    def prove_own(self, bound: int) -> None:
        """Keep a bound on the schedules of this plan."""
        self.own_bound = max(self.own_bound, bound)

    def offer(self, candidate: Candidate, tasks: Sequence[Task]) -> bool:
        """Take a plan with its tasks if it is better and keeps the memory limit; return whether it was taken."""
        if self._memory is not None and held(candidate) > self._memory:
            return False
        self.one_machine = min(self.one_machine, candidate.price)
        if (end_of(tasks), candidate.price) >= (self.makespan, self.work):
            return False
        if candidate.plan is not self.candidate.plan:
            self.own_bound = 0
        self.candidate, self.tasks, self.makespan = candidate, tasks, end_of(tasks)
        return True

    def schedule(self) -> Schedule:
        """The schedule with its best bound: one that it reaches, else one proven for this plan, else one for all."""
        bound = self.bound
        own = max(self.own_bound, lower_bound(self.candidate.plan, self.candidate.priced.prices, self.machines))
        if bound.within is None or (not self.optimal and (self.own_bound or own == self.makespan)):
            bound = Bound(own, THIS_PLAN)
        return made(self.machines, self.tasks, bound, self.one_machine, self.bandwidth)


def end_of(tasks: Sequence[Task]) -> int:
    """When the last task ends."""
    return max((task.end for task in tasks), default=0)
