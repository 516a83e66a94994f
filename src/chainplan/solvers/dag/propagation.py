"""Vertex elimination with propagation: the plans of graphs with matrix-free elementals.

The other solvers of graphs accumulate every matrix-free elemental first. Here it is decided at each vertex which are
accumulated and which are applied to the blocks beside them (`elimination.propagation_graph`). What this makes cheap is
an order of its own, so that greedy keys, re-ordered fragments and the exact search ask for its prices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import combinations, cycle
from random import Random
from typing import cast, final

from chainplan.plans.bound import Bound
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import PROPAGATION
from chainplan.plans.result import Outcome, bounded
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Graph
from chainplan.problem.problem import Problem
from chainplan.solvers.dag.order_plans import cheaper_sweep, order_of
from chainplan.solvers.elimination.component_search import cheapest_order
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.elimination.greedy import PricedOrder, best_of_keys, by_all_keys, randomised
from chainplan.solvers.elimination.large_neighbourhood import sweep
from chainplan.solvers.elimination.propagation_bound import BoundParts, propagation_bound
from chainplan.solvers.elimination.propagation_graph import PropagationGraph, all_or_none_formed, propagation_plan
from chainplan.solvers.search.search import Search, SearchStopped, paced
from chainplan.solvers.search.solver import Solver, not_fma

MAX_INTERMEDIATES_FOR_OWN_KEYS = 300
"""Intermediate vertices up to which every greedy key asks for the prices with propagation.

Beyond, the best order after accumulation is the first one: some orders make so many products that pricing them takes
longer than a search.
"""
MAX_INTERMEDIATES_FOR_PROOF_FIRST = 40
"""Intermediate vertices up to which the exact search comes before local search, and once more after it."""
MAX_INTERMEDIATES_FOR_PROOF = 250
"""Intermediate vertices above which no exact search is tried."""
MAX_DECIDED_ELEMENTALS = 6
"""Shared elementals up to which every decision on them is tried."""
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
IDLE_SWEEPS = 4
"""Sweeps without gain after which the search goes on from another order."""


@final
class PropagationSolver(Solver):
    """Greedy orders in which matrix-free elementals are propagated or accumulated, improved by exact fragments.

    Cost: every price looks at the pairs of a vertex's edges; the exact search also at connected sets of vertices.
    Exact: where that search ends, within vertex elimination with propagation.
    Refuses: graphs without matrix-free elementals; other objectives than fma.
    """

    name = "propagation"

    def refuses(self, problem: Problem) -> str | None:
        if problem.graph.explicit:
            return "it has no matrix-free elementals"
        return not_fma(problem)

    def solve(self, problem: Problem, search: Search) -> Outcome:
        works = all_or_none_formed(problem.graph)
        orders = ((work, priced) for work in works for priced in _greedy_orders(work, search))
        best = _Best(search, *next(orders))
        for work, priced in orders:
            best.offer(work, priced)
        parts = _cuts(problem.graph, search)
        count = len(works[0].middle)
        proof = None
        if count <= MAX_INTERMEDIATES_FOR_PROOF_FIRST:
            proof = _over_all_components(best, parts, search)
        if proof is None and best.total > parts.total:
            best.offer_all(best.work, _improved(best.work, best.priced, search))
            _form_more(best, search)
            if count <= MAX_INTERMEDIATES_FOR_PROOF:
                proof = _over_all_components(best, parts, search)
        bound = proof or Bound(parts.total, PROPAGATION)
        search.prove(bound)
        candidate = Candidate(best.plan(), FMA)
        if count > MAX_INTERMEDIATES_FOR_OWN_KEYS:
            candidate = cheaper_sweep(problem.graph, candidate.price) or candidate
        return bounded(candidate, candidate.price, bound)


def _cuts(graph: Graph, search: Search) -> BoundParts:
    """Return the bound from cuts, as far as the limits go; later stages do not work it out again."""
    known = search.unfinished.get(PropagationSolver.name)
    if isinstance(known, BoundParts):
        return known
    stage = search.stage(PropagationSolver.name, CUT_BOUND_SHARE)
    parts = search.unfinished[PropagationSolver.name] = propagation_bound(graph, paced(stage.watch))
    search.prove(Bound(parts.total, PROPAGATION))
    return parts


def _greedy_orders(work: PropagationGraph, search: Search) -> Iterator[PricedOrder]:
    """Yield greedy orders, at least one."""
    if len(work.middle) <= MAX_INTERMEDIATES_FOR_OWN_KEYS:
        yield from by_all_keys(work, search.going)
    else:
        order = best_of_keys(work.graph, search.going, search.greedy).order
        start = search.seconds
        priced = PricedOrder(work.order_price(order), order)
        search.writing = WRITING_PER_PRICING * (search.seconds - start)
        yield priced


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
        return partial(propagation_plan, self.work.graph, self.priced.order, self.work.formed)

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


def _over_all_components(best: _Best, parts: BoundParts, search: Search) -> Bound | None:
    """Offer the cheapest order; return the bound that this proves, None where nothing is proven.

    Where many elementals are shared, other decisions about them are tried and nothing is proven. Where better colours
    of an accumulation may be possible, a second search with their least prices gives the bound.
    """
    tick, graph = search.stage(PropagationSolver.name, EXACT_SHARE).tick, best.work.graph
    middle = sorted(best.work.middle)

    def cheapest(work: PropagationGraph, total: int) -> PricedOrder | None:
        charges = parts.charges(graph, work.index, work.paid)
        return cheapest_order(work, middle, total - work.fixed, tick, charges)

    def better(work: PropagationGraph) -> bool:
        found = cheapest(work, best.total)
        return found is not None and best.offer(work, found)

    try:
        if len(best.work.shared) > MAX_DECIDED_ELEMENTALS:
            better(best.work)
            _toggle(best, better, search)
            return None
        for formed in _decisions(best.work.shared):
            better(PropagationGraph(graph, formed=formed))
        if not best.work.exact:
            return None
        least = best.total
        for formed in () if best.work.tight else _decisions(best.work.shared):
            work = PropagationGraph(graph, formed=formed, least=True)
            found = cheapest(work, least)
            least = least if found is None else work.fixed + found.price
        return Bound(least, PROPAGATION)
    except SearchStopped:
        return None


def _decisions(shared: Sequence[str]) -> Iterator[frozenset[str]]:
    """Yield every set of shared elementals that may be formed."""
    for count in range(len(shared) + 1):
        yield from map(frozenset, combinations(shared, count))


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
        idle = 0 if better(PropagationGraph(best.work.graph, formed=best.work.formed ^ {name})) else idle + 1


def _improved(work: PropagationGraph, best: PricedOrder, search: Search) -> Iterator[PricedOrder]:
    """Yield better orders: descents by re-ordered fragments, from the best order, the given plan and random ones."""
    rng, starts = Random(search.seed), [best]
    if search.start is not None:
        order = order_of(search.start)
        starts = sorted([best, PricedOrder(work.order_price(order), order)])
    starts += sorted(randomised(work, rng, 10 * RANDOM_STARTS, search.going))[:RANDOM_STARTS]
    for start in starts:
        yield start
        idle, current = 0, start
        while idle < IDLE_SWEEPS and search.going():
            after = sweep(
                work, current.order, rng.choice(REORDERED_FRAGMENT_SIZES), rng, _reordered, search.going
            ).priced
            idle = 0 if after.price < current.price else idle + 1
            if after.price <= current.price:
                current = after
            if not idle:
                yield current


def _reordered(work: WorkGraph, fragment: list[int]) -> list[int]:
    """Return the cheapest order of a fragment."""
    ordered = cheapest_order(cast("PropagationGraph", work), fragment)
    return fragment if ordered is None else ordered.order
