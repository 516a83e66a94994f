"""What else a derivative is for than its Jacobian: second derivatives, and products with vectors."""

from __future__ import annotations

from dataclasses import replace

from chainplan.plans.bound import Status
from chainplan.plans.result import Outcome
from chainplan.problem.problem import Problem
from chainplan.solvers.choosing.equal_blocks import with_equal_shared
from chainplan.solvers.choosing.graphs import DEFAULT_AUTO_SECONDS
from chainplan.solvers.choosing.stages import FORMED_BASELINES, best_outcome, fits, may_be_cheaper, run_stage
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver
from chainplan.solvers.second.chain import SecondChainSolver
from chainplan.solvers.second.elimination import SecondEliminationSolver
from chainplan.solvers.second.memory_limit import SecondMemorySolver
from chainplan.solvers.second.products import SecondProductsSolver
from chainplan.solvers.uses.chain_groups import ChainGroupsSolver
from chainplan.solvers.uses.free import FreeSolver
from chainplan.solvers.uses.graph_products import GraphProductsSolver
from chainplan.solvers.uses.shared_groups import SharedGroupsSolver

_PRODUCT_BASELINES: tuple[Solver, ...] = (FreeSolver(), *FORMED_BASELINES)
"""The plain ways to make products with vectors, which compete with the search as long as there is time."""
_SEARCH_SHARE = 0.9
"""Of the limits, what a search for products may use, so that there is time to price the plain ways."""
_SECOND_SOLVERS: tuple[Solver, ...] = (SecondChainSolver(), SecondEliminationSolver())


def solve_products(problem: Problem, search: Search, auto: Solver) -> Outcome:
    """The cheapest plan for products: of the groups of a chain or of elimination on other graphs, and the baselines."""
    searches: tuple[Solver, ...] = (ChainGroupsSolver(), GraphProductsSolver(auto))
    solvers = [solver for solver in searches if solver.refuses(problem) is None][:1]
    if SharedGroupsSolver().refuses(problem) is None:
        solvers.append(SharedGroupsSolver())
    outcomes = list[Outcome]()
    for solver in solvers:
        outcomes.append(run_stage(solver, problem, search, _SEARCH_SHARE))
    for solver in _PRODUCT_BASELINES:
        if may_be_cheaper(solver, problem, outcomes, search):
            outcomes.append(run_stage(solver, problem, search))
    return with_equal_shared(best_outcome(problem, outcomes, search), problem, search)


def solve_second_order(problem: Problem, search: Search) -> Outcome:
    """The plan of the first solver for second derivatives that takes the problem, or the cheaper baseline."""
    solver, outcomes = next((one for one in _SECOND_SOLVERS if one.refuses(problem) is None), None), list[Outcome]()
    if solver is not None:
        if problem.graph.not_a_chain is not None and not search.limited:
            search.budget = DEFAULT_AUTO_SECONDS
        outcome = run_stage(solver, problem, search)
        if fits(outcome, problem):
            return with_equal_shared(outcome, problem, search)
        limited = run_stage(SecondMemorySolver(), problem, search)
        if limited.status is Status.INFEASIBLE:
            return limited
        outcomes += [outcome, limited]
    return best_outcome(problem, [*outcomes, *(run_stage(one, problem, search) for one in FORMED_BASELINES)], search)


def solve_second_products(problem: Problem, search: Search, auto: Solver) -> Outcome:
    """The cheapest plan for products with a Hessian: of the search, or of the baselines where it refuses or exceeds."""
    if problem.graph.not_a_chain is not None and not search.limited:
        search.budget = DEFAULT_AUTO_SECONDS
    solver, outcomes = SecondProductsSolver(auto), list[Outcome]()
    if solver.refuses(problem) is None:
        outcomes.append(run_stage(solver, problem, search, _SEARCH_SHARE))
    for baseline in _PRODUCT_BASELINES:
        if may_be_cheaper(baseline, problem, outcomes, search):
            outcomes.append(run_stage(baseline, problem, search))
    best = best_outcome(problem, outcomes, search)
    return replace(best, note=outcomes[0].note) if best.candidate is outcomes[0].candidate else best
