"""Runs a plan on a cluster of `distributed`: one task per group of steps, with blocks that stay on the workers.

Everything that a task reads is the result of a task, the given Jacobians included, so that the scheduler can have the
blocks of a lost worker computed again. The plan is sent once to each worker and lowered there once. Priorities are
critical-path ranks. The tasks are steps, not chunks of arrays, because the same product as chunked arrays takes several
times as long.
"""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from multiprocessing import resource_tracker
from pickle import loads
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

import numpy as np

from chainplan._util.arrays import Array
from chainplan._util.task_threads import ranks
from chainplan.costs.timed import WEIGHTED_COST
from chainplan.distributed.fuse import TaskGroup, grouped
from chainplan.distributed.split_rows import WORKER_MEMORY_SHARE, TaskRoom, rowwise
from chainplan.errors import ExecutionError, missing_extra
from chainplan.errors.arguments import whole
from chainplan.execution.executor import require_jacobians, require_workers, taken, understood
from chainplan.execution.lowering import PlanRun
from chainplan.execution.program import lowered
from chainplan.execution.releasing import released, require_narrow
from chainplan.execution.whole_numbers import guarded
from chainplan.kernels.products import product_kernel
from chainplan.kernels.storage import HeldValues
from chainplan.plans.candidate import Candidate
from chainplan.plans.liveness import evaluates
from chainplan.plans.steps import Again, Load, Multiply, Plan, Planned, Propagate
from chainplan.problem.graph import Mode
from chainplan.structures import DENSE, Block
from chainplan.values.jacobians import GivenJacobian, MatrixFree, called

if TYPE_CHECKING:
    from distributed import Client, Future
    from numpy.typing import DTypeLike

TaskValue = TypeVar("TaskValue")

MAX_FUSED_NANOSECONDS = 20_000_000
"""Nanoseconds below which a group is fused with the group that reads it."""
DEFAULT_WORKERS = 2
"""Processes of a local cluster."""

RowPiece = tuple[int, int, "Future"]
"""The first row of a piece of a block, the row after its last, and the future that holds the piece."""


def execute(
    plan: Plan | Planned,
    jacobians: Mapping[str, GivenJacobian],
    *,
    dense: bool | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
    wrap: bool = False,
    scheduler: Client | str | None = None,
) -> dict[tuple[str, str], Array]:
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
    if evaluates(plan.steps):
        raise ExecutionError(
            "backend: found 'dask' for a plan that evaluates states, whose steps run in order; expected 'numpy'. "
            "Leave it out, or plan without limits.recompute."
        )
    require_workers(workers)
    run = taken(plan, jacobians, dtype)
    require_narrow(lowered(plan).wide, dense, run)
    with client_of(scheduler, workers) as client:
        return _ClusterRun(client, plan, run, wrap).result(dense is not False)


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
            client = distributed.Client(scheduler, timeout=10)
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


class _ClusterRun:
    """One run: the futures of every block, which is whole or split by rows."""

    def __init__(self, client: Client, plan: Plan, run: PlanRun, wrap: bool) -> None:
        self._client, self._plan, self._run, self._wrap = client, plan, run, wrap
        self._name = f"chainplan-{uuid4().hex[:12]}"
        candidate = Candidate(plan, WEIGHTED_COST)
        self._blocks = [typed.block for typed in candidate.replay.blocks]
        self._pieces: dict[int, list[RowPiece]] = {}
        room = TaskRoom(_limit(client), np.dtype(run.dtype).itemsize)
        self._parts = room.parts(candidate)
        alone = frozenset(self._parts) | room.large(candidate)
        self._groups = grouped(plan, candidate.priced.prices, MAX_FUSED_NANOSECONDS, alone)

    def result(self, dense: bool) -> dict[tuple[str, str], Array]:
        """Submit everything, wait for the outputs and bring them back."""
        from distributed import KilledWorker

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sending large graph", category=UserWarning)
            self._submit_all()
        jacobian = {}
        for output, source, position in self._plan.outputs:
            try:
                pieces = self._client.gather([future for _, _, future in self._pieces[position]])
            except KilledWorker as error:
                raise ExecutionError(
                    f"workers die whenever they run {error.task}; the last was {error.last_worker.address}. Look at "
                    "its log: mostly it is out of memory. Use larger workers."
                ) from None
            held = pieces if len(pieces) == 1 else [np.concatenate(pieces)]
            jacobian[output, source] = released(held, 0, self._blocks[position], dense, self._run, False)
        return jacobian

    def _submit_all(self) -> None:
        """Submit the plan, the functions, the given Jacobians and a task for each group."""
        self._shipped = self._submit("plan", _same, self._plan)
        sent = {n: _sendable(n, pair) for n, pair in self._run.applied.items()}
        self._applied = {n: self._submit(f"functions-{n}", loads, pair) for n, pair in sent.items()}
        for position, step in enumerate(self._plan.steps):
            if isinstance(step, Load):
                self._pieces[position] = self._submit_load(position)
        for group, rank in zip(self._groups, self._ranks(), strict=True):
            if group.result in self._parts:
                self._pieces[group.result] = self._submit_by_rows(group.result, rank)
            else:
                self._pieces[group.result] = [(0, self._blocks[group.result].rows, self._submit_group(group, rank))]

    def _ranks(self) -> list[int]:
        """The critical-path ranks of the groups."""
        place = {group.result: i for i, group in enumerate(self._groups)}
        needs = [[place[read] for read in group.reads if read in place] for group in self._groups]
        return ranks([group.price + 1 for group in self._groups], needs)

    def _submit(self, what: str, function: Callable[..., object], *args: object, rank: int = 0) -> Future:
        return self._client.submit(function, *args, key=f"{self._name}-{what}", pure=False, priority=rank)

    def _submit_load(self, position: int) -> list[RowPiece]:
        """Submit the given Jacobian of a load, by ranges of rows where it is split."""
        value = self._run.values[position]
        return [
            (
                a,
                b,
                self._submit(
                    f"load-{position}-{a}", _same, value if a == 0 and b == self._height(position) else value[a:b]
                ),
            )
            for a, b in self._ranges(position)
        ]

    def _height(self, position: int) -> int:
        return self._blocks[position].rows

    def _ranges(self, position: int) -> list[tuple[int, int]]:
        """The ranges of rows into which the block of a step is split."""
        parts = self._parts.get(position, 1)
        cuts = [self._height(position) * i // parts for i in range(parts + 1)]
        return list(pairwise(cuts))

    def _submit_group(self, group: TaskGroup, rank: int) -> Future:
        """Submit a group as one task."""
        applied = {name: self._applied[name] for name in self._names(group.steps)}
        values = [self._rows(read, 0, self._height(read), rank) for read in group.reads]
        arguments = (self._shipped, group.steps, group.reads, self._run.dtype.str, self._wrap, applied)
        return self._submit(f"step-{group.result}", _run_group, *arguments, *values, rank=rank)

    def _names(self, steps: Sequence[int]) -> set[str]:
        """The names of the matrix-free elementals that some steps apply."""
        elementals = (getattr(self._plan.steps[step], "elemental", None) for step in steps)
        return {name for name in elementals if name in self._applied}

    def _submit_by_rows(self, position: int, rank: int) -> list[RowPiece]:
        """Submit a step whose result is split, one task for each range of rows."""
        step = self._plan.steps[position]
        along = rowwise(step) or ()
        made = []
        for a, b in self._ranges(position):
            values = {
                arg: self._rows(arg, a, b, rank) if arg in along else self._rows(arg, 0, self._height(arg), rank)
                for arg in step.operands()
            }
            applied = {name: self._applied[name] for name in self._names([position])}
            arguments = (self._shipped, position, self._run.dtype.str, applied, list(values))
            made.append(
                (a, b, self._submit(f"step-{position}-{a}", _run_rows, *arguments, *values.values(), rank=rank))
            )
        return made

    def _rows(self, position: int, start: int, stop: int, rank: int) -> Future:
        """The future of some rows of a block."""
        pieces = [piece for piece in self._pieces[position] if piece[0] < stop and piece[1] > start] or [
            self._pieces[position][0]
        ]
        if len(pieces) == 1 and pieces[0][:2] == (start, stop):
            return pieces[0][2]
        cuts = [(max(a, start) - a, min(b, stop) - a) for a, b, _ in pieces]
        name = f"rows-{position}-{start}-{stop}-{uuid4().hex[:8]}"
        return self._submit(name, _cut, cuts, *(future for _, _, future in pieces), rank=rank)


def _sendable(name: str, pair: MatrixFree) -> bytes:
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


# On the workers


def _same(value: TaskValue) -> TaskValue:
    return value


def _run_group(
    plan: Plan,
    steps: Sequence[int],
    reads: Sequence[int],
    dtype: str,
    wrap: bool,
    applied: dict[str, MatrixFree],
    *values: HeldValues,
) -> HeldValues:
    """Run the steps of a group on the blocks that it reads."""
    kernels = {position: kernel for position, kernel, _ in lowered(plan).code}
    run = PlanRun(len(plan.steps), {}, np.dtype(dtype))
    run.applied.update(applied)
    for read, value in zip(reads, values, strict=True):
        run.values[read] = value
    for step in steps:
        kernel = kernels[step] if wrap else guarded(step, kernels[step], plan.steps[step])
        kernel(run)
    return run.values[steps[-1]]


def _run_rows(
    plan: Plan, position: int, dtype: str, applied: dict[str, MatrixFree], args: Sequence[int], *values: HeldValues
) -> HeldValues:
    """Run a step for some rows of its result."""
    held = dict(zip(args, values, strict=True))
    step = plan.steps[position]
    if isinstance(step, Multiply):
        left, right = held[step.left], held[step.right]
        block = lowered(plan).blocks[step.right]
        product = product_kernel(Block(left.shape[0], left.shape[1], DENSE), block)(left, right)
        return product if step.onto is None else product + held[step.onto]
    if isinstance(step, Again):
        return held[step.arg]
    assert isinstance(step, Propagate), "other steps are not split"
    rows = held[step.arg]
    adjoint = applied[step.elemental][1]
    assert adjoint is not None, "a plan applies what there is"
    return called(plan.graph[step.elemental], Mode.ADJOINT, adjoint, rows)


def _cut(cuts: Sequence[tuple[int, int]], *pieces: HeldValues) -> HeldValues:
    """Rows of a block from a range of each of its pieces."""
    parts = [piece[a:b] for (a, b), piece in zip(cuts, pieces, strict=True)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
