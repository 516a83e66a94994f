"""Elimination under a memory limit: the cheapest that fits of many orders, each with its steps in an order of low peak.

The peak of an elimination depends on the order of the vertices and on the order of the steps, which that leaves partly
open. Candidates are forward and reverse order as sweeps, which accumulate nothing; greedy orders by every key and by
the growth of what is alive; and greedy orders by keys blurred at random. Where none fits, single vertices are moved in
the order of the lowest peak. The steps of each candidate are put in an order of low peak (`plans.reorder`). Where
nothing fits, the solver reports the smallest peak it met and a peak that no plan goes below.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import final

from chainplan.plans.bound import Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.forward_reverse import sweep
from chainplan.plans.recorder import Recorder
from chainplan.plans.reorder import peak_floor, reordered
from chainplan.plans.result import Outcome
from chainplan.plans.steps import Plan
from chainplan.problem.cost import CostModel
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.solvers.elimination.elimination_graph import WorkGraph, order_plan
from chainplan.solvers.elimination.greedy import PricedOrder, by_all_keys, greedy, randomised, ranks
from chainplan.solvers.elimination.greedy_keys import GreedyKey, fill
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver

BLURRED_ORDERS = 20
"""Orders by blurred keys that are tried."""
MAX_VERTEX_MOVES = 200
"""Moves of single vertices that are tried where nothing fits."""
MAX_BLURRED_INTERMEDIATES = 300
"""Intermediate vertices beyond which neither blurred keys nor moves are tried."""


@final
class DagMemorySolver(Solver):
    """The cheapest of many elimination orders whose steps can be put in an order that keeps the limit.

    Cost: a replay of some dozen plans, each with a search over the order of its steps.
    Exact: no; it proves that no plan keeps a limit only where the Jacobian itself, or one elemental, exceeds it.
    Refuses: problems without a memory limit.
    """

    name = "dag-memory"

    def refuses(self, problem: Problem) -> str | None:
        return "there is no limits.memory to keep" if problem.memory is None else None

    def solve(self, problem: Problem, search: Search) -> Outcome:
        assert problem.memory is not None
        floor = peak_floor(problem.graph)
        if floor > problem.memory:
            said = (
                f"no plan holds fewer than {floor:,} elements at once; limits.memory is {problem.memory:,}. Raise it."
            )
            return Outcome(Status.INFEASIBLE, note=said)
        best, tried = _BestWithinLimit(problem.memory, problem.cost, search), set[tuple[int, ...]]()
        for turn, mode in enumerate(Mode):
            if turn and not search.in_time():
                break
            recorder = Recorder(problem.graph)
            best.offer(recorder.plan(sweep(problem.graph, recorder, mode)))
        orders = dict[int, list[int]]()
        for candidate in _orders(problem, search) if search.in_time() else ():
            key = tuple(candidate.order)
            if key not in tried and (best.fits is None or candidate.price < best.fits.price):
                tried.add(key)
                orders.setdefault(best.offer(order_plan(problem.graph, candidate.order)), candidate.order)
            if not search.going():
                break
        if best.fits is None and orders and len(orders[min(orders)]) <= MAX_BLURRED_INTERMEDIATES:
            _move_vertices(problem, best, orders[min(orders)], search)
        if best.fits is not None:
            return Outcome(Status.FEASIBLE, best.fits)
        said = f"the smallest peak found is {best.least:,} elements, and no plan holds fewer than {floor:,}"
        return Outcome(Status.BUDGET, note=f"{said}; limits.memory is {problem.memory:,}. Raise it.")


class _BestWithinLimit:
    """The cheapest plan that keeps the limit, and the lowest peak of any plan."""

    def __init__(self, limit: int, cost: CostModel, search: Search) -> None:
        self.cost = cost
        self.limit, self.least = limit, 10**80
        self.fits: Candidate | None = None
        self._search = search

    def offer(self, plan: Plan) -> int:
        """Put the steps of a plan in an order of low peak, keep the plan if it is the best, and return its peak."""
        candidate = reordered(Candidate(plan, self.cost), self.limit, self._search.going)
        self.least = min(self.least, candidate.peak)
        if candidate.fits(self.limit) and (self.fits is None or candidate.price < self.fits.price):
            self.fits = candidate
            self._search.offer(candidate.plan, candidate.price)
        return candidate.peak


def _orders(problem: Problem, search: Search) -> Iterator[PricedOrder]:
    """Greedy orders by all keys, then those that let least grow, then those by blurred keys."""
    work = WorkGraph(problem.graph, None, problem.cost)
    candidates = by_all_keys(work, search.going, search.greedy, surely=False)
    yield from sorted(candidates, key=lambda candidate: candidate.price)
    for ties in ("low", "high"):
        candidate = greedy(work.copy(), _GROWTH_KEY, ranks(work, ties), None, search.going)
        if candidate is not None:
            yield candidate
    if len(work.middle) <= MAX_BLURRED_INTERMEDIATES:
        yield from randomised(work, Random(search.seed), BLURRED_ORDERS, search.going)


def _growth(g: WorkGraph, v: int) -> int:
    """The entries that the elimination of v creates minus those that it frees, all blocks taken as dense."""
    gone = g.size[v] * (g.weight(g.out[v].keys()) + (0 if g.kept[v] else g.weight(g.into[v].keys())))
    return int(fill(g, v)) - gone


_GROWTH_KEY = GreedyKey(lambda _: _growth, local=False)


def _move_vertices(problem: Problem, best: _BestWithinLimit, order: list[int], search: Search) -> None:
    """Move single vertices of an order until a plan fits or no tries are left; a move that raises no peak stays."""
    rng, now = Random(search.seed), best.least
    for _ in range(MAX_VERTEX_MOVES if len(order) > 1 else 0):
        if best.fits is not None or not search.going():
            return
        other = list(order)
        vertex = other.pop(rng.randrange(len(other)))
        other.insert(rng.randrange(len(other) + 1), vertex)
        peak = best.offer(order_plan(problem.graph, other))
        if peak <= now:
            order, now = other, peak
