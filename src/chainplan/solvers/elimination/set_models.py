"""Models of elimination for the exact search: what the sets of a graph cost, and at least cost, by their blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from chainplan.solvers.elimination.bitset_graph import BitsetGraph
from chainplan.solvers.elimination.bitset_problem import EliminationCore, bits, members
from chainplan.solvers.elimination.bounds import GroupTable, SetBounds, SetScan, groups
from chainplan.solvers.elimination.entry_bounds import EntryBounds
from chainplan.solvers.elimination.entry_graph import EntryGraph
from chainplan.solvers.elimination.reductions import goes_first
from chainplan.solvers.search.search import WorkWatcher, unwatched

WORK_PER_PRICED_VERTEX = 20
"""Work that pricing one vertex by its blocks counts as, per vertex of the graph."""
MAX_CLASSES_PER_VERTEX = 8
"""Classes of entries per intermediate vertex above which bounds of sets take longer than they save."""


class SetModel(Protocol):
    """The prices and bounds of sets that the search needs."""

    def scan(self, inside: int) -> SetScan:
        """The prices and bounds of the members of a set; `tight` never holds all of them."""
        ...

    def parts(self, mask: int) -> list[int]:
        """The connected components of a set."""
        ...

    def tables(self, inside: int, most: int, tick: Callable[[], None]) -> list[GroupTable]:
        """Tables of group bounds that hold for every subset, of groups of at most `most` members."""
        ...


class ClassedSetModel:
    """The model of blocks that have classes, dense ones among them: minimum cuts, group bounds and safe vertices."""

    def __init__(self, net: BitsetGraph, look: WorkWatcher = unwatched) -> None:
        self.net, self.bounds = net, SetBounds(net, look)
        self.parts = net.parts

    def scan(self, inside: int) -> SetScan:
        scan = self.bounds.scan(inside)
        safe = bits(v for v in members(scan.tight) if goes_first(self.net, v, inside))
        return scan._replace(tight=safe if safe != inside else safe & (safe - 1))

    def tables(self, inside: int, most: int, tick: Callable[[], None]) -> list[GroupTable]:
        self.bounds.root(inside)
        return groups(self.bounds, inside, most, tick)


class StructuredSetModel:
    """The model of other structured blocks: prices by structure, bounds by their entries where these are few enough."""

    def __init__(self, core: EliminationCore, net: BitsetGraph, look: WorkWatcher = unwatched) -> None:
        self.core, self._look = core, look
        most = MAX_CLASSES_PER_VERTEX * net.middle.bit_count()
        entries = None if core.prices.adds else EntryGraph.of(core, most, net.middle, look)
        self.bounds = None if entries is None else EntryBounds(net, entries, look)

    def scan(self, inside: int) -> SetScan:
        vertices = list(members(inside))
        least = [0] * len(vertices) if self.bounds is None else self.bounds.lows(inside)
        return SetScan(vertices, [self._price(v, inside) for v in vertices], least, 0)

    def _price(self, v: int, inside: int) -> int:
        self._look(WORK_PER_PRICED_VERTEX * len(self.core.size))
        return self.core.price_last(v, inside, self._look)

    def parts(self, mask: int) -> list[int]:
        return list(self.core.components(mask))

    def tables(self, inside: int, most: int, tick: Callable[[], None]) -> list[GroupTable]:
        if self.bounds is None:
            return []
        self.bounds.root(inside)
        return groups(self.bounds, inside, most, tick)
