"""Edge elimination: front and back elimination of single edges.

Every vertex elimination is a sequence of edge eliminations, so this space of plans is wider and its states are many
more. The moves are in `elimination.edge_moves`, the search over states in `elimination.state_search`.
"""

from __future__ import annotations

from typing import final

from chainplan.plans.result import Outcome
from chainplan.problem.problem import Problem
from chainplan.solvers.elimination.edge_moves import EdgeMoves
from chainplan.solvers.elimination.state_search import settle
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver

MAX_EDGES_OF_EDGE_ELIMINATION = 60


@final
class EdgeEliminationSolver(Solver):
    """Randomised descents over edge eliminations, then A* over states on tiny graphs.

    Cost: O(E²) per descent for E edges; the proof is exponential and is given up after 20,000 states.
    Exact: on tiny graphs (about ten edges), within edge elimination, after the accumulation of matrix-free elementals.
    Refuses: more than 60 edges between inputs and outputs.
    """

    name = "edge"

    def refuses(self, problem: Problem) -> str | None:
        edges = len(problem.graph.useful)
        return (
            f"the graph has {edges:,} edges; expected at most {MAX_EDGES_OF_EDGE_ELIMINATION}"
            if edges > MAX_EDGES_OF_EDGE_ELIMINATION
            else None
        )

    def solve(self, problem: Problem, search: Search) -> Outcome:
        moves = EdgeMoves(problem.graph, problem.cost)
        return settle(moves, problem.graph, "edge elimination", (50, 20_000), search)
