"""Tasks on threads of this process, each with one BLAS thread where there are several."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

from chainplan._util.task_threads import one_blas_thread
from chainplan.distributed.executors.base import TaskExecutor
from chainplan.distributed.executors.pool import PoolExecutor


@contextmanager
def thread_executor(scheduler: object, workers: int | None) -> Iterator[TaskExecutor]:
    """The executor of threads that are started for it; None of them is one, with BLAS as it is set."""
    with nullcontext() if workers is None else one_blas_thread(), ThreadPoolExecutor(workers or 1) as pool:
        yield PoolExecutor(pool, workers or 1)
