"""Whether the colour of one vertex leaves everything around it recoverable: what searches ask thousands of times.

The vertices may be coloured in part: a vertex that has no decision yet is as good as absent. Taking vertices out only
takes nonzeros out of equations, so that what cannot be recovered in a part cannot be recovered in the whole.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import final

from chainplan.colouring.model import UNSEEDED
from chainplan.colouring.symmetric.adjacency import Adjacency

UNDECIDED = -2


class LocalRules(ABC):
    """The colours so far, and the conditions on them.

    `visited` counts the entries that were looked at.
    """

    def __init__(self, graph: Adjacency) -> None:
        self.graph = graph
        self.members = [graph.members(v) for v in range(len(graph.neighbours))]
        self.colours = [UNDECIDED] * len(self.members)
        self.visited = 0

    def put(self, v: int, colour: int) -> None:
        """Decide on the colour of a vertex, UNSEEDED and UNDECIDED among them."""
        self.colours[v] = colour

    @abstractmethod
    def fits(self, v: int) -> bool:
        """Whether all nonzeros between decided vertices can be recovered, where those without v can."""


@final
class DirectRules(LocalRules):
    """The conditions of direct recovery; every row counts how often it has which colour."""

    def __init__(self, graph: Adjacency) -> None:
        super().__init__(graph)
        self.counts: list[dict[int, int]] = [{} for _ in self.members]

    def put(self, v: int, colour: int) -> None:
        """Decide on the colour of a vertex, and count it in the rows that have it."""
        before = self.colours[v]
        for row in self.members[v]:
            counts = self.counts[row]
            if before >= 0:
                counts[before] -= 1
            if colour >= 0:
                counts[colour] = counts.get(colour, 0) + 1
        self.visited += len(self.members[v])
        self.colours[v] = colour

    def fits(self, v: int) -> bool:
        """Whether every nonzero that v may hide, and every one of v, is alone in an equation."""
        colour, colours, counts = self.colours[v], self.colours, self.counts
        for row in self.members[v]:
            if colour < 0 or counts[row][colour] == 1:
                hidden = [v]
            else:
                hidden = [u for u in self.members[row] if colours[u] == colour]
                self.visited += len(self.members[row])
            mine = colours[row]
            if mine == UNDECIDED:
                continue
            for u in hidden:
                there = colours[u]
                if (there < 0 or counts[row][there] > 1) and (mine < 0 or counts[u][mine] > 1):
                    return False
        self.visited += len(self.members[v])
        return True


@final
class SubstitutionRules(LocalRules):
    """The conditions of recovery by substitution: parts of equations are trees with at most one loose end."""

    def fits(self, v: int) -> bool:
        """Whether every part of equations in which v stands can be solved."""
        colours, seen = self.colours, set[tuple[int, int]]()
        for u in self.members[v]:
            if colours[u] == UNDECIDED:
                continue
            starts = [(v, colours[u]), (u, colours[v])]
            if colours[u] < 0 and colours[v] < 0:
                return False
            if not all(start in seen or start[1] < 0 or self._solvable(start, seen) for start in starts):
                return False
        return True

    def _solvable(self, start: tuple[int, int], seen: set[tuple[int, int]]) -> bool:
        """Go through the part of an equation; False where it has a cycle or a second loose end."""
        seen.add(start)
        heap, loose = [(start, start)], 0
        while heap:
            node, above = heap.pop()
            for other in self._linked(node):
                if other is None:
                    loose += 1
                    if loose > 1:
                        return False
                elif other == above:
                    continue
                elif other in seen:
                    return False
                else:
                    seen.add(other)
                    heap.append((other, node))
        return True

    def _linked(self, node: tuple[int, int]) -> Iterator[tuple[int, int] | None]:
        """The equations that share a nonzero with this one; None is a nonzero that stands in no other."""
        row, colour = node
        mine = self.colours[row]
        self.visited += len(self.members[row])
        for u in self.members[row]:
            if self.colours[u] == colour and mine != UNDECIDED:
                yield None if u == row or mine == UNSEEDED else (u, mine)


def local_rules(graph: Adjacency, substitution: bool) -> LocalRules:
    """The conditions of one way of recovery on a graph without colours."""
    return SubstitutionRules(graph) if substitution else DirectRules(graph)
