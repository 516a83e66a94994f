"""Cheapest plan of a chain that evaluates its own states, stores some and evaluates others again, under a limit.

Without recomputation the states at which elementals are linearised are given. Here they take memory, as tapes and
blocks do, and what does not fit is evaluated again, so that "infeasible" becomes "costs so much". The space of plans is
that of `grammar`; binomial checkpointing (Griewank & Walther 2000, "Algorithm 799: revolve") is the case of one sweep
of adjoints over equal elementals.

The fronts of all tasks are exact but many: there are O(q³) tasks of O(q) ways each. A first pass makes only the blocks
that begin at the input or end at the output, of which forward and reverse order consist. The price of its plan rules
out every block whose lower bound is higher, and mostly no other block is left for a second pass. Before both, a pass
with memory rounded up gives a plan quickly, in case the search is stopped, and a price that no point may exceed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from typing import final

from chainplan.plans.bound import Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import CHECKPOINTS
from chainplan.plans.reorder import peak_floor
from chainplan.plans.result import Outcome, bounded
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.derivation import ChainInterval, not_a_chain
from chainplan.solvers.checkpoint.fronts import (
    CheckpointFront,
    FrontPoint,
    best,
    cheapest,
    cheapest_under,
    coarse,
    least,
)
from chainplan.solvers.checkpoint.grammar import TaskFronts
from chainplan.solvers.checkpoint.prices import ChainTriple, PricedChain
from chainplan.solvers.checkpoint.writer import write
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver, not_fma

MAX_CHECKPOINT_CHAIN_LENGTH = 150
MEMORY_STEPS_OF_LIMIT = 500
"""Parts into which the limit is divided where memory is rounded up, as the first pass does."""


@final
class ChainRecomputeSolver(Solver):
    """Pareto fronts of memory and price over intervals of a chain, with checkpoints.

    Cost: O(q³) to O(q⁴) joins of fronts for q elementals, depending on how many blocks the bounds rule out.
    Exact: yes, within bracketings and nested checkpoints, under any memory limit, where the colours found are proven to
        be the fewest; a limit that is too low comes with the smallest that would work, and is infeasible where it is
        below what plans of any kind hold.
    Refuses: graphs that are not chains; more than 150 elementals; other objectives than fma; states that are
        given, or may be written to disk.
    """

    name = "chain-recompute"
    recomputes = True

    def refuses(self, problem: Problem) -> str | None:
        if not problem.recompute:
            return "its states are given; set limits.recompute to have them evaluated"
        if problem.disk is not None:
            return "limits.disk is set, and it holds all states in memory"
        return not_fma(problem) or not_a_chain(problem, MAX_CHECKPOINT_CHAIN_LENGTH)

    def solve(self, problem: Problem, search: Search) -> Outcome:
        fronts = ExactFronts(problem, search)
        point = cheapest_under(fronts.under(problem.memory), problem.memory)
        if point is None:
            assert problem.memory is not None, "without a limit there is a plan"
            floor, needs = fronts.floor(), fronts.smallest()
            if problem.memory < floor:
                return Outcome(Status.INFEASIBLE, needs=needs)
            note = f"no plan within {CHECKPOINTS} keeps the limit; others hold {floor:,} elements or more. Raise it."
            return Outcome(Status.BUDGET, needs=needs, note=note)
        plan = write(problem.graph, point)
        search.offer(plan, point[1])
        bound = point[1] if fronts.proven else fronts.at_least().price(problem.memory)
        return bounded(Candidate(plan, FMA), point[1], Bound(bound, CHECKPOINTS))


class ExactFronts:
    """The exact fronts of one problem, given the colours of the known compressed sweeps."""

    def __init__(self, problem: Problem, search: Search, chain: PricedChain | None = None) -> None:
        self._problem, self._graph, self._search = problem, problem.graph, search
        self._bounding, self._chain = chain is not None, chain or PricedChain(problem.graph, search)
        self._prices, self._hills = self._chain.prices(), self._chain.hills()
        self._smallest: int | None = None

    @property
    def proven(self) -> bool:
        """Whether no colours make any of the plans cheaper or let it hold less."""
        return self._chain.proven

    def at_least(self) -> ExactFronts:
        """The fronts with sweeps that cost and hold what no colours undercut: bounds alone, as plans may not exist."""
        chain = copy(self._chain)
        chain.leaves = chain.least_leaves
        return ExactFronts(self._problem, self._search, chain)

    def price(self, limit: int | None) -> int:
        """The least price under a limit; some plan must keep it."""
        point = cheapest_under(self.under(limit), limit)
        assert point is not None, "what a plan keeps its bound keeps"
        return point[1]

    def under(self, limit: int | None) -> CheckpointFront:
        """The front up to a limit, exact at the limit itself."""
        if limit is None:
            first = self._pass(None, self._outer, cheapest)
            return self._again(None, first, first[0][1], cheapest)
        point = cheapest_under(self._pass(limit, self._outer, coarse(limit // MEMORY_STEPS_OF_LIMIT + 1)), limit)
        if point is not None and not self._bounding:
            self._search.offer(write(self._graph, point), point[1])
        first = self._pass(limit, self._outer, price=None if point is None else point[1])
        point = cheapest_under(first, limit)
        return self._again(limit, first, None if point is None else point[1])

    def whole(self) -> CheckpointFront:
        """The front of all limits."""
        low, first = self.smallest(), self._pass(None, self._outer)
        if first[0][0] == low:
            return self._again(None, first, first[0][1])
        point = cheapest_under(self._again(low, [], None), low)
        assert point is not None
        return self._again(None, first, point[1])

    def floor(self) -> int:
        """A lower bound on the memory of plans of any kind.

        The bounds of `PricedChain.hills` count only for dense chains: a compressed sweep may hold less than its block.
        """
        dense = all(e.block.structure.name == "dense" for e in self._graph.useful)
        return max(peak_floor(self._graph), self._hills[0, self._chain.q] if dense else 0)

    def smallest(self) -> int:
        """The least memory of these plans: of outer blocks, or of other blocks that need less by themselves."""
        if self._smallest is None:
            most = self._pass(None, self._outer, least)[0][0]
            keys = {key for key, hill in self._hills.items() if hill < most}
            inner = any(not self._outer(key) for key in keys) and (0, self._chain.q) in keys
            front = self._pass(most, lambda key: key in keys or self._outer(key), least) if inner else []
            self._smallest = min(most, front[0][0]) if front else most
        return self._smallest

    def _again(
        self,
        limit: int | None,
        first: CheckpointFront,
        price: int | None,
        keep: Callable[[Iterable[FrontPoint]], CheckpointFront] = best,
    ) -> CheckpointFront:
        """The front of a pass over all blocks that a plan of this price and limit may hold.

        It is `first`, the front of the outer blocks, where there are no others.
        """
        keys = {
            key
            for key, floor in self._prices.items()
            if (price is None or floor <= price) and (limit is None or self._hills[key] <= limit)
        }
        if first and all(self._outer(key) for key in keys):
            return first
        return self._pass(limit, lambda key: key in keys or self._outer(key), keep, price)

    def _outer(self, key: ChainInterval | ChainTriple) -> bool:
        """Whether forward or reverse order could hold this block, or make this product."""
        i, *_, j = key
        return (i == 0 or j == self._chain.q or j == i + 1) if len(key) == 2 else key[1] in (i + 1, j - 1)

    def _pass(
        self,
        limit: int | None,
        wanted: Callable[[ChainInterval | ChainTriple], bool],
        keep: Callable[[Iterable[FrontPoint]], CheckpointFront] = best,
        price: int | None = None,
    ) -> CheckpointFront:
        """The front of the plans of wanted blocks and products, which cost at most `price` where it is given."""
        most = None if price is None else lambda interval: price - self._chain.beyond[interval]
        return TaskFronts(self._chain, limit, wanted, self._search, keep, most).front
