"""Chains: the first exact solver that takes one, under a memory limit, and where states are evaluated."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from chainplan.plans.bound import Bound
from chainplan.plans.result import Outcome
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.dense import ChainDenseSolver
from chainplan.solvers.chain.interval_dp import ChainDpSolver
from chainplan.solvers.chain.memory_limit import ChainMemorySolver
from chainplan.solvers.checkpoint.reversal_solver import ChainReversalSolver
from chainplan.solvers.checkpoint.solver import ChainRecomputeSolver
from chainplan.solvers.choosing.equal_blocks import with_equal_shared
from chainplan.solvers.choosing.stages import FORMED_BASELINES, best_outcome, fits, run_stage
from chainplan.solvers.search.search import Search, SearchStopped
from chainplan.solvers.search.solver import Solver

MAX_COMPARED_STEPS = 40
"""Elementals of the longest chain for which one sweep with a disk is compared with the exact plan without it."""
QUICK_SWEEP_SHARE = 0.3
"""Share of a limited budget for one sweep over a chain that evaluates its states, in case the exact search stops."""

_CHAIN_SOLVERS: tuple[Solver, ...] = (ChainDenseSolver(), ChainDpSolver())


def solve_chain(problem: Problem, search: Search) -> Outcome | None:
    """The plan of the first exact solver that takes a chain, None where none does."""
    for solver in _CHAIN_SOLVERS:
        if solver.refuses(problem) is None:
            return with_equal_shared(_under_limit(solver, problem, search), problem, search)
    return None


def _under_limit(solver: Solver, problem: Problem, search: Search) -> Outcome:
    """The exact plan if it keeps the memory limit, else the exact one under the limit, else forward or reverse order.

    The last of these stands for chains that are too long for the exact search under a limit.
    """
    outcome, limited = run_stage(solver, problem, search), ChainMemorySolver()
    if fits(outcome, problem):
        return outcome
    if limited.refuses(problem) is None:
        return run_stage(limited, problem, search)
    search.prove(Bound(outcome.bound.value, outcome.bound.within or "bracketings"))
    return best_outcome(problem, [run_stage(order, problem, search) for order in FORMED_BASELINES], search)


def solve_evaluating(problem: Problem, search: Search) -> Outcome:
    """The exact plan of a chain that evaluates its states; one sweep over a longer one, or one that may use a disk.

    With a disk the exact plan without it competes, and what is proven of that one says nothing.
    """
    exact, inside = ChainRecomputeSolver(), replace(problem, disk=None)
    if exact.refuses(problem) is None:
        if search.limited and len(problem.graph.chain) > MAX_COMPARED_STEPS:
            with suppress(SearchStopped):
                run_stage(ChainReversalSolver(), problem, search, QUICK_SWEEP_SHARE)
        return run_stage(exact, problem, search)
    sweep = run_stage(ChainReversalSolver(), problem, search)
    if len(problem.graph.chain) > MAX_COMPARED_STEPS or exact.refuses(inside) is not None:
        return sweep
    other = run_stage(exact, inside, search).candidate
    if other is None or (sweep.candidate is not None and sweep.candidate.price <= other.price):
        return sweep
    bound = search.bound.below(other.price)
    return Outcome(bound.status(other.price), other, bound, solver=exact.name)
