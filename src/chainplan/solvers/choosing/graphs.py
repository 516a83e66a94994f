"""Graphs that are not chains: solvers take turns until one proves its plan or the budget ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from chainplan.plans.bound import NO_BOUND, Bound, Status
from chainplan.plans.classes import PROPAGATION, includes
from chainplan.plans.result import Outcome
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.interval_dp import ChainDpSolver
from chainplan.solvers.choosing.equal_blocks import by_segments, with_equal_shared
from chainplan.solvers.choosing.stages import best_outcome, fits, run_stage, settled
from chainplan.solvers.dag.exact import DagExactSolver
from chainplan.solvers.dag.local_search import LocalSearchSolver
from chainplan.solvers.dag.memory_limit import DagMemorySolver
from chainplan.solvers.dag.order_plans import timed_work
from chainplan.solvers.dag.propagation import PropagationSolver
from chainplan.solvers.elimination.elimination_graph import after_accumulation, intermediates
from chainplan.solvers.elimination.path_bound import path_bound, quick_bound
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver

DEFAULT_AUTO_SECONDS = 10.0
"""Budget of the search on a graph that is not a chain where none is given."""
GRAPH_STAGES: tuple[tuple[Solver, float], ...] = (
    (DagExactSolver(), 0.05),
    (LocalSearchSolver(), 0.3),
    (DagExactSolver(), 0.5),
    (LocalSearchSolver(), 1.0),
)
"""Solvers that take turns on a graph, with the share of the budget that each may use; the first proves most graphs.

The exact search goes on where it stopped; local search begins at the best plan so far.
"""
MATRIX_FREE_STAGES: tuple[tuple[Solver, float], ...] = (
    (PropagationSolver(), 0.35),
    (DagExactSolver(), 0.05),
    (LocalSearchSolver(), 0.3),
    (PropagationSolver(), 1.0),
)
"""The same where elementals are matrix-free: good orders after accumulation are good ones to begin with."""
MEMORY_LIMIT_SHARE = 0.3
"""Share of the budget for a plan under a memory limit, before the solvers that ignore the limit."""
HOPELESS_GAP = 0.5
"""Gap after the first stage above which no more time goes into a proof: local search gets all that is left."""
LARGE_SEARCH_SHARE = 0.75
"""Share of the budget that local search gets on a large graph; the rest goes into the bound."""
LARGE_PROOF_SHARE = 0.1
"""Share of the budget for the exact search of a large graph, where the quick bound takes more than its own share."""
QUICK_BOUND_SHARE = 0.1
"""Share of the budget that the bound of such a graph may take before the search, which ends where a plan reaches it."""
MAX_PROVABLE_INTERMEDIATES = 120
"""Intermediate vertices above which local search comes before the exact one."""


def solve_graph(problem: Problem, search: Search, auto: Solver) -> Outcome:
    """The best plan of a graph that the solvers of chains do not take, within 10 seconds where nothing is limited."""
    if not search.limited:
        search.budget = DEFAULT_AUTO_SECONDS
    if not problem.graph.explicit:
        search.keeps = partial(_says_enough, problem)
    limited = None
    if problem.memory is not None:
        limited = run_stage(DagMemorySolver(), problem, search, MEMORY_LIMIT_SHARE)
        if limited.status is Status.INFEASIBLE or not search.in_time():
            return limited
    parts = by_segments(problem, search, auto)
    kept = [limited] if limited is not None and limited.plan is not None else []
    outcomes = [*kept, *_run_stages(problem, search)]
    if not problem.graph.explicit:
        outcomes = [_in_own_class(outcome, problem) for outcome in outcomes]
    outcome = best_outcome(problem, outcomes, search)
    if limited is not None and not fits(outcome, problem):
        return limited
    if problem.graph.not_a_chain is None and outcome.status is not Status.OPTIMAL:
        outcome = replace(outcome, note=f"'chain-dp' refuses: {ChainDpSolver().refuses(problem)}.")
    return with_equal_shared(outcome, problem, search, parts)


def _run_stages(problem: Problem, search: Search) -> Iterator[Outcome]:
    """The outcomes of the stages in turn until one proves its plan; large graphs get a bound and local search.

    Every stage begins with forward and reverse order among others.
    """
    if not problem.graph.explicit:
        yield from _run_matrix_free(problem, search)
        return
    if intermediates(problem.graph) > MAX_PROVABLE_INTERMEDIATES:
        yield from _run_on_large(problem, search)
        return
    stages = GRAPH_STAGES if DagExactSolver().refuses(problem) is None else GRAPH_STAGES[-1:]
    for turn, (solver, share) in enumerate(stages):
        hopeless = (
            turn == 1 and search.best is not None and search.best - search.bound.value > HOPELESS_GAP * search.best
        )
        outcome = run_stage(solver, problem, search, 1.0 if hopeless else share, search.incumbent)
        yield outcome
        if outcome.status is Status.OPTIMAL or settled(outcome, problem, search) or hopeless or not search.in_time():
            return


def _run_matrix_free(problem: Problem, search: Search) -> Iterator[Outcome]:
    """The outcomes of elimination with propagation and after accumulation in turn, until a plan is proven."""
    provable = intermediates(problem.graph) <= MAX_PROVABLE_INTERMEDIATES
    for solver, share in MATRIX_FREE_STAGES:
        if not provable and isinstance(solver, DagExactSolver):
            continue
        outcome = run_stage(solver, problem, search, share, search.incumbent)
        yield outcome
        if settled(outcome, problem, search) or not search.in_time():
            return


def _says_enough(problem: Problem, bound: Bound) -> bool:
    """Whether a bound holds for all plans that auto compares where elementals are matrix-free.

    Where elementals are accumulated first, an optimum or a bound says nothing about the other plans.
    """
    return bound.within is not None and includes(bound.within, PROPAGATION, problem)


def _in_own_class(outcome: Outcome, problem: Problem) -> Outcome:
    """The outcome without what it proves within a narrower class than elimination with propagation."""
    if _says_enough(problem, outcome.bound):
        return outcome
    status = Status.FEASIBLE if outcome.status is Status.OPTIMAL else outcome.status
    return replace(outcome, status=status, bound=NO_BOUND)


def _run_on_large(problem: Problem, search: Search) -> Iterator[Outcome]:
    """Local search after a bound, and the exact search, whose bound is often the best, with what is left.

    Where the quick bound took more than its share, it comes once more at the end.
    """
    (work, _), within = timed_work(problem, search), after_accumulation(problem.graph, "vertex elimination")
    search.prove(Bound(path_bound(work), within))
    first = search.stage("auto", QUICK_BOUND_SHARE)
    search.prove(Bound(quick_bound(work, first.tick), within))
    whole = first.going()
    outcome = run_stage(LocalSearchSolver(), problem, search, LARGE_SEARCH_SHARE)
    yield outcome
    if settled(outcome, problem, search) or not search.in_time():
        return
    if DagExactSolver().refuses(problem) is None:
        outcome = run_stage(DagExactSolver(), problem, search, 1.0 if whole else LARGE_PROOF_SHARE)
        yield outcome
    if not whole and not settled(outcome, problem, search) and search.in_time():
        search.prove(Bound(quick_bound(work, search.tick), within))
