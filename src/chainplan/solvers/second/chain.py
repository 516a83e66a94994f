"""Second derivatives of chains: the exact interval program over splits that Jacobians and second derivatives share.

The published program (arXiv 2103.09480) pays the Jacobians of both parts wherever a split reads them, at the price of
their own best bracketing. Here every split is one for both orders, and each Jacobian is made once. The Jacobians may
then be dearer than their best bracketing, and are never paid twice. Where few rows are asked for, they are carried back
to parts that are weighted early. `interval_table` finds the cheapest of these plans exactly, and bounds those from
below in which Jacobians and rows are made in other orders beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from chainplan.plans.bound import NO_BOUND, Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import SECOND_CARRIED, SECOND_SHARED
from chainplan.plans.product_orders import BASELINES, baseline_plan
from chainplan.plans.result import Outcome, bounded
from chainplan.plans.second_bracketings import bracketing_plan
from chainplan.plans.second_links import ChainLink, chain_links
from chainplan.plans.sharing import shared
from chainplan.problem.problem import Problem
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver, not_fma, not_of_second_order
from chainplan.solvers.second.directions import cheapest_sided
from chainplan.solvers.second.interval_table import SecondIntervalTable

MAX_SECOND_CHAIN = 400
"""Elementals of the longest chain that is taken."""


@final
class SecondChainSolver(Solver):
    """Exact interval dynamic programming for second derivatives, with Jacobians shared by the splits and rows carried.

    Cost: O(q³) time and O(q²) memory for q elementals.
    Exact: yes, within second-order bracketings with carried rows; within those with Jacobians and rows in any order
        where the bound is reached; no along directions, where entries are counted from above, and where products of
        equal elementals are made once.
    Refuses: problems that ask for the Jacobian; graphs that are not chains; other objectives than fma; more than 400
        elementals.
    """

    name = "second-chain"
    twice = True

    def refuses(self, problem: Problem) -> str | None:
        reason = not_of_second_order(problem) or problem.graph.not_a_chain or not_fma(problem)
        if reason is None and len(problem.graph.chain) > MAX_SECOND_CHAIN:
            return f"the chain has {len(problem.graph.chain):,} elementals; expected at most {MAX_SECOND_CHAIN}"
        return reason

    def solve(self, problem: Problem, search: Search) -> Outcome:
        asked = problem.second
        assert asked is not None
        if not asked.symmetric:
            return Outcome(Status.FEASIBLE, Candidate(cheapest_sided(problem.graph, asked, search.tick), problem.cost))
        if search.limited:
            for name in BASELINES[:2]:
                baseline = Candidate(baseline_plan(problem, name), problem.cost)
                search.offer(baseline.plan, baseline.price)
        links = chain_links(problem.graph, asked)
        table = SecondIntervalTable(links, problem.cost, search.tick)
        candidate = Candidate(bracketing_plan(problem.graph, asked, table.choose), problem.cost)
        search.offer(candidate.plan, candidate.price)
        bound = NO_BOUND
        if table.exact:
            floor = SecondIntervalTable(links, problem.cost, search.tick, floor=True)
            bound = Bound(table.price, SECOND_SHARED if floor.price == table.price else SECOND_CARRIED)
        once = _with_equal_once(problem, candidate, links, search)
        return bounded(once, once.price, bound.below(once.price))


def _with_equal_once(problem: Problem, candidate: Candidate, links: Sequence[ChainLink], search: Search) -> Candidate:
    """Return the plan, or a cheaper one that makes the derivatives of equal parts of the chain once."""
    graph, asked = problem.graph, problem.second
    if not graph.shares or asked is None:
        return candidate
    kinds = [None if link.elemental is None else link.elemental.kind for link in links]
    table = SecondIntervalTable(links, problem.cost, search.tick, kinds=kinds)
    other = Candidate(bracketing_plan(graph, asked, table.choose, carried=False), problem.cost)
    return min((shared(candidate), shared(other)), key=lambda one: one.price)
