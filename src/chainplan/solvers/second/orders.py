"""Orders of second-order elimination: by a greedy key, improved by moving single vertices, and the cheapest of all.

What is left after some vertices have gone does not depend on the order in which they went, and neither does the price
of eliminating the next one. So the cheapest order is found by a program over sets of vertices, as for the Jacobian
alone, with one state for each set. Sets that cost as much as an order that is known are left out.

Where products are asked for, it may end before all vertices are gone: `stop` then says what all products cost that go
through what is left, and an order is worth its best beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from math import inf
from operator import itemgetter
from random import Random

from chainplan.plans.second_elimination import SecondElimination
from chainplan.solvers.search.search import unwatched

MAX_SUBSET_VERTICES = 10
"""Intermediate vertices up to which the sets of them are gone through."""
MAX_TRIED_VERTICES = 40
"""Intermediate vertices up to which the greedy order prices every elimination before it decides on one."""
IDLE_MOVES = 40
"""Moves for each intermediate vertex, none of which helps, after which a local search ends."""
_NEAR_MOVE = 4
"""Places by which half of the moves shift a vertex at most."""

PricedVertices = tuple[int, list[str]]
"""The price of an order of elimination, with the order."""


StopPrice = Callable[[SecondElimination], int]
"""What it costs to eliminate no more vertices."""


def priced(
    work: SecondElimination,
    order: Sequence[str],
    most: float = inf,
    stop: StopPrice | None = None,
    watch: Callable[[], None] = unwatched,
) -> int:
    """Return the price of an order, or of so much of it as costs `most` or more; with `stop`, of its best beginning.

    `watch` is called before every vertex, and what it raises ends the pricing.
    """
    work = work.copy()
    best = None if stop is None else work.price + stop(work)
    for vertex in order:
        watch()
        work.eliminate(vertex)
        if work.price >= most:
            break
        if stop is not None and best is not None:
            best = min(best, work.price + stop(work))
    return work.price if best is None else best


def cheapest_of(work: SecondElimination, orders: Iterable[Sequence[str]]) -> PricedVertices:
    """Return the cheapest of some orders, the first of equal ones, with its price.

    The order that has cost least so far goes on, so that the others are priced no further than to what that one costs.
    """
    runs = [(work.copy(), list(order), iter(order)) for order in orders]
    while True:
        state, order, left = min(runs, key=lambda run: run[0].price)
        vertex = next(left, None)
        if vertex is None:
            return state.price, order
        state.eliminate(vertex)


def beginning(work: SecondElimination, order: Sequence[str], stop: StopPrice) -> list[str]:
    """Return the best beginning of an order, the shortest of equal ones."""
    work = work.copy()
    best, length = work.price + stop(work), 0
    for gone, vertex in enumerate(order, 1):
        work.eliminate(vertex)
        if work.price + stop(work) < best:
            best, length = work.price + stop(work), gone
    return list(order[:length])


def greedy_order(
    work: SecondElimination,
    tick: Callable[[], None],
    stop: StopPrice | None = None,
    watch: Callable[[], None] = unwatched,
) -> list[str]:
    """Return the order in which the next vertex is the cheapest one; on large graphs by sizes alone."""
    work, order = work.copy(), list[str]()
    exact = len(work.middle) <= MAX_TRIED_VERTICES

    def next_price(vertex: str) -> int:
        if not exact:
            return work.weight(vertex)
        watch()
        after = work.copy()
        after.eliminate(vertex)
        return after.price + (0 if stop is None else stop(after))

    while middle := work.middle:
        tick()
        prices = list(map(next_price, middle))
        vertex = middle[prices.index(min(prices))]
        work.eliminate(vertex)
        order.append(vertex)
    return order


def improved_orders(
    work: SecondElimination,
    start: PricedVertices,
    seed: int,
    tick: Callable[[], None],
    stop: StopPrice | None = None,
    watch: Callable[[], None] = unwatched,
) -> Iterator[PricedVertices]:
    """Yield ever cheaper orders, each from the one before by moving one vertex to another place."""
    rng, (price, order) = Random(seed), start
    idle, n = 0, len(order)
    while n > 1 and idle < IDLE_MOVES * n:
        tick()
        place = rng.randrange(n)
        far = rng.randrange(n) if rng.random() < 0.5 else place + rng.randint(-_NEAR_MOVE, _NEAR_MOVE)
        moved = [*order[:place], *order[place + 1 :]]
        moved.insert(max(0, min(n - 1, far)), order[place])
        found = priced(work, moved, price + 1, stop, watch)
        idle += 1
        if found > price:
            continue
        order = moved
        if found < price:
            price, idle = found, 0
            yield price, order


def cheapest_order(
    work: SecondElimination, known: PricedVertices, tick: Callable[[], None], stop: StopPrice | None = None
) -> tuple[PricedVertices, bool]:
    """Return an order that is as cheap as any, the known one where none is cheaper, and whether all was counted."""
    best, counted = known, work.counted
    layer = {work.gone: (work, list[str]())}
    for _ in range(len(work.middle)):
        if stop is not None:
            best = _best_end(best, layer.values(), stop)
        further: dict[frozenset[str], tuple[SecondElimination, list[str]]] = {}
        for state, order in layer.values():
            for vertex in state.middle:
                tick()
                after = state.copy()
                after.eliminate(vertex)
                counted = counted and after.counted
                other = further.get(after.gone)
                if after.price < known[0] and (other is None or after.price < other[0].price):
                    further[after.gone] = after, [*order, vertex]
        layer = further
    return _best_end(best, layer.values(), stop), counted


def _best_end(
    best: PricedVertices, states: Iterable[tuple[SecondElimination, list[str]]], stop: StopPrice | None
) -> PricedVertices:
    """Return the best order so far, or a cheaper one of those that end in these states."""
    ends = ((state.price + (0 if stop is None else stop(state)), order) for state, order in states)
    return min(chain([best], ends), key=itemgetter(0))
