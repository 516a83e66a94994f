"""Reversing a chain of steps of any prices whose states have any sizes, under a limit on what is stored.

The rules are those of revolve: the initial state and the working state take no memory, a stored state takes its size,
and a step is reversed when the state before it is the working state. To reverse the steps i ... j - 1 from state i,
either advance to a state k and store it, reverse the steps after it, free it and reverse the steps before it; or
advance to state j - 1 and reverse one step without storing anything. The best of these is optimal among all schedules
that keep a checkpoint until the steps after it are reversed (Griewank & Walther 2008, *Evaluating Derivatives*, section
12.3; Beaumont et al. 2021 call such schedules persistent), and for states of equal sizes among all schedules.

`grammar` builds the same recurrence into the bracketing of a chain and also counts tapes, blocks and the working state;
the tests compare its counts with this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chainplan.solvers.checkpoint.fronts import (
    CheckpointFront,
    FrontPoint,
    best,
    cheapest_under,
    in_sequence,
    single_step,
    with_last_step,
)


class ReversalAction(NamedTuple):
    """`advance` over a step, `store` or `restore` a state, `reverse` a step; both are numbered from 0."""

    kind: str
    at: int


class ReversalSchedules:
    """All schedules of a chain, by memory, from O(n³) joins of fronts for n steps.

    Parameters
    ----------
    prices : Sequence[int]
        What evaluating each step once costs.
    sizes : Sequence[int]
        The size of the state before each step; that of the first plays no part.

    Raises
    ------
    ValueError
        Where there is no step, or not one size per step.
    """

    def __init__(self, prices: Sequence[int], sizes: Sequence[int]) -> None:
        if len(prices) != len(sizes) or not prices:
            raise ValueError(f"found {len(prices)} prices and {len(sizes)} sizes; expected as many, at least one.")
        self._sums = [0]
        for price in prices:
            self._sums.append(self._sums[-1] + price)
        self._sizes, self._count = sizes, len(prices)
        self._fronts: dict[tuple[int, int], CheckpointFront] = {}
        for length in range(1, self._count + 1):
            for i in range(self._count - length + 1):
                self._fronts[i, i + length] = best(self._ways(i, i + length))

    def _ways(self, i: int, j: int) -> Iterator[FrontPoint]:
        """The ways to reverse the steps i ... j - 1 from state i."""
        if j == i + 1:
            yield single_step(0, 0, None)
            return
        yield from with_last_step(self._fronts[i, j - 1], 0, 0, self._sums[j - 1] - self._sums[i], None, None)
        for k in range(i + 1, j):
            held, price = (self._sizes[k], 0, 0), self._sums[k] - self._sums[i]
            yield from in_sequence(self._fronts[k, j], self._fronts[i, k], held, price, k, None)

    @property
    def front(self) -> list[tuple[int, int]]:
        """(most elements stored, price of all advances) of every schedule that no other beats in both."""
        return [(point[0], point[1]) for point in self._fronts[0, self._count]]

    def extra(self, memory: int) -> int:
        """Price of all advances when at most so many elements are stored."""
        return self._point(memory)[1]

    def schedule(self, memory: int) -> list[ReversalAction]:
        """The actions of the cheapest schedule that stores at most so many elements."""
        return list(self._actions(self._point(memory), 0, self._count))

    def _point(self, memory: int) -> FrontPoint:
        point = cheapest_under(self._fronts[0, self._count], memory)
        if point is None:
            raise ValueError(f"found a memory of {memory} elements; expected at least 0.")
        return point

    def _actions(self, point: FrontPoint, i: int, j: int) -> Iterator[ReversalAction]:
        """The actions that reverse the steps i ... j - 1 from the working state i, which the caller keeps."""
        _, _, k, first, second = point
        if first is None:
            yield ReversalAction("reverse", i)
            return
        yield from (ReversalAction("advance", a) for a in range(i, j - 1 if k is None else k))
        if k is None:
            yield ReversalAction("reverse", j - 1)
            yield ReversalAction("restore", i)
            yield from self._actions(first, i, j - 1)
            return
        yield ReversalAction("store", k)
        yield from self._actions(first, k, j)
        yield ReversalAction("restore", i)
        yield from self._actions(second, i, k)
