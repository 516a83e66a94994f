"""Orders in which a greedy colouring takes the vertices of one side, or of a graph.

Natural, largest-first, smallest-last, incidence-degree and dynamic-largest-first are the orders of ColPack
(Gebremedhin, Nguyen, Patwary & Pothen, ACM TOMS 40(1), 2013, section 4.3). For one side degrees are distance-2 degrees,
that is, numbers of other vertices met in some line. They are counted in the conflict graph, which is built only up to
`MAX_CONFLICT_PAIRS` pairs. Above, a pair counts once per line in which it meets, which needs no graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from chainplan.colouring.incidence import IndexLists, PatternSide, cut
from chainplan.colouring.recovery import entries

if TYPE_CHECKING:
    from chainplan.colouring.recovery import Flags, Pattern

MAX_CONFLICT_PAIRS = 30_000_000
"""Pairs of nonzeros in a row above which the conflict graph is not built."""


def conflicts(pattern: Pattern) -> IndexLists | None:
    """For each column the other columns that it meets in some row; None above `MAX_CONFLICT_PAIRS`, counted per row."""
    counts = np.diff(pattern.indptr).astype(np.int64)
    if int((counts * counts).sum()) > MAX_CONFLICT_PAIRS:
        return None
    boolean = pattern.astype(np.bool_)
    boolean.data[:] = True
    graph = (boolean.T @ boolean).tocsr()
    graph.sort_indices()
    v, u = entries(graph)
    return cut(u[v != u], v[v != u], graph.shape[0])


def natural(vertices: int) -> Sequence[int]:
    """The vertices by position."""
    return range(vertices)


def largest_first(degrees: Sequence[int]) -> list[int]:
    """The vertices by falling degree, ties by position."""
    order: list[int] = np.argsort(-np.asarray(degrees, dtype=np.intp), kind="stable").tolist()
    return order


def smallest_last(graph: IndexLists) -> list[int]:
    """The order in which the vertex of least degree among those not yet placed goes last, in O(conflicts).

    Ties go to the vertex whose degree fell last.
    """
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


def incidence_degree(graph: IndexLists) -> list[int]:
    """The order in which the vertex with most neighbours before it comes next, in O(edges).

    Ties go to the vertex whose number rose last, at first by degree.
    """
    degrees = [len(row) for row in graph]
    buckets = [largest_first(degrees)[::-1], *([] for _ in range(max(degrees, default=0)))]
    before, most = [0] * len(graph), 0
    order, placed = list[int](), [False] * len(graph)
    while len(order) < len(graph):
        while not buckets[most]:
            most -= 1
        v = buckets[most].pop()
        if placed[v] or before[v] != most:
            continue
        placed[v] = True
        order.append(v)
        for u in graph[v]:
            if not placed[u]:
                before[u] += 1
                buckets[before[u]].append(u)
        most = min(most + 1, len(buckets) - 1)
    return order


def dynamic_largest_first(graph: IndexLists) -> list[int]:
    """The order in which the vertex with most neighbours not yet placed comes next, in O(edges).

    Ties go to the vertex whose number fell last.
    """
    left = [len(row) for row in graph]
    buckets: list[list[int]] = [[] for _ in range(max(left, default=0) + 1)]
    for v in reversed(range(len(graph))):
        buckets[left[v]].append(v)
    order, placed, most = list[int](), [False] * len(graph), len(buckets) - 1
    while len(order) < len(graph):
        while not buckets[most]:
            most -= 1
        v = buckets[most].pop()
        if placed[v] or left[v] != most:
            continue
        placed[v] = True
        order.append(v)
        for u in graph[v]:
            if not placed[u]:
                left[u] -= 1
                buckets[left[u]].append(u)
    return order


def meetings(side: PatternSide, which: Flags) -> list[int]:
    """Upper bounds on the degrees of vertices in the graph of conflicts of a demand: a pair counts once per line.

    `which` flags the entries that the vertices of `side` must recover; a vertex without such entries has no conflicts.
    """
    vertex, line = side.here.vertex, side.here.line
    vertices, lines = len(side.lines), len(side.members)
    coloured = np.bincount(vertex[which], minlength=vertices) > 0
    present = np.bincount(line[coloured[vertex]], minlength=lines)
    needing = np.bincount(line[which], minlength=lines)
    met = np.where(which, present[line], needing[line]) * coloured[vertex]
    ends = np.cumsum(np.concatenate([[0], met]))
    stops = np.cumsum(np.concatenate([[0], np.bincount(vertex, minlength=vertices)]))
    degrees: list[int] = np.diff(ends[stops]).tolist()
    return degrees


def by_class(colours: Sequence[int], rank: Sequence[int]) -> list[int]:
    """The vertices class by class, in the order of `rank`, ties by position, those without a colour last.

    First-fit in this order never needs more colours than there are classes (Culberson, iterated greedy, 1992).
    """
    place = np.array([*rank, len(rank)])[np.asarray(colours, dtype=np.intp)]
    order: list[int] = np.argsort(place, kind="stable").tolist()
    return order
