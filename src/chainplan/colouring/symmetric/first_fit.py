"""Greedy star and acyclic colourings: each vertex in turn gets the least colour that makes nothing ambiguous.

A colouring in which neighbours differ is a star colouring where no path on four vertices has two colours only, so that
two classes together are stars; it is acyclic where no cycle has two colours only, so that they are trees. The
conditions on one vertex are those of Gebremedhin, Tarafdar, Manne & Pothen, SIAM J. Sci. Comput. 29(3), 2007,
Algorithms 3.1 and 4.1. Here every vertex keeps sets of colours as the bits of an int, so that a neighbour is looked at
once and not each of its neighbours.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from typing import final

from chainplan.colouring.incidence import IndexLists
from chainplan.colouring.model import UNSEEDED


class GreedyColouring(ABC):
    """The colours so far as single bits, and of every vertex the sets of colours that its neighbours have.

    `seen` has those of one neighbour or more, `twice` those of two or more.
    """

    def __init__(self, graph: IndexLists) -> None:
        self.graph = graph
        self.own, self.seen, self.twice = ([0] * len(graph) for _ in range(3))

    @abstractmethod
    def taken(self, v: int) -> int:
        """The colours that a vertex without one may not get; it only grows as others are coloured."""

    @abstractmethod
    def give(self, v: int, bit: int) -> None:
        """Give a vertex a colour that is not taken."""

    def colours(self) -> list[int]:
        """The colours as numbers."""
        return [bit.bit_length() - 1 if bit else UNSEEDED for bit in self.own]


@final
class GreedyStars(GreedyColouring):
    """A star colouring in the making.

    Cost: O(colours / 64) for each edge, and as many visits again as a vertex has neighbours for each colour that
    repeats among them.
    """

    def __init__(self, graph: IndexLists) -> None:
        super().__init__(graph)
        self.leaf = [0] * len(graph)
        """Of a coloured vertex the colours of those neighbours that have another neighbour of its colour."""

    def taken(self, v: int) -> int:
        """The colours of neighbours, and those with which v would end or cross a path of two colours."""
        own, seen, leaf, repeated = self.own, self.seen, self.leaf, self.twice[v]
        found = seen[v]
        for w in self.graph[v]:
            found |= leaf[w]
            if repeated & own[w]:
                found |= seen[w]
        return found

    def give(self, v: int, bit: int) -> None:
        """Give v a colour, and see which vertices become leaves."""
        graph, own, seen, twice, leaf = self.graph, self.own, self.seen, self.twice, self.leaf
        own[v], mine, repeated = bit, 0, twice[v]
        for w in graph[v]:
            colour = own[w]
            if repeated & colour:
                leaf[w] |= bit
            if not seen[w] & bit:
                seen[w] |= bit
                continue
            mine |= colour
            if not twice[w] & bit:
                twice[w] |= bit
                for u in graph[w] if colour else ():
                    if own[u] == bit:
                        leaf[u] |= colour
        leaf[v] = mine


@final
class GreedyTrees(GreedyColouring):
    """An acyclic colouring in the making; the trees of two classes are kept as disjoint sets.

    Cost: O(colours) for each edge, and the near-constant factor of disjoint sets.
    """

    def __init__(self, graph: IndexLists) -> None:
        super().__init__(graph)
        self.nodes: list[dict[int, int]] = [{} for _ in graph]
        """Of a coloured vertex its node in the tree of its own and another colour, by the bit of the other."""
        self.above: list[int] = []

    def taken(self, v: int) -> int:
        """The colours of neighbours, and those in whose tree two neighbours of one colour are."""
        repeated, found = self.twice[v], self.seen[v]
        if not repeated:
            return found
        met: set[int] = set()
        for w in self.graph[v]:
            for other, node in self.nodes[w].items() if repeated & self.own[w] else ():
                if other & found:
                    continue
                root = self._root(node)
                if root in met:
                    found |= other
                met.add(root)
        return found

    def give(self, v: int, bit: int) -> None:
        """Give v a colour, and join the trees that meet in it."""
        own, seen, grown = self.own, self.seen, self.nodes[v]
        own[v] = bit
        for w in self.graph[v]:
            self.twice[w] |= seen[w] & bit
            seen[w] |= bit
            colour = own[w]
            if not colour:
                continue
            node = self.nodes[w].get(bit)
            if node is None:
                self.nodes[w][bit] = node = len(self.above)
                self.above.append(node)
            if colour in grown:
                older, younger = sorted((self._root(grown[colour]), self._root(node)))
                self.above[younger] = older
            else:
                grown[colour] = node

    def _root(self, node: int) -> int:
        """Find the root of the set of a node, halving the path to it."""
        above = self.above
        while above[node] != node:
            above[node] = node = above[above[node]]
        return node


def greedy(graph: IndexLists, substitution: bool) -> GreedyColouring:
    """A colouring without colours, for one way of recovery."""
    return GreedyTrees(graph) if substitution else GreedyStars(graph)


def first_fit(graph: IndexLists, substitution: bool, order: Iterable[int]) -> list[int]:
    """Colour the vertices in the given order, each by its least colour."""
    made = greedy(graph, substitution)
    for v in order:
        taken = made.taken(v)
        made.give(v, ~taken & (taken + 1))
    return made.colours()


def most_constrained_first(graph: IndexLists, substitution: bool, ties: Sequence[float] | None = None) -> list[int]:
    """Colour the vertex next for which most colours are taken; ties go by `ties`, then by degree, then by position.

    What is taken is counted anew for the vertices at distance two at most from the last one, and before a vertex is
    coloured. Cost: O(degree) times that of first-fit for each vertex at distance two.
    """
    made, count = greedy(graph, substitution), [0] * len(graph)
    rank = [(0.0 if ties is None else ties[v], -len(row), v) for v, row in enumerate(graph)]
    heap = [(0, key) for key in rank]
    heapify(heap)
    while heap:
        known, key = heappop(heap)
        v = key[-1]
        if made.own[v] or -known != count[v]:
            continue
        taken = made.taken(v)
        if taken.bit_count() > count[v]:
            count[v] = taken.bit_count()
            heappush(heap, (-count[v], key))
            continue
        made.give(v, ~taken & (taken + 1))
        for u in {u for w in graph[v] for u in (w, *graph[w]) if not made.own[u]}:
            found = made.taken(u).bit_count()
            if found > count[u]:
                count[u] = found
                heappush(heap, (-found, rank[u]))
    return made.colours()
