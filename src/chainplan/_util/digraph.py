"""Algorithms on directed graphs that are given as pairs of vertex names: reachable vertices, an order, a cycle.

networkx has them too, but importing it costs more than planning a dense chain does.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import Protocol, TypeVar

Named = TypeVar("Named", bound=Hashable)
DigraphArrow = tuple[str, str]
"""An edge from the first vertex to the second."""


class DigraphEdge(Protocol):
    """An object that says between which vertices it leads."""

    @property
    def source(self) -> str:
        """The vertex where the edge starts."""
        ...

    @property
    def target(self) -> str:
        """The vertex where the edge ends."""
        ...


def runs_forward(vertices: Iterable[str], edges: Iterable[DigraphEdge]) -> bool:
    """Say whether every edge leads from a vertex to one named later, so that the vertices are in topological order.

    There is no cycle then, and `topological_order` is the order of the names. It takes O(V + E).
    """
    place = {vertex: i for i, vertex in enumerate(vertices)}
    return all(place.get(e.source, -1) < place.get(e.target, -1) for e in edges)


def reachable(start: Sequence[Named], edges: Iterable[tuple[Named, Named]]) -> set[Named]:
    """Return the vertices to which a path leads from a start vertex, the start included, in O(V + E)."""
    targets: dict[Named, list[Named]] = {}
    for source, target in edges:
        targets.setdefault(source, []).append(target)
    seen, todo = set(start), list(start)
    while todo:
        for vertex in targets.get(todo.pop(), ()):
            if vertex not in seen:
                seen.add(vertex)
                todo.append(vertex)
    return seen


def topological_order(vertices: Sequence[str], edges: Iterable[DigraphArrow]) -> Iterator[str]:
    """Yield the vertices in topological order; of several that could follow, the one named first does.

    This is Kahn's algorithm with a heap, so that the order depends on the declaration alone. It takes O((V + E) log V).
    """
    index = {vertex: i for i, vertex in enumerate(vertices)}
    open_edges = [0] * len(vertices)
    targets: list[list[int]] = [[] for _ in vertices]
    for source, target in edges:
        targets[index[source]].append(index[target])
        open_edges[index[target]] += 1
    ready = [i for i, count in enumerate(open_edges) if not count]
    heapify(ready)
    while ready:
        i = heappop(ready)
        yield vertices[i]
        for j in targets[i]:
            open_edges[j] -= 1
            if not open_edges[j]:
                heappush(ready, j)


def find_cycle(edges: Iterable[DigraphArrow]) -> list[str]:
    """Return the vertices of a cycle, with the first one repeated at the end, or [] where there is none, in O(V + E).

    Vertices that no edge enters are removed until none is left or every vertex has a predecessor; walking backwards
    then closes a cycle.
    """
    edges = list(edges)
    targets: dict[str, list[str]] = {}
    open_edges: dict[str, int] = {}
    for source, target in edges:
        targets.setdefault(source, []).append(target)
        open_edges[target] = open_edges.get(target, 0) + 1
        open_edges.setdefault(source, 0)
    todo = [vertex for vertex, count in open_edges.items() if not count]
    while todo:
        vertex = todo.pop()
        del open_edges[vertex]
        for target in targets.get(vertex, ()):
            open_edges[target] -= 1
            if not open_edges[target]:
                todo.append(target)
    if not open_edges:
        return []
    predecessor = {target: source for source, target in edges if source in open_edges and target in open_edges}
    walk: dict[str, None] = {}
    vertex = next(iter(open_edges))
    while vertex not in walk:
        walk[vertex] = None
        vertex = predecessor[vertex]
    visited = list(walk)
    return [vertex, *reversed(visited[visited.index(vertex) :])]
