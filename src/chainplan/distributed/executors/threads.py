"""Tasks on threads of this process, each with one BLAS thread where there are several."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

from chainplan._util.task_threads import one_blas_thread
from chainplan.distributed.executors.base import TaskExecutor
from chainplan.distributed.executors.pool import PoolExecutor
from chainplan.errors import ExecutionError


@contextmanager
def thread_executor(scheduler: object, workers: int | None) -> Iterator[TaskExecutor]:
    """The executor of threads that are started for it; None of them is one, with BLAS as it is set.

    Raises
    ------
    ExecutionError
        If there is a scheduler.
    """
    if scheduler is not None:
        raise ExecutionError(
            f"scheduler: found {scheduler!r} for threads of this process; expected none. Name the backend that it "
            "belongs to: backend='dask', or backend='futures' for a pool."
        )
    with nullcontext() if workers is None else one_blas_thread(), ThreadPoolExecutor(workers or 1) as pool:
        yield PoolExecutor(pool, workers or 1)
