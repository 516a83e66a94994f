"""Reverses a chain under limits of memory and of disk: the cheapest nested schedule, by dynamic programming.

To reverse the steps i ... j - 1 from state i, which is kept in memory or on disk, either advance to state j - 1,
reverse that step and go back; or advance to a state k, keep it in memory or on disk, reverse the steps behind it, go
back and reverse the steps before it. Going back is free in memory, and costs a transfer from the disk; a state on disk
that was fetched may be kept in memory from then on. These are the schedules of H-Revolve (Herrmann & Pallez 2020,
"H-Revolve: a framework for adjoint computation on synchronous hierarchical platforms", ACM TOMS 46) with two levels,
the first of which is free, for steps, states and tapes of any sizes. With a disk that holds every state the optimum for
equal steps is that of Disk-Revolve (Aupy, Herrmann, Hovland & Robert 2016, "Optimal multistage algorithm for adjoint
computation", SIAM J. Sci. Comput. 38).

A table holds the least price of every interval, for everything that may be held besides, in units of the states' sizes.
It is exact where their greatest common divisor divides the limits into few enough units; else sizes are rounded up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import gcd
from typing import TYPE_CHECKING, NamedTuple

from chainplan.solvers.checkpoint.reversal import ReversalAction
from chainplan.solvers.checkpoint.reversal_chain import ReversalChain
from chainplan.solvers.search.search import unwatched

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

    Table = NDArray[int64]

MAX_TABLE_CELLS = 6_000_000
"""Cells of the largest table, over all intervals and all that may be held besides."""
NEVER = 1 << 60
"""The price of what does not fit."""


def prices_fit(chain: ReversalChain, transfer: int) -> bool:
    """Whether the table can hold the price of any schedule: every step evaluates, writes and reads all at most."""
    steps = len(chain.ways)
    return steps * (sum(chain.evaluations) + 2 * transfer * sum(chain.sizes)) < NEVER


class HeldUnits(NamedTuple):
    """What states take of a limit, in units: of each state, of the limit, and whether that is exact."""

    of: tuple[int, ...]
    levels: int
    size: int
    exact: bool


def held_units(sizes: tuple[int, ...], room: int, most: int) -> HeldUnits:
    """The sizes in units of their greatest common divisor, or in larger ones of which at most `most` fit."""
    if room >= sum(sizes):
        return HeldUnits((0,) * len(sizes), 0, 1, True)
    size = gcd(*sizes) or 1
    exact = max(0, room) // size <= most
    if not exact:
        size = -(-room // most)
    return HeldUnits(tuple(-(-n // size) for n in sizes), max(0, room) // size, size, exact)


class _Interval(NamedTuple):
    """The steps from `start` to before `end`, with the units held besides; whether their first state is on disk."""

    start: int
    end: int
    held: int
    on_disk: int
    fetched: bool


class TwoLevels:
    """The least prices of reversing all intervals of a chain, from O(n³) array operations for n steps.

    Parameters
    ----------
    chain : ReversalChain
        The sweep.
    memory : int
        The limit of memory.
    disk : int | None
        The limit of the disk, None where there is none.
    transfer : int
        The price of writing or reading an element.
    look : Callable[[], None]
        Is called for every interval.

    Notes
    -----
    The prices must fit (`prices_fit`).
    """

    def __init__(
        self,
        chain: ReversalChain,
        memory: int,
        disk: int | None,
        transfer: int,
        look: Callable[[], None] = unwatched,
    ) -> None:
        import numpy as np

        self._chain, self._memory, self._count = chain, memory, len(chain.ways)
        self._hills = [way.hill for way in chain.ways]
        self._waiting = [*(block.nnz for block in chain.blocks), 0][: self._count + 1]
        sizes = chain.sizes[:-1]
        most = MAX_TABLE_CELLS // (self._count + 1) ** 2
        self._written = disk is not None
        needs = [hill - size for hill, size in zip(self._hills, sizes, strict=True)]
        largest = max(self._hills) + max(self._waiting) + 2 * max(sizes)
        room = sum(sizes) if memory >= sum(sizes) + largest else min(memory - min(needs), sum(sizes) - 1)
        self._held = held_units(sizes, room, max(1, most // 8 if self._written else most - 1))
        self._disk = held_units(sizes, disk or 0, max(1, most // (self._held.levels + 1) - 1))
        self._moves = [transfer * n for n in sizes]
        self._sums = [0]
        for price in chain.evaluations:
            self._sums.append(self._sums[-1] + price)
        shape = (self._count + 1, self._count + 1, self._held.levels + 1, self._disk.levels + 1)
        self._kept = np.full(shape, NEVER)
        """Prices from a state in memory, by (i, j, units of memory held besides, units of disk)."""
        self._fetched = np.full(shape if self._written else (1, 1, 1, 1), NEVER)
        """The same from a state on disk that has just been fetched or written."""
        self._behind = np.full(shape, NEVER)
        """Prices of keeping state k and reversing what is behind it, by (j, k, ...)."""
        for length in range(1, self._count + 1):
            for i in range(self._count - length + 1):
                look()
                self._enter(i, i + length)

    @property
    def exact(self) -> bool:
        """Whether the prices are those of the cheapest schedules, as no size was rounded up."""
        return self._held.exact and self._disk.exact

    @property
    def price(self) -> int | None:
        """The least price of evaluations and transfers, None where no schedule keeps the limits."""
        price = int(self._kept[0, self._count, 0, 0])
        return None if price >= NEVER else price

    def _fits(self, need: int) -> int:
        """How many units may be held besides what needs so many elements, plus one; 0 where it does not fit."""
        return (
            max(0, min(self._held.levels, (self._memory - need) // self._held.size) + 1) if need <= self._memory else 0
        )

    def _enter(self, i: int, j: int) -> None:
        """Fill in the prices of the interval (i, j)."""
        import numpy as np

        kept, sizes = self._kept[i, j], self._chain.sizes
        if j == i + 1:
            kept[: self._fits(self._hills[i] - sizes[i])] = 0
            if self._written:
                self._fetched[i, j, : self._fits(self._hills[i])] = 0
        else:
            self._kept[i, j] = self._ways(i, j, fetched=False).min(axis=0)
            if self._written and i:
                self._fetched[i, j] = self._ways(i, j, fetched=True).min(axis=0)
        if not i:
            return
        behind = self._shifted(kept, self._held.of[i], 0)
        if self._written:
            self._fetched[i, j] = np.minimum(self._fetched[i, j], behind)
            written = self._shifted(self._fetched[i, j], 0, self._disk.of[i]) + self._moves[i]
            behind = np.minimum(behind, written)
        self._behind[j, i] = np.minimum(behind, NEVER)

    def _ways(self, i: int, j: int, *, fetched: bool) -> Table:
        """The prices of an interval of several steps by each k, the last by going to its last step alone."""
        import numpy as np

        own, back = (self._fetched, self._moves[i]) if fetched else (self._kept, 0)
        advance = np.array(self._sums[i + 1 : j]) - self._sums[i] + back
        ways = np.empty((j - i, *own.shape[2:]), np.int64)
        ways[:-1] = self._behind[j, i + 1 : j] + own[i, i + 1 : j] + advance[:, None, None]
        ways[-1] = own[i, j - 1] + advance[-1]
        rooms = self._rooms(i, j, fetched)
        for k, room in enumerate((*rooms, min(rooms[-1], self._fits(self._hills[j - 1])))):
            ways[k, room:] = NEVER
        return np.minimum(ways, NEVER, out=ways)

    def _rooms(self, i: int, j: int, fetched: bool) -> list[int]:
        """For each k between i and j, the units that may be held while state i advances to k and is gone back to."""
        sizes, rooms = self._chain.sizes, []
        most = sizes[i + 1] + (sizes[i] if fetched else 0)
        for k in range(i + 1, j):
            if k > i + 1:
                most = max(most, sizes[k - 1] + sizes[k])
            back = sizes[i] + self._waiting[k] if fetched else 0
            rooms.append(self._fits(max(most + self._waiting[j], back)))
        return rooms

    def _shifted(self, table: Table, held: int, on_disk: int) -> Table:
        """The prices where so much more is held."""
        import numpy as np

        result = np.full_like(table, NEVER)
        if held < table.shape[0] and on_disk < table.shape[1]:
            result[: table.shape[0] - held, : table.shape[1] - on_disk] = table[held:, on_disk:]
        return result

    def actions(self) -> Iterator[ReversalAction]:
        """The actions of a cheapest schedule; there must be one."""
        todo = [_Interval(0, self._count, 0, 0, False)]
        working = 0
        while todo:
            at = todo.pop()
            i, j, fetched = at.start, at.end, at.fetched
            if working != i:
                yield ReversalAction("read" if fetched else "restore", i)
                working = i
            if fetched and self._holds(at):
                yield ReversalAction("store", i)
                at = at._replace(held=at.held + self._held.of[i], fetched=False)
            if j == i + 1:
                yield ReversalAction("reverse", i)
                continue
            k, behind = self._choice(at)
            yield from (ReversalAction("advance", a) for a in range(i, k))
            working = k
            todo.append(at._replace(end=k))
            if behind is None:
                yield ReversalAction("reverse", k)
                continue
            if behind.fetched:
                yield ReversalAction("write", k)
            elif j > k + 1:
                yield ReversalAction("store", k)
            todo.append(behind)

    def _price(self, at: _Interval) -> int:
        """The price of an interval in what is held besides, from the tables."""
        table = self._fetched if at.fetched else self._kept
        if at.held >= table.shape[2] or at.on_disk >= table.shape[3]:
            return NEVER
        return int(table[at.start, at.end, at.held, at.on_disk])

    def _holds(self, at: _Interval) -> bool:
        """Whether a state that has been fetched from disk is best kept in memory from then on."""
        kept = at._replace(held=at.held + self._held.of[at.start], fetched=False)
        return at.end > at.start + 1 and self._price(kept) == self._price(at)

    def _choice(self, at: _Interval) -> tuple[int, _Interval | None]:
        """Where to advance to, and the interval behind that is reversed from there; None for the last step alone."""
        i, j, held, on_disk, fetched = at
        prices = self._ways(i, j, fetched=fetched)[:, held, on_disk]
        way = int(prices.argmin())
        if way == j - i - 1:
            return j - 1, None
        k = i + 1 + way
        kept = _Interval(k, j, held + self._held.of[k], on_disk, False)
        written = _Interval(k, j, held, on_disk + self._disk.of[k], True)
        if self._written and self._price(written) + self._moves[k] < self._price(kept):
            return k, written
        return k, kept
