"""Runs tasks that wait for one another on several threads, the longest way to the end first.

The calling thread works too, so that an interrupt stops the run after the tasks in hand. Each worker has one BLAS
thread: two levels of threads would fight for the same cores.
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
    """For each task the cost of the dearest way from it to an end, itself included; tasks stand behind their needs."""
    longest = list(costs)
    for task in reversed(range(len(costs))):
        for need in needs[task]:
            longest[need] = max(longest[need], costs[need] + longest[task])
    return longest


def run_tasks(action: Callable[[int], None], needs: Sequence[Sequence[int]], rank: Sequence[int], workers: int) -> None:
    """Do every task once, after those that it needs; of several that could be done, the one of highest rank.

    Parameters
    ----------
    action : Callable[[int], None]
        Does a task, by number. It is called from several threads at once, with the context of the caller.
    needs : Sequence[Sequence[int]]
        The tasks that each one waits for.
    workers : int
        Threads, the caller's among them.

    Raises
    ------
    BaseException
        What the first failing action raised; no task is begun after it.
    """
    crew = _Crew(action, needs, rank)
    others = [Thread(target=copy_context().run, args=(crew.work,), daemon=True) for _ in range(workers - 1)]
    with one_blas_thread():
        for thread in others:
            thread.start()
        crew.work()
        for thread in others:
            thread.join()
    if crew.error is not None:
        raise crew.error


class _Crew:
    """What the threads share: the tasks that are ready and how many are left, under one lock."""

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
        """Do tasks until none is left or one has failed."""
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
    """A context in which BLAS uses one thread."""
    limited: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limited


@cache
def _controller() -> ThreadpoolController:
    import numpy  # noqa: F401  (its BLAS must be loaded to be found)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
