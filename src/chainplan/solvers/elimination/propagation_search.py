"""The search for a cheap order of vertices with propagation, and the proof that there is no cheaper one.

What makes an order cheap is an order of its own, so that greedy keys, re-ordered fragments and the exact search ask for
the prices with propagation.

Parts of the graph that coloured sweeps make cheap (`swept_parts`) are found piece by piece: the vertices of a piece are
put in the cheapest order as if nothing else were there, and eliminated before all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import cycle
from random import Random
from typing import NamedTuple, cast

from chainplan.plans.bound import Bound
from chainplan.plans.classes import PROPAGATION, SWEPT_PROPAGATION
from chainplan.plans.steps import Plan
from chainplan.solvers.elimination.bitset_problem import members
from chainplan.solvers.elimination.component_search import cheapest_order
from chainplan.solvers.elimination.decided_search import least_price
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.elimination.greedy import PricedOrder, best_of_keys, by_all_keys, randomised
from chainplan.solvers.elimination.large_neighbourhood import sweep
from chainplan.solvers.elimination.propagation_bound import BoundParts, propagation_bound
from chainplan.solvers.elimination.propagation_graph import PropagationGraph, all_or_none_formed
from chainplan.solvers.elimination.vector_bound import with_vectors_counted
from chainplan.solvers.search.search import Search, WorkWatcher, paced

MAX_INTERMEDIATES_FOR_OWN_KEYS = 300
"""Intermediate vertices up to which every greedy key asks for the prices with propagation.

Beyond, the best order after accumulation is the first one: some orders make so many products that pricing them takes
longer than a search.
"""
MAX_INTERMEDIATES_FOR_PROOF_FIRST = 40
"""Intermediate vertices up to which the exact search comes before local search, and once more after it."""
MAX_INTERMEDIATES_FOR_PROOF = 250
"""Intermediate vertices above which no exact search is tried."""
EXACT_SHARE = 0.5
"""Share of the limits that the exact search may take."""
CUT_BOUND_SHARE = 0.3
"""Share of the limits that the bound from cuts may take."""
REORDERED_FRAGMENT_SIZES = (3, 4, 5, 6)
"""Vertices in a fragment that is re-ordered."""
WRITING_PER_PRICING = 3.0
"""How much longer it takes to write the plan of an order down and to replay it than to price the order."""
RANDOM_STARTS = 4
"""Random greedy orders from which the search sets out."""
MAX_PIECE_VERTICES = 12
"""Vertices of a piece of parts that are put in the cheapest order together."""
IDLE_SWEEPS = 4
"""Sweeps without gain after which the search goes on from another order."""
_SEARCH = "propagation"
"""The name of its stages."""


class FoundPlan(NamedTuple):
    """The cheapest plan that a search has found, and the bound that it has proven."""

    plan: Plan
    bound: Bound


def search_propagation(graph: PropagationGraph, search: Search, starts: Sequence[Sequence[int]] = ()) -> FoundPlan:
    """Search for the cheapest plan of a work graph before any elimination; `starts` are orders to begin with."""
    works = all_or_none_formed(graph)
    orders = (
        (work, priced)
        for work in works
        if work is works[0] or search.going()
        for priced in _greedy_orders(work, search)
    )
    best = _Best(search, *next(orders))
    for work in works:
        best.offer_all(work, (PricedOrder(work.order_price(start), [*start]) for start in starts))
    for work, priced in orders:
        best.offer(work, priced)
    for work in works if works[0].parts.any else ():
        if search.going():
            best.offer_all(work, _with_parts_first(work, best.priced, search))
    parts = _cuts(works[0], search)
    count = len(works[0].middle)
    proven = _Proven(Bound(parts.total, _moves(best.work)), False)
    if count <= MAX_INTERMEDIATES_FOR_PROOF_FIRST:
        proven = _proof(best, parts, search)
    if not proven.whole and best.total > parts.total:
        best.offer_all(best.work, _improved(best.work, best.priced, search, starts))
        _form_more(best, search)
        if count <= MAX_INTERMEDIATES_FOR_PROOF:
            proven = _proof(best, parts, search)
    bound = max(proven.bound, Bound(parts.total, _moves(best.work)), key=lambda bound: bound.value)
    search.prove(bound)
    return FoundPlan(best.plan(), bound)


def _moves(work: PropagationGraph) -> str:
    """Return the class of plans that is searched."""
    return SWEPT_PROPAGATION if work.parts.any else PROPAGATION


def _cuts(work: PropagationGraph, search: Search) -> BoundParts:
    """Return the bound from cuts, as far as the limits go; later stages do not work it out again."""
    known = search.unfinished.get(_SEARCH)
    if isinstance(known, BoundParts):
        return known
    stage = search.stage(_SEARCH, CUT_BOUND_SHARE)
    parts = search.unfinished[_SEARCH] = least_parts(work, paced(stage.watch), work.parts.within)
    search.prove(Bound(parts.total, _moves(work)))
    return parts


def least_parts(work: PropagationGraph, look: WorkWatcher, swept: int) -> BoundParts:
    """Return the bound from cuts on a work graph; where `look` ends it, what has been counted by then."""
    parts, given = propagation_bound(work.counted, look, swept), work.directions
    if given is None:
        return parts
    return with_vectors_counted(parts, work.counted, work.graph, given.times, given.vertex, look)


def _greedy_orders(work: PropagationGraph, search: Search) -> Iterator[PricedOrder]:
    """Yield greedy orders, at least one."""
    if len(work.middle) <= MAX_INTERMEDIATES_FOR_OWN_KEYS:
        for priced in by_all_keys(work, search.going):
            yield _with_sweeps(work, priced)
    else:
        order = best_of_keys(work.graph, search.going, search.greedy).order
        start = search.seconds
        priced = PricedOrder(work.order_price(order), order)
        search.writing = WRITING_PER_PRICING * (search.seconds - start)
        yield priced


def _with_sweeps(work: PropagationGraph, priced: PricedOrder) -> PricedOrder:
    """Return an order with its price where parts may be swept."""
    return PricedOrder(work.order_price(priced.order), priced.order) if work.parts.any else priced


def _with_parts_first(work: PropagationGraph, best: PricedOrder, search: Search) -> Iterator[PricedOrder]:
    """Yield orders that begin with the parts that are worth a sweep where nothing else is gone."""
    ordered = list[int]()
    for piece in work.parts.pieces:
        for start in range(0, len(piece), MAX_PIECE_VERTICES):
            some = piece[start : start + MAX_PIECE_VERTICES]
            found = cheapest_order(work, some) if search.going() else None
            ordered += some if found is None else found.order
    swept = _Swept.of(work, ordered)
    if not swept.first:
        return
    yield swept.priced(swept.after(best.order).order)
    if len(work.middle) <= MAX_INTERMEDIATES_FOR_OWN_KEYS:
        for priced in by_all_keys(swept.rest, search.going):
            yield swept.priced(priced.order)


class _Swept(NamedTuple):
    """The parts that go by sweeps before all others, as the beginning of an order, and what is left then."""

    work: PropagationGraph
    first: list[int]
    rest: PropagationGraph

    @classmethod
    def of(cls, work: PropagationGraph, order: Sequence[int]) -> _Swept:
        """Return the parts that are swept where some vertices go in this order."""
        rest, first = work.copy(), list[int]()
        for move in work.cheapest_moves(order)[1] if work.sweeping else ():
            if not isinstance(move, int):
                rest.sweep_away(move)
                first += members(move.inside)
        return cls(work, first, rest)

    def after(self, order: Sequence[int]) -> PricedOrder:
        """Return what an order says of the vertices that are left, at the price of these."""
        left = [v for v in order if v in self.rest.middle]
        return PricedOrder(self.rest.order_price(left), left)

    def priced(self, order: Sequence[int]) -> PricedOrder:
        """Return the order of all vertices that ends with this one of those that are left."""
        whole = [*self.first, *order]
        return PricedOrder(self.work.order_price(whole), whole)


class _Best:
    """The cheapest plan so far: an order of a work graph."""

    def __init__(self, search: Search, work: PropagationGraph, priced: PricedOrder) -> None:
        self._search, self.work, self.priced = search, work, priced
        search.offer(self.plan, self.total)

    @property
    def total(self) -> int:
        """The price of the plan, in fma."""
        return self.work.fixed + self.priced.price

    @property
    def plan(self) -> Callable[[], Plan]:
        """What writes the plan down."""
        return partial(self.work.order_plan, self.priced.order)

    @property
    def sweeps(self) -> bool:
        """Whether the plan has coloured sweeps over parts."""
        return bool(_Swept.of(self.work, self.priced.order).first)

    def offer(self, work: PropagationGraph, priced: PricedOrder) -> bool:
        """Keep an order if it is cheaper, and return whether it is."""
        if work.fixed + priced.price >= self.total:
            return False
        self.work, self.priced = work, priced
        self._search.offer(self.plan, self.total)
        return True

    def offer_all(self, work: PropagationGraph, orders: Iterable[PricedOrder]) -> None:
        """Offer one order after the other."""
        for priced in orders:
            self.offer(work, priced)


class _Proven(NamedTuple):
    """What an exact search has proven, and whether it came to its end, so that no cheaper order is known of."""

    bound: Bound
    whole: bool


def _proof(best: _Best, charges: BoundParts, search: Search) -> _Proven:
    """Offer the cheapest order, and return the bound that this proves.

    Where parts may be swept, plans without sweeps are searched first unless the best one has some: there are many fewer
    of them, and where the second search does not come to its end, what is proven is said of them.
    """
    work, narrow = best.work, None
    if work.parts.any and not best.sweeps:
        narrow = _over_all_components(best, work.unswept(), charges, search)
    wide = _over_all_components(best, work, charges, search)
    if narrow is None or best.sweeps or wide.bound.value >= narrow.bound.value:
        return wide
    return narrow


def _over_all_components(best: _Best, work: PropagationGraph, charges: BoundParts, search: Search) -> _Proven:
    """Offer the cheapest order with the sweeps that a work graph allows, and return the bound that this proves.

    Where better colours may be possible, a second search with the least prices gives the bound. Where parts were not
    tried, nothing is proven beyond the bound from cuts.
    """
    tick, middle = search.stage(_SEARCH, EXACT_SHARE).tick, sorted(work.middle)

    def cheapest(decided: PropagationGraph, limit: int) -> PricedOrder | None:
        left = charges.charges(work.counted, work.index, decided.paid)
        return cheapest_order(decided, middle, limit - decided.fixed, tick, left)

    def offer(decided: PropagationGraph, priced: PricedOrder) -> None:
        other = best.work.decided(decided.formed)
        best.offer(other, PricedOrder(other.order_price(priced.order), priced.order))

    least, whole = least_price(work, best.total, cheapest, offer)
    tight = work.exact and work.tight and work.parts.tight
    if whole and work.exact and not tight:
        least, tight = least_price(work.bounding(), least, cheapest, lambda *_: None)[0], True
    whole = whole and work.exact and work.parts.complete
    return _Proven(Bound(least if tight and work.parts.complete else charges.total, _moves(work)), whole)


def _form_more(best: _Best, search: Search) -> None:
    """Try other decisions about shared elementals with the best order."""

    def same_order(other: PropagationGraph) -> bool:
        return best.offer(other, PricedOrder(other.order_price(best.priced.order), best.priced.order))

    _toggle(best, same_order, search)


def _toggle(best: _Best, better: Callable[[PropagationGraph], bool], search: Search) -> None:
    """Form one shared elemental more or less as long as that is better; each gain gives every one another turn."""
    idle, names = 0, best.work.shared
    for name in cycle(names):
        if idle == len(names) or not search.going():
            return
        idle = 0 if better(best.work.decided(best.work.formed ^ {name})) else idle + 1


def _improved(
    work: PropagationGraph, best: PricedOrder, search: Search, given: Sequence[Sequence[int]]
) -> Iterator[PricedOrder]:
    """Yield better orders: descents by re-ordered fragments, from the best order, the given ones and random ones."""
    swept = _Swept.of(work, best.order)
    rng, rest = Random(search.seed), swept.rest
    starts = [swept.after(best.order) if swept.first else best]
    if given:
        starts = sorted([*starts, *map(swept.after, given)])
    starts += sorted(_random_orders(rest, rng, search))[:RANDOM_STARTS]
    for start in starts:
        yield swept.priced(start.order) if swept.first else start
        idle, current = 0, start
        while idle < IDLE_SWEEPS and search.going():
            after = sweep(
                rest, current.order, rng.choice(REORDERED_FRAGMENT_SIZES), rng, _reordered, search.going
            ).priced
            idle = 0 if after.price < current.price else idle + 1
            if after.price <= current.price:
                current = after
            if not idle:
                yield swept.priced(current.order) if work.parts.any else current


def _random_orders(work: PropagationGraph, rng: Random, search: Search) -> Iterator[PricedOrder]:
    """Yield random greedy orders as long as there is time."""
    for _ in range(10 * RANDOM_STARTS):
        if not search.in_time():
            return
        yield from randomised(work, rng, 1, search.going)


def _reordered(work: WorkGraph, fragment: list[int]) -> list[int]:
    """Return the cheapest order of a fragment."""
    ordered = cheapest_order(cast("PropagationGraph", work), fragment)
    return fragment if ordered is None else ordered.order
