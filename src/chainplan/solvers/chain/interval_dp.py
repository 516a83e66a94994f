"""Interval dynamic programming for chains of structured and matrix-free elementals.

Each interval (i, j) gets the cheapest of these: a product at any split k, a tangent of the last elemental on
(i, j-1), an adjoint of the first elemental on (i+1, j), one compressed sweep (`compressed_intervals`). Single
elementals are loaded, or accumulated in the cheaper mode (Naumann, arXiv 2406.11862, section 3, with single
propagations for the paper's propagations over sub-chains: they compose at the same cost). The program is exact because
the structure of an interval does not depend on how it is made.

It is not always known whether a sweep could do with fewer colours than it has. Where that may matter, the table is
filled once more with sweeps at prices that no colours undercut. What the chain then costs is a bound on all plans, and
a plan of that cost is proven. Where the costs differ, the sweeps of the bounding plan are coloured again with more
effort.
"""

from __future__ import annotations

from dataclasses import replace
from typing import final

from chainplan.plans.bound import Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.result import Outcome, bounded
from chainplan.problem.cost import FMA, LeastFma
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.compressed_intervals import ChainSweeps
from chainplan.solvers.chain.derivation import not_a_chain, swept, write
from chainplan.solvers.chain.interval_prices import filled, longest_chain
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver


@final
class ChainDpSolver(Solver):
    """Exact interval dynamic programming over products, tangents and adjoints.

    Cost: O(q³) time and O(q²) memory for q elementals.
    Exact: yes, within bracketings and coloured sweeps, where the colours found are proven to be the fewest.
    Refuses: graphs that are not chains; more than 5,000 elementals, or 300 under an objective in time and with listed
        patterns of more than some thousands of lines in all.
    """

    name = "chain-dp"

    def refuses(self, problem: Problem) -> str | None:
        return not_a_chain(problem) or not_a_chain(problem, longest_chain(problem))

    def solve(self, problem: Problem, search: Search) -> Outcome:
        chain = problem.graph.chain
        sweeps = ChainSweeps(chain, problem.cost, search)
        if not problem.graph.exact:
            return _counted_from_above(problem, sweeps, search)
        table, whole = filled(problem, sweeps, search), (0, len(chain))
        while True:
            candidate = Candidate(write(problem.graph, whole, table.derive), problem.cost)
            price = table.price(*whole)
            if sweeps.proven:
                return bounded(candidate, price, Bound(price, sweeps.moves))
            search.offer(candidate.plan, candidate.price)
            floor = filled(problem, sweeps.at_least(), search)
            bound = floor.price(*whole)
            if bound == price or not sweeps.closer(swept(whole, floor.derive)):
                return bounded(candidate, price, Bound(bound, sweeps.moves))
            table = filled(problem, sweeps, search)


def _counted_from_above(problem: Problem, sweeps: ChainSweeps, search: Search) -> Outcome:
    """The cheapest plan by upper bounds on nonzeros, with a bound from lower ones where there are some.

    A plan costs at least what lower bounds on the nonzeros of its factors say. The blocks of an interval have the same
    ones however they are made, so the interval program finds the least of these figures over all plans.
    """
    whole = (0, len(problem.graph.chain))
    table = filled(problem, sweeps, search)
    candidate = Candidate(write(problem.graph, whole, table.derive), problem.cost)
    if problem.cost is not FMA or not problem.graph.bounded_below:
        return Outcome(Status.FEASIBLE, candidate)
    search.offer(candidate.plan, candidate.price)
    floor = filled(replace(problem, cost=LeastFma()), sweeps.at_least(), search)
    return bounded(candidate, candidate.price, Bound(floor.price(*whole), sweeps.moves, sure=True))
