"""Face elimination: elimination of single faces of the dual graph.

Every edge elimination is a sequence of face eliminations, so this is the widest of the three spaces of plans. The moves
are in `elimination.face_moves`, the search over states in `elimination.state_search`.
"""

from __future__ import annotations

from typing import final

from chainplan.plans.result import Outcome
from chainplan.problem.problem import Problem
from chainplan.solvers.elimination.face_moves import FaceMoves
from chainplan.solvers.elimination.state_search import settle
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver

MAX_EDGES_OF_FACE_ELIMINATION = 40


@final
class FaceEliminationSolver(Solver):
    """Randomised descents over face eliminations, then A* over states on tiny graphs.

    Cost: O(E²) per descent for E edges; the proof is exponential and is given up after 5,000 states.
    Exact: on tiny graphs (about ten edges), within face elimination, after the accumulation of matrix-free elementals.
    Refuses: more than 40 edges between inputs and outputs.
    """

    name = "face"

    def refuses(self, problem: Problem) -> str | None:
        edges = len(problem.graph.useful)
        return (
            f"the graph has {edges:,} edges; expected at most {MAX_EDGES_OF_FACE_ELIMINATION}"
            if edges > MAX_EDGES_OF_FACE_ELIMINATION
            else None
        )

    def solve(self, problem: Problem, search: Search) -> Outcome:
        moves = FaceMoves(problem.graph, problem.cost)
        return settle(moves, problem.graph, "face elimination", (20, 5_000), search)
