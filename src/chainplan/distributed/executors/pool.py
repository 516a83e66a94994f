"""Tasks in a pool of `concurrent.futures`: of threads, of processes, of mpi4py, or whatever else has `submit`.

A pool knows no graphs, so a task is submitted when what it reads is there, the one with the highest rank first, and
never more of them than the pool can run. Results come back here and travel inside the tasks that read them. A plan is
sent to a process that turns out not to have it.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from enum import Enum
from functools import partial
from heapq import heappop, heappush
from queue import Empty, SimpleQueue
from typing import NamedTuple
from weakref import WeakValueDictionary

from chainplan.distributed.executors.base import SECONDS_PER_LOOK, ResultOf, SentTask, TaskExecutor, TaskHandle
from chainplan.distributed.sent_errors import run_sent
from chainplan.distributed.skeleton import TaskKey
from chainplan.distributed.step_seconds import StepNote, StepNotes, add_notes
from chainplan.distributed.worker_plan import WorkerPlan
from chainplan.distributed.worker_tasks import (
    PLACED_PLANS,
    TaskOperand,
    WorkerTask,
    notes_of,
    plan_missing,
    run_placed,
)
from chainplan.errors import ExecutionError
from chainplan.kernels.storage import HeldValues

MAX_PLANS_IN_POOL = 8
"""Plans that a process of a pool keeps, because nobody takes them back from there."""
DEFAULT_POOL_SIZE = 32
"""Workers of a pool that does not say how many it has."""


class PoolHandle:
    """The result of a task of a pool, or a value under a key."""

    def __init__(self, key: TaskKey, graph: PoolGraph | None = None, value: HeldValues = None) -> None:
        self.key, self.graph = key, graph
        self.status = "finished" if graph is None else "pending"
        self.value = value
        self.error: BaseException | None = None

    def result(self) -> HeldValues:
        """Wait for the result."""
        while self.graph is not None and self.status == "pending":
            self.graph.settle()
        if self.error is not None:
            raise self.error
        return self.value


class PoolGraph:
    """Tasks that were sent together, and which of them wait, are ready, and run; they may read those of others."""

    def __init__(self, executor: PoolExecutor, tasks: Mapping[TaskKey, SentTask]) -> None:
        self._executor = executor
        self._done = SimpleQueue[tuple[PoolHandle, SentTask, Future[HeldValues]]]()
        self._running: dict[TaskKey, Future[HeldValues]] = {}
        self._tries = Counter[TaskKey]()
        self.handles = {key: PoolHandle(key, self) for key in tasks}
        self._reads = {
            key: {arg.key: self._handle(arg.key) for arg in task.args if isinstance(arg, ResultOf)}
            for key, task in tasks.items()
        }
        self._missing = {
            key: sum(handle.status != "finished" for handle in reads.values()) for key, reads in self._reads.items()
        }
        self._followers: dict[TaskKey, list[tuple[PoolGraph, TaskKey]]] = {}
        for key, reads in self._reads.items():
            for read, handle in reads.items():
                if handle.graph is not None:
                    handle.graph._followers.setdefault(read, []).append((self, key))
        self._tasks, self._order = tasks, {key: i for i, key in enumerate(tasks)}
        self._ready: list[tuple[int, int, TaskKey]] = []
        self._busy: dict[int, list[tuple[int, int, TaskKey]]] = {}
        for key, missing in self._missing.items():
            if not missing:
                self._make_ready(key)

    def _handle(self, key: TaskKey) -> PoolHandle:
        return self.handles[key] if key in self.handles else self._executor.known[key]

    def _make_ready(self, key: TaskKey) -> None:
        heappush(self._ready, (-self._tasks[key].rank, self._order[key], key))

    def settle(self) -> list[TaskHandle]:
        """Start what is ready, wait for at most half a second, and return what has been done."""
        while self._ready and len(self._running) < self._executor.places:
            ready = heappop(self._ready)
            machine = self._tasks[ready[-1]].demand.machine
            if machine in self._busy:
                self._busy[machine].append(ready)
                continue
            if machine is not None:
                self._busy[machine] = []
            self._start(ready[-1])
        found: list[TaskHandle] = []
        try:
            entry = self._done.get(timeout=SECONDS_PER_LOOK)
        except Empty:
            return found
        while True:
            found += self._take(*entry)
            if self._done.empty():
                return found
            entry = self._done.get()

    def _start(self, key: TaskKey, with_plan: bool = False) -> None:
        """Hand a task to the pool."""
        task, handle = self._tasks[key], self.handles[key]
        reads = self._reads[key]
        args = [reads[arg.key].value if isinstance(arg, ResultOf) else _value_of(arg) for arg in task.args]
        try:
            future = self._executor.start(task, args, with_plan)
        except RuntimeError as error:  # of a pool that is broken or shut down
            future = Future()
            future.set_exception(BrokenExecutor(str(error)))
        self._running[key] = future
        future.add_done_callback(partial(self._announce, handle, task))

    def _announce(self, handle: PoolHandle, task: SentTask, future: Future[HeldValues]) -> None:
        self._done.put((handle, task, future))

    def _take(self, handle: PoolHandle, task: SentTask, future: Future[HeldValues]) -> list[PoolHandle]:
        """Take what a task has returned; say which tasks are done, none where it was started again with its plan."""
        del self._running[handle.key]
        handle.error = CancelledError() if future.cancelled() else future.exception()
        if isinstance(handle.error, Exception) and self._tries[handle.key] < task.demand.retries:
            self._tries[handle.key] += 1
            self._start(handle.key)
            return []
        if handle.error is not None:
            self._free(task.demand.machine)
            return self._failed(handle)
        value = future.result()
        if value is PlanMissing.HERE:
            self._start(handle.key, True)
            return []
        if isinstance(value, NotedResult):
            value, notes = value
            self._executor.note(task.token, notes)
        handle.value, handle.status, handle.graph = value, "finished", None
        self._free(task.demand.machine)
        for graph, follower in self._followers.get(handle.key, ()):
            graph._missing[follower] -= 1
            if not graph._missing[follower]:
                graph._make_ready(follower)
        del self._reads[handle.key], self.handles[handle.key]
        return [handle]

    def _failed(self, handle: PoolHandle) -> list[PoolHandle]:
        """Mark a task as failed, and with it all that would read its result; return them."""
        failed, error = [handle], handle.error
        for one in failed:
            one.error, one.status = error, "error"
            graph = one.graph or self
            followers = (other.handles[key] for other, key in graph._followers.get(one.key, ()))
            failed += [follower for follower in followers if follower.status == "pending"]
        return list(dict.fromkeys(failed))

    def _free(self, machine: int | None) -> None:
        """Let the next task of a machine begin."""
        if machine is not None:
            for entry in self._busy.pop(machine):
                heappush(self._ready, entry)

    def stop(self) -> None:
        """Take back what has not begun."""
        self._ready.clear()
        self._busy = {machine: [] for machine in self._busy}
        for future in self._running.values():
            future.cancel()


class PoolExecutor(TaskExecutor):
    """A pool that the caller has.

    Parameters
    ----------
    pool : Executor
        The pool.
    workers : int | None
        How many tasks it runs at once, None where it does not say.
    spare : int
        How many tasks wait in it besides, so that no worker waits for its next one.
    """

    def __init__(self, pool: Executor, workers: int | None, spare: int = 0) -> None:
        self._pool, self._workers = pool, workers
        self.places = (DEFAULT_POOL_SIZE if workers is None else workers) + spare
        self.in_process = isinstance(pool, ThreadPoolExecutor)
        self.here = self.in_process or isinstance(pool, ProcessPoolExecutor)
        self.known: WeakValueDictionary[TaskKey, PoolHandle] = WeakValueDictionary()
        self._plans: dict[str, bytes] = {}
        self._notes: dict[str, dict[int, StepNote]] = {}

    def limit(self) -> int | None:
        """Return None: nobody knows how much memory the processes of a pool have."""
        return None

    def workers(self) -> int:
        return self._workers or 1

    def machines(self) -> int | None:
        return self._workers

    def notes(self, token: str) -> list[StepNotes]:
        if self.in_process:
            return [notes_of(token)]
        return [self._notes.pop(token, {})]

    def note(self, token: str, notes: StepNotes) -> None:
        """Keep what a process has noted of a plan."""
        if token in self._plans:
            add_notes(self._notes.setdefault(token, {}), notes)

    def place(self, token: str, plan: WorkerPlan) -> None:
        self._plans[token] = b"" if self.in_process else pickle.dumps(plan)
        if self.in_process:
            PLACED_PLANS[token] = plan

    def withdraw(self, token: str) -> None:
        PLACED_PLANS.pop(token, None)
        self._plans.pop(token, None)
        self._notes.pop(token, None)

    def share(self, values: Mapping[TaskKey, TaskOperand], everywhere: bool) -> dict[TaskKey, TaskHandle]:
        handles: dict[TaskKey, TaskHandle] = {}
        for key, value in values.items():
            handles[key] = self.known[key] = PoolHandle(key, value=value)
        return handles

    def start(self, task: SentTask, args: Sequence[TaskOperand], with_plan: bool) -> Future[HeldValues]:
        """Hand a task with its operands to the pool."""
        if task.token not in self._plans:
            raise plan_missing()
        if self.in_process:
            return self._pool.submit(run_placed, task.token, task.call, *args)
        plan = self._plans[task.token] if with_plan else None
        return self._pool.submit(_run_in_process, task.token, plan, task.call, *args)

    def send(self, tasks: Mapping[TaskKey, SentTask], wanted: Sequence[TaskKey]) -> list[TaskHandle]:
        graph = PoolGraph(self, tasks)
        found = [graph.handles[key] for key in wanted]
        self.known.update((handle.key, handle) for handle in found)
        return list(found)

    def completed(self, handles: Sequence[TaskHandle]) -> Iterator[list[TaskHandle]]:
        awaited, graphs = {handle.key for handle in handles}, _graphs(handles)
        done = [handle for handle in handles if handle.status != "pending"]
        del handles  # which would hold every block until the end
        yield done
        del done
        while True:
            yield [handle for graph in graphs for handle in graph.settle() if handle.key in awaited]

    def cancel(self, handles: Sequence[TaskHandle]) -> None:
        for graph in _graphs(handles):
            graph.stop()

    def gather(self, handles: Sequence[TaskHandle]) -> list[HeldValues]:
        return [handle.result() for handle in handles]

    def require_running(self, done: str) -> None:
        """Return: a pool that does not answer any more fails its tasks."""

    def failure(self, handle: TaskHandle) -> BaseException:
        assert isinstance(handle, PoolHandle), "only handles of pools are handed out"
        error = handle.error
        assert error is not None, "asked of an error"
        if isinstance(error, BrokenExecutor):
            return ExecutionError(
                f"the pool takes no tasks any more, such as '{handle.key[0]}' ({error}); expected one that lives on. "
                "Make a new one, with more memory for each process where one died, and run the plan again."
            )
        return error


class NotedResult(NamedTuple):
    """What a task in a process returns, and what the process has noted of steps."""

    value: HeldValues
    notes: StepNotes


class PlanMissing(Enum):
    """What a process answers that does not have the plan of its task."""

    HERE = "here"


def _run_in_process(token: str, plan: bytes | None, call: WorkerTask, *args: TaskOperand) -> TaskOperand:
    """Run a task in a process of a pool, with the plan that it has or is given."""
    if plan is not None:
        PLACED_PLANS[token] = pickle.loads(plan)
        while len(PLACED_PLANS) > MAX_PLANS_IN_POOL:
            del PLACED_PLANS[next(iter(PLACED_PLANS))]
    if token not in PLACED_PLANS:
        return PlanMissing.HERE
    return NotedResult(run_sent(pickle.dumps, token, call, *args), notes_of(token))


def _graphs(handles: Sequence[TaskHandle]) -> list[PoolGraph]:
    """The graphs that are not done yet of some handles."""
    found = (handle.graph for handle in handles if isinstance(handle, PoolHandle))
    return list({id(graph): graph for graph in found if graph is not None}.values())


def _value_of(arg: TaskOperand) -> TaskOperand:
    """The value of a future or a handle that was given, anything else as it is."""
    awaited = isinstance(arg, PoolHandle) or callable(getattr(arg, "add_done_callback", None))
    return arg.result() if awaited else arg


@contextmanager
def pool_executor(scheduler: object, workers: int | None) -> Iterator[TaskExecutor]:
    """The executor of the pool that the caller gives."""
    if not isinstance(scheduler, Executor):
        raise ExecutionError(
            f"scheduler: found {scheduler!r} with the backend 'futures'; expected a pool of concurrent.futures. Pass "
            "scheduler=ProcessPoolExecutor(), say."
        )
    sizes = (getattr(scheduler, name, None) for name in ("_max_workers", "num_workers"))
    yield PoolExecutor(scheduler, next((size for size in sizes if isinstance(size, int)), None), 1)
