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
from uuid import uuid4

from chainplan.distributed.executors.base import ResultOf, SentTask, TaskExecutor, TaskHandle
from chainplan.distributed.inputs import GivenInputs, GivenSource, SentArgument
from chainplan.distributed.skeleton import Skeleton, TaskArgument, TaskKey, TaskResult
from chainplan.distributed.worker_tasks import TaskOperand
from chainplan.errors import ExecutionError

SECONDS_PER_REPORT = 5.0
"""Seconds between two reports of a run's progress."""
MAX_LOSSES = 4
"""How often a run sends tasks again because workers were lost, without a task done in between."""


@dataclass(frozen=True)
class RunProgress:
    """How far a run on a cluster is: tasks done, tasks in all, and seconds since it began."""

    done: int
    tasks: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.done} of {self.tasks} tasks done after {self.seconds:.0f} s"


class RunSubmission:
    """A run that goes on: the handles held, and what is still awaited."""

    def __init__(
        self,
        executor: TaskExecutor,
        skeleton: Skeleton,
        inputs: GivenInputs,
        common: tuple[str, str, bool],
        progress: Callable[[RunProgress], object] | None = None,
    ) -> None:
        self._executor, self._tasks, self._inputs = executor, skeleton.tasks, inputs
        self._common, self._progress = common, progress
        self._outputs = {made.task for block in skeleton.outputs.values() for _, _, made in block.pieces}
        self._reads = [{arg.task for arg in task.reads if isinstance(arg, TaskResult)} for task in self._tasks]
        self._held: dict[int, TaskHandle] = {}
        self._finished: set[int] = set()
        self._start = self._reported = monotonic()

    def finish(self) -> dict[int, TaskHandle]:
        """Send the tasks, wait for the outputs, and return their handles; on an error or Ctrl-C all tasks are stopped.

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
            self._executor.cancel(list(self._held.values()))
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
        missing = self._missing()
        self._inputs.send({arg for i in missing for arg in self._tasks[i].reads if not isinstance(arg, TaskResult)})
        name = uuid4().hex[:12]
        handles = self._executor.send(self._graph(missing, name), [self._key(i, name) for i in missing])
        self._held.update(zip(missing, handles, strict=True))
        return missing

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

    def _graph(self, missing: Sequence[int], name: str) -> dict[TaskKey, SentTask]:
        """The tasks as the executor takes them."""
        graph: dict[TaskKey, SentTask] = {}
        own: dict[SentArgument, TaskKey] = {}
        sent = set(missing)
        token, *common = self._common

        def operand(arg: TaskArgument | GivenSource | TaskHandle, rank: int) -> TaskOperand | ResultOf:
            if isinstance(arg, TaskResult):
                return ResultOf(self._key(arg.task, name) if arg.task in sent else self._held[arg.task].key)
            if not isinstance(arg, SentArgument):
                return arg
            if arg not in own and (task := self._inputs.own_task(arg)) is not None:
                own[arg] = key = (task.name, name, -1 - len(own))
                reads = [operand(read, rank) for read in task.reads]
                graph[key] = SentTask(token, task.call, (*common, *reads), rank)
            return ResultOf(own[arg]) if arg in own else self._inputs.argument(arg)

        for number in missing:
            node = self._tasks[number]
            operands = [operand(arg, node.rank) for arg in node.reads]
            graph[self._key(number, name)] = SentTask(token, node.call, (*common, *operands), node.rank)
        return graph

    def _wait(self, sent: Sequence[int]) -> bool:
        """Wait for the outputs; say whether they are there, or tasks must be sent again."""
        place = {handle.key: task for task, handle in self._held.items() if task not in self._finished}
        awaited = self._outputs - self._finished
        batches = self._executor.completed([self._held[task] for task in place.values()])
        while awaited:
            batch = next(batches)
            if not batch:
                self._look()
            for handle in batch:
                task = place[handle.key]
                if handle.status != "finished":
                    self._require_alive(handle)
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
        self._require_running()

    def _require_running(self) -> None:
        self._executor.require_running(f"{len(self._finished)} of {len(self._tasks)} tasks were done")

    def _require_alive(self, handle: TaskHandle) -> None:
        """Raise what a task has raised; one that was lost is sent again."""
        self._require_running()
        if handle.status == "error":
            raise self._executor.failure(handle)
