"""Pareto fronts of (memory, price): what a task costs under every limit, and how two tasks make a third.

A point is (memory, price, how, first, second): `how` is whatever its maker needs to write the task down, `first` and
`second` are the points of the two tasks that it is made of, so that a front carries all its derivations and shares
them. A front is a list of points of rising memory and falling price.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

FrontPoint = tuple[int, int, Any, Any, Any]
CheckpointFront = list[FrontPoint]

_MEMORY_THEN_PRICE = itemgetter(0, 1)


def single_step(memory: int, price: int, how: object) -> FrontPoint:
    """The point of a task that is one step and has no parts."""
    return (memory, price, how, None, None)


def in_sequence(
    first: CheckpointFront,
    second: CheckpointFront,
    held: tuple[int, int, int],
    price: int,
    how: object,
    limit: int | None,
) -> Iterable[FrontPoint]:
    """The ways to do one task and then another, at every memory where either gets cheaper, in linear time.

    `held` are three numbers of elements: what is alive besides during the first task, what is during the second, and
    the least that the whole needs in any case.
    """
    if not first or not second:
        return []
    a, b, least = held
    x, y = 0, 0
    memory = max(first[0][0] + a, second[0][0] + b, least)
    points: CheckpointFront = []
    ends = len(first), len(second)
    while limit is None or memory <= limit:
        while x + 1 < ends[0] and first[x + 1][0] + a <= memory:
            x += 1
        while y + 1 < ends[1] and second[y + 1][0] + b <= memory:
            y += 1
        points.append((memory, first[x][1] + second[y][1] + price, how, first[x], second[y]))
        if x + 1 < ends[0]:
            memory = first[x + 1][0] + a
            if y + 1 < ends[1]:
                memory = min(memory, second[y + 1][0] + b)
        elif y + 1 < ends[1]:
            memory = second[y + 1][0] + b
        else:
            break
    return points


def with_last_step(
    front: CheckpointFront, held: int, least: int, price: int, how: object, limit: int | None
) -> Iterable[FrontPoint]:
    """The ways to do a task while `held` elements are alive besides, followed by a step that needs `least`."""
    return [
        (memory, point[1] + price, how, point, None)
        for point in front
        if limit is None or max(point[0] + held, least) <= limit
        for memory in (max(point[0] + held, least),)
    ]


def best(points: Iterable[FrontPoint]) -> CheckpointFront:
    """The points that no other beats in memory and price, in O(n log n) for n points; ties go to the first."""
    front: CheckpointFront = []
    lowest: int | None = None
    for point in sorted(points, key=_MEMORY_THEN_PRICE):
        if lowest is None or point[1] < lowest:
            front.append(point)
            lowest = point[1]
    return front


def cheapest_under(front: CheckpointFront, limit: int | None) -> FrontPoint | None:
    """The cheapest point within a limit."""
    return next((point for point in reversed(front) if limit is None or point[0] <= limit), None)


def least(points: Iterable[FrontPoint]) -> CheckpointFront:
    """The cheapest point of least memory alone, for passes in which only memory matters."""
    return sorted(points, key=_MEMORY_THEN_PRICE)[:1]


def cheapest(points: Iterable[FrontPoint]) -> CheckpointFront:
    """The point of least price and, among these, of least memory, for passes in which only the price matters."""
    return sorted(points, key=itemgetter(1, 0))[:1]


def coarse(unit: int) -> Callable[[Iterable[FrontPoint]], CheckpointFront]:
    """`best` with memory rounded up to units: fronts are short, and a point never needs more than it says."""

    def round_up(points: Iterable[FrontPoint]) -> CheckpointFront:
        return best((-(-point[0] // unit) * unit, *point[1:]) for point in points)

    return round_up
