"""Runs tasks that depend on one another on several threads, and prefers tasks on the longest path to the end.

The calling thread works too, so that an interrupt stops the run after the tasks in progress. Each worker has one BLAS
thread, because two levels of threads would compete for the same cores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import cache
from heapq import heapify, heappop, heappush
from threading import Condition, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from threadpoolctl import ThreadpoolController


def ranks(costs: Sequence[int], needs: Sequence[Sequence[int]]) -> list[int]:
    """Return, for each task, the cost of the dearest path from it to an end, its own cost included.

    Tasks must stand behind those that they need.
    """
    longest = list(costs)
    for task in reversed(range(len(costs))):
        for need in needs[task]:
            longest[need] = max(longest[need], costs[need] + longest[task])
    return longest


def run_tasks(action: Callable[[int], None], needs: Sequence[Sequence[int]], rank: Sequence[int], workers: int) -> None:
    """Run every task once, after those that it needs; of several ready tasks, run the one with the highest rank first.

    Parameters
    ----------
    action : Callable[[int], None]
        The function that runs a task, given its number. Several threads call it at once, in the context of the caller.
    needs : Sequence[Sequence[int]]
        For each task, the tasks that it waits for.
    rank : Sequence[int]
        The rank of each task.
    workers : int
        The number of threads, the caller's among them.

    Raises
    ------
    BaseException
        What the first failing action raised; no task starts after it.
    """
    crew = _ThreadCrew(action, needs, rank)
    others = [Thread(target=copy_context().run, args=(crew.work,), daemon=True) for _ in range(workers - 1)]
    with one_blas_thread():
        for thread in others:
            thread.start()
        crew.work()
        for thread in others:
            thread.join()
    if crew.error is not None:
        raise crew.error


class _ThreadCrew:
    """The state that the threads share, under one lock: the ready tasks, and how many tasks are left."""

    def __init__(self, action: Callable[[int], None], needs: Sequence[Sequence[int]], rank: Sequence[int]) -> None:
        self.error: BaseException | None = None
        self._action, self._rank = action, rank
        self._followers: list[list[int]] = [[] for _ in needs]
        self._missing = [len(set(some)) for some in needs]
        for task, some in enumerate(needs):
            for need in set(some):
                self._followers[need].append(task)
        self._left = len(needs)
        self._ready = [(-rank[task], task) for task, missing in enumerate(self._missing) if not missing]
        heapify(self._ready)
        self._changed = Condition()

    def work(self) -> None:
        """Run tasks until none is left or one has failed."""
        while (task := self._next()) is not None:
            try:
                self._action(task)
            except BaseException as error:
                self._fail(error)
                return
            self._done(task)

    def _next(self) -> int | None:
        with self._changed:
            while self._left and not self._ready and self.error is None:
                self._changed.wait()
            if self.error is not None or not self._ready:
                return None
            return heappop(self._ready)[1]

    def _done(self, task: int) -> None:
        with self._changed:
            self._left -= 1
            for follower in self._followers[task]:
                self._missing[follower] -= 1
                if not self._missing[follower]:
                    heappush(self._ready, (-self._rank[follower], follower))
            self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self.error = self.error or error
            self._changed.notify_all()


def one_blas_thread() -> AbstractContextManager[object]:
    """Return a context in which BLAS uses one thread."""
    limited: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limited


@cache
def _controller() -> ThreadpoolController:
    import numpy  # noqa: F401  (the controller sees only libraries that are loaded)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
