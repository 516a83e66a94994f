"""Orders of elimination that the solvers of graphs find for a scalar graph under the objective `operations`.

A solver sees edges and not their values, so that it counts products that are equal ones twice, and those by constants
in full. Its prices rank orders, and what each of them writes is counted by value numbering afterwards (`jacobian`). All
edges are taken as full ones: the prices of ±1 hardly change which orders are good, but graphs of one kind of edges are
searched several times as fast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from chainplan.codegen.orders import ORDERS
from chainplan.codegen.scalar_graph import ScalarGraph
from chainplan.costs.operations import SCALAR_OPERATIONS
from chainplan.problem.graph import Elemental, Graph
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.elimination.greedy import PricedOrder
from chainplan.solvers.elimination.local_search import improve
from chainplan.solvers.search.search import Search
from chainplan.structures import Block

MAX_SEARCH_WORK = 200_000
"""Nodes of the search times edges of the graph, so that the search takes some tenths of a second."""
MAX_SEARCH_NODES = 200
"""Nodes of the search on small graphs."""
MIN_SEARCH_NODES = 4
"""Nodes of the search below which it finds nothing, so that graphs of too many edges are not searched."""
PATIENCE = 2
"""Rounds without gain after which the search ends."""
MAX_GREEDY_ORDERS = 4
"""The best of the greedy orders that are returned."""
MAX_SEARCHED_ORDERS = 4
"""The last of the orders of local search that are returned, each better than those before."""


def solver_orders(graph: ScalarGraph, start: Sequence[int]) -> dict[str, list[int]]:
    """Return the best greedy orders of the solvers, by their keys, and those that local search finds, best ones last.

    Parameters
    ----------
    graph : ScalarGraph
        The graph, which is not changed.
    start : Sequence[int]
        An order to begin with.

    Returns
    -------
    dict
        Orders of all inner vertices by name. They are the same ones each time.

    Notes
    -----
    Cost: greedy orders in O(edges · log(vertices)) besides their eliminations, and a local search of as many nodes as
    `MAX_SEARCH_WORK` allows.
    """
    edges = sum(map(len, graph.succ.values()))
    nodes = min(MAX_SEARCH_NODES, MAX_SEARCH_WORK // max(1, edges))
    if not graph.inner or nodes < MIN_SEARCH_NODES:
        return {}
    work = _work_graph(graph)
    numbers = {name: v for v, name in enumerate(work.names)}
    first = [numbers[str(v)] for v in start if str(v) in numbers]
    search = Search(nodes=nodes)
    greedy: dict[str, tuple[int, list[int]] | None] = {}
    better: list[PricedOrder] = []
    for found in improve(work, Random(0), search.going, PATIENCE, start=first, known=greedy):
        if not found.name and (not better or found.price < better[-1].price) and found.order != first:
            better.append(found)
    different = {tuple(order): (price, name) for name, (price, order) in _known(greedy).items()}
    ranked = sorted((price, name, order) for order, (price, name) in different.items())
    named: dict[str, Sequence[int]] = {f"greedy {name}": order for _, name, order in ranked[:MAX_GREEDY_ORDERS]}
    named |= {f"local search {k + 1}": one.order for k, one in enumerate(better[-MAX_SEARCHED_ORDERS:])}
    return {name: _complete(graph, [int(work.names[v]) for v in order]) for name, order in named.items()}


def _known(greedy: Mapping[str, tuple[int, list[int]] | None]) -> dict[str, tuple[int, list[int]]]:
    """Return the orders that were not given up, without forward and reverse order."""
    return {name: order for name, order in greedy.items() if order is not None and name not in ORDERS}


def _work_graph(graph: ScalarGraph) -> WorkGraph:
    """Return the graph as solvers take it; vertices have the numbers of values as their names."""
    elementals = tuple(
        Elemental(f"{u} {v}", str(u), str(v), Block(1, 1)) for u, edges in graph.succ.items() for v in edges
    )
    inner = set(graph.inner)
    inputs = tuple(str(v) for v in graph.succ if v not in inner)
    outputs = tuple(str(v) for v in graph.pred if v < 0)
    sizes = dict.fromkeys((str(v) for v in (*graph.succ, *graph.pred)), 1)
    return WorkGraph(Graph(sizes, inputs, outputs, elementals), None, SCALAR_OPERATIONS)


def _complete(graph: ScalarGraph, order: list[int]) -> list[int]:
    """Return an order with the vertices in front that lie on no path."""
    there = set(order)
    return [v for v in graph.inner if v not in there] + order
