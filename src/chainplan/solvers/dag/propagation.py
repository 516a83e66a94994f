"""Vertex elimination with propagation: the plans of graphs with matrix-free elementals.

The other solvers of graphs accumulate every matrix-free elemental first. Here it is decided at each vertex which are
accumulated and which are applied to the blocks beside them (`elimination.propagation_graph`); the search is in
`elimination.propagation_search`.
"""

from __future__ import annotations

from typing import final

from chainplan.plans.candidate import Candidate
from chainplan.plans.result import Outcome, bounded
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem
from chainplan.solvers.dag.order_plans import cheaper_sweep, order_of
from chainplan.solvers.elimination.elimination_graph import intermediates
from chainplan.solvers.elimination.propagation_graph import PropagationGraph
from chainplan.solvers.elimination.propagation_search import MAX_INTERMEDIATES_FOR_OWN_KEYS, search_propagation
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver, not_fma


@final
class PropagationSolver(Solver):
    """Greedy orders in which matrix-free elementals are propagated or accumulated, improved by exact fragments.

    Cost: every price looks at the pairs of a vertex's edges; the exact search also at connected sets of vertices.
    Exact: where that search ends, within vertex elimination with propagation and, where patterns are sparse, coloured
        sweeps.
    Refuses: graphs without matrix-free elementals; other objectives than fma.
    """

    name = "propagation"

    def refuses(self, problem: Problem) -> str | None:
        if problem.graph.explicit:
            return "it has no matrix-free elementals"
        return not_fma(problem)

    def solve(self, problem: Problem, search: Search) -> Outcome:
        starts = () if search.start is None else (order_of(search.start),)
        plan, bound = search_propagation(PropagationGraph(problem.graph), search, starts)
        candidate = Candidate(plan, FMA)
        if intermediates(problem.graph) > MAX_INTERMEDIATES_FOR_OWN_KEYS:
            candidate = cheaper_sweep(problem, candidate.price) or candidate
        return bounded(candidate, candidate.price, bound)
