"""Reverses a chain of any length under a memory limit, checkpoints placed by the closed form of equal steps.

To reverse the steps i ... j - 1 from state i under a limit, count the slots for states that the largest of them leave
beside the largest step, advance as far as is optimal for so many equal steps (`binomial.first_checkpoint`), store, and
go on with both parts, each with what is left to it. Every part counts its own slots, so that a large step or state
takes slots away only where it is. Where all steps are equal the result is that of revolve, and optimal; elsewhere
`reversal_bound` says how far from it the price may be. There, parts that are short enough are reversed in the cheapest
way (`two_levels`), with what memory is left to them; a run of equal steps is one part by the closed form.

The last two steps are taken as one where that needs no more than the others: the last is then reversed while the state
before both is kept, which spares an evaluation whenever the end of the chain is smaller than the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from chainplan.solvers.checkpoint.binomial import first_checkpoint
from chainplan.solvers.checkpoint.reversal import ReversalAction
from chainplan.solvers.checkpoint.reversal_chain import ReversalChain
from chainplan.solvers.checkpoint.two_levels import TwoLevels, prices_fit
from chainplan.solvers.search.search import unwatched


class ReversalSplits:
    """Where the checkpoints of a chain stand under any limit; O(n log n) once, O(log n) per checkpoint.

    Parameters
    ----------
    chain : ReversalChain
        The sweep.
    window : int
        Parts of at most so many steps that are not all equal are reversed in the cheapest way, by `TwoLevels`.
    look : Callable[[], None]
        Is called often while windows are searched.
    """

    def __init__(self, chain: ReversalChain, window: int = 1, look: Callable[[], None] = unwatched) -> None:
        self._chain, self._window, self._look = chain, window, look
        unlike = (_unlike(chain, a) for a in range(1, len(chain.ways)))
        self._unlike = [0, 0, *accumulate(unlike)]
        """How many of the steps before each differ from the one before them."""
        hills = [way.hill for way in chain.ways]
        self._sizes, self._steps = chain.sizes, len(hills)
        pairs = [chain.sizes[a] + chain.sizes[a + 1] for a in range(self._steps - 1)]
        self._last = last = self._steps - 1 - self._joins_last(chain, hills, pairs)
        if last < self._steps - 1:
            hills[last] = max(hills[last], chain.sizes[last] + hills[last + 1], pairs[last])
        self._hill, self._pair = _RangeMaximum(hills[: last + 1]), _RangeMaximum(pairs or [0])
        self._size, self._waiting = (
            _RangeMaximum(chain.sizes),
            _RangeMaximum([*(block.nnz for block in chain.blocks), 0]),
        )
        self._hills = hills

    @staticmethod
    def _joins_last(chain: ReversalChain, hills: Sequence[int], pairs: Sequence[int]) -> bool:
        """Whether the last two steps together need no more than the largest of the others."""
        if len(hills) < 3:
            return False
        least = max(hills[:-2])
        return max(hills[-2], chain.sizes[len(hills) - 2] + hills[-1], pairs[-1]) <= least

    @property
    def least_memory(self) -> int:
        """The least limit under which there is a schedule: no state is stored."""
        return self._needs(0, self._last + 1)

    def memory_of(self, slots: int) -> int:
        """A limit that leaves this many slots for states everywhere, the input among them."""
        return self.least_memory + (slots - 1) * self._size.between(0, self._steps)

    def actions(self, memory: int | None) -> Iterator[ReversalAction]:
        """The actions under a limit of at least `least_memory`."""
        yield from self._actions(0, self._last + 1, memory)

    def actions_on_disk(self, memory: int, period: int) -> Iterator[ReversalAction]:
        """The actions where every state whose number is a multiple of the period is written to disk as it is passed.

        The last of them, from which the first steps are reversed, is kept in memory. The limit is at least
        `least_memory` and a state.
        """
        starts = range(0, self._last + 1, period)
        for start in starts[1:]:
            yield from (ReversalAction("advance", a) for a in range(start - period, start))
            yield ReversalAction("store" if start == starts[-1] else "write", start)
        for start in reversed(starts):
            if 0 < start < starts[-1]:
                yield ReversalAction("read", start)
                yield ReversalAction("store", start)
            elif not start and len(starts) > 1:
                yield ReversalAction("restore", 0)
            end = min(start + period, self._last + 1)
            yield from self._actions(start, end, memory - self._sizes[start])

    def _actions(self, start: int, stop: int, memory: int | None) -> Iterator[ReversalAction]:
        """The actions that reverse some steps from the working state, which is kept."""
        todo, working = [(start, stop, memory)], start
        while todo:
            i, j, left = todo.pop()
            cheapest = None if left is None else self._cheapest(i, j, left)
            if cheapest is not None:
                if working != i:
                    yield ReversalAction("restore", i)
                for kind, at in cheapest:
                    yield ReversalAction(kind, i + at)
                    working = i + at
                continue
            slots = self._slots(i, j, left)
            single = j - i == 1
            k = i if single else j - 1 if slots == 1 else i + first_checkpoint(j - i, slots)
            if working != i:
                yield ReversalAction("restore", i)
            yield from (ReversalAction("advance", a) for a in range(i, k))
            working = k
            if single or slots == 1:
                yield from self._reversed(k, kept=single)
            if single:
                continue
            todo.append((i, k, left))
            if slots > 1:
                if j - k > 1 or self._joined(k):
                    yield ReversalAction("store", k)
                todo.append((k, j, None if left is None else left - self._sizes[k]))

    def _cheapest(self, i: int, j: int, memory: int) -> Iterator[ReversalAction] | None:
        """The cheapest actions of a window from state i, numbered from there; None where the steps are no window."""
        if not 2 < j - i <= self._window or self._unlike[j] == self._unlike[i + 1]:
            return None
        end = j if j <= self._last else self._steps
        part = self._chain.part(i, end)
        if not prices_fit(part, 0):
            return None
        levels = TwoLevels(part, memory, None, 0, self._look)
        return None if levels.price is None else levels.actions()

    def _joined(self, k: int) -> bool:
        """Whether the step k stands for the last two."""
        return k == self._last < self._steps - 1

    def _reversed(self, k: int, *, kept: bool) -> Iterator[ReversalAction]:
        """Reverse the step k, or the last two from there, at the working state."""
        if self._joined(k):
            if not kept:
                yield ReversalAction("store", k)
            yield ReversalAction("advance", k)
            yield ReversalAction("reverse", k + 1)
            yield ReversalAction("restore", k)
        yield ReversalAction("reverse", k)

    def _needs(self, i: int, j: int) -> int:
        """Elements that reversing the steps i ... j - 1 takes beside state i, where no state is stored."""
        own = self._hills[i] - self._sizes[i]
        if j - i == 1:
            return own
        moving = self._pair.between(i, j - 1) + self._waiting.between(i + 1, j + 1)
        return max(own, self._hill.between(i + 1, j), moving)

    def _slots(self, i: int, j: int, memory: int | None) -> int:
        """How many states of these steps fit at once, state i among them."""
        size = 0 if memory is None or j - i == 1 else self._size.between(i + 1, j)
        if memory is None or not size:
            return j - i
        return min(j - i, 1 + (memory - self._needs(i, j)) // size)


def _unlike(chain: ReversalChain, a: int) -> bool:
    """Whether a step differs from the one before it in its price, its state, or what it holds."""
    here, before = ((chain.evaluations[i], chain.sizes[i + 1], chain.ways[i].hill) for i in (a, a - 1))
    return here != before


class _RangeMaximum:
    """Maxima of any range of a sequence in constant time, by those of all ranges whose length is a power of two."""

    def __init__(self, values: Sequence[int]) -> None:
        self._levels = [list(values)]
        half = 1
        while 2 * half <= len(values):
            level = self._levels[-1]
            self._levels.append(list(map(max, level, level[half:])))
            half *= 2

    def between(self, start: int, stop: int) -> int:
        """The largest value from `start` to before `stop`."""
        level = (stop - start).bit_length() - 1
        values = self._levels[level]
        return max(values[start], values[stop - (1 << level)])
