"""Exact vertex elimination of a linearised DAG, with the proof.

Optimal Jacobian accumulation is NP-complete (Naumann 2008), so the search takes exponential time in the worst case;
when the budget runs out, the bound proven until then is returned. The search is in `elimination.branch_and_bound`.
"""

from __future__ import annotations

from functools import partial
from typing import final

from chainplan.plans.bound import Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.result import Outcome, bounded
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem
from chainplan.solvers.elimination.bitset_problem import EliminationCore
from chainplan.solvers.elimination.branch_and_bound import ExactSearch
from chainplan.solvers.elimination.edge_prices import counts_fma
from chainplan.solvers.elimination.elimination_graph import (
    WorkGraph,
    after_accumulation,
    intermediates,
    order_plan,
)
from chainplan.solvers.elimination.greedy import best_of_keys
from chainplan.solvers.elimination.path_bound import path_bound
from chainplan.solvers.search.search import Search, SearchStopped
from chainplan.solvers.search.solver import Solver

MAX_EXACT_INTERMEDIATES = 400


@final
class DagExactSolver(Solver):
    """Branch and bound over sets of intermediate vertices, after reductions that keep the optimum.

    Cost: exponential; seconds at 40 intermediates on most graphs.
    Exact: yes, within vertex elimination, matrix-free elementals being accumulated first.
    Refuses: more than 400 intermediate vertices; objectives in time; for operations, blocks that are neither dense nor
        diagonal, and vertices of size 0.
    """

    name = "dag-exact"

    def refuses(self, problem: Problem) -> str | None:
        count = intermediates(problem.graph)
        if count > MAX_EXACT_INTERMEDIATES:
            return f"the graph has {count:,} intermediate vertices; expected at most {MAX_EXACT_INTERMEDIATES:,}"
        if problem.cost is FMA:
            return None
        if not counts_fma(problem.cost):
            return f"it minimises fma or operations; the objective is '{problem.cost.objective}'"
        if not WorkGraph(problem.graph, None, problem.cost).grows:
            return "it minimises operations where blocks are dense or diagonal and no size is 0"
        return None

    def solve(self, problem: Problem, search: Search) -> Outcome:
        model, within = problem.cost, after_accumulation(problem.graph, "vertex elimination")
        core = EliminationCore(problem.graph, model)
        cost, order, _ = best_of_keys(problem.graph, search.going, search.greedy, model)
        known = search.best is not None and search.best < core.fixed + cost and problem.graph.explicit
        if known and search.best is not None:
            cost = search.best - core.fixed
        else:
            search.offer(partial(order_plan, problem.graph, order), core.fixed + cost)

        def candidate() -> Candidate:
            """The best plan so far, which is written once it is asked for."""
            held = search.incumbent if known else None
            return Candidate(held or order_plan(problem.graph, order), model)

        left = search.unfinished.get(self.name)
        exact = left if isinstance(left, ExactSearch) else None
        try:
            if exact is None:
                exact = search.unfinished[self.name] = ExactSearch(core, tick=search.tick)
            if exact.run(cost, search.tick):
                assert exact.order is not None
                order, known, cost = exact.order, False, exact.bound
        except (SearchStopped, KeyboardInterrupt) as stop:
            bound = max(path_bound(core.work) - core.least_fixed, 0 if exact is None else exact.bound)
            bound = min(cost, bound)
            proven = Bound(core.least_fixed + bound, within)
            search.prove(proven)
            if isinstance(stop, KeyboardInterrupt):
                raise
            if bound < cost:
                note = f"'dag-exact' was out of budget after {search.spent}; the bound is what it had proven."
                return Outcome(Status.FEASIBLE, candidate(), proven, note=note)
        return bounded(candidate(), core.fixed + cost, Bound(core.least_fixed + cost, within))
