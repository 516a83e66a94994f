"""The cheapest order of some vertices of any work graph, by dynamic programming over their subsets on copies of it.

The recurrence is that of `subset_dp`, which needs tables of prices. Here the graph itself says what a vertex costs
after a set has gone, so that every kind of work graph can be ordered, a few thousand sets at most. Sets that cost as
much as a limit are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.elimination.greedy import PricedOrder


def cheapest_order(
    work: WorkGraph, vertices: Sequence[int], limit: int | None = None, tick: Callable[[], None] = lambda: None
) -> PricedOrder | None:
    """Return the cheapest order of eliminating `vertices` next, None where none costs less than `limit`.

    Ties go to the order that eliminates the first of the vertices earlier. `tick` is called once for each set; what it
    raises ends the search.
    """
    layer = {frozenset[int](): (0, list[int](), work)}
    for _ in vertices:
        after: dict[frozenset[int], tuple[int, list[int], WorkGraph]] = {}
        for gone, (cost, order, graph) in layer.items():
            tick()
            for v in vertices:
                if v in gone:
                    continue
                price, more = cost + graph.price(v), gone | {v}
                if (limit is None or price < limit) and (more not in after or price < after[more][0]):
                    after[more] = price, [*order, v], graph
        layer = {gone: (cost, order, _without(graph, order[-1])) for gone, (cost, order, graph) in after.items()}
    for cost, order, _ in layer.values():
        return PricedOrder(cost, order)
    return None


def _without(work: WorkGraph, v: int) -> WorkGraph:
    rest = work.copy()
    rest.eliminate(v)
    return rest
