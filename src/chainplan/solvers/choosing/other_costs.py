"""Objectives other than fma: orders are searched by fma too, and compared by the objective."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from chainplan.plans.bound import NO_BOUND, Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.result import Outcome
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.interval_dp import ChainDpSolver
from chainplan.solvers.choosing.equal_blocks import with_equal_shared
from chainplan.solvers.choosing.stages import FORMED_BASELINES, best_outcome, fits, may_be_cheaper, run_stage
from chainplan.solvers.dag.local_search import LocalSearchSolver
from chainplan.solvers.elimination.edge_prices import counts_fma
from chainplan.solvers.search.search import Search, SearchStopped
from chainplan.solvers.search.solver import Solver

FMA_SHARE = 0.5
"""Share of the budget for the plan by fma where another objective is minimised."""


def searched_alone(problem: Problem) -> bool:
    """Whether a graph is searched by the objective alone: the prices of orders are exact, and all blocks explicit."""
    return counts_fma(problem.cost) and problem.graph.not_a_chain is not None and problem.graph.explicit


def solve_by_other_costs(problem: Problem, search: Search, auto: Solver) -> Outcome:
    """The exact plan of a chain by the cost model; else the cheapest, by the model, of several.

    These are the best by fma, and while there is time both orders and the best of a search by the model. Where every
    fma costs 1 at least, what the search by fma proves holds; else it is in another unit.
    """
    dp = ChainDpSolver()
    if dp.refusal(problem) is None:
        outcome = run_stage(dp, problem, search)
        if fits(outcome, problem):
            return with_equal_shared(outcome, problem, search)
        search.prove(Bound(outcome.bound.value, outcome.bound.within or "bracketings"))
    inner = search.apart("auto", FMA_SHARE)
    try:
        by_fma = auto.solve(replace(problem, cost=FMA), inner)
    except (SearchStopped, KeyboardInterrupt):
        if inner.incumbent is not None:
            search.offer(inner.incumbent, Candidate(inner.incumbent, problem.cost).price)
        raise
    if by_fma.plan is None:
        return by_fma
    bound = by_fma.bound if counts_fma(problem.cost) else NO_BOUND
    found = Candidate(by_fma.plan, problem.cost)
    unproven = replace(by_fma, status=Status.FEASIBLE, candidate=found, bound=bound, note=None)
    if fits(unproven, problem):
        search.offer(by_fma.plan, found.price)
    outcomes = [unproven]
    for baseline in FORMED_BASELINES:
        if may_be_cheaper(baseline, problem, outcomes, search):
            outcomes.append(run_stage(baseline, problem, search))
    if problem.graph.not_a_chain is not None and problem.second is None and search.in_time():
        with suppress(SearchStopped):
            outcomes.append(run_stage(LocalSearchSolver(), problem, search))
    best = with_equal_shared(best_outcome(problem, outcomes, search), problem, search)
    if best.status is Status.OPTIMAL and best.bound.within is not None:
        return best
    note = f"orders were searched by fma too, and compared by '{problem.cost.objective}'."
    return replace(best, status=Status.FEASIBLE, note=note)
