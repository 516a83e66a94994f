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
from functools import partial
from typing import Protocol

from chainplan.solvers.elimination.bitset_graph import BitsetGraph
from chainplan.solvers.elimination.bitset_problem import EliminationCore, members
from chainplan.solvers.elimination.block_classes import edge_classes
from chainplan.solvers.elimination.bounds import GroupTable
from chainplan.solvers.elimination.compiled_search import compiled_model
from chainplan.solvers.elimination.reductions import ReducedGraph, reduce
from chainplan.solvers.elimination.set_models import ClassedSetModel, SetModel, StructuredSetModel
from chainplan.solvers.search.search import paced, unwatched

GROUP_SIZES = (8, 10, 12, 14)
"""Most members of the groups of the bounds: at first, and each time that the search has proven harder."""
SMALLER_GROUP_SIZES = (2, 3, 4)
"""The same before the first of them on large sets, where small groups take a moment and give most of the bound."""
MAX_MEMBERS_FOR_LARGE_GROUPS = 100
"""Members of a set above which smaller groups come first."""
MAX_SETS_WITH_CANDIDATES = 3_000_000
"""Sets whose candidates a search remembers, which take some hundred megabytes."""
VISITS_BEFORE_LARGER_GROUPS = (3000, 10_000, 100_000)
"""Visited sets after which a search is harder: tables of k members take O(2^k · k) cuts."""

STEPS_TO_DOUBLE = 64
"""First steps by which the limit of a search would rise to twice the bound; each later step is twice as long."""


class ConnectedSearch(Protocol):
    """The search of one connected set: `SetSearch`, or its compiled twin."""

    @property
    def solved(self) -> bool: ...

    @property
    def visits(self) -> int: ...

    def bound(self) -> int: ...

    def regroup(self, most: int) -> None: ...

    def solve(self, limit: int, patience: int) -> bool: ...

    def order(self) -> list[int]: ...


class _LargerGroupsPay(Exception):
    """The search has taken so long that larger groups pay."""


class SetSearch:
    """The search of one connected set and of the connected subsets below it.

    `exact` holds f(C) and `last` the vertex that goes last for every solved set, `low` a lower bound and `nodes` the
    sorted candidates for going last of other sets that were entered, of at most `room` sets: then all are forgotten.
    """

    def __init__(self, model: SetModel, whole: int, room: int, tick: Callable[[], None]) -> None:
        self.model, self.whole, self.room, self.tick = model, whole, room, tick
        self.tables: list[GroupTable] = []
        self.exact: dict[int, int] = {0: 0}
        self.last: dict[int, int] = {}
        self.low: dict[int, int] = {}
        self.nodes: dict[int, list[tuple[int, int, int]]] = {}
        self.visits, self._patience = 0, -1

    @property
    def solved(self) -> bool:
        """Whether the optimum of the whole is known."""
        return self.whole in self.exact

    def bound(self) -> int:
        """The best known lower bound of the whole."""
        return self._bound(self.whole)

    def regroup(self, most: int) -> None:
        """Compute bounds by groups of at most `most` members, which takes a moment."""
        self.tables = self.model.tables(self.whole, most, self.tick)
        self.nodes.clear()
        self._open(self.whole)

    def solve(self, limit: int, patience: int) -> bool:
        """Search the whole, and prove its optimum or that it is above `limit`.

        Returns False where the search ends undecided because so many sets have been visited in all; -1 never ends it.
        """
        self._patience = patience
        try:
            self._solve(self.whole, limit)
        except _LargerGroupsPay:
            return False
        return True

    def order(self) -> list[int]:
        """An optimal order, once the whole is solved."""
        return self._order(self.whole)

    def _bound(self, inside: int) -> int:
        """The best known lower bound of a set."""
        known = self.exact.get(inside)
        if known is None:
            known = self.low.get(inside)
        return self._open(inside) if known is None else known

    def _open(self, inside: int) -> int:
        """Enter a set: sort its candidates (bound, price, v) for going last, and return its lower bound."""
        vertices, last, least, skip = self.model.scan(inside)
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
                more = max(0, table.least[part] - alone)
                total += more
                for v in members(part):
                    gain[v] = max(0, table.least[part & ~(1 << v)] - alone + single[v]) - more
        for v, price, bound in zip(vertices, last, least, strict=True):
            if not skip >> v & 1:
                rows.append((total + price - bound + gain.get(v, 0), price, v))
        rows.sort()
        if len(self.nodes) >= self.room:
            self.nodes.clear()
        self.nodes[inside] = rows
        self.low[inside] = max(total, rows[0][0], self.low.get(inside, 0))
        return self.low[inside]

    def _solve(self, inside: int, limit: int) -> int:
        """f(inside) if it is at most `limit`, else a lower bound above `limit`."""
        low = self._bound(inside)
        if low > limit or inside in self.exact:
            return low
        if inside not in self.nodes:
            low = self._open(inside)
            if low > limit:
                return low
        self.visits += 1
        self.tick()
        if self.visits == self._patience:
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
            self.nodes.pop(inside, None)
            return best
        rows.sort()
        self.low[inside] = max(low, missed)
        return self.low[inside]

    def _last(self, rest: int, total: int, best: int) -> int:
        """`total` plus the optimum of `rest` if that is below `best`, else a lower bound that is not."""
        parts = self.model.parts(rest)
        lows = [self._bound(part) for part in parts]
        total += sum(lows)
        if total >= best:
            return total
        for low, part in sorted(zip(lows, parts, strict=True)):
            total += self._solve(part, best - 1 - total + low) - low
            if total >= best:
                break
        return total

    def _order(self, inside: int) -> list[int]:
        """An optimal order of a solved set."""
        v = self.last[inside]
        return [*(w for part in self.model.parts(inside & ~(1 << v)) for w in self._order(part)), v]


class GroupedSearch:
    """The search of one connected set, with larger groups each time that it has proven hard."""

    def __init__(self, search: ConnectedSearch, members: int) -> None:
        self.search, self.level, self.patience = search, 0, 0
        self._smaller = list(SMALLER_GROUP_SIZES if members > MAX_MEMBERS_FOR_LARGE_GROUPS else ())
        search.bound()

    def prepare(self) -> None:
        """Compute group bounds if they are due; where this is stopped, those of smaller groups stay."""
        while self._smaller and not self.search.solved:
            self.search.regroup(self._smaller[0])
            self._smaller.pop(0)
        if self.level < len(GROUP_SIZES) and self.search.visits >= self.patience and not self.search.solved:
            self.search.regroup(GROUP_SIZES[self.level])
            self.patience = (*VISITS_BEFORE_LARGER_GROUPS, -1)[self.level]
            self.level += 1

    def solve(self, limit: int) -> None:
        """Search until the optimum is known or proven to be above `limit`, or larger groups are due."""
        self.search.solve(limit, self.patience)


class ExactSearch:
    """The exact search of a whole problem, which is reduced and split into components that are searched in turn.

    `bound` is proven at any time, also after `tick` has stopped `run`; `order` exists once all is proven. `tick` is
    also called while the problem is reduced and its components are first bounded, and what it raises ends that.
    """

    def __init__(self, core: EliminationCore, mask: int | None = None, tick: Callable[[], None] = unwatched) -> None:
        middle = core.middle if mask is None else core.middle & mask
        self._tick = tick
        classes = None if core.dense else edge_classes(core)
        net = BitsetGraph.of(core, middle, classes)
        if core.dense or classes is not None:
            self.reduced = reduce(net, paced(self._call))
            find = self._searching(self.reduced.net)
        else:
            self.reduced = ReducedGraph(net)
            model = StructuredSetModel(core, net, paced(self._call))
            find = partial(SetSearch, model, tick=self._call)
        room = MAX_SETS_WITH_CANDIDATES
        self.searches = [
            GroupedSearch(find(part, room), part.bit_count())
            for part in self.reduced.net.parts(self.reduced.net.middle)
        ]

    def _call(self) -> None:
        """Call the function that the latest caller gave."""
        self._tick()

    def _searching(self, net: BitsetGraph) -> Callable[[int, int], ConnectedSearch]:
        """What makes the search of a connected set of a graph with classes."""
        compiled = None if net.prices.adds else compiled_model(net, self._call)
        if compiled is not None:
            return compiled.search
        return partial(SetSearch, ClassedSetModel(net, paced(self._call)), tick=self._call)

    @property
    def bound(self) -> int:
        """A proven lower bound, without the accumulation."""
        return self.reduced.price + sum(one.search.bound() for one in self.searches)

    @property
    def order(self) -> list[int] | None:
        """The cheapest order, None where it has not been proven."""
        if not all(one.search.solved for one in self.searches):
            return None
        return self.reduced.expand([v for one in self.searches for v in one.search.order()])

    def prepare(self, tick: Callable[[], None] = unwatched) -> None:
        """Strengthen the bound by groups, which takes a moment."""
        self._tick = tick
        for one in self.searches:
            one.prepare()

    def run(self, upper: int | None = None, tick: Callable[[], None] = unwatched, steps: int = STEPS_TO_DOUBLE) -> bool:
        """Search until the optimum is known or proven not to be below `upper`; return whether it is below.

        Whatever `tick` raises ends the search; what has been proven until then stays.
        """
        self.prepare(tick)
        for one in self.searches:
            step = 0
            while not one.search.solved:
                low = one.search.bound()
                if upper is not None and self.bound >= upper:
                    return False
                one.prepare()
                step = max(2 * step, low // steps)
                one.solve(low + step if upper is None else low + min(step, upper - 1 - self.bound))
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
