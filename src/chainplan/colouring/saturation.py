"""Colouring of one side with a given number of colours, the most constrained vertex first.

DSATUR (Brélaz, Comm. ACM 22(4), 1979): the next vertex is the one whose neighbours have most different colours; ties go
to the one with most neighbours. On a grid all colours follow from those of one stencil, in whatever order the points
are numbered. Where a vertex has no colour left, the search steps back. If it ends without a colouring, none with so
many colours exists; no other proof is known here where columns need more colours than are pairwise in conflict.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import NamedTuple

from chainplan.colouring.incidence import IndexLists
from chainplan.colouring.model import UNSEEDED


class SaturationOutcome(NamedTuple):
    """The colours, or None; and whether they are None because no colouring has so few colours."""

    colours: list[int] | None
    impossible: bool


def saturate(graph: IndexLists, most: int, work: int) -> SaturationOutcome:
    """Colour the vertices of a graph of conflicts with `most` colours, within `work` visits of neighbours.

    A vertex without conflicts gets colour 0. The search is exhaustive if the work suffices.
    """
    search = _SaturationSearch(graph, most)
    while work > 0:
        v = search.next()
        if v is None:
            return SaturationOutcome(search.colours, False)
        if not search.place(v) and not search.back():
            return SaturationOutcome(None, True)
        work -= 1 + search.visited
        search.visited = 0
    return SaturationOutcome(None, False)


class _SaturationSearch:
    """The colours so far, and for each vertex how many of its neighbours have which colour."""

    def __init__(self, graph: IndexLists, most: int) -> None:
        self.graph, self.most, self.visited = graph, most, 0
        size = len(graph)
        self.colours = [UNSEEDED] * size
        self.seen = [0] * size
        self.count = [[0] * most for _ in range(size)]
        self.heap = [(0, -len(row), v) for v, row in enumerate(graph)]
        heapify(self.heap)
        self.trail: list[tuple[int, int, int]] = []
        """The vertices in the order of their colouring, with how many colours were in use and which are left to try."""
        self.used = 0

    def next(self) -> int | None:
        """The vertex to colour next, None where all are coloured."""
        while self.heap:
            saturation, _, v = self.heap[0]
            if self.colours[v] < 0 and -saturation == self.seen[v].bit_count():
                return v
            heappop(self.heap)
        return None

    def place(self, v: int) -> bool:
        """Give v its least possible colour and keep the others for stepping back; return False where it has none.

        Of the colours that are not in use yet only the first is tried.
        """
        left = ~self.seen[v] & ((1 << min(self.used + 1, self.most)) - 1)
        if not self.seen[v]:
            left &= -left  # None of its neighbours is coloured: by symmetry one colour stands for all.
        return self._take(v, self.used, left)

    def _take(self, v: int, used: int, left: int) -> bool:
        """Give v the least colour in `left` that leaves every neighbour one; return False where there is none."""
        while left:
            bit = left & -left
            left &= ~bit
            if self._colour(v, bit.bit_length() - 1):
                self.trail.append((v, used, left))
                self.used = max(used, bit.bit_length())
                return True
            self._uncolour(v)
        return False

    def back(self) -> bool:
        """Step back to the last vertex with another colour left and give it that; return False where there is none."""
        while self.trail:
            v, used, left = self.trail.pop()
            self._uncolour(v)
            self.used = used
            if self._take(v, used, left):
                return True
        return False

    def _colour(self, v: int, colour: int) -> bool:
        """Give v a colour and return whether every neighbour still has one left."""
        self.colours[v] = colour
        bit, full, fine = 1 << colour, (1 << self.most) - 1, True
        for u in self.graph[v]:
            self.count[u][colour] += 1
            if not self.seen[u] & bit:
                self.seen[u] |= bit
                if self.colours[u] < 0:
                    fine &= self.seen[u] != full
                    heappush(self.heap, (-self.seen[u].bit_count(), -len(self.graph[u]), u))
        self.visited += len(self.graph[v])
        return fine

    def _uncolour(self, v: int) -> None:
        """Take the colour of v back."""
        colour = self.colours[v]
        self.colours[v] = UNSEEDED
        for u in self.graph[v]:
            self.count[u][colour] -= 1
            if not self.count[u][colour]:
                self.seen[u] &= ~(1 << colour)
                if self.colours[u] < 0:
                    heappush(self.heap, (-self.seen[u].bit_count(), -len(self.graph[u]), u))
        self.visited += len(self.graph[v])
        heappush(self.heap, (-self.seen[v].bit_count(), -len(self.graph[v]), v))
