"""Reversing a sequence of steps with states stored and restored: the least price over all sequences of actions."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

State = tuple[int, frozenset[int], int]
"""The working state, the stored ones, how many steps are left to be reversed."""


def cheapest(prices: Sequence[int], sizes: Sequence[int], memory: int, persistent: bool) -> int:
    """Least price of advances over all sequences of actions, by shortest paths over what is held."""
    count = len(prices)
    heap: list[tuple[int, State]] = [(0, (0, frozenset(), count))]
    seen: set[State] = set()
    while heap:
        price, state = heappop(heap)
        working, stored, left = state
        if left == 0:
            return price
        if state in seen:
            continue
        seen.add(state)
        after: list[tuple[int, State]] = [(price, (v, stored, left)) for v in (0, *stored)]
        if working < left - 1:
            after.append((price + prices[working], (working + 1, stored, left)))
        if working == left - 1:
            after.append((price, (working, stored, left - 1)))
        if working and sum(sizes[v] for v in stored | {working}) <= memory:
            after.append((price, (working, stored | {working}, left)))
        after += [(price, (working, stored - {v}, left)) for v in stored if v >= left or not persistent]
        for entry in after:
            heappush(heap, entry)
    raise AssertionError


class TwoLevelChain(NamedTuple):
    """Evaluations of steps; of states (the first is free), of blocks that wait, and of each step besides: elements."""

    prices: Sequence[int]
    sizes: Sequence[int]
    waiting: Sequence[int]
    besides: Sequence[int]


def cheapest_on_two_levels(chain: TwoLevelChain, memory: int, disk: int, transfer: int) -> int | None:
    """Least price of advances and transfers over all sequences of actions that keep a state until it is of no use.

    An action holds what is stored, the states that it touches, and what waits or what its step needs besides.
    """
    prices, sizes, waiting, besides = chain
    count = len(prices)
    start = (0, frozenset[int](), frozenset[int](), count)
    heap, seen = [(0, start)], set()
    while heap:
        price, state = heappop(heap)
        working, stored, written, left = state
        if left == 0:
            return price
        if state in seen:
            continue
        seen.add(state)

        def holds(*touched: int, stored: frozenset[int] = stored) -> int:
            return sum(sizes[v] for v in stored | set(touched))

        after = []
        if working >= 0:
            after.append((price, (-1, stored, written, left)))
            if working < left - 1 and holds(working, working + 1) + waiting[left] <= memory:
                after.append((price + prices[working], (working + 1, stored, written, left)))
            if working == left - 1 and holds(working) + besides[working] <= memory:
                after.append((price, (working, stored, written, left - 1)))
            after.append((price, (working, stored | {working}, written, left)))
            if sum(sizes[v] for v in written | {working}) <= disk:
                after.append((price + transfer * sizes[working], (working, stored, written | {working}, left)))
        after += [(price, (v, stored, written, left)) for v in (0, *stored)]
        for v in written:
            if holds(v) + waiting[left] <= memory:
                after.append((price + transfer * sizes[v], (v, stored, written, left)))
        after += [(price, (working, stored - {v}, written, left)) for v in stored if v >= left]
        after += [(price, (working, stored, written - {v}, left)) for v in written if v >= left]
        for entry in after:
            heappush(heap, entry)
    return None
