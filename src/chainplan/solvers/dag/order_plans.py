"""From an order of elimination to an outcome: what the solvers that search for such orders have in common.

The plan is written once, at the end or when the search is interrupted, because with 10^5 vertices writing takes
seconds. Where elementals are matrix-free, three more plans compete with that of an order in which they are accumulated
first: the same order with propagation, and forward and reverse order, which propagate too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import cast

from chainplan.plans.bound import NO_BOUND, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.forward_reverse import order_price, sweep
from chainplan.plans.recorder import Recorder
from chainplan.plans.replay import replay
from chainplan.plans.result import Outcome
from chainplan.plans.steps import Multiply, Plan, Propagate
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.solvers.elimination.edge_prices import accumulation
from chainplan.solvers.elimination.elimination_graph import WorkGraph, order_plan
from chainplan.solvers.elimination.greedy import PricedOrder
from chainplan.solvers.elimination.propagation_graph import propagation_plan
from chainplan.solvers.search.search import Search, SearchStopped

WRITING_PER_EDGE = 2.5
"""How much longer a step takes to be written, replayed and proven than an edge takes when the work graph is made."""


def cheapest(problem: Problem, search: Search, orders: Callable[[WorkGraph], Iterable[PricedOrder]]) -> Outcome:
    """The plan of the cheapest of some orders of a work graph; the best so far is offered to the search as they come.

    The search ends early enough to write that plan down, to replay it and to prove it right.

    Raises
    ------
    SearchStopped
        Where the time ends before there is an order, because the search has a plan already.
    """
    work, each = timed_work(problem, search)
    best, fixed = cast("PricedOrder | None", None), work.fixed_price
    for candidate in orders(work):
        if best is None or candidate.price < best.price:
            best = candidate
            search.offer(partial(order_plan, problem.graph, candidate.order), candidate.price + fixed.price)
            search.writing = WRITING_PER_EDGE * each * steps_of(work, candidate)
        if best.price + fixed.least <= search.bound.value:
            break
    if best is None:
        raise SearchStopped
    cheapest = _candidate(problem, best)
    search.offer(cheapest.plan, cheapest.price)
    bound = search.bound.below(cheapest.price) if search.bound.value else NO_BOUND
    return Outcome(Status.FEASIBLE, cheapest, bound)


def timed_work(problem: Problem, search: Search) -> tuple[WorkGraph, float]:
    """The work graph of a search, and the seconds per edge that making it took; all stages share it and change none."""
    known = search.unfinished.get(WorkGraph.__name__)
    if known is None:
        edges, start = len(problem.graph.useful), search.seconds
        work = WorkGraph(problem.graph, None, problem.cost)
        known = search.unfinished[WorkGraph.__name__] = work, (search.seconds - start) / max(1, edges)
    return cast("tuple[WorkGraph, float]", known)


def steps_of(work: WorkGraph, candidate: PricedOrder) -> int:
    """About how many steps the plan of an order has: one per product and one per edge.

    On dense scalar graphs every product is a multiply-add, so the price counts them; on other dense graphs the order is
    followed once. Where blocks are structured the products are not counted.
    """
    edges = sum(map(len, work.out))
    if not work.dense or (work.scalar and not work.prices.adds):
        return edges + (candidate.price if work.dense else 0)
    now = work.copy()
    products = 0
    for v in candidate.order:
        products += len(now.into[v]) * len(now.out[v])
        now.eliminate(v)
    return edges + products


def order_of(plan: Plan) -> list[int]:
    """The order in which a plan multiplies or propagates through the intermediates, as numbers of a `WorkGraph`.

    A plan that was made from an order gives that order back; vertices that it never goes through come last.
    """
    work, blocks = WorkGraph(plan.graph), replay(plan).blocks
    through = []
    for step in plan.steps:
        if isinstance(step, Multiply):
            through.append(blocks[step.right].target)
        elif isinstance(step, Propagate) and blocks[step.arg].whole is None:
            e = plan.graph[step.elemental]
            through.append(e.source if step.mode is Mode.TANGENT else e.target)
    met = dict.fromkeys(work.index[v] for v in through if v in work.index)
    return [v for v in met if v in work.middle] + sorted(work.middle - met.keys())


def _candidate(problem: Problem, best: PricedOrder) -> Candidate:
    """The plan of an order; with matrix-free elementals the cheapest of it, that with propagation and both sweeps."""
    graph, cost = problem.graph, problem.cost
    if graph.explicit:
        return Candidate(order_plan(graph, best.order), cost)
    accumulated = None if cost is FMA else Candidate(order_plan(graph, best.order), cost)
    accumulating = best.price + accumulation(graph).price if accumulated is None else accumulated.price
    propagated = Candidate(propagation_plan(graph, best.order), cost)
    swept = cheaper_sweep(problem, min(accumulating, propagated.price))
    if swept is not None:
        return swept
    if propagated.price <= accumulating:
        return propagated
    return accumulated or Candidate(order_plan(graph, best.order), cost)


def cheaper_sweep(problem: Problem, below: int) -> Candidate | None:
    """The plan of forward or reverse order, whichever is cheaper, None where it does not cost less than `below`."""
    graph, cost = problem.graph, problem.cost
    price, mode = min(((order_price(graph, mode, cost), mode) for mode in Mode), key=lambda priced: priced[0])
    if price >= below:
        return None
    recorder = Recorder(graph)
    return Candidate(recorder.plan(sweep(graph, recorder, mode)), cost)
