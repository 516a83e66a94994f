"""One run of a skeleton: its tasks are sent as one graph, awaited, and sent again where data were lost.

The client holds the block of a task until the tasks that read it are done, so that blocks leave the workers as early as
in a run in one process, and a block that was computed stays when others must be sent again. The scheduler has the
blocks of a lost worker computed again by itself; what depends on arrays that were scattered to that worker is cancelled
by it, and sent again from here. Chains are sent as slices, a few at a time (see `chains`), and what reads their result
when it is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from time import monotonic
from uuid import uuid4

from chainplan.distributed.chains import ChainRun, ChainTask
from chainplan.distributed.executors.base import ResultOf, SentTask, TaskExecutor, TaskHandle
from chainplan.distributed.inputs import GivenInputs, GivenSource, SentArgument
from chainplan.distributed.skeleton import Skeleton, TaskArgument, TaskKey, TaskResult
from chainplan.distributed.worker_tasks import TaskOperand
from chainplan.errors import ExecutionError
from chainplan.structures.absent_pattern import PatternWanted

SECONDS_PER_REPORT = 5.0
"""Seconds between two reports of a run's progress."""
MAX_LOSSES = 4
"""How often a run sends tasks again because workers were lost, without a task done in between."""


@dataclass(frozen=True)
class RunProgress:
    """How far a run of tasks is: tasks done, tasks in all, and seconds since it began."""

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
        self._chains = {
            number: ChainRun(task.call.links, executor, inputs)
            for number, task in enumerate(self._tasks)
            if isinstance(task.call, ChainTask)
        }
        self._in_all = len(self._tasks) + sum(chain.length - 1 for chain in self._chains.values())
        self._held: dict[int, TaskHandle] = {}
        self._wanted = Counter[Hashable]()
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
                self._send()
                if self._wait():
                    return {task: self._held[task] for task in self._outputs}
                losses, done = (losses + 1 if self._done() <= done else 1), self._done()
                if self._answered():
                    losses = 0
        except BaseException:
            chained = [chain.result for chain in self._chains.values() if chain.result is not None]
            self._executor.cancel([*self._held.values(), *chained])
            raise
        raise ExecutionError(
            f"workers die again and again, with arrays that were sent to them; in flight were {self._in_flight()}. "
            "Look at their logs: mostly they are out of memory. Use larger workers, or give arrays as files."
        )

    def _in_flight(self) -> str:
        """The names of the first tasks whose operands are there."""
        ready = (task for task in self._held if task not in self._finished and self._reads[task] <= self._finished)
        return ", ".join(f"'{self._name(task)}'" for task in sorted(ready)[:3]) or "none"

    def _name(self, task: int) -> str:
        return self._chains[task].name if task in self._chains else self._tasks[task].name

    def _done(self) -> int:
        """How many tasks are done, those in chains included."""
        chained = sum(chain.done for chain in self._chains.values())
        return chained + len(self._finished.difference(self._chains))

    def _send(self) -> None:
        """Send the tasks whose results are missing, but for those that wait for a chain."""
        ready = self._without_waiting(self._missing())
        missing = [i for i in ready if i not in self._chains]
        if missing:
            reads = (self._inputs.with_patterns(self._tasks[i].reads) for i in missing)
            self._inputs.send({arg for args in reads for arg in args if not isinstance(arg, TaskResult)})
            name = uuid4().hex[:12]
            handles = self._executor.send(self._graph(missing, name), [self._key(i, name) for i in missing])
            self._held.update(zip(missing, handles, strict=True))
        for i in ready:
            if i in self._chains:
                before = [ResultOf(self._held[task].key) for task in self._reads[i]]
                self._held[i] = self._chains[i].send(self._common, before)

    def _without_waiting(self, missing: Sequence[int]) -> list[int]:
        """Those of some tasks that wait for no chain."""
        waiting, ready = {i for i in self._chains if i not in self._finished}, list[int]()
        for i in missing:
            if self._reads[i] & waiting:
                waiting.add(i)
            else:
                ready.append(i)
        return ready

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
                reads = [operand(read, rank) for read in self._inputs.with_patterns(task.reads)]
                graph[key] = SentTask(token, task.call, (*common, *reads), rank)
            return ResultOf(own[arg]) if arg in own else self._inputs.argument(arg)

        for number in missing:
            node = self._tasks[number]
            operands = [operand(arg, node.rank) for arg in self._inputs.with_patterns(node.reads)]
            demand = self._inputs.demand(node)
            graph[self._key(number, name)] = SentTask(token, node.call, (*common, *operands), node.rank, demand)
        return graph

    def _wait(self) -> bool:
        """Wait for the outputs; say whether they are there, or tasks must be sent, some of them again."""
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
                if task in self._chains and not self._advance(task):
                    return False
                awaited.discard(task)
                self._finish_task(task)
                if task in self._chains and awaited:
                    return False
        return True

    def _advance(self, task: int) -> bool:
        """Take note of how far a chain is; say whether it is done."""
        chain = self._chains[task]
        del self._held[task]
        if not chain.advance():
            return False
        assert chain.result is not None, "slices were sent"
        self._held[task] = chain.result
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
            self._progress(RunProgress(self._done(), self._in_all, now - self._start))
        self._require_running()
        lost = self._executor.lost_machines()
        stuck = [handle for i, handle in self._held.items() if self._tasks[i].machine in lost]
        if stuck := [handle for handle in stuck if handle.status not in ("finished", "cancelled")]:
            self._executor.cancel(stuck)  # and with them all that read their results

    def _require_running(self) -> None:
        self._executor.require_running(f"{self._done()} of {self._in_all} tasks were done")

    def _require_alive(self, handle: TaskHandle) -> None:
        """Raise what a task has raised, but for a pattern that it asks for; one that was lost is sent again.

        Of the tasks that were on their way when the first one asked, each may ask for the same pattern.
        """
        self._require_running()
        if handle.status != "error":
            return
        error = self._executor.failure(handle)
        if not isinstance(error, PatternWanted) or not self._inputs.ask(error.mark):
            raise error
        self._wanted[error.mark] += 1
        if self._wanted[error.mark] > sum(1 + len(task.reads) for task in self._tasks):
            raise error

    def _answered(self) -> bool:
        """Let go of the tasks that asked for patterns, which are sent again; say whether there were any."""
        failed = [task for task, handle in self._held.items() if handle.status == "error"]
        for task in failed:
            del self._held[task]
        return bool(failed)
