"""A lower bound on the makespan of all plans of a chain, from prices of machine time that rise towards the beginning.

Work shared evenly and the longest path are bounds that plans meet only where they are wide from beginning to end. But
plans are trees: near their end few steps are left, and machines idle. The *tail* of a step is what all steps after it
on the way to the end take, and a step whose tail is q ends q before the plan does, or earlier.

The bound. Let a plan be done by time C on p machines, and let machine time have a price: at a distance s before C it
is Λ(s) >= 0, which does not fall as s grows. With Φ(s) the integral of Λ from 0 to s, all machine time there is costs
p·Φ(C). A step of duration d and tail q lies at a distance of at least q, and it is cheapest there, because prices do
not fall: it pays at least Φ(q + d) - Φ(q). Machines run one step at a time, so the payments of all steps of the plan
are at most p·Φ(C). If even the plan that pays least of all pays more, no plan is done by C. With Λ = 1 this is the
bound by work; Λ = 0 up to h and 1 from there on says that what cannot be done in the last h has to fit in front of it
(for one plan: Fernandez & Bussell 1973, theorem 1). Other prices are sums of these, and may refute what none of them
does, since each lets other plans pass.

The plan that pays least is found by a dynamic program over intervals and tails, F(I, q) = min over the options of I of
Φ(q + d) - Φ(q) + the sum of F(J, q + d) over the intervals J that it reads. Tails are rounded down to multiples of a
step. That never raises what is paid, because a smaller tail pays no more; so a plan that is refuted is refuted exactly.

The prices are those that refute most: a linear program over the plans that paid least so far weighs the h (the game of
prices against plans, solved by cutting planes). Every such plan is also one that keeps machines busy, worth scheduling.
Plans of many steps in a row look shorter than they are where tails are rounded down. With tails rounded to the nearest
step nothing is proven, but the plans that pay least then are nearer to the time that is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chainplan.solvers.chain.derivation import ChainInterval
from chainplan.solvers.schedule.bounds import WorkPathBounds
from chainplan.solvers.schedule.tasks import ChainTasks, ChainTree, IntervalOption
from chainplan.solvers.search.search import Search
from chainplan.structures.counts import IntOrArray

if TYPE_CHECKING:
    from chainplan._util.arrays import Array

PRICE_STEPS = 24
"""Distances from the end at which prices may rise."""
MAX_PRICES = 25
"""Prices that are tried against one makespan."""
LEAST_REFUTATION = 1e-6
"""What the best prices must refute by, as a share of all machine time, before they are tried."""
_PRICE_UNIT = 4096
"""The sum of all rises of a price, which are whole numbers."""
MAX_PRICED_TIME = 1 << 40
"""The longest makespan, times machines, for which payments stay in 64 bits."""
_UNAFFORDABLE = 1 << 60


class OptionColumns(NamedTuple):
    """The options of an interval by columns: a bound on the plans with each, its duration, the rows of what it reads.

    Row 0 stands for nothing that is read.
    """

    options: list[IntervalOption]
    least: Array
    duration: Array
    left: Array
    right: Array


OptionTable = dict[ChainInterval, OptionColumns]
"""The options of all intervals on so many machines, whose rows are counted from 1 in the order of the table."""


def option_table(tasks: ChainTasks, bounds: WorkPathBounds, machines: int) -> OptionTable:
    """Return the options of all intervals of a chain, shorter ones first, in O(q³) time.

    The bounds are those of `WorkPathBounds.with_option`.
    """
    import numpy as np

    intervals = sorted(tasks.options, key=lambda interval: interval[1] - interval[0])
    rows = {interval: row for row, interval in enumerate(intervals, 1)}
    table: OptionTable = {}
    work, path = (np.array([0, *(_clipped(of[i]) for i in intervals)]) for of in (bounds.work, bounds.path))
    for interval in intervals:
        options = tasks.options[interval]
        reads = [([*map(rows.__getitem__, option.reads), 0, 0])[:2] for option in options]
        left, right = np.array(reads).T
        duration = np.array([_clipped(option.duration) for option in options])
        all_work = _clipped(bounds.work_after[interval]) + duration + work[left] + work[right]
        all_path = _clipped(bounds.path_after[interval]) + duration + np.maximum(path[left], path[right])
        least = np.maximum(all_path, -(-all_work // machines))
        table[interval] = OptionColumns(options, least, duration, left, right)
    return table


def _clipped(time: int) -> int:
    """A time, or one that is too long for any plan that is asked for."""
    return min(time, MAX_PRICED_TIME << 2)


class _UsefulOptions(NamedTuple):
    """The options of an interval that some plan in time has, for the tails from `low` to before `high`.

    Durations are so many whole steps, `shift`, and a `rest`; `left` and `right` are the rows of what is read.
    """

    options: list[IntervalOption]
    low: int
    high: int
    row: int
    shift: Array
    rest: Array
    left: Array
    right: Array


class PricedTails:
    """Whether any plan of a chain is done by time `most`; `trees` are the plans that paid least on the way.

    Tails are rounded to one of `steps` parts of that time: down, or with `nearest`, which proves nothing, to the
    nearest one. O(q³ · steps) time for each of at most `MAX_PRICES` prices, O(q² · steps) memory.
    """

    def __init__(
        self,
        table: OptionTable,
        bounds: WorkPathBounds,
        machines: int,
        most: int,
        steps: int,
        search: Search,
        nearest: bool = False,
    ) -> None:
        self._nearest_step = nearest
        self._machines, self._most, self._search = machines, most, search
        self._root, self._size = next(reversed(table)), len(table) + 1
        self._step = -(-(most + 1) // steps)
        self._cells = most // self._step + 1
        self._options: dict[ChainInterval, _UsefulOptions] = {}
        self._nearest = {i: bounds.path_after[i] // self._step for i in table}
        for row, (interval, options) in enumerate(table.items(), 1):
            useful = (options.least <= most).nonzero()[0]
            low, high = self._nearest[interval], (most - bounds.path[interval]) // self._step + 1
            if len(useful) and low < high:
                kept, duration = [options.options[k] for k in useful.tolist()], options.duration[useful][:, None]
                shift, left, right = self._whole(duration), options.left[useful], options.right[useful]
                rest = duration - shift * self._step
                self._options[interval] = _UsefulOptions(
                    kept, low, high, row, shift, rest, left[:, None], right[:, None]
                )
        self._chosen: dict[ChainInterval, Array] = {}
        self.trees: list[ChainTree] = []

    def refuted(self) -> bool:
        """Whether it is proven that no plan is done in time.

        Raises
        ------
        SearchStopped
            When the budget of the search has run out.
        """
        import numpy as np

        if self._root not in self._options:
            return True
        cells = np.unique(np.linspace(0, self._cells - 1, PRICE_STEPS).round().astype(np.int64))
        share, lacks = np.eye(1, len(cells))[0], []
        for _ in range(MAX_PRICES):
            prices = np.zeros(self._cells, np.int64)
            prices[cells] = (share * _PRICE_UNIT).round()
            prices = prices.cumsum()
            last = (self._cells - 1) * self._step
            all_time = int(prices[:-1].sum()) * self._step + int(prices[-1]) * (self._most - last)
            if self._least(prices) > self._machines * all_time:
                return True
            self.trees.append(self._tree())
            lacks.append(self._lack(self.trees[-1], cells * self._step))
            if lacks[-1].max() <= 0:
                return False
            share, value = _best_shares(np.array(lacks) / (self._machines * self._most))
            if value < LEAST_REFUTATION:
                return False
        return False

    def _least(self, prices: Array) -> int:
        """What the plan that pays least pays; which option it takes is kept by interval and tail.

        Rows of the table are intervals, columns tails; row 0 stands for nothing that is read. What is farther away than
        the whole plan takes costs too much.
        """
        import numpy as np

        count = self._cells
        table = np.full((self._size, 2 * count), _UNAFFORDABLE)
        table[0] = 0
        price, paid = np.zeros(2 * count, np.int64), np.full(2 * count, _UNAFFORDABLE)
        price[:count], paid[:count] = prices, np.append(0, prices[:-1].cumsum() * self._step)
        flat = table.reshape(-1)
        for interval, (_, low, high, place, shift, rest, left, right) in self._options.items():
            self._search.tick()
            there = np.minimum(shift, count) + np.arange(low, high)
            pays = price.take(there)
            pays *= rest
            pays += paid.take(there)
            pays += flat.take(left * (2 * count) + there)
            pays += flat.take(right * (2 * count) + there)
            chosen = pays.argmin(axis=0)
            row = table[place]
            row[low:high] = np.minimum(pays[chosen, np.arange(high - low)] - paid[low:high], _UNAFFORDABLE)
            row[:low] = row[low]
            self._chosen[interval] = chosen
        return int(table[self._size - 1, 0])

    def _tree(self) -> ChainTree:
        """The plan that paid least."""
        tree: ChainTree = {}
        todo = [(self._root, 0)]
        while todo:
            interval, cell = todo.pop()
            place = int(self._chosen[interval][max(0, cell - self._nearest[interval])])
            option = self._options[interval].options[place]
            tree[interval] = option
            todo += [(arg, self._after(cell, interval, option)) for arg in option.reads]
        return tree

    def _after(self, cell: int, interval: ChainInterval, option: IntervalOption) -> int:
        """The rounded tail of what an option reads."""
        return max(cell, self._nearest[interval]) + self._whole(option.duration)

    def _whole(self, duration: IntOrArray) -> IntOrArray:
        """The whole steps that a duration is rounded to."""
        return (duration + (self._step // 2 if self._nearest_step else 0)) // self._step

    def _lack(self, tree: ChainTree, distances: Array) -> Array:
        """For each distance from the end, how much more work must be done before it than machines can do by then."""
        import numpy as np

        due = np.zeros(len(distances), np.int64)
        todo = [(self._root, 0)]
        while todo:
            interval, cell = todo.pop()
            option = tree[interval]
            tail = max(cell, self._nearest[interval]) * self._step
            due += np.maximum(0, option.duration - np.maximum(0, distances - tail))
            todo += [(arg, self._after(cell, interval, option)) for arg in option.reads]
        lack: Array = due - self._machines * (self._most - distances)
        return lack


def _best_shares(lacks: Array) -> tuple[Array, float]:
    """Shares of the columns, adding up to 1, for which the least of all rows is greatest, and that least.

    The linear program is one of floating-point numbers; nothing is proven by it, for its shares are rounded to prices.
    """
    import numpy as np
    from scipy.optimize import linprog

    rows, columns = lacks.shape
    found = linprog(
        np.append(np.zeros(columns), -1.0),
        A_ub=np.hstack([-lacks, np.ones((rows, 1))]),
        b_ub=np.zeros(rows),
        A_eq=[np.append(np.ones(columns), 0.0)],
        b_eq=[1.0],
        bounds=[(0, 1)] * columns + [(None, None)],
    )
    best = np.asarray(found.x)
    return best[:columns].clip(0, 1), float(best[-1])
