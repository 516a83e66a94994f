"""Orders of eliminating the vertices of a scalar graph, one function each in one table; each eliminates as it goes.

Greedy orders take the vertex whose key is least and update the keys of its neighbours. Ties go to the vertex that comes
first in evaluation order.

References
----------
A. Griewank and A. Walther, *Evaluating Derivatives*, 2nd edition, SIAM 2008, section 10.3: relative Markowitz degrees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush

from chainplan.codegen.scalar_graph import ScalarGraph

Key = Callable[[ScalarGraph, int], int]


def forward(graph: ScalarGraph) -> list[int]:
    """Eliminate in evaluation order."""
    return followed(graph, graph.inner)


def reverse(graph: ScalarGraph) -> list[int]:
    """Eliminate against evaluation order."""
    return followed(graph, graph.inner[::-1])


def reverse_after_single(graph: ScalarGraph) -> list[int]:
    """Eliminate the vertices with one edge in, then the others against evaluation order.

    What depends on one value, as functions and reciprocals do, is so differentiated once and not for every result.
    """
    single = [v for v in graph.inner if len(graph.pred[v]) == 1]
    others = set(graph.inner).difference(single)
    return followed(graph, [*single, *(v for v in reversed(graph.inner) if v in others)])


def followed(graph: ScalarGraph, order: Sequence[int]) -> list[int]:
    """Eliminate in a given order."""
    for v in order:
        graph.eliminate(v)
    return list(order)


def operations(graph: ScalarGraph, v: int) -> int:
    """The operations that the step writes."""
    return graph.price(v)


def greedy(key: Key) -> Callable[[ScalarGraph], list[int]]:
    """Return the greedy order of a key; ties go to the first vertex in evaluation order."""

    def run(graph: ScalarGraph) -> list[int]:
        keys = {v: key(graph, v) for v in graph.inner}
        heap = [(k, v) for v, k in keys.items()]
        heapify(heap)
        order = []
        while heap:
            k, v = heappop(heap)
            if keys.get(v) != k:
                continue
            touched = {*graph.pred[v], *graph.succ[v]}
            graph.eliminate(v)
            del keys[v]
            order.append(v)
            for u in touched:
                if u in keys:
                    new = key(graph, u)
                    if new != keys[u]:
                        keys[u] = new
                        heappush(heap, (new, u))
        return order

    return run


def relative(key: Key) -> Callable[[ScalarGraph], list[int]]:
    """Return the greedy order of a key less what the vertex would cost at the end, when all others are gone."""

    def run(graph: ScalarGraph) -> list[int]:
        final = _final_degrees(graph)
        return greedy(lambda g, v: key(g, v) - final[v])(graph)

    return run


def _final_degrees(graph: ScalarGraph) -> dict[int, int]:
    """Return for each inner vertex the number of inputs that reach it times the number of results that it reaches."""
    inner = set(graph.inner)
    from_inputs = {u: 1 << k for k, u in enumerate(u for u in graph.succ if u not in inner)}
    before = dict(from_inputs)
    for v in graph.inner:
        mask = 0
        for u in graph.pred[v]:
            mask |= before.get(u, 0)
        before[v] = mask
    behind: dict[int, int] = {}
    for v in reversed(graph.inner):
        mask = 0
        for w in graph.succ[v]:
            mask |= 1 << (-1 - w) if w < 0 else behind[w]
        behind[v] = mask
    return {v: before[v].bit_count() * behind[v].bit_count() for v in graph.inner}


ORDERS: dict[str, Callable[[ScalarGraph], list[int]]] = {
    "forward": forward,
    "reverse": reverse,
    "reverse, single first": reverse_after_single,
    "greedy operations": greedy(operations),
    "greedy relative": relative(operations),
}
"""All orders by name: each eliminates every inner vertex, and returns the order in which it did."""
