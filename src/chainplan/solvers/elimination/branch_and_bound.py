"""Exact vertex elimination: memoised AND/OR branch and bound over the sets that are still to be eliminated.

The optimum of a connected set C of intermediates, everything else kept, depends on C alone (see `core`):

    f(C) = min over v in C, eliminated last, of price_last(v, C) + Σ f(K) over the components K of C − v.

On a path C is an interval, v the split, and this is the matrix-chain recurrence. A set is searched under a limit: the
answer is f(C) where that is within the limit, else a proven lower bound above it, and both are remembered. The limit of
the whole rises from the lower bound until it is met, so no good order need be known beforehand, and what an attempt
proves is kept for the next one. Vertices that may go first (see `reductions`) are never tried as the last.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from chainplan.solvers.elimination.bitset_graph import Net
from chainplan.solvers.elimination.bitset_problem import Core, bits, members
from chainplan.solvers.elimination.bounds import Bounds, Group, Scan, groups
from chainplan.solvers.elimination.reductions import Reduced, goes_first, reduce
from chainplan.solvers.elimination.unit_sizes import unit_sizes
from chainplan.solvers.search.search import Look, paced, unwatched

GROUPS = (8, 10)
PRICE = 20
"""Work per vertex of the graph that pricing one vertex by its blocks is taken to be."""
PATIENCE = 3000


class Model(Protocol):
    """Prices and bounds of sets, as the search needs them."""

    def scan(self, inside: int) -> Scan:
        """Prices and bounds of the members; `tight` are those that need not be tried as the last, never all."""
        ...

    def parts(self, mask: int) -> list[int]:
        """Connected components."""
        ...

    def tables(self, inside: int, most: int, tick: Callable[[], None]) -> list[Group]:
        """Group bounds that hold for every subset, of groups of at most `most` members."""
        ...


class DenseModel:
    """Dense blocks: minimum cuts, group bounds, safe vertices."""

    def __init__(self, net: Net, look: Look = unwatched) -> None:
        self.net, self.bounds = net, Bounds(net, look=look)
        self.parts = net.parts

    def scan(self, inside: int) -> Scan:
        scan = self.bounds.scan(inside)
        safe = bits(v for v in members(scan.tight) if goes_first(self.net, v, inside))
        return scan._replace(tight=safe if safe != inside else safe & (safe - 1))

    def tables(self, inside: int, most: int, tick: Callable[[], None]) -> list[Group]:
        self.bounds.root(inside)
        return groups(self.bounds, inside, most, tick)


class StructuredModel:
    """Structured blocks: prices by pattern; bounds where every block is dense or plus or minus the identity."""

    def __init__(self, core: Core, net: Net, look: Look = unwatched) -> None:
        self.core, self._look = core, look
        sizes = unit_sizes(core)
        self.bounds = None if sizes is None else Bounds(net, sizes, look)

    def scan(self, inside: int) -> Scan:
        found = list(members(inside))
        least = [0] * len(found) if self.bounds is None else self.bounds.scan(inside).least
        return Scan(found, [self._price(v, inside) for v in found], least, 0)

    def _price(self, v: int, inside: int) -> int:
        self._look(PRICE * len(self.core.size))
        return self.core.price_last(v, inside)

    def parts(self, mask: int) -> list[int]:
        return list(self.core.components(mask))

    def tables(self, inside: int, most: int, tick: Callable[[], None]) -> list[Group]:
        if self.bounds is None:
            return []
        self.bounds.root(inside)
        return groups(self.bounds, inside, most, tick)


class _Hard(Exception):
    """The search takes long enough for larger groups to pay."""


class SetSearch:
    """The search below one connected set of a model."""

    def __init__(self, model: Model, whole: int) -> None:
        self.model, self.whole = model, whole
        self.tick: Callable[[], None] = unwatched
        self.tables: list[Group] = []
        self.exact: dict[int, int] = {0: 0}
        self.last: dict[int, int] = {}
        self.low: dict[int, int] = {}
        self.nodes: dict[int, list[tuple[int, int, int]]] = {}
        self.visits = self.level = self.patience = 0

    def prepare(self, tick: Callable[[], None]) -> None:
        """Work out group bounds, which takes a moment; larger ones each time the search has proven hard since."""
        self.tick = tick
        if self.level < len(GROUPS) and self.visits >= self.patience and self.whole not in self.exact:
            self.tables = self.model.tables(self.whole, GROUPS[self.level], tick)
            self.level += 1
            self.patience = PATIENCE * self.level if self.level < len(GROUPS) else -1
            self.nodes.clear()
            self._open(self.whole)

    def bound(self, inside: int) -> int:
        """The best lower bound known of a set."""
        found = self.exact.get(inside)
        if found is None:
            found = self.low.get(inside)
        return self._open(inside) if found is None else found

    def _open(self, inside: int) -> int:
        """Look at a set for the first time: its bound, and the candidates (bound, price, v) for going last, sorted."""
        model = self.model
        found, last, least, skip = model.scan(inside)
        if len(found) == 1:
            self.exact[inside], self.last[inside] = last[0], found[0]
            return last[0]
        single, rows = dict(zip(found, least, strict=True)), []
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
        for v, price, bound in zip(found, last, least, strict=True):
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
            raise _Hard
        best, choice, rows = limit + 1, -1, self.nodes[inside]
        missed = 1 << 200
        for i, (bound, price, v) in enumerate(rows):
            if bound >= best:
                missed = min(missed, bound)
                continue
            found = self._last(inside & ~(1 << v), price, best)
            if found < best:
                best, choice = found, v
            else:
                missed = min(missed, found)
            rows[i] = (max(bound, found), price, v)
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
        """The order that a solved set was proven with."""
        v = self.last[inside]
        return [*(w for part in self.model.parts(inside & ~(1 << v)) for w in self.order(part)), v]


class Exact:
    """The exact search of a whole problem: reduced, split into components, searched one after the other.

    `bound` is proven at any time, also after `tick` has stopped `run`; `order` is there once all is proven. `tick` is
    also called while the problem is reduced and looked at for the first time, and what it raises ends that.
    """

    def __init__(self, core: Core, mask: int | None = None, tick: Callable[[], None] = unwatched) -> None:
        middle = core.middle if mask is None else core.middle & mask
        self._tick = tick
        look = paced(lambda: self._tick())
        self.model: Model
        if core.dense:
            self.reduced = reduce(Net.of(core, middle), look)
            self.model = DenseModel(self.reduced.net, look)
        else:
            self.reduced = Reduced(Net.of(core, middle))
            self.model = StructuredModel(core, self.reduced.net, look)
        self.searches = [SetSearch(self.model, part) for part in self.model.parts(self.reduced.net.middle)]
        for search in self.searches:
            search.bound(search.whole)

    @property
    def bound(self) -> int:
        """A proven lower bound, accumulation not included."""
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
        """Search until the optimum is proven, or that it is not below `upper`; whether it is below.

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
                with suppress(_Hard):
                    search.solve(search.whole, limit)
        return upper is None or self.bound < upper


def solve_set(
    core: Core, mask: int | None = None, upper: int | None = None, tick: Callable[[], None] = unwatched
) -> tuple[int, list[int] | None]:
    """The cheapest order of eliminating the intermediates in `mask` (default all), every other vertex kept.

    Returns its price and the order. With `upper` only orders that cost less are looked for; where there is none, a
    bound of at least `upper`, and None or an order that is no cheaper.
    """
    search = Exact(core, mask, tick)
    search.run(upper, tick)
    return search.bound, search.order
