"""List scheduling of a plan: whenever a machine is idle it takes the ready step with the longest path after it.

The makespan is at most (2 - 1/p) times the best one of that plan (Graham 1966). Plans are narrow at their end, where
products grow and few are left, and wide at their beginning. So the same is done in reversed time, from the last step
back: what does not fit evenly is then left for the beginning, where there are many small steps. A third pass takes
steps in the order of that schedule (for passes to and fro see Valls, Ballestín & Quintanilla 2005, section 3, where
they are called double justification). The shortest of the three is taken. This works for any plan and takes
O(steps · log steps).
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from chainplan.plans.schedule import Task
from chainplan.plans.steps import Plan


def list_schedule(plan: Plan, prices: Sequence[int], machines: int) -> list[Task]:
    """The tasks of a plan on `machines` machines, whose steps take `prices`; ties go to the earlier step."""
    before, after = [list(step.operands()) for step in plan.steps], _readers(plan)
    ranks = _ranks(after, prices)
    forward = listed(before, after, prices, machines, ranks)
    end = _end(forward)
    if end == max(max(ranks, default=0), -(-sum(prices) // machines)):
        return forward
    reverse = listed(after, before, prices, machines, _ranks_of_reverse(before, prices))
    end = _end(reverse)
    backward = placed_on_machines([(task.id, end - task.end, end - task.start) for task in reverse])
    order = [0] * len(prices)
    for task in backward:
        order[task.id] = -task.start
    return min(forward, backward, listed(before, after, prices, machines, order), key=_end)


def listed(
    before: Sequence[Sequence[int]],
    after: Sequence[Sequence[int]],
    prices: Sequence[int],
    machines: int,
    ranks: Sequence[int],
) -> list[Task]:
    """The tasks of steps, each of which waits for those `before` it; of the ready ones that of the highest rank first.

    `after` is the same relation from the other end.
    """
    waiting = [len(steps) for steps in before]
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
                fresh += _freed(after[step], waiting)
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
            fresh += _freed(after[step], waiting)


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


def _ranks_of_reverse(before: list[list[int]], prices: Sequence[int]) -> list[int]:
    """For each step the length of the longest path from the beginning of the plan to its end."""
    ranks = list(prices)
    for step, steps in enumerate(before):
        ranks[step] += max((ranks[operand] for operand in steps), default=0)
    return ranks


def _end(tasks: Sequence[Task]) -> int:
    return max((task.end for task in tasks), default=0)


def _freed(steps: Sequence[int], waiting: list[int]) -> list[int]:
    """Count a step as done for those that wait for it, and return those that wait for no other."""
    freed = []
    for step in steps:
        waiting[step] -= 1
        if not waiting[step]:
            freed.append(step)
    return freed
