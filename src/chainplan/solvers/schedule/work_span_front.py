"""The plans of a chain that trade work for path: none has both less work and a shorter path.

A short path takes work that can be shared out, little work leaves little to share. Of the plans between the extremes
one is mostly near the best for p machines, where `max(path, work / p)` is small, and the least of these is a bound on
all plans. Work and path add up along trees, so the frontier of an interval follows from those of its parts; what
`bounds` rules out is left away, which keeps frontiers short where a good schedule is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from chainplan.solvers.schedule.bounds import Bounds
from chainplan.solvers.schedule.tasks import ChainTasks, Interval, Option, Tree
from chainplan.solvers.search.search import Search

LONGEST = 1000
"""Points of a frontier above which the search for it is given up."""


class Point(NamedTuple):
    """Work and path of a way to make an interval: an option of it, and a point of each interval that it reads."""

    work: int
    path: int
    interval: Interval
    option: Option
    parts: tuple[Point, ...]

    def tree(self) -> Tree:
        """How all intervals of this way are made."""
        tree: Tree = {}
        todo = [self]
        while todo:
            point = todo.pop()
            tree[point.interval] = point.option
            todo += point.parts
        return tree


def frontier(tasks: ChainTasks, bounds: Bounds, machines: int, most: int, search: Search) -> list[Point] | None:
    """The points of the chain that may have a makespan of `most` at most, by work; None where there are too many.

    Parameters
    ----------
    most : int
        A makespan that is known; a longer path, or more work than `machines` do in it, is of no use.
    """
    points: dict[Interval, list[Point]] = {}
    for d in range(1, tasks.q + 1):
        for i in range(tasks.q - d + 1):
            here = (i, i + d)
            work, path = machines * most - bounds.work_after[here], most - bounds.path_after[here]
            points[here] = _undominated(p for p in _found(tasks, points, here) if p.work <= work and p.path <= path)
            if len(points[here]) > LONGEST:
                return None
            search.tick()
    return points[tasks.root]


def _found(tasks: ChainTasks, points: dict[Interval, list[Point]], here: Interval) -> Iterator[Point]:
    for option in tasks.options[here]:
        if not option.reads:
            yield Point(option.duration, option.duration, here, option, ())
        elif len(option.reads) == 1:
            for part in points[option.reads[0]]:
                yield Point(part.work + option.duration, part.path + option.duration, here, option, (part,))
        else:
            left, right = (points[arg] for arg in option.reads)
            for a, b in _paired(left, right):
                yield Point(
                    a.work + b.work + option.duration, max(a.path, b.path) + option.duration, here, option, (a, b)
                )


def _paired(left: list[Point], right: list[Point]) -> Iterator[tuple[Point, Point]]:
    """For each path that one of the two sets, the least work of the other that keeps to it: O(left + right).

    Both are by work, so paths fall along them.
    """
    if not left or not right:
        return
    a, b = 0, 0
    while True:
        yield left[a], right[b]
        if left[a].path >= right[b].path:
            a += 1
            if a == len(left):
                return
        else:
            b += 1
            if b == len(right):
                return


def _undominated(found: Iterator[Point]) -> list[Point]:
    """The points that none beats, by work; the first of equal ones."""
    kept: list[Point] = []
    for point in sorted(found, key=lambda p: (p.work, p.path)):
        if not kept or point.path < kept[-1].path:
            kept.append(point)
    return kept
