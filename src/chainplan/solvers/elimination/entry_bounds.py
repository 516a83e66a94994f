"""Lower bounds of graphs with structures, from the classes of their entries.

What a vertex costs is the sum over its entries (`entry_graph`), so its bound is the sum of the bounds of its classes,
and the table of a group of vertices adds up the prices of the classes in the same way.
"""

from __future__ import annotations

from chainplan.solvers.elimination.bitset_graph import BitsetGraph
from chainplan.solvers.elimination.bitset_problem import members
from chainplan.solvers.elimination.bounds import SetBounds
from chainplan.solvers.elimination.entry_graph import EntryGraph
from chainplan.solvers.search.search import WorkWatcher, unwatched


class EntryBounds:
    """The lower bounds of the vertices of a set, whose classes of entries are bounded as vertices of their own."""

    def __init__(self, net: BitsetGraph, entries: EntryGraph, look: WorkWatcher = unwatched) -> None:
        self.net, self.entries = net, entries
        self.bounds = SetBounds(entries.net, look)

    def root(self, inside: int) -> None:
        """Remember the minimum cuts of a set as lower bounds on those of its subsets."""
        self.bounds.root(self.entries.spread(inside))

    def lows(self, inside: int) -> list[int]:
        """The least that each vertex of a set ever costs, in the order of their numbers."""
        scan = self.bounds.scan(self.entries.spread(inside))
        if self.entries.single:
            return scan.least
        low = dict(zip(scan.vertices, scan.least, strict=True))
        return [sum(low[c] for c in members(self.entries.classes[v])) for v in members(inside)]

    def least(self, v: int, inside: int, gone: int) -> int:
        """The least that v costs when `gone` goes before it and what is not in `inside` stays until after it."""
        entries = self.entries
        within, before = entries.spread(inside), entries.spread(gone)
        return sum(self.bounds.least(c, within, before) for c in members(entries.classes[v]))
