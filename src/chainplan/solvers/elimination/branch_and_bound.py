"""Exact vertex elimination: memoised AND/OR branch and bound over the sets that are still to be eliminated.

The optimum of a connected set C of intermediates, everything else kept, depends on C alone (see `bitset_problem`):

    f(C) = min over v in C, eliminated last, of price_last(v, C) + Σ f(K) over the components K of C − v.

On a path C is an interval, v the split, and this is the matrix-chain recurrence. A set is searched under a limit: the
answer is f(C) where that is within the limit, else a proven lower bound above it, and both are remembered. The limit of
the whole rises from the lower bound until it is met, so no good order need be known beforehand, and each attempt uses
what the ones before it have proven. Vertices that may go first (see `reductions`) are never tried as the last.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from chainplan.solvers.elimination.bitset_graph import BitsetGraph
from chainplan.solvers.elimination.bitset_problem import EliminationCore, bits, members
from chainplan.solvers.elimination.block_classes import edge_classes
from chainplan.solvers.elimination.bounds import GroupTable, SetBounds, SetScan, groups
from chainplan.solvers.elimination.entry_bounds import EntryBounds
from chainplan.solvers.elimination.entry_graph import EntryGraph
from chainplan.solvers.elimination.reductions import ReducedGraph, goes_first, reduce
from chainplan.solvers.search.search import WorkWatcher, paced, unwatched

GROUP_SIZES = (8, 10)
"""Most members of the groups of the bounds: at first, and when the search has proven hard."""
MAX_CLASSES_PER_VERTEX = 8
"""Classes of entries per intermediate vertex above which bounds of sets take longer than they save."""
WORK_PER_PRICED_VERTEX = 20
"""Work that pricing one vertex by its blocks counts as, per vertex of the graph."""
VISITS_BEFORE_LARGER_GROUPS = 3000
"""Visited sets after which a search counts as hard."""


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
        entries = EntryGraph.of(core, MAX_CLASSES_PER_VERTEX * net.middle.bit_count(), net.middle)
        self.bounds = None if entries is None else EntryBounds(net, entries, look)

    def scan(self, inside: int) -> SetScan:
        vertices = list(members(inside))
        least = [0] * len(vertices) if self.bounds is None else self.bounds.lows(inside)
        return SetScan(vertices, [self._price(v, inside) for v in vertices], least, 0)

    def _price(self, v: int, inside: int) -> int:
        self._look(WORK_PER_PRICED_VERTEX * len(self.core.size))
        return self.core.price_last(v, inside)

    def parts(self, mask: int) -> list[int]:
        return list(self.core.components(mask))

    def tables(self, inside: int, most: int, tick: Callable[[], None]) -> list[GroupTable]:
        if self.bounds is None:
            return []
        self.bounds.root(inside)
        return groups(self.bounds, inside, most, tick)


class _LargerGroupsPay(Exception):
    """The search has taken so long that larger groups pay."""


class SetSearch:
    """The search of one connected set and of the connected subsets below it.

    `exact` holds f(C) and `last` the vertex that goes last for every solved set, `low` a lower bound and `nodes` the
    sorted candidates for going last of every other set that was visited.
    """

    def __init__(self, model: SetModel, whole: int) -> None:
        self.model, self.whole = model, whole
        self.tick: Callable[[], None] = unwatched
        self.tables: list[GroupTable] = []
        self.exact: dict[int, int] = {0: 0}
        self.last: dict[int, int] = {}
        self.low: dict[int, int] = {}
        self.nodes: dict[int, list[tuple[int, int, int]]] = {}
        self.visits = self.level = self.patience = 0

    def prepare(self, tick: Callable[[], None]) -> None:
        """Compute group bounds, which takes a moment; with larger groups each time the search has proven hard."""
        self.tick = tick
        if self.level < len(GROUP_SIZES) and self.visits >= self.patience and self.whole not in self.exact:
            self.tables = self.model.tables(self.whole, GROUP_SIZES[self.level], tick)
            self.level += 1
            self.patience = VISITS_BEFORE_LARGER_GROUPS * self.level if self.level < len(GROUP_SIZES) else -1
            self.nodes.clear()
            self._open(self.whole)

    def bound(self, inside: int) -> int:
        """The best known lower bound of a set."""
        known = self.exact.get(inside)
        if known is None:
            known = self.low.get(inside)
        return self._open(inside) if known is None else known

    def _open(self, inside: int) -> int:
        """Enter a set: sort its candidates (bound, price, v) for going last, and return its lower bound."""
        model = self.model
        vertices, last, least, skip = model.scan(inside)
        if len(vertices) == 1:
            self.exact[inside], self.last[inside] = last[0], vertices[0]
            return last[0]
        single, rows = dict(zip(vertices, least, strict=True)), []
        total = sum(least)
        gain: dict[int, int] = {}
        for table in self.tables:
            part = table.mask & inside
            if part & (part - 1):
                alone = sum(single[v] for v in members(part))
                more = table.least(part) - alone
                if more > 0:
                    total += more
                for v in members(part):
                    gain[v] = max(0, table.least(part & ~(1 << v)) - alone + single[v]) - max(0, more)
        for v, price, bound in zip(vertices, last, least, strict=True):
            if not skip >> v & 1:
                rows.append((total + price - bound + gain.get(v, 0), price, v))
        rows.sort()
        self.nodes[inside] = rows
        self.low[inside] = max(total, rows[0][0], self.low.get(inside, 0))
        return self.low[inside]

    def solve(self, inside: int, limit: int) -> int:
        """f(inside) if it is at most `limit`, else a lower bound above `limit`."""
        low = self.bound(inside)
        if low > limit or inside in self.exact:
            return low
        if inside not in self.nodes:
            low = self._open(inside)
            if low > limit:
                return low
        self.visits += 1
        self.tick()
        if self.visits == self.patience:
            raise _LargerGroupsPay
        best, choice, rows = limit + 1, -1, self.nodes[inside]
        missed = 1 << 200
        for i, (bound, price, v) in enumerate(rows):
            if bound >= best:
                missed = min(missed, bound)
                continue
            total = self._last(inside & ~(1 << v), price, best)
            if total < best:
                best, choice = total, v
            else:
                missed = min(missed, total)
            rows[i] = (max(bound, total), price, v)
        if choice >= 0:
            self.exact[inside], self.last[inside] = best, choice
            del self.nodes[inside]
            return best
        rows.sort()
        self.low[inside] = max(low, missed)
        return self.low[inside]

    def _last(self, rest: int, total: int, best: int) -> int:
        """`total` plus the optimum of `rest` if that is below `best`, else a lower bound that is not."""
        parts = self.model.parts(rest)
        lows = [self.bound(part) for part in parts]
        total += sum(lows)
        if total >= best:
            return total
        for low, part in sorted(zip(lows, parts, strict=True)):
            total += self.solve(part, best - 1 - total + low) - low
            if total >= best:
                break
        return total

    def order(self, inside: int) -> list[int]:
        """An optimal order of a solved set."""
        v = self.last[inside]
        return [*(w for part in self.model.parts(inside & ~(1 << v)) for w in self.order(part)), v]


class ExactSearch:
    """The exact search of a whole problem, which is reduced and split into components that are searched in turn.

    `bound` is proven at any time, also after `tick` has stopped `run`; `order` exists once all is proven. `tick` is
    also called while the problem is reduced and its components are first bounded, and what it raises ends that.
    """

    def __init__(self, core: EliminationCore, mask: int | None = None, tick: Callable[[], None] = unwatched) -> None:
        middle = core.middle if mask is None else core.middle & mask
        self._tick = tick
        look = paced(lambda: self._tick())
        classes = None if core.dense else edge_classes(core)
        net = BitsetGraph.of(core, middle, classes)
        self.model: SetModel
        if core.dense or classes is not None:
            self.reduced = reduce(net, look)
            self.model = ClassedSetModel(self.reduced.net, look)
        else:
            self.reduced = ReducedGraph(net)
            self.model = StructuredSetModel(core, net, look)
        self.searches = [SetSearch(self.model, part) for part in self.model.parts(self.reduced.net.middle)]
        for search in self.searches:
            search.bound(search.whole)

    @property
    def bound(self) -> int:
        """A proven lower bound, without the accumulation."""
        return self.reduced.price + sum(search.bound(search.whole) for search in self.searches)

    @property
    def order(self) -> list[int] | None:
        """The cheapest order, None where it has not been proven."""
        if any(search.whole not in search.exact for search in self.searches):
            return None
        return self.reduced.expand([v for search in self.searches for v in search.order(search.whole)])

    def prepare(self, tick: Callable[[], None] = unwatched) -> None:
        """Strengthen the bound by groups, which takes a moment."""
        self._tick = tick
        for search in self.searches:
            search.prepare(tick)

    def run(self, upper: int | None = None, tick: Callable[[], None] = unwatched) -> bool:
        """Search until the optimum is known or proven not to be below `upper`; return whether it is below.

        Whatever `tick` raises ends the search; what has been proven until then stays.
        """
        self.prepare(tick)
        for search in self.searches:
            step = 0
            while search.whole not in search.exact:
                low = search.bound(search.whole)
                if upper is not None and self.bound >= upper:
                    return False
                search.prepare(tick)
                step = max(2 * step, low // 64)
                limit = low + step if upper is None else low + min(step, upper - 1 - self.bound)
                with suppress(_LargerGroupsPay):
                    search.solve(search.whole, limit)
        return upper is None or self.bound < upper


def solve_set(
    core: EliminationCore, mask: int | None = None, upper: int | None = None, tick: Callable[[], None] = unwatched
) -> tuple[int, list[int] | None]:
    """The cheapest order of eliminating the intermediates in `mask` (default all), every other vertex kept.

    Returns its price and the order. With `upper` only orders that cost less are sought; where none exists, the number
    returned is a lower bound of at least `upper`, beside None or an order that is no cheaper.
    """
    search = ExactSearch(core, mask, tick)
    search.run(upper, tick)
    return search.bound, search.order
