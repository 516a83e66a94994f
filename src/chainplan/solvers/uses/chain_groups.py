"""Products with the Jacobian of a chain: which groups of adjacent elementals to form, and what to apply as it is.

The chain is cut into groups. The set-up forms the block of each group, at the least price of its interval
(`solvers.chain.interval_prices`), and a product goes through the blocks one after the other; or a group is a single
matrix-free elemental that is applied to the vector each time. With k products J·v and l products w·J a formed group
costs its price + (k + l) · (one product of its block with a vector), in fma its nonzeros; an applied elemental costs
k · tangent + l · adjoint. Vectors are dense wherever they are in the chain, and an explicit elemental is formed at no
price. So

    best(j) = min over i < j of best(i) + least(i, j)

finds the cheapest cut in O(q²) after the prices of all intervals. It is exact because the block of an interval, and so
the price of a product with it, does not depend on how it is made: the structure product is associative
(`chainplan.structures`). For l = 0 this is the interval program for the chain with a dense n x k block in front of it,
whose bracketings multiply the groups onto that block one after the other, where the block stays dense.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, final

from chainplan.plans.bound import Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import BRACKETINGS, GROUPS, SWEPT_GROUPS
from chainplan.plans.compressed_sweep import CompressedSweep
from chainplan.plans.recorder import Recorder
from chainplan.plans.replay import replay
from chainplan.plans.result import Outcome, bounded
from chainplan.problem.cost import FMA, CostModel, LeastFma
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.problem.problem import Problem
from chainplan.problem.products import Products
from chainplan.solvers.chain.compressed_intervals import ChainSweeps
from chainplan.solvers.chain.derivation import not_a_chain, recorded, swept
from chainplan.solvers.chain.interval_prices import FmaTable, filled, longest_chain
from chainplan.solvers.chain.interval_table import IntervalTable
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver, not_of_products
from chainplan.solvers.uses.group_plans import ChainGroup, groups_plan
from chainplan.structures import Block

MAX_RESTRICTED_CUTS = 100
"""Cuts that are tried under a memory limit."""


@final
class ChainGroupsSolver(Solver):
    """Exact choice of the groups of a chain to form, where the Jacobian is used for products alone.

    Cost: O(q³) time and O(q²) memory for q elementals.
    Exact: yes, within groups of bracketings and coloured sweeps, as chain-dp; where the cheapest plan exceeds a memory
        limit, the best cut without the groups that need most.
    Refuses: problems that ask for the Jacobian itself; what chain-dp refuses.
    """

    name = "chain-groups"
    multiplies = True

    def refuses(self, problem: Problem) -> str | None:
        return not_of_products(problem) or not_a_chain(problem) or not_a_chain(problem, longest_chain(problem))

    def solve(self, problem: Problem, search: Search) -> Outcome:
        chain, products = problem.graph.chain, problem.products
        assert products is not None
        sweeps = ChainSweeps(chain, problem.cost, search)
        within = GROUPS if sweeps.moves == BRACKETINGS else SWEPT_GROUPS
        table = filled(problem, sweeps, search)
        while True:
            price, groups = cheapest_groups(chain, products, problem.cost, table)
            candidate = Candidate(groups_plan(problem.graph, products, groups, table.derive), problem.cost)
            if not problem.graph.exact:
                return _fitting(problem, _counted_from_above(problem, candidate, sweeps, within, search), groups, table)
            if sweeps.proven:
                return _fitting(problem, bounded(candidate, price, Bound(price, within)), groups, table)
            search.offer(candidate.plan, candidate.price)
            floor = filled(problem, sweeps.at_least(), search)
            bound, least = cheapest_groups(chain, products, problem.cost, floor)
            if bound == price or not sweeps.closer(_swept(least, floor)):
                return _fitting(problem, bounded(candidate, price, Bound(bound, within)), groups, table)
            table = filled(problem, sweeps, search)


def _fitting(
    problem: Problem, outcome: Outcome, groups: Sequence[ChainGroup], table: FmaTable | IntervalTable
) -> Outcome:
    """The outcome, or where its plan exceeds the memory limit the cheapest plan found that does not.

    Groups are formed by those first that need most beside what is kept of them. Where that is not enough, the group
    that is being formed at the peak, or the largest one kept, is formed no more, and the rest is cut anew.
    """
    candidate, products, forbidden = outcome.candidate, problem.products, set[tuple[int, int]]()
    if candidate is None or products is None or candidate.fits(problem.memory):
        return outcome
    for _ in range(MAX_RESTRICTED_CUTS):
        hills = {group: _hill(problem.graph, group, table) for group in groups if group.formed}
        order = sorted(hills, key=lambda group: hills[group].kept - hills[group].peak)
        candidate = Candidate(groups_plan(problem.graph, products, groups, table.derive, order), problem.cost)
        if candidate.fits(problem.memory):
            return bounded(candidate, candidate.price, outcome.bound.below(candidate.price))
        made = [group for group in order if group.end > group.start + 1]
        if not made:
            return outcome
        dearest = max(made, key=lambda group: (hills[group].peak, hills[group].kept))
        forbidden.add((dearest.start, dearest.end))
        _, groups = cheapest_groups(problem.graph.chain, products, problem.cost, table, forbidden)
    return outcome


class _GroupHill(NamedTuple):
    """The most elements alive while a group is formed, and those that are kept of it."""

    peak: int
    kept: int


def _hill(graph: Graph, group: ChainGroup, table: FmaTable | IntervalTable) -> _GroupHill:
    recorder = Recorder(graph)
    recorded(recorder, graph.chain, (group.start, group.end), table.derive)
    replayed = replay(recorder.plan(()))
    return _GroupHill(replayed.peak, replayed.blocks[-1].block.nnz if replayed.blocks else 0)


def _counted_from_above(
    problem: Problem, candidate: Candidate, sweeps: ChainSweeps, within: str, search: Search
) -> Outcome:
    """The plan that is cheapest by upper bounds on nonzeros, with a bound from lower ones where there are some."""
    if problem.cost is not FMA or not problem.graph.bounded_below or problem.products is None:
        return Outcome(Status.FEASIBLE, candidate)
    search.offer(candidate.plan, candidate.price)
    least = LeastFma()
    floor = filled(replace(problem, cost=least), sweeps.at_least(), search)
    bound, _ = cheapest_groups(problem.graph.chain, problem.products, least, floor)
    return bounded(candidate, candidate.price, Bound(bound, within, sure=True))


def cheapest_groups(
    chain: Sequence[Elemental],
    products: Products,
    cost: CostModel,
    table: FmaTable | IntervalTable,
    forbidden: Collection[tuple[int, int]] = (),
) -> tuple[int, list[ChainGroup]]:
    """The cheapest cut of a chain into groups, given the prices of all intervals; ties go to the shortest last group.

    Of two ways with a single elemental, applying it comes before forming it. Groups of several elementals that are
    `forbidden` are not formed.
    """
    best = [0]
    last: list[ChainGroup] = []
    for j in range(1, len(chain) + 1):
        price, group = min(
            (
                (best[group.start] + price, group)
                for price, group in _last_groups(chain, products, cost, table, j)
                if group[:2] not in forbidden or group.end == group.start + 1
            ),
            key=lambda priced: priced[0],
        )
        best.append(price)
        last.append(group)
    groups = list[ChainGroup]()
    j = len(chain)
    while j:
        groups.append(last[j - 1])
        j = groups[-1].start
    return best[-1], groups[::-1]


def _last_groups(
    chain: Sequence[Elemental], products: Products, cost: CostModel, table: FmaTable | IntervalTable, j: int
) -> Iterator[tuple[int, ChainGroup]]:
    """The groups that end at x_j with their prices, short ones first."""
    e = chain[j - 1]
    needed = [mode for mode, times in products.sides() if times]
    if not e.explicit and all(e.per_vector(mode) is not None for mode in needed):
        vectors = {Mode.TANGENT: Block(e.block.cols, 1), Mode.ADJOINT: Block(1, e.block.rows)}
        applied = sum(products.times(mode) * cost.propagate(e, vectors[mode], mode) for mode in needed)
        yield applied, ChainGroup(j - 1, j, formed=False)
    for i in reversed(range(j)):
        uses = sum(products.times(mode) * table.product_price(i, j, mode) for mode in needed)
        yield table.price(i, j) + uses, ChainGroup(i, j, formed=True)


def _swept(groups: Sequence[ChainGroup], table: FmaTable | IntervalTable) -> Iterator[CompressedSweep]:
    """The compressed sweeps by which groups are formed."""
    for group in groups:
        if group.formed:
            yield from swept((group.start, group.end), table.derive)
