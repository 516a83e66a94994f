"""The tasks of a plan that evaluates states: one for each step, with states as results beside blocks.

The plan trades time for memory, so its tasks keep to its order where it matters: behind a state that is restored or
read from disk no step begins before the last block in front of it is there. Otherwise workers with nothing else to do
would evaluate all states again at once, and hold them. What a plan puts on disk is a file, which every worker can read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from chainplan.distributed.skeleton import (
    BlockPieces,
    GivenPrimal,
    Skeleton,
    TaskArgument,
    TaskNode,
    TaskResult,
    dashboard_name,
    given_patterns,
)
from chainplan.distributed.split import Axis, TaskRoom
from chainplan.distributed.value_files import read_value, write_value
from chainplan.distributed.worker_plan import PlanPatterns, WorkerPlan
from chainplan.distributed.worker_tasks import PickledObject, TaskOperand, WorkerTask
from chainplan.errors import ExecutionError
from chainplan.execution.plan_run import PlanRun
from chainplan.execution.whole_numbers import guarded
from chainplan.kernels.storage import HeldValues
from chainplan.plans.candidate import Candidate
from chainplan.plans.state_steps import Advance, Read, Restore, Store, Write
from chainplan.plans.steps import Accumulate, Load, Plan, Propagate, Step
from chainplan.values.primal import Primal


def state_skeleton(plan: Plan, candidate: Candidate, room: TaskRoom, patterns: PlanPatterns) -> Skeleton:
    """Make the tasks of a plan that evaluates states.

    Parameters
    ----------
    plan : Plan
        The plan.
    candidate : Candidate
        The same plan with prices in nanoseconds.
    room : TaskRoom
        The memory that a task may take.
    patterns : PlanPatterns
        The patterns that steps read.

    Raises
    ------
    ExecutionError
        Where a step fits no worker; steps at states are not split.
    """
    if room.splits(candidate):
        raise ExecutionError(
            "a block does not fit into half of the memory of the smallest worker, and steps of a plan that evaluates "
            "states are not split. Use larger workers, or plan without limits.recompute."
        )
    blocks = tuple(typed.block for typed in candidate.replay.blocks)
    made = _StateTasks(plan, patterns)
    for position, step in enumerate(plan.steps):
        made.take(position, step)
    outputs = {
        position: BlockPieces(Axis.ROWS, ((0, blocks[position].rows, made.blocks[position]),))
        for _, _, position in plan.outputs
    }
    return Skeleton(tuple(made.tasks), outputs, blocks, candidate.priced.prices)


class _StateTasks:
    """The tasks so far, and where blocks and states are."""

    def __init__(self, plan: Plan, patterns: PlanPatterns) -> None:
        self._plan, self._patterns = plan, patterns
        self.tasks: list[TaskNode] = []
        self.blocks: dict[int, TaskResult] = {}
        self._working = plan.graph.inputs[0]
        self._states = {self._working: self._add("start", StartTask(), (GivenPrimal(),), 0)}
        self._on_disk: dict[str, TaskResult] = {}
        self._behind: tuple[TaskResult, ...] = ()

    def take(self, position: int, step: Step) -> None:
        """Add the task of a step."""
        match step:
            case Advance(elemental):
                call = AdvanceTask(elemental, position)
                self._working = self._plan.graph[elemental].target
                self._states[self._working] = self._at_state(
                    position, call, self._states[self._plan.graph[elemental].source]
                )
            case Store(vertex):
                self._store(self._states[vertex].task)
            case Restore(vertex):
                self._return_to(vertex, position)
            case Write(vertex):
                self._on_disk[vertex] = self._add("write", WriteStateTask(position), (self._states[vertex],), position)
            case Read(vertex):
                self._return_to(vertex, position)
                written = self._on_disk[vertex], *self._behind
                self._states[vertex] = self._add("read", ReadStateTask(), written, position)
            case _:
                self._block(position, step)

    def _block(self, position: int, step: Step) -> None:
        """Add the task that makes a block, at the working state where it linearises an elemental."""
        reads = tuple(dict.fromkeys(step.operands()))
        operands: tuple[TaskArgument, ...] = tuple(self.blocks[read] for read in reads)
        operands += tuple(given_patterns(self._patterns, [position]))
        if isinstance(step, Load | Accumulate | Propagate):
            call = StateStepTask(position, self._working, reads, step.elemental)
            self.blocks[position] = self._at_state(position, call, self._states[self._working], operands)
        else:
            call = StateStepTask(position, None, reads, None)
            self.blocks[position] = self._add(dashboard_name(self._plan, position), call, operands, position)

    def _at_state(
        self, position: int, call: WorkerTask, state: TaskResult, blocks: Sequence[TaskArgument] = ()
    ) -> TaskResult:
        reads: tuple[TaskArgument, ...] = (GivenPrimal(), state, *blocks, *self._behind)
        return self._add(dashboard_name(self._plan, position), call, reads, position)

    def _return_to(self, vertex: str, position: int) -> None:
        """Go back to a state, when the last block is there."""
        self._working = vertex
        if self.blocks:
            last = self.blocks[max(self.blocks)]
            self._behind = (self._add("wait", WaitTask(), (last,), position),)

    def _store(self, task: int) -> None:
        node = self.tasks[task]
        if isinstance(node.call, AdvanceTask):
            self.tasks[task] = node._replace(call=replace(node.call, stored=True))

    def _add(self, name: str, call: WorkerTask, reads: tuple[TaskArgument, ...], position: int) -> TaskResult:
        self.tasks.append(TaskNode(name, call, reads, len(self._plan.steps) - position))
        return TaskResult(len(self.tasks) - 1)


def placed_on_disk(made: Skeleton, directory: Path) -> Skeleton:
    """The tasks with the directory into which states are written."""
    tasks = (
        task._replace(call=replace(task.call, directory=str(directory)))
        if isinstance(task.call, WriteStateTask)
        else task
        for task in made.tasks
    )
    return replace(made, tasks=tuple(tasks))


def writes_states(made: Skeleton) -> bool:
    """Say whether a plan puts states on disk."""
    return any(isinstance(task.call, WriteStateTask) for task in made.tasks)


# On the workers


@dataclass(frozen=True)
class StartTask:
    """The state of the input."""

    def __call__(self, plan: WorkerPlan, dtype: str, wrap: bool, primal: Primal | PickledObject) -> HeldValues:
        return _primal(primal).start()


@dataclass(frozen=True)
class AdvanceTask:
    """The state behind an elemental, from the one before it; what follows are results that are only waited for."""

    elemental: str
    position: int
    stored: bool = False

    def __call__(
        self,
        plan: WorkerPlan,
        dtype: str,
        wrap: bool,
        primal: Primal | PickledObject,
        state: TaskOperand,
        *behind: TaskOperand,
    ) -> HeldValues:
        return _primal(primal).advance(self.elemental, state)


@dataclass(frozen=True)
class StateStepTask:
    """A step that makes a block, at the state of a vertex where it linearises an elemental."""

    position: int
    vertex: str | None
    reads: tuple[int, ...]
    elemental: str | None

    def __call__(self, plan: WorkerPlan, dtype: str, wrap: bool, *given: TaskOperand) -> HeldValues:
        run = PlanRun(len(plan.steps), {}, np.dtype(dtype))
        if self.vertex is not None:
            primal, state, *given = given  # type: ignore[assignment]
            run.primal, run.working, run.states = _primal(primal), self.vertex, {self.vertex: state}
        for read, value in zip(self.reads, given, strict=False):
            run.values[read] = value
        kernel = plan.kernel(self.position)
        (kernel if wrap else guarded(self.position, kernel, plan.steps[self.position]))(run)
        return run.values[self.position]


@dataclass(frozen=True)
class WaitTask:
    """Nothing, when something is there."""

    def __call__(self, plan: WorkerPlan, dtype: str, wrap: bool, block: TaskOperand) -> HeldValues:
        return None


@dataclass(frozen=True)
class WriteStateTask:
    """The file into which a state is written."""

    position: int
    directory: str = ""
    done: bool = False

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.directory) / f"state-{self.position}.pickle"

    def __call__(self, plan: WorkerPlan, dtype: str, wrap: bool, state: TaskOperand = None) -> HeldValues:
        if not self.done:
            write_value(self.path, state)
        return str(self.path)


@dataclass(frozen=True)
class ReadStateTask:
    """A state from its file."""

    def __call__(self, plan: WorkerPlan, dtype: str, wrap: bool, path: str, *behind: TaskOperand) -> HeldValues:
        return read_value(Path(path))


def _primal(given: Primal | PickledObject) -> Primal:
    primal = given.load() if isinstance(given, PickledObject) else given
    assert isinstance(primal, Primal), "sent by the run"
    return primal
