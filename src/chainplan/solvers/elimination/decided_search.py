"""The cheapest order of all decisions on shared elementals, by branch and bound.

Elementals that are used twice are accumulated or not for the whole order (`propagation_graph`). Where it is left open
for some, their accumulation is free and not forced, so that the cheapest order then is a bound on all their decisions.
What it accumulates for nothing is decided next, the dearest first; where that is nothing, the bound is the price of a
plan. The decisions of the lowest bound come first, so that the lowest of those left over is a bound when time is up.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from chainplan.solvers.elimination.greedy import PricedOrder
from chainplan.solvers.elimination.propagation_graph import PropagationGraph
from chainplan.solvers.search.search import SearchStopped

OrderSearch = Callable[[PropagationGraph, int], PricedOrder | None]
"""Gives the cheapest order of a work graph whose whole price is below a limit, None where there is none."""


def least_price(
    start: PropagationGraph,
    limit: int,
    cheapest: OrderSearch,
    offer: Callable[[PropagationGraph, PricedOrder], object],
) -> tuple[int, bool]:
    """Return the least whole price over all decisions, at most `limit`, and whether the search came to its end.

    Where it did not, the price is a bound, 0 where nothing is known.

    Parameters
    ----------
    start : PropagationGraph
        A work graph before any elimination; its decisions are not looked at.
    limit : int
        The whole price that is to be undercut.
    cheapest : OrderSearch
        The search for an order; what it raises to stop ends this search as well.
    offer : Callable[[PropagationGraph, PricedOrder], object]
        It is given every plan that is cheaper than all before, as a work graph and an order of it.
    """
    number, least = count(), limit
    left: list[tuple[int, int, frozenset[str], frozenset[str]]] = [(0, 0, frozenset(), frozenset(start.shared))]
    while left:
        bound, _, formed, undecided = heappop(left)
        if bound >= least:
            break
        work = start.decided(formed, undecided)
        try:
            found = cheapest(work, least)
        except SearchStopped:
            return bound, False
        if found is None:
            continue
        bound, taken = work.fixed + found.price, work.accumulated_by(found.order) & undecided
        decided = start.decided(formed | taken)
        price = decided.fixed + decided.order_price(found.order)
        if price < least:
            least = price
            offer(decided, PricedOrder(price - decided.fixed, found.order))
        if taken and bound < least:
            name = max(sorted(taken), key=start.accumulation_price)
            for more in (frozenset([name]), frozenset[str]()):
                heappush(left, (bound, next(number), formed | more, undecided - {name}))
    return least, True
