"""What an executor of tasks can do: send tasks, tell which are done, share what was given, bring results back.

A run knows nothing else of where its tasks run. An executor takes whole graphs, so that one whose workers hand blocks
to each other never brings them here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from chainplan.distributed.skeleton import TaskKey
from chainplan.distributed.step_seconds import StepNotes
from chainplan.distributed.worker_plan import WorkerPlan
from chainplan.distributed.worker_tasks import TaskOperand, WorkerTask
from chainplan.errors import ExecutionError
from chainplan.kernels.storage import HeldValues

SECONDS_PER_LOOK = 0.5
"""Seconds after which a waiting run looks at the clock and at its connection."""


class ResultOf(NamedTuple):
    """An operand that is the result of a task, or what was shared, under a key."""

    key: TaskKey


class TaskDemand(NamedTuple):
    """What a worker must have free to run a task, by name, how often it is tried again, and on which machine it runs.

    Of the tasks of a machine one runs at a time, on one worker.
    """

    resources: tuple[tuple[str, float], ...] = ()
    retries: int = 0
    machine: int | None = None


class SentTask(NamedTuple):
    """A task as an executor takes it: what `run_placed` is called with, its critical-path rank, and what it demands."""

    token: str
    call: WorkerTask
    args: tuple[TaskOperand | ResultOf, ...]
    rank: int
    demand: TaskDemand = TaskDemand()


def listed_resources(resources: Mapping[str, float]) -> str:
    """Write resources as `dask worker --resources` takes them, with commas between."""
    return ", ".join(f"{name}={amount:g}" for name, amount in resources.items())


class TaskHandle(Protocol):
    """The result of a task that was sent, which stays where it is for as long as the handle is held."""

    @property
    def key(self) -> TaskKey:
        """The key under which the task was sent."""

    @property
    def status(self) -> str:
        """'finished', 'error', 'cancelled' where the result is lost, or anything else while it is awaited."""

    def result(self) -> HeldValues:
        """Bring the result here."""


class TaskExecutor(ABC):
    """Where tasks run.

    Attributes
    ----------
    in_process : bool
        Whether tasks run in this process, so that nothing has to be pickled.
    here : bool
        Whether all tasks run on this machine, so that they share its folders for temporary files.
    slow_to_send : bool
        Whether sending a task takes milliseconds, so that short ones that run one after another should share one.
    """

    in_process = False
    here = False
    slow_to_send = False

    @abstractmethod
    def limit(self) -> int | None:
        """The bytes that the blocks of a task may take; None where there is no limit."""

    @abstractmethod
    def workers(self) -> int:
        """How many tasks run at once; 1 where nobody knows."""

    @abstractmethod
    def machines(self) -> int | None:
        """How many machines tasks can be put on; None where nobody knows."""

    def lost_machines(self) -> frozenset[int]:
        """The machines whose workers died, so that what waits for them must be sent again."""
        return frozenset()

    def require_resources(self, name: str, resources: Mapping[str, float]) -> None:
        """Refuse what the module of a name demands where no worker has it.

        Raises
        ------
        ExecutionError
            Where no worker can ever run the module.
        """
        raise ExecutionError(
            f"'{name}' demands {listed_resources(resources)}, but workers of this backend have no resources; expected "
            "those of a cluster. Name backend='dask', or leave out resources=."
        )

    @abstractmethod
    def notes(self, token: str) -> list[StepNotes]:
        """Take what processes have noted of the steps of a plan since the last time."""

    @abstractmethod
    def place(self, token: str, plan: WorkerPlan) -> None:
        """Let tasks find a plan by its token."""

    @abstractmethod
    def withdraw(self, token: str) -> None:
        """Take a plan back."""

    @abstractmethod
    def share(self, values: Mapping[TaskKey, TaskOperand], everywhere: bool) -> dict[TaskKey, TaskHandle]:
        """Send values to workers, to all of them where `everywhere` says so, before tasks refer to them."""

    @abstractmethod
    def send(self, tasks: Mapping[TaskKey, SentTask], wanted: Sequence[TaskKey]) -> list[TaskHandle]:
        """Send tasks, and return the handles of those that are wanted."""

    @abstractmethod
    def completed(self, handles: Sequence[TaskHandle]) -> Iterator[list[TaskHandle]]:
        """Yield what is done as it comes, each handle once; nothing every half second while none is."""

    @abstractmethod
    def cancel(self, handles: Sequence[TaskHandle]) -> None:
        """Take back what has not begun."""

    @abstractmethod
    def gather(self, handles: Sequence[TaskHandle]) -> list[HeldValues]:
        """Bring several results here."""

    @abstractmethod
    def require_running(self, done: str) -> None:
        """Raise an error that says what was done where the executor does not answer any more."""

    @abstractmethod
    def failure(self, handle: TaskHandle) -> BaseException:
        """What a task has raised, or what is to be said of workers that died."""
