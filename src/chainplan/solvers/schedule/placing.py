"""Places the tasks of a plan on machines where moving a block takes time: earliest finish first (HEFT).

Tasks go in the order of the longest path from them to the end, transfers included as they are on average, each to the
machine and the gap in which it ends first (Topcuoglu, Hariri & Wu, *Performance-effective and low-complexity task
scheduling for heterogeneous computing*, IEEE TPDS 2002, section 4; machines are alike here). The same order without
transfers, the places of a list schedule, and all on one machine compete. It takes O(tasks² · machines) at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from chainplan.plans.candidate import Candidate
from chainplan.plans.schedule import Task
from chainplan.plans.transfers import sources, transfer_times


class PlacedPlan(NamedTuple):
    """What placing a plan depends on: prices, what each task needs, and how long the block of a task is on its way."""

    prices: list[int]
    needs: list[tuple[int, ...]]
    times: list[int]
    machines: int

    @classmethod
    def of(cls, candidate: Candidate, machines: int, bandwidth: int) -> PlacedPlan:
        """The tasks of a candidate, on no more machines than there are tasks."""
        prices = list(candidate.priced.prices)
        most = max(1, min(machines, sum(map(bool, prices))))
        return cls(prices, sources(candidate.plan, prices), transfer_times(candidate, bandwidth), most)

    @property
    def tasks(self) -> list[int]:
        """The steps with a price."""
        return [step for step, price in enumerate(self.prices) if price]

    def listed(self, without: Sequence[Task]) -> list[Task]:
        """The shortest of a few ways to place all tasks, among them the places of a schedule `without` transfers."""
        attempts = [self._earliest(self._ranks(share)) for share in (self.machines - 1, 0)]
        machine = {task.id: task.machine for task in without}
        attempts.append(self.timed(machine, [task.id for task in without]))
        attempts.append(self.timed(dict.fromkeys(self.tasks, 0), self.tasks))
        return min(attempts, key=lambda tasks: max((task.end for task in tasks), default=0))

    def timed(self, machine: dict[int, int], order: Iterable[int]) -> list[Task]:
        """Every task as early as its machine and what it needs allow, in an order in which nothing is needed before."""
        done, free = dict[int, Task](), dict[int, int]()
        for step in order:
            start = max(free.get(machine[step], 0), self._ready(step, machine[step], done))
            done[step] = Task(step, machine[step], start, start + self.prices[step])
            free[machine[step]] = done[step].end
        return list(done.values())

    def _ready(self, step: int, machine: int, done: dict[int, Task]) -> int:
        """When everything that a task needs is on a machine."""
        there = (done[s].end + (self.times[s] if done[s].machine != machine else 0) for s in self.needs[step])
        return max(there, default=0)

    def _ranks(self, share: int) -> list[int]:
        """The longest path from each task to the end, where `share` of all machines in turn are another machine."""
        ranks = [0] * len(self.prices)
        for step in reversed(self.tasks):
            ranks[step] += self.prices[step] * self.machines
            for s in self.needs[step]:
                ranks[s] = max(ranks[s], ranks[step] + share * self.times[s])
        return ranks

    def _earliest(self, ranks: Sequence[int]) -> list[Task]:
        """All tasks by falling rank, each where and when it ends first; ties go to the lower machine."""
        done, rows = dict[int, Task](), list[list[Task]]()
        for step in sorted(self.tasks, key=lambda step: (-ranks[step], step)):
            places = range(min(len(rows) + 1, self.machines))
            starts = [self._gap(rows[m] if m < len(rows) else [], step, self._ready(step, m, done)) for m in places]
            machine = min(places, key=lambda m: (starts[m], m))
            if machine == len(rows):
                rows.append([])
            done[step] = Task(step, machine, starts[machine], starts[machine] + self.prices[step])
            rows[machine] = sorted([*rows[machine], done[step]], key=lambda task: task.start)
        return list(done.values())

    def _gap(self, row: Sequence[Task], step: int, ready: int) -> int:
        """The earliest start of a task on a machine, between the tasks that it has."""
        at = ready
        for task in row:
            if at + self.prices[step] <= task.start:
                break
            at = max(at, task.end)
        return at
