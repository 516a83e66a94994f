"""Runs a plan as tasks, one per group of steps, on an executor: a cluster, a pool, or threads of this process.

The plan is sent once to each worker and lowered there once; `skeleton` makes its tasks, `inputs` sends what was given,
`submission` waits for the outputs, `worker_tasks` is what the workers do, and `executors` says where they run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from math import inf
from numbers import Real
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from chainplan._util.arrays import Array, DType
from chainplan.costs.timed import WEIGHTED_COST
from chainplan.distributed.chains import with_chains
from chainplan.distributed.checkpoint import Checkpoint
from chainplan.distributed.executors.base import ResultOf, SentTask, TaskExecutor, TaskHandle
from chainplan.distributed.executors.registry import TASK_BACKENDS
from chainplan.distributed.inputs import GivenInputs
from chainplan.distributed.remote import DtypeTask, RemoteBlock, kept, written
from chainplan.distributed.scheduled import require_enough, scheduled_tasks
from chainplan.distributed.skeleton import NO_SCHEDULE, CrewFacts, KnownSeconds, Skeleton, skeleton
from chainplan.distributed.split import TaskRoom
from chainplan.distributed.state_tasks import placed_on_disk, state_skeleton, writes_states
from chainplan.distributed.step_seconds import LearnedSeconds
from chainplan.distributed.submission import RunProgress, RunSubmission
from chainplan.distributed.worker_plan import PlanPatterns
from chainplan.distributed.worker_tasks import joined
from chainplan.errors import ExecutionError
from chainplan.errors.arguments import called, mapping, path, refuse
from chainplan.execution.executor import require_jacobians, require_workers, taken, understood
from chainplan.execution.plan_run import PlanRun
from chainplan.execution.program import lowered
from chainplan.execution.releasing import released, require_narrow
from chainplan.plans.candidate import Candidate
from chainplan.plans.liveness import evaluates
from chainplan.plans.schedule import Schedule
from chainplan.plans.steps import Plan, Planned
from chainplan.values.jacobians import GivenJacobian, common_dtype

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

TaskOutput = Array | RemoteBlock | Path
"""An output: an array, a block that stays on the workers, or the file into which it was written."""

MAX_FUSED_NANOSECONDS = 20_000_000
"""Nanoseconds below which a group is fused with the group that reads it."""


def execute(
    plan: Plan | Planned,
    jacobians: Mapping[str, GivenJacobian],
    *,
    dense: bool | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
    wrap: bool = False,
    backend: str,
    scheduler: object = None,
    seconds: Mapping[str, float] | None = None,
    progress: Callable[[RunProgress], object] | None = None,
    gather: bool = True,
    to: str | PathLike[str] | None = None,
    checkpoint: str | PathLike[str] | None = None,
    schedule: Schedule | None = None,
) -> dict[tuple[str, str], TaskOutput]:
    """Run a plan as tasks.

    Parameters and result are those of `chainplan.execute`.

    Raises
    ------
    ExecutionError
        As `chainplan.execute`, and where there is no cluster, a step fits no worker, or it kills every worker.
    """
    plan, dtype = understood(plan, dtype)
    require_jacobians(jacobians)
    require_workers(workers)
    if not gather and to is None and scheduler is None:
        raise ExecutionError(
            "gather: found False without a scheduler; expected a cluster that lives on with the blocks. Pass "
            "scheduler=, or have the outputs written with to=DIRECTORY."
        )
    run = taken(plan, jacobians, dtype, references=True)
    require_narrow(lowered(plan).wide, dense, run)
    with TASK_BACKENDS[backend](scheduler, _wanted(workers, schedule)) as executor:
        made = TaskPlan(executor, plan, TaskOptions(dense, run.dtype, wrap), seconds, schedule=schedule)
        try:
            return made.run(run, gather=gather, to=to, progress=progress, checkpoint=checkpoint)
        finally:
            if gather or to is not None:
                made.close()


def prepare(
    plan: Plan | Planned,
    *,
    dense: bool | None = None,
    dtype: DTypeLike | None = None,
    wrap: bool = False,
    backend: str,
    scheduler: object = None,
    seconds: Mapping[str, float] | None = None,
    schedule: Schedule | None = None,
) -> TaskPlan:
    """Put a plan on all workers, to run it again and again; parameters and errors are those of `chainplan.prepare`."""
    plan, dtype = understood(plan, dtype)
    with ExitStack() as stack:
        executor = stack.enter_context(TASK_BACKENDS[backend](scheduler, _wanted(None, schedule)))
        made = TaskPlan(executor, plan, TaskOptions(dense, dtype, wrap), seconds, stack.pop_all(), schedule)
    return made


def _wanted(workers: int | None, schedule: Schedule | None) -> int | None:
    """How many workers are started where none are given."""
    return schedule.machines if workers is None and isinstance(schedule, Schedule) else workers


def _require_seconds(plan: Plan, seconds: Mapping[str, float] | None) -> None:
    """Refuse anything but finite numbers from 0 for elementals of the plan."""
    if seconds is None:
        return
    mapping("seconds", seconds, "elementals to seconds", "seconds={'sim': 0.001}")
    for name, each in seconds.items():
        if name not in plan.graph:
            raise refuse("seconds", name, "the names of elementals", "Correct the name, or leave it out.")
        if isinstance(each, bool) or not isinstance(each, Real) or not 0 <= each < inf:
            raise refuse(f"seconds[{name!r}]", each, "a number from 0", "Pass what a call takes for one vector.")


class TaskOptions(NamedTuple):
    """The options of a run, as `execute` takes them."""

    dense: bool | None
    dtype: DTypeLike | None
    wrap: bool


class TaskPlan:
    """A plan whose tasks are made, and which is on all workers: running it sends values alone.

    Parameters
    ----------
    executor : TaskExecutor
        Where the tasks run.
    plan : Plan
        A plan.
    options : TaskOptions
        What runs have in common.
    seconds : Mapping[str, float] | None
        The seconds that a matrix-free elemental takes for a vector; those that are missing count as long.
    ends : ExitStack | None
        What is closed with the plan.
    schedule : Schedule | None
        On which machine each step runs.

    Raises
    ------
    ExecutionError
        Where a step fits no worker, or the schedule is that of another plan or of more machines than there are workers.
    ArgumentError
        Where `seconds` are no numbers of seconds by names of elementals.
    """

    def __init__(
        self,
        executor: TaskExecutor,
        plan: Plan,
        options: TaskOptions,
        seconds: Mapping[str, float] | None = None,
        ends: ExitStack | None = None,
        schedule: Schedule | None = None,
    ) -> None:
        _require_seconds(plan, seconds)
        self._schedule = NO_SCHEDULE if schedule is None else scheduled_tasks(plan, schedule)
        self._executor, self._plan, self._options = executor, plan, options
        self._ends = ExitStack() if ends is None else ends
        self._dense, self._seconds = options.dense is not False, dict(seconds or {})
        self._room = TaskRoom(executor.limit(), common_dtype((), options.dtype).itemsize)
        if schedule is not None:
            require_enough(schedule, executor.machines())
        candidate, self._crew = Candidate(plan, WEIGHTED_COST), CrewFacts(executor.workers())
        self._patterns = PlanPatterns(plan, candidate.replay)
        self._candidate = self._patterns.without_lists(candidate)
        self._learned = LearnedSeconds()
        self._skeletons: dict[tuple[CrewFacts, bool], Skeleton] = {}
        self._skeleton(self._crew)
        self._token, self._closed = f"plan-{uuid4().hex[:12]}", False
        executor.place(self._token, self._patterns.placed)

    def _skeleton(self, crew: CrewFacts, learned: bool = True) -> Skeleton:
        """The tasks of the plan for such workers, by what earlier runs took or not; made once."""
        skeletons, key = self._skeletons, (crew, learned)
        if key not in skeletons:
            made = self._plan, self._candidate, self._room
            known = KnownSeconds(self._seconds, self._learned.by_step if learned else {})
            skeletons[key] = (
                state_skeleton(*made, self._patterns)
                if evaluates(self._plan.steps)
                else skeleton(*made, MAX_FUSED_NANOSECONDS, self._patterns, known, crew, self._schedule)
            )
        return skeletons[key]

    def _learn(self) -> None:
        """Make the tasks of later runs by what the steps took, where it is time to and workers say it."""
        if not self._learned.due():
            return
        with suppress(OSError):  # of workers that do not answer any more: the outputs of the run are here
            self._learned.learn(self._executor.notes(self._token))
            self._crew = CrewFacts(self._executor.workers())
            self._skeletons = {}

    def close(self) -> None:
        """Take the plan back from the workers, where that was not done yet."""
        if self._closed:
            return
        self._closed = True
        self._executor.withdraw(self._token)
        self._ends.close()

    def __call__(
        self,
        jacobians: Mapping[str, GivenJacobian],
        *,
        gather: bool = True,
        to: str | PathLike[str] | None = None,
        progress: Callable[[RunProgress], object] | None = None,
        checkpoint: str | PathLike[str] | None = None,
    ) -> dict[tuple[str, str], TaskOutput]:
        """Run the plan; parameters, result and errors are those of `chainplan.execute`."""
        require_jacobians(jacobians)
        run = taken(self._plan, jacobians, self._options.dtype, references=True)
        require_narrow(lowered(self._plan).wide, self._options.dense, run)
        made = self.run(run, gather=gather, to=to, progress=progress, checkpoint=checkpoint)
        self._learn()
        return made

    def run(
        self,
        run: PlanRun,
        *,
        gather: bool = True,
        to: str | PathLike[str] | None = None,
        progress: Callable[[RunProgress], object] | None = None,
        checkpoint: str | PathLike[str] | None = None,
    ) -> dict[tuple[str, str], TaskOutput]:
        """Run the plan on the values of a run: bring the outputs back, leave them there, or have them written."""
        if self._closed:
            raise ExecutionError("plan: found one that is closed; expected one that is prepared. Prepare it again.")
        self._executor.require_running("no task was sent")
        path("to", to)
        path("checkpoint", checkpoint)
        called("progress", progress)
        with ExitStack() as stack:
            crew = replace(self._crew, whole=frozenset(name for name, m in run.modules.items() if not m.slices))
            if checkpoint is not None:
                kept_blocks = Checkpoint(checkpoint, self._plan, run, self._options.wrap, crew.workers)
                crew = replace(crew, workers=kept_blocks.workers)
            made = self._skeleton(crew, checkpoint is None)
            if writes_states(made):
                made = placed_on_disk(made, self._directory(checkpoint, stack))
            if to is not None:
                made = written(made, self._plan, self._dense, Path(to).absolute())
            elif not gather:
                made = kept(made, self._dense)
            if checkpoint is not None:
                made = kept_blocks.resumed(made, self._room, self._seconds)
            if self._executor.slow_to_send and not self._schedule:
                made = with_chains(made, run)
            return self._outputs(run, made, gather, to, progress)

    def _directory(self, checkpoint: str | PathLike[str] | None, stack: ExitStack) -> Path:
        """The directory of the states that the plan puts on disk.

        Raises
        ------
        ExecutionError
            Where workers on other machines would not find it.
        """
        if checkpoint is not None:
            return Path(checkpoint).absolute()
        if not self._executor.here:
            raise ExecutionError(
                "checkpoint: found none for a plan that puts states on disk; expected a directory that all workers "
                "share. Pass checkpoint=DIRECTORY."
            )
        return Path(stack.enter_context(TemporaryDirectory(prefix="chainplan-")))

    def _outputs(
        self,
        run: PlanRun,
        made: Skeleton,
        gather: bool,
        to: str | PathLike[str] | None,
        progress: Callable[[RunProgress], object] | None,
    ) -> dict[tuple[str, str], TaskOutput]:
        """Send the tasks, and make of their results what the caller gets."""
        inputs = GivenInputs(self._executor, self._plan, made, run, self._patterns)
        common = self._token, run.dtype.str, self._options.wrap
        handles = RunSubmission(self._executor, made, inputs, common, progress).finish()
        jacobian: dict[tuple[str, str], TaskOutput] = {}
        for output, source, position in self._plan.outputs:
            axis, ranges = made.outputs[position]
            pieces = tuple((start, stop, handles[piece.task]) for start, stop, piece in ranges)
            block = made.blocks[position]
            if to is not None:
                jacobian[output, source] = Path(pieces[0][2].result())
            elif not gather:
                dtype = self._dtype(pieces[0][2])
                jacobian[output, source] = RemoteBlock((block.rows, block.cols), dtype, axis, pieces)
            else:
                held = [joined(self._executor.gather([handle for _, _, handle in pieces]), axis)]
                jacobian[output, source] = released(held, 0, block, self._dense, run, False)
        return jacobian

    def _dtype(self, handle: TaskHandle) -> DType:
        """The dtype of a block that stays where it is."""
        key = "dtype", uuid4().hex[:12], 0
        task = SentTask(self._token, DtypeTask(), ("", False, ResultOf(handle.key)), 0)
        dtype: DType = self._executor.send({key: task}, [key])[0].result()
        return dtype
