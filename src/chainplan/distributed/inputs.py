"""How what was given reaches the tasks: small values inside them, others directly to workers, references as they are.

The scheduler keeps what is inside tasks for as long as they may have to be repeated, so that only `MAX_INLINED_BYTES`
travel so, the smallest values first. Arrays above are scattered to the workers, exactly in the parts that tasks read.
What a lost worker held is scattered again.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from chainplan.distributed.skeleton import GivenFunctions, GivenPart, Skeleton, TaskKey, TaskResult
from chainplan.distributed.worker_tasks import PickledFunctions, TaskOperand, cut
from chainplan.errors import ExecutionError
from chainplan.execution.lowering import PlanRun
from chainplan.kernels.storage import HeldValues
from chainplan.plans.steps import Load, Plan
from chainplan.values.jacobians import MatrixFree, is_sparse

if TYPE_CHECKING:
    from distributed import Client, Future

MAX_INLINED_BYTES = 4 * 2**20
"""Bytes of values that one run may put inside its tasks."""

SentArgument = GivenPart | GivenFunctions
"""What a task reads that does not come from another task."""


class GivenInputs:
    """The Jacobians of one run on their way to the tasks that read them."""

    def __init__(self, client: Client, plan: Plan, skeleton: Skeleton, run: PlanRun) -> None:
        self._client, self._plan, self._run = client, plan, run
        uses = Counter(arg for task in skeleton.tasks for arg in task.reads if not isinstance(arg, TaskResult))
        self._pickled = {name: pickled(name, pair) for name, pair in run.applied.items()}
        self._inlined: set[SentArgument] = set()
        left = MAX_INLINED_BYTES
        for size, _, arg in sorted((self._bytes(arg) * count, i, arg) for i, (arg, count) in enumerate(uses.items())):
            if size > left:
                break
            left -= size
            self._inlined.add(arg)
        self._scattered: dict[SentArgument, Future] = {}
        self.shared = frozenset(arg for arg, count in uses.items() if isinstance(arg, GivenFunctions) and count > 1)

    def send(self, wanted: set[SentArgument]) -> None:
        """Scatter what tasks read and no worker holds."""
        absent = [arg for arg in wanted - self._inlined if not self._there(arg)]
        if not absent:
            return
        name = uuid4().hex[:12]
        keys = {(f"given-{self._named(arg)}", name, i): arg for i, arg in enumerate(absent)}
        values = {key: self._value(arg) for key, arg in keys.items()}
        futures = self._scatter(values)
        self._scattered.update((arg, futures[key]) for key, arg in keys.items())

    def _scatter(self, values: dict[TaskKey, TaskOperand]) -> dict[TaskKey, Future]:
        """Send values to workers directly, or by the scheduler where workers cannot be reached."""
        with suppress(OSError):
            sent: dict[TaskKey, Future] = self._client.scatter(values, direct=True, hash=False)
            return sent
        return dict(self._client.scatter(values, direct=False, hash=False))

    def argument(self, arg: SentArgument) -> TaskOperand:
        """What a task gets: a value, or the future of one."""
        return self._value(arg) if arg in self._inlined else self._scattered[arg]

    def _there(self, arg: SentArgument) -> bool:
        return arg in self._scattered and self._scattered[arg].status == "finished"

    def _named(self, arg: SentArgument) -> str:
        """The name of an elemental."""
        if isinstance(arg, GivenFunctions):
            return arg.elemental
        step = self._plan.steps[arg.position]
        assert isinstance(step, Load), "only loads are given"
        return step.elemental

    def _value(self, arg: SentArgument) -> TaskOperand:
        if isinstance(arg, GivenFunctions):
            return PickledFunctions(arg.elemental, self._pickled[arg.elemental])
        value = self._run.values[arg.position]
        return value if arg.axis is None else cut(value, arg.axis, arg.start, arg.stop)

    def _bytes(self, arg: SentArgument) -> int:
        if isinstance(arg, GivenFunctions):
            return len(self._pickled[arg.elemental])
        return _bytes_held(self._value(arg))


def pickled(name: str, pair: MatrixFree) -> bytes:
    """A pair of functions as bytes.

    Raises
    ------
    ExecutionError
        If they cannot be pickled, whichever error an object that they hold raises.
    """
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(pair))
    except Exception as error:
        raise ExecutionError(
            f"the functions of '{name}' cannot be sent to workers: {error}; expected functions that can be pickled. "
            "Keep locks, files and connections out of what they hold, or run them with workers= on threads."
        ) from None


def _bytes_held(value: HeldValues) -> int:
    """The bytes of the arrays of a block."""
    if value is None:
        return 0
    if is_sparse(value):
        return int(value.data.nbytes + value.indices.nbytes + value.indptr.nbytes)
    return int(value.nbytes)
