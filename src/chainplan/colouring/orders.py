"""Orders in which a greedy colouring takes the vertices of one side.

Natural, largest-first and smallest-last are the orders of ColPack (Gebremedhin, Nguyen, Patwary & Pothen, ACM TOMS
40(1), 2013, section 4.3): degrees are distance-2 degrees, the number of other vertices met in some line. They are
counted in the conflict graph, which is built only up to `PAIRS` pairs; above, pairs are counted once per line that
they meet in, which needs no graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from chainplan.colouring.greedy import Demand
from chainplan.colouring.incidence import Lists, cut
from chainplan.colouring.recovery import entries

if TYPE_CHECKING:
    from chainplan.colouring.recovery import Pattern

PAIRS = 30_000_000


def conflicts(pattern: Pattern) -> Lists | None:
    """For each column the other columns it meets in some row; None above `PAIRS` pairs, counted per row."""
    counts = np.diff(pattern.indptr).astype(np.int64)
    if int((counts * counts).sum()) > PAIRS:
        return None
    boolean = pattern.astype(np.bool_)
    boolean.data[:] = True
    graph = (boolean.T @ boolean).tocsr()
    graph.sort_indices()
    v, u = entries(graph)
    ends = np.cumsum(np.bincount(v[v != u] + 1, minlength=graph.shape[0] + 1))
    return cut(ends, u[v != u])


def natural(vertices: int) -> Sequence[int]:
    """By position."""
    return range(vertices)


def largest_first(degrees: Sequence[int]) -> list[int]:
    """By falling degree, ties by position."""
    return sorted(range(len(degrees)), key=lambda v: -degrees[v])


def smallest_last(graph: Lists) -> list[int]:
    """The vertex of least degree among those not yet placed goes last; ties to the one whose degree fell last."""
    degree = [len(row) for row in graph]
    buckets: list[list[int]] = [[] for _ in range(max(degree, default=0) + 1)]
    for v in reversed(range(len(graph))):
        buckets[degree[v]].append(v)
    order, placed, least = list[int](), [False] * len(graph), 0
    while len(order) < len(graph):
        while not buckets[least]:
            least += 1
        v = buckets[least].pop()
        if placed[v] or degree[v] != least:
            continue
        placed[v] = True
        order.append(v)
        for u in graph[v]:
            if not placed[u]:
                degree[u] -= 1
                buckets[degree[u]].append(u)
        least = max(0, least - 1)
    return order[::-1]


def meetings(demand: Demand, lines: int) -> list[int]:
    """Upper bounds on the degrees of vertices in the graph of conflicts of a demand: one per line of every conflict."""
    needing, present = [0] * lines, [0] * lines
    for mine, rest in zip(*demand, strict=True):
        if mine:
            for line in mine:
                needing[line] += 1
                present[line] += 1
            for line in rest:
                present[line] += 1
    found = []
    for mine, rest in zip(*demand, strict=True):
        found.append(sum([present[line] for line in mine]) + sum([needing[line] for line in rest]))
    return found


def by_class(colours: Sequence[int], rank: Sequence[int]) -> list[int]:
    """Colour class after colour class, in the order of `rank`; ties by position; vertices without colour last.

    First-fit in this order never needs more colours than there are classes (Culberson, iterated greedy, 1992).
    """
    last = len(rank)
    return sorted(range(len(colours)), key=lambda v: rank[colours[v]] if colours[v] >= 0 else last)
