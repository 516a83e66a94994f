"""Pareto fronts of (memory, price): what a task costs under every limit, and how two tasks make a third.

A point is (memory, price, how, first, second): `how` is what its maker wants to find again, `first` and `second` the
points of the two tasks it was put together from, so that a front carries all its derivations and shares them. A front
is a list of points of rising memory and falling price.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

Point = tuple[int, int, Any, Any, Any]
Front = list[Point]

_ORDER = itemgetter(0, 1)


def one(memory: int, price: int, how: object) -> Point:
    """A task that is done in one way."""
    return (memory, price, how, None, None)


def joined(
    first: Front, second: Front, held: tuple[int, int, int], price: int, how: object, limit: int | None
) -> Iterable[Point]:
    """The ways to do one task and then another, at every memory where either gets cheaper.

    `held` is what is alive besides during the first and during the second, and the least that both need anyway.
    """
    if not first or not second:
        return []
    a, b, least = held
    x, y = 0, 0
    memory = max(first[0][0] + a, second[0][0] + b, least)
    found: Front = []
    ends = len(first), len(second)
    while limit is None or memory <= limit:
        while x + 1 < ends[0] and first[x + 1][0] + a <= memory:
            x += 1
        while y + 1 < ends[1] and second[y + 1][0] + b <= memory:
            y += 1
        found.append((memory, first[x][1] + second[y][1] + price, how, first[x], second[y]))
        if x + 1 < ends[0]:
            memory = first[x + 1][0] + a
            if y + 1 < ends[1]:
                memory = min(memory, second[y + 1][0] + b)
        elif y + 1 < ends[1]:
            memory = second[y + 1][0] + b
        else:
            break
    return found


def carried(front: Front, held: int, least: int, price: int, how: object, limit: int | None) -> Iterable[Point]:
    """The ways to do a task while `held` elements are alive besides, followed by a step that needs `least`."""
    return [
        (memory, point[1] + price, how, point, None)
        for point in front
        if limit is None or max(point[0] + held, least) <= limit
        for memory in (max(point[0] + held, least),)
    ]


def best(points: Iterable[Point]) -> Front:
    """The points that none beats in memory and price; ties go to the first."""
    found: Front = []
    lowest: int | None = None
    for point in sorted(points, key=_ORDER):
        if lowest is None or point[1] < lowest:
            found.append(point)
            lowest = point[1]
    return found


def under(front: Front, limit: int | None) -> Point | None:
    """The cheapest point within a limit."""
    return next((point for point in reversed(front) if limit is None or point[0] <= limit), None)


def least(points: Iterable[Point]) -> Front:
    """The point of least memory, the cheapest of those, where nothing but memory matters."""
    return sorted(points, key=_ORDER)[:1]


def cheapest(points: Iterable[Point]) -> Front:
    """The point of least price, that of least memory among those, where nothing but the price matters."""
    return sorted(points, key=itemgetter(1, 0))[:1]


def coarse(unit: int) -> Callable[[Iterable[Point]], Front]:
    """`best` with memory rounded up to units: short fronts that promise no more than they keep."""

    def kept(points: Iterable[Point]) -> Front:
        return best((-(-point[0] // unit) * unit, *point[1:]) for point in points)

    return kept
