"""Runs a plan on a cluster of `distributed`: one task per group of steps, with blocks that stay on the workers.

The plan is sent once to each worker and lowered there once; `skeleton` makes its tasks, `inputs` sends what was given,
`submission` waits for the outputs, and `worker_tasks` is what the workers do.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from chainplan._util.arrays import Array, DType
from chainplan.costs.timed import WEIGHTED_COST
from chainplan.distributed.inputs import GivenInputs
from chainplan.distributed.remote import RemoteBlock, kept, written
from chainplan.distributed.skeleton import skeleton
from chainplan.distributed.split import WORKER_MEMORY_SHARE, TaskRoom
from chainplan.distributed.submission import RunProgress, RunSubmission
from chainplan.distributed.worker_tasks import joined
from chainplan.errors import ExecutionError, missing_extra
from chainplan.errors.arguments import whole
from chainplan.execution.executor import require_jacobians, require_workers, taken, understood
from chainplan.execution.lowering import PlanRun
from chainplan.execution.program import lowered
from chainplan.execution.releasing import released, require_narrow
from chainplan.kernels.storage import HeldValues
from chainplan.plans.candidate import Candidate
from chainplan.plans.liveness import evaluates
from chainplan.plans.steps import Plan, Planned
from chainplan.values.jacobians import GivenJacobian, common_dtype

if TYPE_CHECKING:
    from distributed import Client
    from numpy.typing import DTypeLike

ClusterOutput = Array | RemoteBlock | Path
"""An output: an array, a block that stays on the workers, or the file into which it was written."""

MAX_FUSED_NANOSECONDS = 20_000_000
"""Nanoseconds below which a group is fused with the group that reads it."""
SECONDS_TO_CONNECT = 10
"""Seconds in which a scheduler must answer."""
DEFAULT_WORKERS = 2
"""Processes of a local cluster."""


def execute(
    plan: Plan | Planned,
    jacobians: Mapping[str, GivenJacobian],
    *,
    dense: bool | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
    wrap: bool = False,
    scheduler: Client | str | None = None,
    seconds: Mapping[str, float] | None = None,
    progress: Callable[[RunProgress], object] | None = None,
    gather: bool = True,
    to: str | PathLike[str] | None = None,
) -> dict[tuple[str, str], ClusterOutput]:
    """Run a plan on a cluster.

    Parameters and result are those of `chainplan.execute`.

    Raises
    ------
    ExecutionError
        As `chainplan.execute`, and where there is no cluster, a step fits no worker, workers die whenever they run it,
        or the plan evaluates states.
    """
    plan, dtype = understood(plan, dtype)
    require_jacobians(jacobians)
    require_workers(workers)
    if not gather and to is None and scheduler is None:
        raise ExecutionError(
            "gather: found False without a scheduler; expected a cluster that lives on with the blocks. Pass "
            "scheduler=, or have the outputs written with to=DIRECTORY."
        )
    _require_no_states(plan)
    run = taken(plan, jacobians, dtype, references=True)
    require_narrow(lowered(plan).wide, dense, run)
    with client_of(scheduler, workers) as client:
        cluster_plan = ClusterPlan(client, plan, ClusterOptions(dense, run.dtype, wrap), seconds)
        try:
            return cluster_plan.run(run, gather=gather, to=to, progress=progress)
        finally:
            if gather or to is not None:
                cluster_plan.close()


def prepare(
    plan: Plan | Planned,
    *,
    dense: bool | None = None,
    dtype: DTypeLike | None = None,
    wrap: bool = False,
    scheduler: Client | str | None = None,
    seconds: Mapping[str, float] | None = None,
) -> ClusterPlan:
    """Put a plan on a cluster, to run it again and again; parameters and errors are those of `chainplan.prepare`."""
    plan, dtype = understood(plan, dtype)
    _require_no_states(plan)
    with ExitStack() as stack:
        client = stack.enter_context(client_of(scheduler, None))
        made = ClusterPlan(client, plan, ClusterOptions(dense, dtype, wrap), seconds, stack.pop_all())
    return made


class ClusterOptions(NamedTuple):
    """The options of a run, as `execute` takes them."""

    dense: bool | None
    dtype: DTypeLike | None
    wrap: bool


def _require_no_states(plan: Plan) -> None:
    if evaluates(plan.steps):
        raise ExecutionError(
            "backend: found 'dask' for a plan that evaluates states, whose steps run in order; expected 'numpy'. "
            "Leave it out, or plan without limits.recompute."
        )


@contextmanager
def client_of(scheduler: Client | str | None, workers: int | None) -> Iterator[Client]:
    """A client: the given one, one of the scheduler at an address, or one of a local cluster that ends with it."""
    if workers is not None:
        workers = whole("workers", workers, least=1)
    try:
        import distributed
    except ImportError:
        raise ExecutionError(missing_extra("backend 'dask'", "distributed", "dask")) from None
    if isinstance(scheduler, distributed.Client):
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


class ClusterPlan:
    """A plan whose tasks are made, and which is on all workers: running it sends values alone.

    Parameters
    ----------
    client : Client
        The client of the cluster.
    plan : Plan
        A plan that evaluates no states.
    options : ClusterOptions
        What runs have in common.
    seconds : Mapping[str, float] | None
        The seconds that a matrix-free elemental takes for a vector; those that are missing count as long.
    ends : ExitStack | None
        What is closed with the plan.

    Raises
    ------
    ExecutionError
        Where a step fits no worker.
    """

    def __init__(
        self,
        client: Client,
        plan: Plan,
        options: ClusterOptions,
        seconds: Mapping[str, float] | None = None,
        ends: ExitStack | None = None,
    ) -> None:
        from chainplan.distributed.placement import PlanPlugin

        self._client, self._plan, self._options = client, plan, options
        self._ends = ExitStack() if ends is None else ends
        room = TaskRoom(_limit(client), common_dtype((), options.dtype).itemsize)
        self._skeleton = skeleton(plan, Candidate(plan, WEIGHTED_COST), room, MAX_FUSED_NANOSECONDS, seconds or {})
        self._token = f"plan-{uuid4().hex[:12]}"
        client.register_plugin(PlanPlugin(self._token, plan), name=self._token)

    def close(self) -> None:
        """Take the plan back from the workers."""
        if self._client.status == "running":
            self._client.unregister_worker_plugin(self._token)
        self._ends.close()

    def __call__(
        self,
        jacobians: Mapping[str, GivenJacobian],
        *,
        gather: bool = True,
        to: str | PathLike[str] | None = None,
        progress: Callable[[RunProgress], object] | None = None,
    ) -> dict[tuple[str, str], ClusterOutput]:
        """Run the plan; parameters, result and errors are those of `chainplan.execute`."""
        require_jacobians(jacobians)
        run = taken(self._plan, jacobians, self._options.dtype, references=True)
        require_narrow(lowered(self._plan).wide, self._options.dense, run)
        return self.run(run, gather=gather, to=to, progress=progress)

    def run(
        self,
        run: PlanRun,
        *,
        gather: bool = True,
        to: str | PathLike[str] | None = None,
        progress: Callable[[RunProgress], object] | None = None,
    ) -> dict[tuple[str, str], ClusterOutput]:
        """Run the plan on the values of a run: bring the outputs back, leave them there, or have them written."""
        dense = self._options.dense is not False
        made = self._skeleton
        if to is not None:
            made = written(made, self._plan, dense, Path(to))
        elif not gather:
            made = kept(made, dense)
        inputs = GivenInputs(self._client, self._plan, made, run)
        futures = RunSubmission(
            self._client, made, inputs, (self._token, run.dtype.str, self._options.wrap), progress
        ).finish()
        jacobian: dict[tuple[str, str], ClusterOutput] = {}
        for output, source, position in self._plan.outputs:
            axis, ranges = made.outputs[position]
            pieces = tuple((start, stop, futures[piece.task]) for start, stop, piece in ranges)
            block = made.blocks[position]
            if to is not None:
                jacobian[output, source] = Path(pieces[0][2].result())
            elif not gather:
                dtype = self._client.submit(_dtype_of, pieces[0][2], pure=False).result()
                jacobian[output, source] = RemoteBlock((block.rows, block.cols), dtype, axis, pieces)
            else:
                held = [joined(self._client.gather([future for _, _, future in pieces]), axis)]
                jacobian[output, source] = released(held, 0, block, dense, run, False)
        return jacobian


def _limit(client: Client) -> int | None:
    """Bytes that the blocks of a task may take on the smallest worker; None where workers have no limit.

    Raises
    ------
    ExecutionError
        If the cluster has no workers.
    """
    try:
        client.wait_for_workers(1, timeout=30)
    except TimeoutError:
        raise ExecutionError(
            "the cluster has no workers; expected at least one within 30 seconds. Start some: dask worker ADDRESS"
        ) from None
    limits = [worker["memory_limit"] for worker in client.scheduler_info(n_workers=-1)["workers"].values()]
    known = [limit for limit in limits if limit]
    return int(WORKER_MEMORY_SHARE * min(known)) if known else None


def _dtype_of(value: HeldValues) -> DType:
    dtype: DType = value.dtype
    return dtype
