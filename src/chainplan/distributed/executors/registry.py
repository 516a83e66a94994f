"""The backends on which tasks run, by name: a new one is a file beside this one and a line in the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from chainplan.distributed.executors.base import TaskExecutor
from chainplan.distributed.executors.dask_cluster import dask_executor
from chainplan.distributed.executors.pool import pool_executor
from chainplan.distributed.executors.threads import thread_executor

TaskBackend = Callable[[object, int | None], AbstractContextManager[TaskExecutor]]
"""What opens an executor: a function of `scheduler` and `workers` of `chainplan.execute`."""

TASK_BACKENDS: Mapping[str, TaskBackend] = {
    "threads": thread_executor,
    "dask": dask_executor,
    "futures": pool_executor,
}
"""The backends by name."""
