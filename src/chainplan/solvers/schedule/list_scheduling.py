"""List scheduling of a plan: whenever a machine is idle it takes the ready step with the longest path after it.

The makespan is at most (2 - 1/p) times the best one of that plan (Graham 1966); on the trees of chains it mostly is the
best one. The algorithm works for any plan and takes O(steps · log steps).
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from chainplan.plans.schedule import Task
from chainplan.plans.steps import Plan


def list_schedule(plan: Plan, prices: Sequence[int], machines: int) -> list[Task]:
    """The tasks of a plan on `machines` machines, whose steps take `prices`; ties go to the earlier step."""
    readers = _readers(plan)
    ranks = _ranks(readers, prices)
    waiting = [len(step.operands()) for step in plan.steps]
    ready: list[tuple[int, int]] = []
    fresh = [s for s, missing in enumerate(waiting) if not missing]
    idle, running, tasks = list(range(min(machines, len(prices)))), list[tuple[int, int, int]](), list[Task]()
    now = 0
    while True:
        while fresh:
            step = fresh.pop()
            if prices[step]:
                heappush(ready, (-ranks[step], step))
            else:
                fresh += _free_readers(readers[step], waiting)
        while ready and idle:
            _, step = heappop(ready)
            task = Task(step, heappop(idle), now, now + prices[step])
            tasks.append(task)
            heappush(running, (task.end, task.machine, step))
        if not running:
            return tasks
        now = running[0][0]
        while running and running[0][0] == now:
            _, machine, step = heappop(running)
            heappush(idle, machine)
            fresh += _free_readers(readers[step], waiting)


def in_turn(prices: Sequence[int]) -> list[Task]:
    """The tasks of a plan on one machine, in the order of its steps."""
    tasks, now = [], 0
    for step, price in enumerate(prices):
        if price:
            tasks.append(Task(step, 0, now, now + price))
            now += price
    return tasks


def lower_bound(plan: Plan, prices: Sequence[int], machines: int) -> int:
    """A lower bound on the makespan of this plan: its critical path, or its work shared evenly if that is more."""
    return max(max(_ranks(_readers(plan), prices), default=0), -(-sum(prices) // machines))


def placed_on_machines(spans: Sequence[tuple[int, int, int]]) -> list[Task]:
    """The tasks of some (step, start, end), each on the lowest idle machine; at most p may overlap for p machines."""
    busy: list[tuple[int, int]] = []
    idle: list[int] = []
    tasks = []
    for step, start, end in sorted(spans, key=lambda span: (span[1], span[0])):
        while busy and busy[0][0] <= start:
            heappush(idle, heappop(busy)[1])
        machine = heappop(idle) if idle else len(busy)
        tasks.append(Task(step, machine, start, end))
        heappush(busy, (end, machine))
    return tasks


def _readers(plan: Plan) -> list[list[int]]:
    """For each step the steps that read it, once per operand."""
    readers: list[list[int]] = [[] for _ in plan.steps]
    for position, step in enumerate(plan.steps):
        for operand in step.operands():
            readers[operand].append(position)
    return readers


def _ranks(readers: list[list[int]], prices: Sequence[int]) -> list[int]:
    """For each step the length of the longest path from its start to the end of the plan."""
    ranks = list(prices)
    for step in range(len(prices) - 1, -1, -1):
        ranks[step] += max((ranks[reader] for reader in readers[step]), default=0)
    return ranks


def _free_readers(readers: list[int], waiting: list[int]) -> list[int]:
    """Count a step as done for its readers and return those that wait for no other."""
    freed = []
    for reader in readers:
        waiting[reader] -= 1
        if not waiting[reader]:
            freed.append(reader)
    return freed
