"""Tasks on a cluster of `distributed`: blocks stay on the workers, and those of a lost worker are computed again.

The scheduler sees a graph at once, so that it places each task where what it reads is.
"""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import cycle
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

from chainplan.distributed.executors.base import (
    SECONDS_PER_LOOK,
    ResultOf,
    SentTask,
    TaskExecutor,
    TaskHandle,
    listed_resources,
)
from chainplan.distributed.sent_errors import run_sent
from chainplan.distributed.skeleton import TaskKey
from chainplan.distributed.split import WORKER_MEMORY_SHARE
from chainplan.distributed.step_seconds import StepNotes
from chainplan.distributed.worker_plan import WorkerPlan
from chainplan.distributed.worker_tasks import TaskOperand, WorkerTask, notes_of
from chainplan.errors import ExecutionError, missing_extra
from chainplan.errors.arguments import whole
from chainplan.kernels.storage import HeldValues

if TYPE_CHECKING:
    from distributed import Client, Future

SECONDS_TO_CONNECT = 10
"""Seconds in which a scheduler must answer."""
DEFAULT_WORKERS = 2
"""Processes of a local cluster."""


class DaskExecutor(TaskExecutor):
    """The workers of a cluster.

    Parameters
    ----------
    client : Client
        The client of the cluster.
    here : bool
        Whether all workers are on this machine.
    """

    slow_to_send = True

    def __init__(self, client: Client, here: bool) -> None:
        self._client, self.here = client, here
        self._addresses = list[str]()

    def limit(self) -> int | None:
        """Half of the memory of the smallest worker.

        Raises
        ------
        ExecutionError
            If the cluster has no workers.
        """
        await_workers(self._client)
        limits = [w["memory_limit"] for w in self._client.scheduler_info(n_workers=-1)["workers"].values()]
        known = [limit for limit in limits if limit]
        return int(WORKER_MEMORY_SHARE * min(known)) if known else None

    def workers(self) -> int:
        threads: int = sum(w["nthreads"] for w in self._client.scheduler_info(n_workers=-1)["workers"].values())
        return max(1, threads)

    def require_resources(self, name: str, resources: Mapping[str, float]) -> None:
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        there = [worker["resources"] for worker in workers]
        if not any(all(has.get(kind, 0) >= amount for kind, amount in resources.items()) for has in there):
            raise ExecutionError(
                f"'{name}' demands {listed_resources(resources)}, which no worker of the cluster has; expected one at "
                f"least. Start it: dask worker ADDRESS --resources '{listed_resources(resources).replace(',', '')}'"
            )

    def machines(self) -> int | None:
        return len(self._there())

    def _there(self) -> list[str]:
        """The addresses of the workers."""
        return sorted(self._client.scheduler_info(n_workers=-1)["workers"])

    def lost_machines(self) -> frozenset[int]:
        if not self._addresses:
            return frozenset()
        try:
            there = set(self._there())
        except OSError:  # of a scheduler that does not answer: `require_running` says so
            return frozenset()
        return frozenset(i for i, address in enumerate(self._addresses) if address not in there)

    def _assigned(self, machines: Collection[int]) -> list[str]:
        """A worker for each machine; one whose worker died gets another, where need be a shared one.

        There are none as long as the cluster has no workers: tasks wait for whichever comes then.
        """
        there = self._there()
        kept = [address if address in there else None for address in self._addresses]
        kept += [None] * (1 + max(machines) - len(kept))
        spare = [address for address in there if address not in kept] or there
        free = cycle(spare)
        self._addresses = [next(free) if address is None else address for address in kept] if spare else []
        return self._addresses

    def notes(self, token: str) -> list[StepNotes]:
        return list(self._client.run(notes_of, token, on_error="ignore").values())

    def place(self, token: str, plan: WorkerPlan) -> None:
        from chainplan.distributed.placement import PlanPlugin

        self._client.register_plugin(PlanPlugin(token, plan), name=token)

    def withdraw(self, token: str) -> None:
        if self._client.status == "running":
            self._client.unregister_worker_plugin(token)

    def share(self, values: Mapping[TaskKey, TaskOperand], everywhere: bool) -> dict[TaskKey, TaskHandle]:
        """Send values to workers directly, or by the scheduler where workers cannot be reached."""
        with suppress(OSError):
            return dict(self._client.scatter(dict(values), direct=True, hash=False, broadcast=everywhere))
        try:
            return dict(self._client.scatter(dict(values), direct=False, hash=False, broadcast=everywhere))
        except TimeoutError:
            raise ExecutionError(
                "the cluster has no workers left to send arrays to; expected at least one. Start some, and look at the "
                "logs of those that died: mostly they are out of memory."
            ) from None

    def send(self, tasks: Mapping[TaskKey, SentTask], wanted: Sequence[TaskKey]) -> list[TaskHandle]:
        from dask import annotate  # type: ignore[attr-defined]
        from dask._task_spec import Task

        graph = {
            key: Task(key, _run_on_worker, task.token, task.call, *map(_referred, task.args))
            for key, task in tasks.items()
        }
        priorities = {key: task.rank for key, task in tasks.items()}
        retries = {key: task.demand.retries for key, task in tasks.items()}
        resources = {key: dict(task.demand.resources) for key, task in tasks.items()}
        with ExitStack() as stack:
            if len(graph) > 1:
                stack.enter_context(annotate(priority=priorities.get))
            if any(retries.values()):
                stack.enter_context(annotate(retries=retries.get))
            if any(resources.values()):
                stack.enter_context(annotate(resources=resources.get))
            placed = {key: task.demand.machine for key, task in tasks.items() if task.demand.machine is not None}
            if placed and (addresses := self._assigned(placed.values())):
                workers = {key: [addresses[placed[key]]] if key in placed else addresses for key in tasks}
                anywhere = {key: key not in placed for key in tasks}
                stack.enter_context(annotate(workers=workers.get, allow_other_workers=anywhere.get))
            futures: list[TaskHandle] = self._client.get(graph, list(wanted), sync=False)
        return futures

    def completed(self, handles: Sequence[TaskHandle]) -> Iterator[list[TaskHandle]]:
        from distributed import as_completed

        completed = as_completed(handles)
        del handles  # which would hold every block until the end
        while True:
            batch = completed.next_batch(block=False)
            if not batch:
                with completed.thread_condition:
                    completed.thread_condition.wait(SECONDS_PER_LOOK)
            yield batch

    def cancel(self, handles: Sequence[TaskHandle]) -> None:
        self._client.cancel(list(handles), force=True)

    def gather(self, handles: Sequence[TaskHandle]) -> list[HeldValues]:
        return list(self._client.gather(list(handles)))

    def require_running(self, done: str) -> None:
        if self._client.status != "running":
            scheduler = self._client.scheduler  # None where the client was closed
            where = f" at '{scheduler.address}'" if scheduler else ""
            raise ExecutionError(
                f"the scheduler{where} does not answer any more; {done}. Start it again or, where the client was "
                "closed, make a new one, and run the plan again."
            )

    def failure(self, handle: TaskHandle) -> BaseException:
        from distributed import Future, KilledWorker

        assert isinstance(handle, Future), "only futures are handed out"
        error = handle.exception()
        if isinstance(error, KilledWorker):
            return ExecutionError(
                f"workers die whenever they run '{error.task[0]}'; the last was {error.last_worker.address}. Look at "
                "its log: mostly it is out of memory. Use larger workers."
            )
        assert isinstance(error, BaseException), "asked of an error"
        return error


def _run_on_worker(token: str, call: WorkerTask, *given: TaskOperand) -> TaskOperand:
    """Run a task, and send exceptions as a worker of Dask does, with those that they come from."""
    return run_sent(_pickled_error, token, call, *given)


def _pickled_error(error: Exception) -> bytes:
    from cloudpickle import dumps
    from tblib import pickling_support

    pickling_support.install(error)
    return bytes(dumps(error))


def _referred(value: TaskOperand | ResultOf | Future) -> TaskOperand:
    """A result as the reference by which a task reads it, anything else as it is."""
    from dask._task_spec import TaskRef
    from distributed import Future

    return TaskRef(value.key) if isinstance(value, ResultOf | Future) else value


@contextmanager
def dask_executor(scheduler: object, workers: int | None) -> Iterator[TaskExecutor]:
    """The executor of a cluster, which is that of `client_of`."""
    with client_of(scheduler, workers) as client:
        yield DaskExecutor(client, scheduler is None)


def await_workers(client: Client) -> None:
    """Wait until a cluster has a worker.

    Raises
    ------
    ExecutionError
        If none comes.
    """
    try:
        client.wait_for_workers(1, timeout=30)
    except TimeoutError:
        raise ExecutionError(
            "the cluster has no workers; expected at least one within 30 seconds. Start some: dask worker ADDRESS"
        ) from None


@contextmanager
def client_of(scheduler: object, workers: int | None) -> Iterator[Client]:
    """A client: the given one, one of the scheduler at an address, or one of a local cluster that ends with it."""
    if workers is not None:
        workers = whole("workers", workers, least=1)
    try:
        import distributed
    except ImportError:
        raise ExecutionError(missing_extra("backend 'dask'", "distributed", "dask")) from None
    if isinstance(scheduler, distributed.Client):
        if scheduler.status in ("closing", "closed"):
            raise ExecutionError("scheduler: found a client that is closed; expected an open one. Make a new one.")
        yield scheduler
        return
    if scheduler is not None:
        try:
            client = distributed.Client(scheduler, timeout=SECONDS_TO_CONNECT)
        except (OSError, TimeoutError, TypeError, ValueError) as error:
            raise ExecutionError(
                f"scheduler: nothing answers at '{scheduler}' ({type(error).__name__}); expected the address of a "
                "scheduler, such as tcp://127.0.0.1:8786. Start one, or leave it out for a local cluster."
            ) from None
        with client:
            yield client
        return
    options: dict[str, object] = {
        "n_workers": workers or DEFAULT_WORKERS,
        "threads_per_worker": 1,
        "dashboard_address": ":0",
    }
    with ExitStack() as stack:
        with _interrupt_held_back():
            cluster = stack.enter_context(distributed.LocalCluster(**options))
        yield stack.enter_context(distributed.Client(cluster))


@contextmanager
def _interrupt_held_back() -> Iterator[None]:
    """Block Ctrl-C while workers start: they inherit the mask, so that the signal reaches this process alone.

    The resource tracker of multiprocessing is started first, because its start would unblock the signal.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
