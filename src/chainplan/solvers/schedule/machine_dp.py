"""The scheduled dynamic program: makespans of all intervals of a chain on up to p machines.

The heuristic is that of arXiv 2505.06056: an interval on t machines is made from its two halves one after the other,
each on all t machines, or at once, on t1 and on t - t1 of them; the best makespan is tabulated for all intervals and
all t up to p. It is exact for one machine, where it is the matrix chain recurrence, and for as many machines as can
ever be busy (`ChainTasks.width`). In between it is not exact, because the halves never take turns on a machine. The
table is filled by anti-diagonals in numpy, in two layouts as in `solvers.chain.interval_prices`: all intervals and
splits of one length are one sum of arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainplan.solvers.chain.derivation import ChainInterval, ProductDerivation
from chainplan.solvers.schedule.tasks import ChainTasks, ChainTree, IntervalOption, TreePlaces
from chainplan.solvers.search.search import Search

if TYPE_CHECKING:
    from chainplan._util.arrays import Array


class ScheduledDp:
    """`makespan(t)` and `schedule(t)` for every t up to `machines`; O(p² q³) time, O(p q²) memory."""

    def __init__(self, tasks: ChainTasks, machines: int, search: Search) -> None:
        import numpy as np

        self._tasks, self.machines = tasks, min(machines, tasks.width)
        q, self._never = tasks.q, 1 + tasks.horizon
        dtype = np.dtype(np.int64 if self._never < 1 << 60 else object)
        shape = (self.machines + 1, q + 1, q + 1)
        self._by_start, self._by_end = np.zeros(shape, dtype), np.zeros(shape, dtype)
        for d in range(1, q + 1):
            self._fill(d)
            search.tick((d / q) ** 2)

    def makespan(self, machines: int, interval: ChainInterval | None = None) -> int:
        """The makespan of an interval, by default the whole chain, on so many machines."""
        i, j = interval or self._tasks.root
        return int(self._by_start[min(machines, self.machines), i, j - i])

    def schedule(self, machines: int) -> tuple[ChainTree, TreePlaces]:
        """How the whole chain is made on so many machines: its tree, and the machine and start of each step."""
        tree: ChainTree = {}
        placed: TreePlaces = {}
        todo: list[tuple[ChainInterval, int, int, int]] = [(self._tasks.root, 0, min(machines, self.machines), 0)]
        while todo:
            interval, first, t, start = todo.pop()
            option, left_machines = self._derive(interval, t)
            tree[interval] = option
            placed[interval] = (first, start + self.makespan(t, interval) - option.duration)
            if not isinstance(option.derivation, ProductDerivation):
                todo += [(arg, first, t, start) for arg in option.reads]
                continue
            left, right = option.reads
            if left_machines:
                todo += [(left, first, left_machines, start), (right, first + left_machines, t - left_machines, start)]
            else:
                todo += [(left, first, t, start), (right, first, t, start + self.makespan(t, left))]
        return tree, placed

    def _fill(self, d: int) -> None:
        """Enter the makespans of the intervals of length d on 1 ... p machines."""
        import numpy as np

        q, options = self._tasks.q, self._tasks.options
        rows = [options[i, i + d] for i in range(q - d + 1)]
        fixed = np.array([[o.duration for o in row[len(row) - max(d - 1, 0) :]] for row in rows], self._by_start.dtype)
        for t in range(1, self.machines + 1):
            best = [self._single(row, t) for row in rows]
            makespans = np.array(best, self._by_start.dtype)
            if d > 1:
                makespans = np.minimum(makespans, (fixed + self._halves(d, t)).min(axis=1))
            self._by_start[t, : q - d + 1, d] = makespans
            self._by_end[t, d:, q - d] = makespans

    def _halves(self, d: int, t: int) -> Array:
        """The time until both halves are made on t machines: array of (q - d + 1) x (d - 1), by interval and split."""
        import numpy as np

        q = self._tasks.q
        rights = self._by_start[:, : q - d + 1, 1:d]
        lefts = self._by_end[:, d:, q - d + 1 : q]
        best: Array = lefts[t] + rights[t]
        for t1 in range(1, t):
            best = np.minimum(best, np.maximum(lefts[t1], rights[t - t1]))
        return best

    def _single(self, options: list[IntervalOption], t: int) -> int:
        """The best makespan by the options that read one interval or none."""
        alone = (o for o in options if not isinstance(o.derivation, ProductDerivation))
        return min((o.duration + sum(self.makespan(t, arg) for arg in o.reads) for o in alone), default=self._never)

    def _derive(self, interval: ChainInterval, t: int) -> tuple[IntervalOption, int]:
        """The first option that gives the interval its makespan, and the machines of its left half.

        The halves are made in turn where that number is 0.
        """
        goal = self.makespan(t, interval)
        for option in self._tasks.options[interval]:
            there = [self.makespan(t, arg) for arg in option.reads]
            if option.duration + sum(there) == goal:
                return option, 0
            if len(there) == 2:
                left, right = option.reads
                for t1 in range(1, t):
                    if option.duration + max(self.makespan(t1, left), self.makespan(t - t1, right)) == goal:
                        return option, t1
        raise AssertionError(f"no option gives interval {interval} in {goal}")
