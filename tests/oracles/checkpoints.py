"""Reversing a sequence of steps with states stored and restored: the least price over all sequences of actions."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

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
