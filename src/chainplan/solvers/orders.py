"""From an order of elimination to an outcome: what solvers that search for such orders have in common.

A plan is made once, at the end, or when the search is interrupted: with 10^5 vertices it takes seconds. Where
elementals are matrix-free, forward and reverse order apply them instead of accumulating them, which no order of
elimination does, so those plans compete too.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from chainplan.elimination.greedy import Found
from chainplan.elimination.workgraph import accumulation, order_plan
from chainplan.graph import Graph, Mode
from chainplan.problem import Problem
from chainplan.result import Outcome, Status
from chainplan.search import Search
from chainplan.steps import Plan, Recorder
from chainplan.sweep import order_price, sweep


def cheapest(problem: Problem, search: Search, found: Iterable[Found]) -> Outcome:
    """The plan of the cheapest order; the best so far is offered to the search as they come."""
    best: Found | None = None
    for candidate in found:
        if best is None or candidate.price < best.price:
            best = candidate
            search.offer(partial(order_plan, problem.graph, candidate.order))
    assert best is not None, "there is an order of elimination for every graph"
    return Outcome(Status.FEASIBLE, _plan(problem.graph, best))


def _plan(graph: Graph, best: Found) -> Plan:
    if any(not e.explicit for e in graph.useful):
        price, mode = min(((order_price(graph, mode), mode) for mode in Mode), key=lambda found: found[0])
        if price < best.price + accumulation(graph):
            recorder = Recorder(graph)
            return recorder.plan(sweep(graph, recorder, mode))
    return order_plan(graph, best.order)
