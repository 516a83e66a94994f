"""A schedule says when each step of a plan runs, and on which of p identical machines; `check_schedule` proves it.

It stands beside the plan and never in it: steps hold decisions about what is computed, tasks about where and when.
Every step with a price is a task of that length, in the unit of the objective. Free steps (loads, seeds, products with
a unit block) take no time and are not tasks. A task starts after the steps that it reads have ended. Moving a block
from one machine to another takes no time, unless the schedule has a bandwidth (`plans.transfers`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from chainplan.errors import PlanError
from chainplan.plans.bound import Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import PLAN_CLASSES
from chainplan.plans.liveness import evaluates, tape_spans
from chainplan.plans.steps import Again, Plan
from chainplan.plans.transfers import Transfer, sources, transfer_times, transfers

THIS_PLAN = "this plan"
"""The class within which a bound holds if it is a bound on the schedules of the plan at hand alone."""
SCHEDULE_CLASSES = (THIS_PLAN, *PLAN_CLASSES)


class Task(NamedTuple):
    """Step `id` of the plan, on `machine` from `start` to `end`."""

    id: int
    machine: int
    start: int
    end: int


@dataclass(frozen=True)
class Schedule:
    """The tasks of a plan on `machines` machines, ordered by start, then by machine.

    `lower_bound` is a proven bound on the makespan of all schedules of all plans of its class, and an OPTIMAL schedule
    reaches it. `one_machine` is the time that the cheapest known plan takes on a single machine. `bandwidth` is in
    bytes per second, None where transfers take no time; bounds within classes of plans hold for any.
    """

    machines: int
    makespan: int
    lower_bound: Bound
    status: Status
    one_machine: int
    tasks: tuple[Task, ...]
    bandwidth: int | None = None

    @property
    def bound(self) -> int:
        """The makespan below which no schedule `within` the class can be."""
        return self.lower_bound.value

    @property
    def within(self) -> str:
        """The class of plans whose schedules the bound is about."""
        return self.lower_bound.within or THIS_PLAN

    @property
    def speedup(self) -> float:
        """How many times faster the schedule is than one machine; 1.0 where nothing takes time."""
        return self.one_machine / self.makespan if self.makespan else 1.0

    @property
    def optimal(self) -> bool:
        """Whether no schedule within `within` is shorter."""
        return self.status is Status.OPTIMAL

    @property
    def this_plan(self) -> bool:
        """Whether the bound holds for the schedules of this plan alone."""
        return self.within == THIS_PLAN

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as in the plan file."""
        return {
            "machines": self.machines,
            "makespan": self.makespan,
            "bound": self.bound,
            "status": self.status.value,
            "within": self.within,
            "one_machine": self.one_machine,
            **({} if self.bandwidth is None else {"bandwidth": self.bandwidth}),
            "tasks": [task._asdict() for task in self.tasks],
        }


def made(
    machines: int, tasks: Sequence[Task], bound: Bound, one_machine: int, bandwidth: int | None = None
) -> Schedule:
    """Make the schedule of these tasks, which is OPTIMAL where it reaches the bound."""
    makespan = max((task.end for task in tasks), default=0)
    ordered = tuple(sorted(tasks, key=lambda task: (task.start, task.machine)))
    return Schedule(machines, makespan, bound, bound.status(makespan), one_machine, ordered, bandwidth)


def moved_blocks(candidate: Candidate, schedule: Schedule) -> list[Transfer]:
    """The transfers of a schedule by their start; there are none to see where they take no time."""
    if schedule.bandwidth is None:
        return []
    return transfers(candidate, {task.id: (task.machine, task.end) for task in schedule.tasks}, schedule.bandwidth)


def held(candidate: Candidate) -> int:
    """Count the elements of all blocks and tapes of a plan together, which no schedule of concurrent steps exceeds."""
    plan = candidate.plan
    tapes = sum(plan.graph[name].tape for name, _, _ in tape_spans(plan.steps))
    return tapes + sum(
        typed.block.nnz
        for step, typed in zip(plan.steps, candidate.replay.blocks, strict=True)
        if not isinstance(step, Again)
    )


def check_schedule(candidate: Candidate, schedule: Schedule, memory: int | None = None) -> None:
    """Prove a schedule right by its definition, and its claims by the plan, in O(tasks · log(tasks)).

    On one machine steps run in turn, and `replay` says what is alive. On several machines only a plan that could hold
    everything it ever makes is sure to keep a limit of `memory` elements.

    Raises
    ------
    PlanError
        Where the schedule is wrong or claims something false; the message names the first fault.
    """
    if schedule.machines < 1:
        _wrong("machines", f"{schedule.machines}; expected at least 1")
    plan, prices = candidate.plan, candidate.priced.prices
    if evaluates(plan.steps):
        _wrong("machines", f"{schedule.machines}; the plan evaluates its states one after the other; expected none")
    tasks = _check_tasks(schedule, prices)
    check_precedence(plan, tasks)
    if schedule.bandwidth is not None:
        _check_transfers(candidate, schedule, tasks)
    check_machines(schedule)
    _check_claims(schedule, sum(prices))
    if schedule.machines > 1 and memory is not None and held(candidate) > memory:
        text = f"{schedule.machines}; the blocks and tapes of the plan take {held(candidate):,} elements together, "
        _wrong("machines", text + f"more than limits.memory = {memory:,}, so that only one machine is sure to keep it")


def _wrong(where: str, what: str) -> None:
    raise PlanError(f"schedule.{where}: {what}.")


def _check_tasks(schedule: Schedule, prices: Sequence[int]) -> dict[int, Task]:
    """Return the tasks by step; refuse them unless every step with a price has one task of that length."""
    tasks: dict[int, Task] = {}
    for i, task in enumerate(schedule.tasks):
        where = f"tasks[{i}]"
        if not 0 <= task.id < len(prices):
            _wrong(where, f"there is no step {task.id}; expected one of the {len(prices)} steps of the plan")
        if task.id in tasks:
            _wrong(where, f"step {task.id} stands twice; expected once")
        if not 0 <= task.machine < schedule.machines:
            _wrong(where, f"there is no machine {task.machine}; expected 0 to {schedule.machines - 1}")
        if task.start < 0:
            _wrong(where, f"step {task.id} starts at {task.start}; expected 0 or later")
        if not prices[task.id]:
            _wrong(where, f"step {task.id} is free; expected tasks for steps with a price alone")
        if task.end - task.start != prices[task.id]:
            _wrong(where, f"step {task.id} takes {task.end - task.start}; expected its price, {prices[task.id]}")
        tasks[task.id] = task
    for step, price in enumerate(prices):
        if price and step not in tasks:
            _wrong("tasks", f"step {step} is missing; expected every step with a price")
    return tasks


def check_precedence(plan: Plan, tasks: Mapping[int, Task]) -> None:
    """Refuse a task that starts before what it reads is there; a free step is there as soon as what it reads is."""
    there: list[int] = []
    for position, step in enumerate(plan.steps):
        ready = max((there[operand] for operand in step.operands()), default=0)
        task = tasks.get(position)
        if task is not None and task.start < ready:
            _wrong("tasks", f"step {position} starts at {task.start}, but what it reads is there at {ready}")
        there.append(ready if task is None else task.end)


def _check_transfers(candidate: Candidate, schedule: Schedule, tasks: dict[int, Task]) -> None:
    """Refuse a task that starts before a block that it reads has come from another machine."""
    if candidate.cost.unit != "nanoseconds":
        _wrong(
            "bandwidth", f"{schedule.bandwidth}, with prices in {candidate.cost.unit}; expected an objective in time"
        )
    if schedule.bandwidth is None or schedule.bandwidth < 1:
        _wrong("bandwidth", f"{schedule.bandwidth}; expected at least 1 byte per second")
        return
    needs = sources(candidate.plan, candidate.priced.prices)
    times = transfer_times(candidate, schedule.bandwidth)
    for task in schedule.tasks:
        for source in needs[task.id]:
            there = tasks[source].end + times[source]
            if tasks[source].machine != task.machine and task.start < there:
                text = f"step {task.id} starts at {task.start}, but the block of step {source} arrives from machine "
                _wrong("tasks", text + f"{tasks[source].machine} at {there}")


def check_machines(schedule: Schedule) -> None:
    """Refuse two tasks that share a machine at any time."""
    latest: dict[int, Task] = {}
    for task in sorted(schedule.tasks, key=lambda task: task.start):
        before = latest.get(task.machine)
        if before is not None and task.start < before.end:
            text = f"steps {before.id} and {task.id} overlap on machine {task.machine}; expected one at a time"
            _wrong("tasks", text)
        latest[task.machine] = task


def _check_claims(schedule: Schedule, total: int) -> None:
    makespan = max((task.end for task in schedule.tasks), default=0)
    if schedule.makespan != makespan:
        _wrong("makespan", f"is claimed to be {schedule.makespan}, but the last task ends at {makespan}")
    if not 0 <= schedule.bound <= makespan:
        _wrong("bound", f"{schedule.bound}; expected at least 0 and at most the makespan, {makespan}")
    if schedule.status is not (Status.OPTIMAL if schedule.bound == makespan else Status.FEASIBLE):
        text = f"'{schedule.status.value}', with bound {schedule.bound} and makespan {makespan}; a schedule is optimal "
        _wrong("status", text + "where it reaches its bound, and else feasible")
    if schedule.within not in SCHEDULE_CLASSES:
        _wrong("within", f"'{schedule.within[:40]}'; expected one of {', '.join(SCHEDULE_CLASSES)}")
    if not makespan <= schedule.one_machine <= total:
        text = f"{schedule.one_machine}; expected at least the makespan, {makespan}, and at most the cost, {total}"
        _wrong("one_machine", text)
