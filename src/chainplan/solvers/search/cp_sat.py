"""Runs OR-tools CP-SAT inside a search.

The solver works in a thread of its own, so that this one can watch the budget, report progress and take Ctrl-C; the
bound that the solver has proven survives all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from chainplan.solvers.search.search import Search

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import CpSolver


NODES_PER_CP_SAT_SECOND = 1000
"""Nodes of a search that count as one unit of CP-SAT's deterministic time, about a second."""


def new_solver(search: Search, seconds: float | None = None) -> CpSolver:
    """A solver with one worker and the seed of a search, limited by what is left of its nodes or of its time.

    `seconds` replaces the budget of a search that has none.
    """
    from ortools.sat.python import cp_model

    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = search.seed % 2**31
    budget = seconds if search.budget is None else search.budget
    if search.nodes is not None:
        solver.parameters.max_deterministic_time = max(0, search.nodes - search.ticks) / NODES_PER_CP_SAT_SECOND
    elif budget is not None:
        solver.parameters.max_time_in_seconds = max(0.0, budget - search.seconds)
    solver.parameters.catch_sigint_signal = False  # its handler would replace the one of Python
    return solver


def attend(solver: CpSolver, run: Callable[[], object], search: Search, prove: Callable[[int], None]) -> None:
    """Run the solver until it is done or the search is stopped, and pass its bound to `prove` in either case."""
    with ThreadPoolExecutor(1) as pool:
        task = pool.submit(run)
        try:
            while not task.done():
                wait([task], 0.05)
                search.watch()
        finally:
            while not task.done():
                solver.stop_search()
                wait([task], 0.05)
            task.result()
            prove(solver.response_proto.inner_objective_lower_bound)
