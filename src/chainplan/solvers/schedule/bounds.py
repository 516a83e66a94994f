"""Lower bounds on the makespan of every plan of a chain, and what they rule out.

The work of a plan is the sum of its durations, its path the longest chain of steps each of which reads the one before.
No plan ends before its path does, nor before its work is done when all machines share it evenly. Both add up along the
tree of a plan, so the least work and the shortest path of any plan that contains a given step follow from two passes
over the intervals, one from the leaves (what an interval takes) and one from the root (what is left after it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chainplan.solvers.chain.derivation import ChainInterval
from chainplan.solvers.schedule.tasks import ChainTasks, IntervalOption

IntervalValues = dict[ChainInterval, int]


class WorkPathBounds:
    """Least work and shortest path of intervals, and of the plans that contain a given option; O(q³) time."""

    def __init__(self, tasks: ChainTasks, machines: int) -> None:
        self._tasks, self._machines = tasks, machines
        self.work, self.path = _inside(tasks, sum), _inside(tasks, _longest)
        self.work_after, self.path_after = self._outside()

    @property
    def makespan(self) -> int:
        """A lower bound on the makespan of every plan of the chain."""
        root = self._tasks.root
        return max(self.path[root], self._share(self.work[root]))

    def with_option(self, interval: ChainInterval, option: IntervalOption) -> int:
        """A lower bound on the makespan of every plan that makes the interval in this way."""
        work = self.work_after[interval] + option.duration + sum(self.work[arg] for arg in option.reads)
        path = self.path_after[interval] + option.duration + _longest(self.path[arg] for arg in option.reads)
        return max(path, self._share(work))

    def _share(self, work: int) -> int:
        """What each machine takes for its even share of some work."""
        return -(-work // self._machines)

    def _outside(self) -> tuple[IntervalValues, IntervalValues]:
        """For each interval the least work of all steps outside it, and the shortest path from it to the root."""
        q, options = self._tasks.q, self._tasks.options
        work: IntervalValues = {self._tasks.root: 0}
        path: IntervalValues = {self._tasks.root: 0}
        for d in range(q, 0, -1):
            for i in range(q - d + 1):
                here = (i, i + d)
                for option in options[here]:
                    for arg in option.reads:
                        beside = sum(self.work[other] for other in option.reads if other != arg)
                        _lower(work, arg, work[here] + option.duration + beside)
                        _lower(path, arg, path[here] + option.duration)
        return work, path


def _inside(tasks: ChainTasks, join: Callable[[Iterable[int]], int]) -> IntervalValues:
    """The least time that each interval takes, `join` being the sum of its operands (work) or their maximum (path)."""
    table: IntervalValues = {}
    for d in range(1, tasks.q + 1):
        for i in range(tasks.q - d + 1):
            options = tasks.options[i, i + d]
            table[i, i + d] = min(o.duration + join(table[arg] for arg in o.reads) for o in options)
    return table


def _longest(paths: Iterable[int]) -> int:
    return max(paths, default=0)


def _lower(table: IntervalValues, interval: ChainInterval, value: int) -> None:
    """Enter a value unless the table holds a lower one."""
    if table.get(interval, value) >= value:
        table[interval] = value
