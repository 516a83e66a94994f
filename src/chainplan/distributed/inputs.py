"""How what was given reaches the tasks: small values inside them, others directly to workers, references as they are.

The scheduler keeps what is inside tasks for as long as they may have to be repeated, so that only `MAX_INLINED_BYTES`
travel so, the smallest values first. Arrays above are scattered to the workers, exactly in the parts that tasks read.
What a lost worker held is scattered again. A path is opened by the task that reads it; a loader is a task, because it
may take long. The lists of a pattern go there too where the values that are fetched list other entries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from os import fspath
from pathlib import Path
from typing import NamedTuple, TypeVar
from uuid import uuid4

from chainplan.distributed.executors.base import ResultOf, TaskDemand, TaskExecutor, TaskHandle
from chainplan.distributed.remote import RemoteBlock
from chainplan.distributed.skeleton import (
    GivenFunctions,
    GivenPart,
    GivenPattern,
    GivenPrimal,
    Skeleton,
    TaskArgument,
    TaskKey,
    TaskNode,
    TaskResult,
)
from chainplan.distributed.split import overlap
from chainplan.distributed.worker_plan import PlanPatterns
from chainplan.distributed.worker_tasks import (
    CutTask,
    PickledLoader,
    PickledObject,
    PlaceTask,
    ReferencedPart,
    SentPattern,
    TaskOperand,
    WorkerTask,
    cut,
)
from chainplan.errors import ExecutionError
from chainplan.execution.plan_run import PlanRun
from chainplan.kernels.storage import HeldValues, StorageForm, form
from chainplan.plans.steps import Load, Plan
from chainplan.values.jacobians import is_sparse
from chainplan.values.references import is_path, is_reference, listed_entries

MAX_INLINED_BYTES = 4 * 2**20
"""Bytes of values that one run may put inside its tasks."""
MOST_EVERYWHERE = 100
"""Functions of one run that go to all workers; more of them lie on all workers anyhow, and each copy takes time."""
_PRIMAL = "the primal chain"
"""What is sent of a plan that evaluates states, in words."""


class GivenSource(NamedTuple):
    """What the caller gave, as it is sent to the task that makes of it what others read."""

    of: GivenPart


SentArgument = GivenPart | GivenFunctions | GivenPrimal | GivenPattern | GivenSource
"""What a task reads that does not come from another task."""
ReadArgument = TypeVar("ReadArgument", bound=TaskArgument | GivenSource | TaskHandle)
"""What a task reads."""


def demand_of(node: TaskNode, run: PlanRun) -> TaskDemand:
    """What a task demands: of each resource the most that a module does which it applies."""
    most: dict[str, float] = {}
    retries = 0
    for arg in node.reads:
        module = run.modules.get(arg.elemental) if isinstance(arg, GivenFunctions) else None
        if module is not None:
            retries = max(retries, module.retries)
            for name, amount in module.resources.items():
                most[name] = max(amount, most.get(name, 0))
    return TaskDemand(tuple(sorted(most.items())), retries, node.machine)


class OwnTask(NamedTuple):
    """A task that makes of something given what other tasks read."""

    name: str
    call: WorkerTask
    reads: tuple[SentArgument | TaskHandle, ...]


class GivenInputs:
    """The Jacobians of one run on their way to the tasks that read them."""

    def __init__(
        self, executor: TaskExecutor, plan: Plan, skeleton: Skeleton, run: PlanRun, patterns: PlanPatterns
    ) -> None:
        self._executor, self._plan, self._run, self._blocks = executor, plan, run, skeleton.blocks
        self._patterns = patterns
        references = {position: value for position, value in enumerate(run.values) if is_reference(value)}
        marks = {position: patterns.of_load(position) for position in references}
        self._marks = {position: mark for position, mark in marks.items() if mark is not None}
        self._asked = {mark for position, mark in self._marks.items() if self._asks(position)}
        reads = (self.with_patterns(task.reads) for task in skeleton.tasks)
        uses = Counter(arg for args in reads for arg in args if not isinstance(arg, TaskResult))
        self._functions = {**run.applied, **run.modules}
        self._pickled: dict[str, bytes] = {}
        self._loaders: dict[int, bytes] = {}
        self._primal = b""
        if not executor.in_process:
            self._pickle()
        sent = Counter[SentArgument]()
        for arg, count in uses.items():
            sent.update({arg: count} if self.own_task(arg) is None else dict.fromkeys(self._sources([arg]), 1))
        self._inlined = self._small(sent)
        for name, module in run.modules.items():
            if module.resources:
                executor.require_resources(name, module.resources)
        self._scattered: dict[SentArgument, TaskHandle] = {}

    def _asks(self, position: int) -> bool:
        """Say whether a file surely lists other entries than the pattern of a load, so that it will be asked for."""
        value = self._run.values[position]
        if not is_path(value):
            return False
        listed = listed_entries(value)
        return listed is not None and listed != self._patterns.nonzeros(self._marks[position])

    def _pickle(self) -> None:
        """Make bytes of functions, loaders and a primal chain."""
        if self._run.primal is not None:
            self._primal = pickled(_PRIMAL, self._run.primal)
        self._pickled = {n: pickled(f"the functions of '{n}'", pair) for n, pair in self._functions.items()}
        self._loaders = {
            position: pickled(f"the loader of '{self._named(GivenPart(position, None, 0, 0))}'", value)
            for position, value in enumerate(self._run.values)
            if _is_loader(value)
        }

    def _small(self, sent: Counter[SentArgument]) -> set[SentArgument]:
        """What travels inside tasks."""
        left, small = MAX_INLINED_BYTES, set[SentArgument]()
        for size, _, arg in sorted((self._bytes(arg) * count, i, arg) for i, (arg, count) in enumerate(sent.items())):
            left -= size
            if left < 0:
                break
            small.add(arg)
        return small

    def own_task(self, arg: SentArgument) -> OwnTask | None:
        """The task that makes what others read, of a loader and of another run's block."""
        if not isinstance(arg, GivenPart):
            return None
        name = self._named(arg)
        value = self._run.values[arg.position]
        if not is_reference(value) or is_path(value):
            return None
        dense = form(self._blocks[arg.position]) is StorageForm.DENSE
        if isinstance(value, RemoteBlock) and (len(value.pieces) > 1 or arg.axis is not None) and dense:
            return _of_pieces(name, value, arg)
        if arg.axis is not None:
            call = CutTask(arg.axis, arg.axis, ((arg.start, arg.stop),))
            return OwnTask(f"cut-{name}", call, (GivenPart(arg.position, None, 0, 0),))
        return OwnTask(f"load-{name}", PlaceTask(arg.position), (GivenSource(arg),))

    def _sources(self, args: Iterable[SentArgument]) -> Iterator[SentArgument]:
        """What is sent for some arguments."""
        for arg in args:
            own = self.own_task(arg)
            if own is None:
                yield arg
            else:
                reads = self.with_patterns(own.reads)
                yield from self._sources(read for read in reads if isinstance(read, SentArgument))

    def send(self, wanted: set[SentArgument]) -> None:
        """Scatter what tasks read and no worker holds."""
        absent = [arg for arg in dict.fromkeys(self._sources(wanted)) if arg not in self._inlined]
        absent = [arg for arg in absent if not self._there(arg)]
        if not absent:
            return
        name = uuid4().hex[:12]
        keys = {(f"given-{self._named(arg)}", name, i): arg for i, arg in enumerate(absent)}
        functions = {key: self.value(arg) for key, arg in keys.items() if isinstance(arg, GivenFunctions | GivenPrimal)}
        sent = self._share({key: self.value(arg) for key, arg in keys.items() if key not in functions}, False)
        sent |= self._share(functions, len(functions) <= MOST_EVERYWHERE)
        self._scattered.update((arg, sent[key]) for key, arg in keys.items())

    def _share(self, values: dict[TaskKey, TaskOperand], everywhere: bool) -> dict[TaskKey, TaskHandle]:
        """Send values to workers, to all of them where tasks should not be drawn to what they read, as to functions."""
        return self._executor.share(values, everywhere) if values else {}

    def ask(self, mark: Hashable) -> bool:
        """Let the lists of a pattern go to the tasks that fetch its values; False where none does."""
        if mark not in self._marks.values():
            return False
        self._asked.add(mark)
        return True

    def with_patterns(self, reads: Iterable[ReadArgument]) -> Iterator[ReadArgument | GivenPattern]:
        """What a task reads, with the lists of the patterns that it asks for."""
        asked: dict[Hashable, None] = {}
        for arg in reads:
            yield arg
            mark = self._marks.get(self._fetched_by(arg))
            if mark in self._asked:
                asked[mark] = None
        for mark in asked:
            yield GivenPattern(mark, self._patterns.size(mark))

    def _fetched_by(self, arg: TaskArgument | GivenSource | TaskHandle) -> int:
        """The load whose values a task fetches that reads this, -1 where it fetches none."""
        if isinstance(arg, GivenSource):
            return arg.of.position
        return arg.position if isinstance(arg, GivenPart) and is_path(self._run.values[arg.position]) else -1

    def demand(self, node: TaskNode) -> TaskDemand:
        """What a task demands."""
        return demand_of(node, self._run)

    def argument(self, arg: SentArgument) -> TaskOperand | ResultOf:
        """What a task gets: a value, or what was shared."""
        return self.value(arg) if arg in self._inlined else ResultOf(self._scattered[arg].key)

    def _there(self, arg: SentArgument) -> bool:
        return arg in self._scattered and self._scattered[arg].status == "finished"

    def _named(self, arg: SentArgument) -> str:
        """The name of an elemental."""
        if isinstance(arg, GivenSource):
            return self._named(arg.of)
        if isinstance(arg, GivenFunctions):
            return arg.elemental
        if isinstance(arg, GivenPrimal):
            return "primal"
        if isinstance(arg, GivenPattern):
            return "pattern"
        step = self._plan.steps[arg.position]
        assert isinstance(step, Load), "only loads are given"
        return step.elemental

    def value(self, arg: SentArgument) -> TaskOperand:
        """What is sent for an argument."""
        if isinstance(arg, GivenSource):
            arg = arg.of
        if isinstance(arg, GivenFunctions):
            functions = self._pickled.get(arg.elemental)
            what = f"the functions of '{arg.elemental}'"
            return PickledObject(what, functions) if functions else self._functions[arg.elemental]
        if isinstance(arg, GivenPrimal):
            return PickledObject(_PRIMAL, self._primal) if self._primal else self._run.primal
        if isinstance(arg, GivenPattern):
            return SentPattern(arg.mark, self._patterns.lists(arg.mark))
        value, (position, axis, start, stop) = self._run.values[arg.position], arg
        if position in self._loaders:
            return PickledLoader(self._named(arg), self._loaders[position])
        if is_path(value):
            return ReferencedPart(position, str(Path(fspath(value)).absolute()), axis, start, stop)
        if isinstance(value, RemoteBlock):
            return value.pieces[0][2]
        return value if axis is None or is_reference(value) else cut(value, axis, start, stop)

    def _bytes(self, arg: SentArgument) -> int:
        """The bytes that an argument takes inside a task."""
        of = arg.of if isinstance(arg, GivenSource) else arg
        if isinstance(of, GivenFunctions):
            return len(self._pickled.get(of.elemental, b""))
        if isinstance(of, GivenPrimal):
            return len(self._primal)
        if isinstance(of, GivenPattern):
            return of.size
        if of.position in self._loaders:
            return len(self._loaders[of.position])
        return 0 if is_reference(self._run.values[of.position]) else bytes_held(self.value(arg))


def _is_loader(value: object) -> bool:
    """Say whether what was given is a function that makes a Jacobian."""
    return is_reference(value) and not is_path(value) and not hasattr(value, "result")


def _of_pieces(name: str, value: RemoteBlock, arg: GivenPart) -> OwnTask:
    """The task that reads a part of a dense block of another run, from the pieces that hold it."""
    axis = value.axis if arg.axis is None else arg.axis
    start, stop = (0, value.shape[axis.value]) if arg.axis is None else (arg.start, arg.stop)
    if axis is value.axis:
        pieces, ends = overlap(value.pieces, start, stop)
    else:
        pieces, ends = value.pieces, ((start, stop),) * len(value.pieces)
    return OwnTask(f"cut-{name}", CutTask(axis, value.axis, ends), tuple(future for _, _, future in pieces))


def pickled(what: str, value: object) -> bytes:
    """Functions as bytes.

    Raises
    ------
    ExecutionError
        If they cannot be pickled, whichever error an object that they hold raises.
    """
    try:
        from cloudpickle import dumps  # comes with the extra dask, and pickles functions of scripts too
    except ImportError:
        from pickle import dumps
    try:
        return bytes(dumps(value))
    except Exception as error:
        raise ExecutionError(
            f"{what} cannot be sent to workers: {error}; expected functions that can be pickled. "
            "Keep locks, files and connections out of what they hold, or run them with workers= on threads."
        ) from None


def bytes_held(value: HeldValues) -> int:
    """The bytes of the arrays of a block."""
    if value is None:
        return 0
    if is_sparse(value):
        return int(value.data.nbytes + value.indices.nbytes + value.indptr.nbytes)
    return int(value.nbytes)
