"""One run of a skeleton: its tasks are sent as one graph, awaited, and sent again where data were lost.

The client holds the block of a task until the tasks that read it are done, so that blocks leave the workers as early as
in a run in one process, and a block that was computed stays when others must be sent again. The scheduler has the
blocks of a lost worker computed again by itself; what depends on arrays that were scattered to that worker is cancelled
by it, and sent again from here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING
from uuid import uuid4

from chainplan.distributed.inputs import GivenInputs, GivenSource, SentArgument
from chainplan.distributed.skeleton import Skeleton, TaskArgument, TaskKey, TaskResult
from chainplan.distributed.worker_tasks import TaskOperand, run_placed
from chainplan.errors import ExecutionError

if TYPE_CHECKING:
    from dask._task_spec import Task
    from distributed import Client, Future

SECONDS_PER_REPORT = 5.0
"""Seconds between two reports of a run's progress."""
MAX_LOSSES = 4
"""How often a run sends tasks again because workers were lost, without a task done in between."""
_SECONDS_PER_LOOK = 0.5
"""Seconds after which a waiting client looks at the clock and at its connection."""


@dataclass(frozen=True)
class RunProgress:
    """How far a run on a cluster is: tasks done, tasks in all, and seconds since it began."""

    done: int
    tasks: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.done} of {self.tasks} tasks done after {self.seconds:.0f} s"


class RunSubmission:
    """A run that goes on: the futures held, and what is still awaited."""

    def __init__(
        self,
        client: Client,
        skeleton: Skeleton,
        inputs: GivenInputs,
        common: tuple[TaskOperand, ...],
        progress: Callable[[RunProgress], object] | None = None,
    ) -> None:
        self._client, self._tasks, self._inputs = client, skeleton.tasks, inputs
        self._common, self._progress = common, progress
        self._outputs = {made.task for block in skeleton.outputs.values() for _, _, made in block.pieces}
        self._reads = [{arg.task for arg in task.reads if isinstance(arg, TaskResult)} for task in self._tasks]
        self._held: dict[int, Future] = {}
        self._finished: set[int] = set()
        self._start = self._reported = monotonic()

    def finish(self) -> dict[int, Future]:
        """Send the tasks, wait for the outputs, and return their futures; on an error or Ctrl-C all tasks are stopped.

        Raises
        ------
        ExecutionError
            Where workers die whenever they run a task, or the scheduler does not answer any more.
        """
        try:
            losses, done = 0, 0
            while losses < MAX_LOSSES:
                if self._wait(self._send()):
                    return {task: self._held[task] for task in self._outputs}
                losses, done = (losses + 1 if len(self._finished) <= done else 1), len(self._finished)
        except BaseException:
            self._client.cancel(list(self._held.values()), force=True)
            raise
        raise ExecutionError(
            f"workers die again and again, with arrays that were sent to them; in flight were {self._in_flight()}. "
            "Look at their logs: mostly they are out of memory. Use larger workers, or give arrays as files."
        )

    def _in_flight(self) -> str:
        """The names of the first tasks whose operands are there."""
        ready = (task for task in self._held if task not in self._finished and self._reads[task] <= self._finished)
        return ", ".join(f"'{self._tasks[task].name}'" for task in sorted(ready)[:3]) or "none"

    def _send(self) -> list[int]:
        """Send the tasks whose results are missing; return their numbers."""
        from dask import annotate  # type: ignore[attr-defined]

        missing = self._missing()
        self._inputs.send({arg for i in missing for arg in self._tasks[i].reads if not isinstance(arg, TaskResult)})
        name = uuid4().hex[:12]
        graph = self._graph(missing, name)
        keys = [self._key(i, name) for i in missing]
        priorities = {key: rank for key, (_, rank) in graph.items()}
        if len(graph) > 1:
            with annotate(priority=priorities.get):
                futures = self._submit(graph, keys)
        else:
            futures = self._submit(graph, keys)
        self._held.update(zip(missing, futures, strict=True))
        return missing

    def _submit(self, graph: dict[TaskKey, tuple[Task, int]], keys: Sequence[TaskKey]) -> list[Future]:
        tasks = {key: task for key, (task, _) in graph.items()}
        futures: list[Future] = self._client.get(tasks, keys, sync=False)
        return futures

    def _missing(self) -> list[int]:
        """The tasks whose results are needed, and neither there nor on their way."""
        missing: set[int] = set()
        open_ = list(self._outputs)
        while open_:
            task = open_.pop()
            if task in missing or (task in self._held and self._held[task].status != "cancelled"):
                continue
            missing.add(task)
            open_ += self._reads[task]
        self._finished -= missing
        self._unread = Counter(
            arg for task, reads in enumerate(self._reads) if task not in self._finished for arg in reads
        )
        return sorted(missing)

    def _key(self, task: int, name: str) -> TaskKey:
        return self._tasks[task].name, name, task

    def _graph(self, missing: Sequence[int], name: str) -> dict[TaskKey, tuple[Task, int]]:
        """The tasks as the scheduler takes them, with their ranks."""
        graph: dict[TaskKey, tuple[Task, int]] = {}
        own: dict[SentArgument, TaskKey] = {}
        sent = set(missing)

        def operand(arg: TaskArgument | GivenSource | Future, rank: int) -> TaskOperand:
            if isinstance(arg, TaskResult):
                return TaskRef(self._key(arg.task, name) if arg.task in sent else self._held[arg.task].key)
            if not isinstance(arg, SentArgument):
                return _referred(arg)
            if arg not in own and (task := self._inputs.own_task(arg)) is not None:
                own[arg] = key = (task.name, name, -1 - len(own))
                reads = [operand(read, rank) for read in task.reads]
                graph[key] = Task(key, run_placed, token, task.call, *common, *reads), rank
            return TaskRef(own[arg]) if arg in own else _referred(self._inputs.argument(arg))

        from dask._task_spec import Task, TaskRef

        token, *common = self._common
        for number in missing:
            node, key = self._tasks[number], self._key(number, name)
            operands = [operand(arg, node.rank) for arg in node.reads]
            graph[key] = Task(key, run_placed, token, node.call, *common, *operands), node.rank
        return graph

    def _wait(self, sent: Sequence[int]) -> bool:
        """Wait for the outputs; say whether they are there, or tasks must be sent again."""
        from distributed import as_completed

        place = {future.key: task for task, future in self._held.items() if task not in self._finished}
        completed = as_completed([self._held[task] for task in place.values()])
        awaited = self._outputs - self._finished
        while awaited:
            batch = completed.next_batch(block=False)
            if not batch:
                with completed.thread_condition:
                    completed.thread_condition.wait(_SECONDS_PER_LOOK)
                self._look()
            for future in batch:
                task = place[future.key]
                if future.status != "finished":
                    self._require_alive(future)
                    return False
                awaited.discard(task)
                self._finish_task(task)
        return True

    def _finish_task(self, task: int) -> None:
        """Let go of the blocks whose readers are all done."""
        self._finished.add(task)
        for arg in self._reads[task]:
            self._unread[arg] -= 1
            if not self._unread[arg] and arg not in self._outputs:
                self._held.pop(arg, None)

    def _look(self) -> None:
        """Report the progress when it is time to, and see whether the scheduler is still there."""
        now = monotonic()
        if self._progress is not None and now - self._reported >= SECONDS_PER_REPORT:
            self._reported = now
            self._progress(RunProgress(len(self._finished), len(self._tasks), now - self._start))
        self._require_scheduler()

    def _require_scheduler(self) -> None:
        if self._client.status != "running":
            raise ExecutionError(
                f"the scheduler at '{self._client.scheduler.address}' does not answer any more; "
                f"{len(self._finished)} of {len(self._tasks)} tasks were done. Start it again, and run the plan again."
            )

    def _require_alive(self, future: Future) -> None:
        """Raise what a task has raised, or say which task kills workers; a cancelled one is sent again."""
        from distributed import KilledWorker

        self._require_scheduler()
        if future.status != "error":
            return
        error = future.exception()
        if isinstance(error, KilledWorker):
            raise ExecutionError(
                f"workers die whenever they run '{error.task[0]}'; the last was {error.last_worker.address}. Look at "
                "its log: mostly it is out of memory. Use larger workers."
            ) from None
        assert error is not None, "asked of an error"
        raise error


def _referred(value: TaskOperand) -> TaskOperand:
    """A future as the reference by which a task reads it, anything else as it is."""
    from dask._task_spec import TaskRef
    from distributed import Future

    return TaskRef(value.key) if isinstance(value, Future) else value
