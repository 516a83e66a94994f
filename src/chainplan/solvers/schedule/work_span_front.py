"""The plans of a chain that trade work for path: none has both less work and a shorter path.

A short path costs additional work, which machines can share; little work means a long path. Between these extremes some
plan is mostly near the best for p machines, where `max(path, work / p)` is small, and the least of these numbers is a
bound on all plans. Work and path add up along trees, so the frontier of an interval follows from those of its parts.
Points that `bounds` rules out are dropped, which keeps the frontiers short where a good schedule is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from chainplan.solvers.chain.derivation import ChainInterval
from chainplan.solvers.schedule.bounds import WorkPathBounds
from chainplan.solvers.schedule.tasks import ChainTasks, ChainTree, IntervalOption
from chainplan.solvers.search.search import Search

MAX_FRONT_POINTS = 1000
"""Points of a frontier above which the search for it is given up."""


class WorkPathPoint(NamedTuple):
    """Work and path of a way to make an interval: one of its options, and a point of each interval that this reads."""

    work: int
    path: int
    interval: ChainInterval
    option: IntervalOption
    parts: tuple[WorkPathPoint, ...]

    def tree(self) -> ChainTree:
        """The tree of the plan that makes the interval in this way."""
        tree: ChainTree = {}
        todo = [self]
        while todo:
            point = todo.pop()
            tree[point.interval] = point.option
            todo += point.parts
        return tree


def frontier(
    tasks: ChainTasks, bounds: WorkPathBounds, machines: int, most: int, search: Search
) -> list[WorkPathPoint] | None:
    """The points of the chain whose makespan may be at most `most`, by rising work; None where there are too many.

    Parameters
    ----------
    most : int
        A known makespan; a longer path, or more work than `machines` do in it, is of no use.
    """
    points: dict[ChainInterval, list[WorkPathPoint]] = {}
    for d in range(1, tasks.q + 1):
        for i in range(tasks.q - d + 1):
            here = (i, i + d)
            work, path = machines * most - bounds.work_after[here], most - bounds.path_after[here]
            points[here] = _undominated(p for p in _ways(tasks, points, here) if p.work <= work and p.path <= path)
            if len(points[here]) > MAX_FRONT_POINTS:
                return None
            search.tick()
    return points[tasks.root]


def _ways(
    tasks: ChainTasks, points: dict[ChainInterval, list[WorkPathPoint]], here: ChainInterval
) -> Iterator[WorkPathPoint]:
    """The ways to make an interval from the points of its parts, dominated ones among them."""
    for option in tasks.options[here]:
        if not option.reads:
            yield WorkPathPoint(option.duration, option.duration, here, option, ())
        elif len(option.reads) == 1:
            for part in points[option.reads[0]]:
                yield WorkPathPoint(part.work + option.duration, part.path + option.duration, here, option, (part,))
        else:
            left, right = (points[arg] for arg in option.reads)
            for a, b in _undominated_pairs(left, right):
                yield WorkPathPoint(
                    a.work + b.work + option.duration, max(a.path, b.path) + option.duration, here, option, (a, b)
                )


def _undominated_pairs(
    left: list[WorkPathPoint], right: list[WorkPathPoint]
) -> Iterator[tuple[WorkPathPoint, WorkPathPoint]]:
    """The undominated pairs of points of two parts, in O(left + right).

    Both lists are by rising work and falling path. Wherever one of the two has the longer path, the other needs no
    shorter one, so its cheapest point with a path that is no longer is enough.
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


def _undominated(points: Iterator[WorkPathPoint]) -> list[WorkPathPoint]:
    """The points that no other beats in work and path, by rising work; the first of equal ones."""
    kept: list[WorkPathPoint] = []
    for point in sorted(points, key=lambda p: (p.work, p.path)):
        if not kept or point.path < kept[-1].path:
            kept.append(point)
    return kept
