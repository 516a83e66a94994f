"""Chains of tasks none of which can run beside another: sent as slices of time, because sending a task takes long.

Nobody knows how long a module takes before it has run. A slice therefore runs one task of the chain after another and
looks at the clock in between: modules that turn out to be short share a slice, and a long one has its own, so that a
worker that dies loses no more than the step in flight and a slice of short ones. How far a slice came is known when it
is done. So slices are sent a few at a time, more of them as the chain goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pickle import dumps, loads
from time import perf_counter
from typing import NamedTuple
from uuid import uuid4

from chainplan.distributed.checkpoint import SavedTask
from chainplan.distributed.executors.base import ResultOf, SentTask, TaskExecutor, TaskHandle
from chainplan.distributed.inputs import GivenInputs, SentArgument, bytes_held, demand_of
from chainplan.distributed.skeleton import (
    GivenPart,
    GivenPattern,
    Skeleton,
    TaskArgument,
    TaskKey,
    TaskNode,
    TaskResult,
    renumbered,
)
from chainplan.distributed.worker_plan import WorkerPlan
from chainplan.distributed.worker_tasks import GroupTask, TaskOperand, WorkerTask, with_patterns
from chainplan.execution.plan_run import PlanRun
from chainplan.kernels.storage import HeldValues
from chainplan.values.references import is_reference

SECONDS_PER_SLICE = 0.05
"""Seconds after which a slice begins no other task."""
LEAST_CHAIN = 8
"""Tasks in a row from which on they are sent as slices."""
FIRST_SLICES = 4
"""Slices that are sent together at first; twice as many each time after that."""
MOST_SLICES = 64
"""Slices that are sent together at most."""
MAX_CHAINED_BYTES = 2**16
"""Bytes of a given block that a task of a chain may read; it is sent to all workers with the chain."""
MAX_KEPT_CHAINS = 8
"""Chains that a process keeps unpickled."""


@dataclass(frozen=True, eq=False)
class ChainTask:
    """Tasks in a row, each of which reads the one before it and what was given, which is small."""

    links: tuple[TaskNode, ...]

    def __call__(self, plan: WorkerPlan, dtype: str, wrap: bool, *given: TaskOperand) -> HeldValues:
        raise AssertionError("a chain is sent as slices")


class TaskLink(NamedTuple):
    """A task of a chain on a worker: its operands are the values at `places`, that before it at None."""

    call: WorkerTask
    places: tuple[int | None, ...]


class SentChain(NamedTuple):
    """A chain on a worker: its tasks, and the values that were given for them."""

    links: tuple[TaskLink, ...]
    values: tuple[TaskOperand, ...]


@dataclass(frozen=True)
class PickledChain:
    """A chain on its way to the workers, of which those that run slices of it unpickle it once."""

    pickled: bytes


@lru_cache(maxsize=MAX_KEPT_CHAINS)
def _unpickled(chain: PickledChain) -> SentChain:
    """The chain on a worker."""
    found: SentChain = loads(chain.pickled)
    return found


class PartOfChain(NamedTuple):
    """How many tasks of a chain are done, and what the last of them made."""

    done: int
    value: HeldValues


@dataclass(frozen=True)
class SliceTask:
    """Tasks of a chain until the time is up, from where an earlier slice stopped; the value when all are done."""

    seconds: float
    first: bool

    def __call__(
        self, plan: WorkerPlan, dtype: str, wrap: bool, chain: PickledChain, *before: TaskOperand
    ) -> HeldValues:
        done, value = 0, before[0] if before else None
        if not self.first:
            if not isinstance(value, PartOfChain):
                return value
            done, value = value
        end, (links, values) = perf_counter() + self.seconds, _unpickled(chain)
        for call, places in links[done:]:
            operands = (value if place is None else values[place] for place in places)
            value = with_patterns(call, plan, (dtype, wrap, *operands))
            done += 1
            if perf_counter() >= end and done < len(links):
                return PartOfChain(done, value)
        return value


@dataclass(frozen=True)
class DoneTask:
    """How many tasks of a chain are done, None where all are."""

    def __call__(self, plan: WorkerPlan, dtype: str, wrap: bool, made: TaskOperand) -> int | None:
        return made.done if isinstance(made, PartOfChain) else None


class ChainRun:
    """A chain that is under way.

    Parameters
    ----------
    links : Sequence[TaskNode]
        The tasks of the chain.
    executor : TaskExecutor
        Where they run.
    inputs : GivenInputs
        What was given for the run.
    """

    def __init__(self, links: Sequence[TaskNode], executor: TaskExecutor, inputs: GivenInputs) -> None:
        self._links, self._executor, self._inputs = links, executor, inputs
        self.done = 0
        self._slices = FIRST_SLICES
        self._chain: TaskHandle | None = None
        self._last: TaskHandle | None = None
        self.result: TaskHandle | None = None
        self._told: TaskHandle | None = None

    @property
    def length(self) -> int:
        """The number of tasks."""
        return len(self._links)

    @property
    def name(self) -> str:
        """The name of the task that is under way."""
        return self._links[min(self.done, len(self._links) - 1)].name

    def send(self, common: tuple[str, str, bool], before: Sequence[ResultOf]) -> TaskHandle:
        """Send the next slices, and return the handle of the task that says how far they came."""
        name, (token, *options) = uuid4().hex[:12], common
        if self._last is not None and self._last.status == "cancelled":
            self._last, self.done = None, 0
        if self._chain is None or self._chain.status == "cancelled":
            key = "chain", name, 0
            self._chain = self._executor.share({key: self._sent()}, True)[key]
        tasks: dict[TaskKey, SentTask] = {}
        read = before if self._last is None else [ResultOf(self._last.key)]
        first = self._last is None
        for number, node in enumerate(self._links[self.done : self.done + self._slices]):
            key = node.name, name, number
            call = SliceTask(SECONDS_PER_SLICE, first and not number)
            args = *options, ResultOf(self._chain.key), *read
            tasks[key] = SentTask(token, call, args, node.rank, self._inputs.demand(node))
            read = [ResultOf(key)]
        told = "count_tasks", name, len(tasks)
        tasks[told] = SentTask(token, DoneTask(), (*options, *read), node.rank)
        self.result, self._told = self._executor.send(tasks, [key, told])
        return self._told

    def advance(self) -> bool:
        """Take note of how far the slices came; say whether all tasks are done."""
        assert self._told is not None, "asked of slices that were sent"
        (done,) = self._executor.gather([self._told])
        self._last, self._slices = self.result, min(2 * self._slices, MOST_SLICES)
        self.done = len(self._links) if done is None else done
        return done is None

    def _sent(self) -> PickledChain:
        """The chain as workers get it."""
        place: dict[SentArgument, int] = {}
        links = [TaskLink(node.call, tuple(_place(arg, place) for arg in node.reads)) for node in self._links]
        return PickledChain(dumps(SentChain(tuple(links), tuple(self._inputs.value(arg) for arg in place))))


def _place(arg: TaskArgument, place: dict[SentArgument, int]) -> int | None:
    """Where what was given stands among the values of a chain; None for what another task made."""
    return None if isinstance(arg, TaskResult) else place.setdefault(arg, len(place))


def with_chains(made: Skeleton, run: PlanRun) -> Skeleton:
    """Put a `ChainTask` in the place of tasks in a row that read nothing large besides each other."""
    rows = [row for row in _rows(made, run) if len(row) >= LEAST_CHAIN]
    tasks = dict(enumerate(made.tasks))
    for row in rows:
        links = [tasks.pop(task) for task in row]
        before = tuple(dict.fromkeys(arg for arg in links[0].reads if isinstance(arg, TaskResult)))
        tasks[row[-1]] = TaskNode(links[0].name, ChainTask(tuple(links)), before, links[0].rank)
    return renumbered(made, dict(sorted(tasks.items()))) if rows else made


def _rows(made: Skeleton, run: PlanRun) -> list[list[int]]:
    """The longest rows of tasks, each of which is read by the next one alone."""
    before = [{arg.task for arg in task.reads if isinstance(arg, TaskResult)} for task in made.tasks]
    readers = Counter(task for reads in before for task in reads)
    readers.update(piece.task for _, pieces in made.outputs.values() for _, _, piece in pieces)
    rows: dict[int, list[int]] = {}
    for number, task in enumerate(made.tasks):
        call = task.call.call if isinstance(task.call, SavedTask) else task.call
        if not isinstance(call, GroupTask) or len(before[number]) > 1 or not _reads_little(task, run):
            continue
        last = next((last for last in before[number] if last in rows and readers[last] == 1), None)
        alike = last is not None and demand_of(made.tasks[last], run) == demand_of(task, run)
        row = rows.pop(last) if alike and last is not None else []
        row.append(number)
        rows[number] = row
    return list(rows.values())


def _reads_little(task: TaskNode, run: PlanRun) -> bool:
    """Say whether what was given for a task may be sent to all workers."""
    values = [run.values[arg.position] for arg in task.reads if isinstance(arg, GivenPart)]
    if any(arg.size > MAX_CHAINED_BYTES for arg in task.reads if isinstance(arg, GivenPattern)):
        return False
    return not any(is_reference(value) or bytes_held(value) > MAX_CHAINED_BYTES for value in values)
