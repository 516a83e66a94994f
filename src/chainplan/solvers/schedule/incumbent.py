"""The best plan and schedule so far with the bounds proven so far: what a search leaves behind when it is stopped."""

from __future__ import annotations

from collections.abc import Sequence

from chainplan.plans.bound import NO_BOUND, Bound
from chainplan.plans.replay import replay
from chainplan.plans.schedule import THIS_PLAN, Schedule, Task, held, made
from chainplan.plans.steps import Plan
from chainplan.problem.problem import Problem
from chainplan.solvers.schedule.list_scheduling import list_schedule, lower_bound


class Incumbent:
    """The best plan and its tasks, at first the list schedule of the best plan for one machine.

    Ties in makespan go to the plan of less work. `bound` is a lower bound on the makespan of all plans of a class,
    `own_bound` on that of the schedules of this plan alone.
    """

    def __init__(self, plan: Plan, machines: int, problem: Problem) -> None:
        self.machines, self.cost, self._memory = machines, problem.cost, problem.memory
        self.plan, prices = plan, replay(plan, problem.cost).prices
        self.tasks: Sequence[Task] = list_schedule(plan, prices, machines)
        self.makespan = end_of(self.tasks)
        self.work = self.one_machine = sum(prices)
        self.bound, self.own_bound = NO_BOUND, 0

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

    def offer(self, plan: Plan, tasks: Sequence[Task]) -> bool:
        """Take a plan with its tasks if it is better and keeps the memory limit; return whether it was taken."""
        if self._memory is not None and held(plan) > self._memory:
            return False
        work = sum(replay(plan, self.cost).prices)
        self.one_machine = min(self.one_machine, work)
        if (end_of(tasks), work) >= (self.makespan, self.work):
            return False
        if plan is not self.plan:
            self.own_bound = 0
        self.plan, self.tasks, self.makespan, self.work = plan, tasks, end_of(tasks), work
        return True

    def schedule(self) -> Schedule:
        """The schedule with its best bound: one that it reaches, else one proven for this plan, else one for all."""
        bound = self.bound
        own = max(self.own_bound, lower_bound(self.plan, replay(self.plan, self.cost).prices, self.machines))
        if bound.within is None or (not self.optimal and (self.own_bound or own == self.makespan)):
            bound = Bound(own, THIS_PLAN)
        return made(self.machines, self.tasks, bound, self.one_machine)


def end_of(tasks: Sequence[Task]) -> int:
    """When the last task ends."""
    return max((task.end for task in tasks), default=0)
