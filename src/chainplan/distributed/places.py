"""Where searches run: the workers of a cluster, or any executor of `concurrent.futures`, both as executors.

A search of a cluster has a worker of its own while that lives, because it keeps what it has proven there. On an
executor it is whichever process or thread is free.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from chainplan.distributed.executors.dask_cluster import await_workers, client_of
from chainplan.problem.problem import Problem

if TYPE_CHECKING:
    from distributed import Client


class Places(NamedTuple):
    """An executor for each of some searches."""

    executors: Sequence[Executor]
    room: int | None
    """How many searches run at once, None where that is not known."""
    send: Callable[[Problem], Problem]
    """Bring a problem to all places; what it returns stands for the problem in what is submitted."""
    tell: Callable[[Callable[[str], None], str], object]
    """Call a function with a name in every process that can be reached while it works."""


@contextmanager
def places_of(scheduler: Client | Executor | str | None, workers: int | None, count: int) -> Iterator[Places]:
    """The places of so many searches, on a local cluster of a worker for each processor where none is given."""
    if isinstance(scheduler, Executor):
        yield Places([scheduler] * count, None, lambda problem: problem, lambda function, name: function(name))
        return
    with client_of(scheduler, workers or (min(count, os.cpu_count() or 1) if scheduler is None else None)) as client:
        await_workers(client)
        known = client.scheduler_info(n_workers=-1)["workers"]
        addresses = sorted(known)
        yield Places(
            [
                client.get_executor(workers=[addresses[i % len(addresses)]], allow_other_workers=True, pure=False)
                for i in range(count)
            ],
            sum(worker["nthreads"] for worker in known.values()),
            lambda problem: client.scatter(problem, broadcast=True, hash=False),
            lambda function, name: client.run(function, name) if client.status == "running" else None,
        )
