"""`chainplan.execute` and `chainplan.prepare`: plans run step by step in this process or as tasks, as `backend` says.

The executor of steps knows nothing of tasks, and a task runs such steps: this is the one place that knows both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, cast

from chainplan._util.arrays import Array
from chainplan.errors import ExecutionError
from chainplan.errors.arguments import mapping
from chainplan.execution import executor
from chainplan.execution.prepared import PreparedPlan
from chainplan.execution.prepared import prepare as prepare_here
from chainplan.plans.schedule import Schedule
from chainplan.plans.steps import Plan, Planned
from chainplan.plans.variants import Variants
from chainplan.values.jacobians import GivenJacobian

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from distributed import Client
    from numpy.typing import DTypeLike

    from chainplan.distributed.submission import RunProgress
    from chainplan.distributed.task_plan import TaskPlan

NUMPY_BACKEND = "numpy"
"""The backend that runs step by step in this process."""
THREADS_BACKEND = "threads"
"""The backend that runs tasks in this process."""


def execute(
    plan: Plan | Planned | Variants,
    jacobians: Mapping[str, GivenJacobian],
    *,
    dense: bool | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
    wrap: bool = False,
    backend: str = "numpy",
    scheduler: Client | Executor | str | None = None,
    seconds: Mapping[str, float] | None = None,
    progress: Callable[[RunProgress], object] | None = None,
    gather: bool = True,
    to: str | PathLike[str] | None = None,
    checkpoint: str | PathLike[str] | None = None,
    schedule: Schedule | None = None,
) -> dict[tuple[str, str], Array]:
    """Run a plan.

    Parameters
    ----------
    plan : Plan | Planned | Variants
        A plan that has passed `check`, or what holds one: a `Result`, a plan file that was read. Of `Variants` the
        cheapest for the shapes of the arrays is run.
    jacobians : Mapping[str, GivenJacobian]
        The elemental Jacobians by name. An explicit elemental is an array of rows x cols, of numpy or scipy.sparse, or
        the compact form of its structure: the diagonal, the one number of a scaled identity, an array of b x r x c for
        block_diagonal or of r x c for kronecker, the nonzeros of a listed pattern row by row, the lower + upper + 1
        diagonals of a band in the form of `scipy.linalg.solve_banded`. An elemental whose structure determines all
        values may be left out. In place of an array there may be a reference to one, which is fetched where a step
        needs it, on a cluster by the worker: the path of a `.npy` file, of a `.npz` file of scipy.sparse, of a dataset
        of HDF5 (`file.h5::/dataset`) or of an array of Zarr (`array.zarr`, `folder.zarr::/group/array`), a function
        without arguments that returns the array, or a future. A matrix-free elemental is a pair (tangent, adjoint) of
        functions: tangent maps a block of cols x c to F'·block of rows x c, adjoint a block of r x rows to block·F' of
        r x cols; a mode that the plan does not use may be None. An array may take the place of such a pair, or a
        `WorkerModule`. Functions get arrays that they may not write to. What the caller holds himself, such as
        the arrays of a dict, is not part of the plan's peak, nor is the form into which it is brought. Another
        mapping is asked for an elemental when the first step needs it, and its answer is dropped after the last
        such step: `numpy.load` of a file, or a class that reads or makes elementals on demand. Backends of
        tasks ask for all of them, to send them.
    dense : bool | None
        Whether the result is written out as matrices; otherwise it stays as `kernels.storage` holds it: a diagonal as a
        vector, a block-diagonal one as an array of b x r x c, shifts as a `ShiftsBlock`, a sparse one as a sparse array
        of scipy. None writes out up to 4 GiB and refuses more. In every form it shares no memory with anything that was
        given.
    dtype : DTypeLike | None
        The dtype of the seeds of matrix-free elementals; by default the common one of the given arrays (for a mapping
        that is no dict, of those it has given so far), else float64.
    workers : int | None
        The number of threads that run steps which do not wait for one another, each with one BLAS thread; the bits of
        the result do not depend on it. Functions of matrix-free elementals are then called from these threads, and more
        blocks may be alive than the plan's peak says. None runs step after step with BLAS as it is set. With the
        backend "dask" it is the number of processes of a local cluster; the size of a pool is its own.
    wrap : bool
        Whether whole numbers that do not fit their dtype wrap, modulo 2^64 for int64; otherwise they are refused.
    backend : str
        "numpy" runs step by step in this process. With the others the steps are tasks. "dask": of a cluster, where
        blocks stay on the workers and only the outputs come back; blocks of a lost worker are computed again, and steps
        whose blocks are too large for a worker are split. "futures": of a pool of `concurrent.futures`, such as a
        ProcessPoolExecutor or the pool of mpi4py, whose results come back here. "threads": of threads of this process.
    scheduler : Client | Executor | str | None
        The cluster of the backend "dask": the address of a scheduler, or a `distributed.Client`; None starts a local
        one for this run, which needs `if __name__ == "__main__":` in a script. The pool of the backend "futures".
    seconds : Mapping[str, float] | None
        With backends of tasks: by name, the seconds that the functions of a matrix-free elemental take for one vector.
        Steps that take less than 20 ms travel with what reads them, and those on many vectors are cut into pieces of 50
        ms or more for workers that would wait. A matrix-free elemental of which nothing is said counts as long, so that
        each of its steps is a task of its own.
    progress : Callable[[RunProgress], object] | None
        With backends of tasks: a function that is called every five seconds with how far the run is; `print` will do.
    gather : bool
        With backends of tasks: whether the outputs are brought here. Otherwise they stay on the workers as handles
        with `shape`, `dtype`, `futures` and `result()`, which later runs there take as Jacobians.
    to : str | PathLike[str] | None
        With backends of tasks: a directory into which workers write the outputs, as `.npy`, or `.npz` of scipy where
        they stay sparse or shifts. It is made where it is not there yet. The result has the paths of the files.
    checkpoint : str | PathLike[str] | None
        A directory that all workers share, into which they write blocks on the way: those of modules, unless they are
        said to be short, and others that would take longer to make again than to write. A later run of the same plan
        on the same values reads them, and makes only those that are missing, whatever has died in between. The backend
        "numpy" runs its steps as tasks on threads then.
    schedule : Schedule | None
        With backends of tasks: the schedule of the plan, such as `result.schedule` of `plan(..., machines=3)`. Each
        machine is a worker of the cluster, which runs the steps that the schedule has there, of those that are ready
        the one that starts first. In a pool and on threads as many steps run at once as there are machines. Times are
        not kept, and nothing is cut for idle workers. None has workers take what is ready.

    Returns
    -------
    dict
        (output, input) -> Jacobian of size(output) x size(input), for every pair that a path connects; its handle with
        `gather=False`, its path with `to`.

    Raises
    ------
    ExecutionError
        If a Jacobian is missing, unknown, or of another shape or structure, a function returns another shape, whole
        numbers leave their dtype, the result is larger than the caller allows, a step fits no worker, workers die, or
        the directory of `checkpoint` is that of another run.
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> import chainplan, numpy
    >>> result = chainplan.plan(chainplan.chain([2, 3, 1]))
    >>> chainplan.execute(result.plan, {"F1": numpy.ones((3, 2)), "F2": numpy.ones((1, 3))})["x2", "x0"]
    array([[3., 3.]])
    """
    if isinstance(plan, Variants):
        mapping("jacobians", jacobians, "elementals to arrays or functions", "{'F1': array}")
        plan = plan.choose_for(jacobians)
    if backend == NUMPY_BACKEND and checkpoint is not None:
        backend = THREADS_BACKEND
    if _runs_tasks(backend):
        from chainplan.distributed.task_plan import execute as execute_tasks

        outputs = execute_tasks(
            plan,
            jacobians,
            dense=dense,
            dtype=dtype,
            workers=workers,
            wrap=wrap,
            backend=backend,
            scheduler=scheduler,
            seconds=seconds,
            progress=progress,
            gather=gather,
            to=to,
            checkpoint=checkpoint,
            schedule=schedule,
        )
        return cast("dict[tuple[str, str], Array]", outputs)
    tasks_alone = {"scheduler": scheduler, "seconds": seconds, "progress": progress, "to": to, "schedule": schedule}
    _require_none({**tasks_alone, "gather": None if gather else gather})
    return executor.execute(plan, jacobians, dense=dense, dtype=dtype, workers=workers, wrap=wrap)


def prepare(
    plan: Plan | Planned,
    *,
    dense: bool | None = None,
    dtype: DTypeLike | None = None,
    wrap: bool = False,
    backend: str = "numpy",
    scheduler: Client | Executor | str | None = None,
    seconds: Mapping[str, float] | None = None,
    schedule: Schedule | None = None,
) -> PreparedPlan | TaskPlan:
    """Make a plan ready to run again and again on new values of its elementals.

    Parameters
    ----------
    plan : Plan | Planned
        A plan that has passed `check`, or what holds one: a `Result`, a plan file that was read.
    dense : bool | None
        Whether results are written out as matrices, as for `execute`.
    dtype : DTypeLike | None
        The dtype of the seeds of matrix-free elementals, as for `execute`.
    wrap : bool
        Whether whole numbers that do not fit their dtype wrap, as for `execute`.
    backend : str
        As for `execute`; with backends of tasks the plan is put on all workers, and each run sends values alone.
    scheduler : Client | Executor | str | None
        The cluster or the pool, as for `execute`; None starts a local cluster, which `close()` ends.
    seconds : Mapping[str, float] | None
        With backends of tasks: by name, the seconds per vector of matrix-free elementals, as for `execute`. What steps
        took in earlier runs beats it.
    schedule : Schedule | None
        With backends of tasks: on which machine each step runs, as for `execute`.

    Returns
    -------
    PreparedPlan | TaskPlan
        A function of the elemental Jacobians by name, which may be called from several threads. That of backends of
        tasks takes `gather`, `to`, `progress` and `checkpoint` as `execute` does; `close()` takes the plan back.

    Raises
    ------
    ExecutionError
        If the plan is one for products with vectors or for second derivatives, or a step fits no worker.
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> import chainplan, numpy
    >>> run = prepare(chainplan.plan(chainplan.chain([2, 3, 1])))
    >>> run({"F1": numpy.ones((3, 2)), "F2": numpy.ones((1, 3))})["x2", "x0"]
    array([[3., 3.]])
    >>> run({"F1": numpy.ones((3, 2)), "F2": numpy.full((1, 3), 2.0)})["x2", "x0"]
    array([[6., 6.]])
    """
    if _runs_tasks(backend):
        from chainplan.distributed.task_plan import prepare as prepare_tasks

        return prepare_tasks(
            plan,
            dense=dense,
            dtype=dtype,
            wrap=wrap,
            backend=backend,
            scheduler=scheduler,
            seconds=seconds,
            schedule=schedule,
        )
    _require_none({"scheduler": scheduler, "seconds": seconds, "schedule": schedule})
    return prepare_here(plan, dense=dense, dtype=dtype, wrap=wrap)


def _runs_tasks(backend: str) -> bool:
    """Say whether a backend runs tasks, and refuse one that does not exist."""
    if backend == NUMPY_BACKEND:
        return False
    from chainplan.distributed.executors.registry import TASK_BACKENDS

    if backend in TASK_BACKENDS:
        return True
    known = ", ".join(f"'{name}'" for name in TASK_BACKENDS)
    raise ExecutionError(f"backend: found '{backend}'; expected '{NUMPY_BACKEND}' or one of {known}. Name one of them.")


def _require_none(tasks_alone: Mapping[str, object]) -> None:
    """Refuse what is said of tasks where there are none."""
    found = next((name for name, value in tasks_alone.items() if value is not None), None)
    if found is not None:
        raise ExecutionError(
            f"{found}: found one with the backend '{NUMPY_BACKEND}'; expected it with one that runs tasks. Add "
            "backend='dask', say."
        )
