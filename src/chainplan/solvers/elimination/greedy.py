"""Greedy elimination: always the vertex of the lowest key, from a heap whose entries may be out of date.

After an elimination only the keys of the neighbours are computed anew. A key that looks further (fill, LMMD, ...) may
be out of date elsewhere; it is computed again when its vertex reaches the top of the heap, and the vertex goes back if
its key is higher now. Each step costs O(log n) per neighbour besides the keys and the elimination itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from random import Random
from typing import NamedTuple

from chainplan.compiled.loader import CompiledCore, compiled_core
from chainplan.problem.cost import FMA, CostModel
from chainplan.problem.graph import Graph
from chainplan.solvers.elimination.canonical import positions
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.elimination.greedy_keys import GREEDY_KEYS, GreedyKey, KeyFunction
from chainplan.solvers.search.search import SearchStopped, WorkWatcher, paced

MAX_INTERMEDIATES_FOR_ALL_KEYS = 20_000
"""Intermediate vertices beyond which only local keys are tried."""

MAX_INTERMEDIATES_FOR_PATHS = 1000
"""Intermediate vertices beyond which paths are not counted: their number grows exponentially."""


MAX_BITSET_GREEDY_VERTICES = 4096
"""Vertices beyond which dense graphs are not held as sets of bits, which take room for all pairs of vertices."""

_WORK_BETWEEN_LOOKS = 20_000
"""The work after which a greedy order looks at its limits."""


class PricedOrder(NamedTuple):
    """An order of elimination and its price, without the accumulation of matrix-free elementals."""

    price: int
    order: list[int]
    name: str = ""


def always() -> bool:
    """Say yes: the answer of a search without limits."""
    return True


def greedy(
    work: WorkGraph,
    key: GreedyKey,
    ranks: Sequence[int],
    most: int | None = None,
    going: Callable[[], bool] = always,
) -> PricedOrder | None:
    """Eliminate all intermediates in the order of a key; ties go to the lowest rank.

    Parameters
    ----------
    work : WorkGraph
        The graph, which is used up.
    key : GreedyKey
        The vertex of the lowest key goes first.
    ranks : Sequence[int]
        One number per vertex.
    most : int | None
        The price at which the order is given up.
    going : Callable[[], bool]
        It is asked as often as the work demands; once it says no, the order is given up.

    Returns
    -------
    PricedOrder | None
        The order with its price, None where it was given up.
    """

    def stop_unless_going() -> None:
        if not going():
            raise SearchStopped

    try:
        core = _compiled(work, key)
        if core is not None:
            return _follow_compiled(core, work, key, ranks, most, stop_unless_going)
        return _follow_key(work, key, ranks, most, paced(stop_unless_going, _WORK_BETWEEN_LOOKS))
    except SearchStopped:
        return None


def _compiled(work: WorkGraph, key: GreedyKey) -> CompiledCore | None:
    """The compiled routines, where they know the key and its numbers on this graph are whole numbers of doubles."""
    if key.compiled is None or not work.bare or len(work.size) > MAX_BITSET_GREEDY_VERTICES:
        return None
    return compiled_core() if 8 * max(1, sum(work.size)) ** 3 < 1 << 53 else None


def _follow_compiled(
    core: CompiledCore,
    work: WorkGraph,
    key: GreedyKey,
    ranks: Sequence[int],
    most: int | None,
    tick: Callable[[], None],
) -> PricedOrder | None:
    """As `_follow_key`, by the compiled routine; the graph stays as it is."""
    graph = work.size, work.into, work.kept, list(work.middle)
    numbers = list(ranks), key.base(work), key.factors
    limits = -1 if most is None else most, key.local, work.prices.adds, _WORK_BETWEEN_LOOKS, tick
    found = core.follow_key(*graph, key.compiled, *numbers, *limits)
    return None if found is None else PricedOrder(*found)


def _follow_key(
    work: WorkGraph, key: GreedyKey, ranks: Sequence[int], most: int | None, look: WorkWatcher
) -> PricedOrder | None:
    """As `greedy`; `look` is told of the work."""
    work.look = look
    function, told = key.of(work), key.local and work.dense
    now = {}
    for v in sorted(work.middle):
        look(5 if told else _pairs(work, v))
        now[v] = function(work, v), ranks[v]
    heap = [(*now[v], v) for v in work.middle]
    heapify(heap)
    price, order = 0, []
    while heap:
        value, rank, v = heappop(heap)
        if now.get(v) != (value, rank):
            continue
        fresh = value if key.local else function(work, v)
        if fresh > value:
            now[v] = fresh, rank
            heappush(heap, (fresh, rank, v))
            continue
        del now[v]
        near = [] if key.fixed else sorted({*work.into[v], *work.out[v]})
        look(20 + 5 * len(near))
        price += work.eliminate(v)
        order.append(v)
        if most is not None and price >= most:
            return None
        for u in near:
            if u not in now:
                continue
            if not told:
                look(_pairs(work, u))
            if (fresh := function(work, u)) != now[u][0]:
                now[u] = fresh, ranks[u]
                heappush(heap, (fresh, ranks[u], u))
    return PricedOrder(price, order)


def _pairs(work: WorkGraph, v: int) -> int:
    """The work of a key that looks at pairs of neighbours."""
    return 5 + work.effort * len(work.into[v]) * len(work.out[v])


def ranks(work: WorkGraph, ties: str) -> list[int]:
    """Ranks by which ties go to the lowest of the `positions` (`low`) or to the highest."""
    places = positions(work)
    return places if ties == "low" else [-place for place in places]


def useful_keys(work: WorkGraph) -> dict[str, GreedyKey]:
    """The keys worth their time on this graph: cheap ones alone where it is large, and none that repeats another."""
    n = len(work.middle)
    idle = {"price", "price-per-size"} if work.dense and work.scalar and not work.prices.adds else set()
    if n > MAX_INTERMEDIATES_FOR_PATHS:
        idle.add("moplr")
    return {
        name: key
        for name, key in GREEDY_KEYS.items()
        if (key.local or n <= MAX_INTERMEDIATES_FOR_ALL_KEYS) and name not in idle
    }


def by_all_keys(
    work: WorkGraph,
    going: Callable[[], bool] = always,
    known: dict[str, tuple[int, list[int]] | None] | None = None,
    *,
    surely: bool = True,
) -> Iterator[PricedOrder]:
    """Greedy orders by every useful key with both ties, forward order first.

    An order is given up once it is dearer than twice the best or, on huge graphs, no cheaper than the best.

    Parameters
    ----------
    known : dict[str, tuple[int, list[int]] | None] | None
        The orders that earlier calls gave, by name, None for one that was given up; new ones are added.
    surely : bool
        Whether forward order is priced in any case, so that there is a plan; else there may be no order at all.
    """
    known = {} if known is None else known
    best: int | None = None
    spare = 2 if len(work.middle) <= MAX_INTERMEDIATES_FOR_ALL_KEYS else 1
    rank = dict[str, list[int]]()
    for name, key, ties in _turns(work):
        if name not in known:
            asked = always if surely and best is None else going
            if not asked():
                return
            if not key.fixed and ties not in rank:
                rank[ties] = ranks(work, ties)
            most = None if best is None else max(spare * best, best)
            attempt = greedy(work.copy(), key, range(len(work.size)) if key.fixed else rank[ties], most, asked)
            if attempt is None and not asked():
                return
            known[name] = None if attempt is None else (attempt.price, attempt.order)
        order = known[name]
        if order is not None:
            best = order[0] if best is None else min(best, order[0])
            yield PricedOrder(*order, name)


def _turns(work: WorkGraph) -> Iterator[tuple[str, GreedyKey, str]]:
    """Every useful key with its ties, by name; those that are most likely to give a good order come first."""
    keys = useful_keys(work)
    for ties in ("low", "high"):
        for name, key in keys.items():
            if not key.fixed:
                yield f"{name}, ties to the {ties}est", key, ties
            elif ties == "low":
                yield name, key, ties


def best_of_keys(
    graph: Graph,
    going: Callable[[], bool] = always,
    known: dict[str, tuple[int, list[int]] | None] | None = None,
    cost: CostModel = FMA,
) -> PricedOrder:
    """The cheapest of the greedy orders, forward and reverse among them, from which exact searches start."""
    return min(by_all_keys(WorkGraph(graph, None, cost), going, known))


def randomised(work: WorkGraph, rng: Random, count: int, going: Callable[[], bool] = always) -> Iterator[PricedOrder]:
    """Greedy orders by keys drawn at random, each multiplied by a random factor per vertex, with random ties."""
    keys = [key for key in useful_keys(work).values() if not key.fixed]
    for _ in range(count):
        lots = [rng.randrange(1 << 30) for _ in work.names]
        attempt = greedy(work.copy(), _blur(rng.choice(keys), rng, len(work.names)), lots, None, going)
        if attempt is None:
            return
        yield attempt._replace(name="randomised")


def _blur(key: GreedyKey, rng: Random, count: int) -> GreedyKey:
    """A key times a random factor per vertex, of a spread that is drawn too."""
    spread = rng.choice((0.0, 0.1, 0.3))
    factors = [1 + spread * rng.random() for _ in range(count)]

    def of(work: WorkGraph) -> KeyFunction:
        function = key.of(work)
        return lambda g, v: function(g, v) * factors[v]

    return key._replace(of=of, factors=factors)
