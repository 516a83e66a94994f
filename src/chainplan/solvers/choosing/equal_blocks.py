"""Plans that make products of equal elementals once, where some are equal."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from chainplan.plans.bound import Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import SHARED
from chainplan.plans.result import Outcome
from chainplan.plans.sharing import shared
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.equal_factors import EqualFactorsSolver
from chainplan.solvers.chain.equal_segments import segmented
from chainplan.solvers.choosing.stages import fits, in_order, repriced, run_stage
from chainplan.solvers.search.search import Search, SearchStopped
from chainplan.solvers.search.solver import Solver

SEGMENTS_SHARE = 0.1
"""Share of the budget for the plan of each of the equal segments of a graph."""
MAX_SEGMENT_NODES = 1000
"""Nodes of the search for the plan of one of the equal segments of a graph."""


def with_equal_shared(
    outcome: Outcome, problem: Problem, search: Search, by_segments: Candidate | None = None
) -> Outcome:
    """The outcome, or a cheaper one that makes products of equal elementals once, where some are equal."""
    if not problem.graph.shares:
        return outcome
    if outcome.candidate is None:
        return _shared_under_limit(outcome, problem, search)
    if fits(outcome, problem):
        search.offer(outcome.candidate.plan, outcome.candidate.price)
    once = in_order(problem, replace(outcome, candidate=shared(outcome.candidate)), search)
    outcomes, solver = [outcome, repriced(once)], EqualFactorsSolver()
    if solver.refusal(problem) is None:
        outcomes.append(run_stage(solver, problem, search))
    if by_segments is not None:
        made = replace(outcome, candidate=by_segments, solver="auto", note=None)
        outcomes.append(repriced(in_order(problem, made, search)))
    fitting = [one for one in outcomes if one.candidate is not None and fits(one, problem)] or outcomes[:1]
    best = min(fitting, key=lambda one: one.candidate.price if one.candidate else 0)
    bounds = [one.bound for one in outcomes if one.bound.within == SHARED and problem.memory is None]
    if not bounds or best.candidate is None:
        return best
    bound = bounds[0].below(best.candidate.price)
    if bound.status(best.candidate.price) is Status.OPTIMAL or best is not outcome:
        return repriced(replace(best, bound=bound))
    return best


def _shared_under_limit(outcome: Outcome, problem: Problem, search: Search) -> Outcome:
    """The outcome without a plan, or one with a plan that keeps the limit because it shares equal products."""
    solver = EqualFactorsSolver()
    if outcome.status is Status.INFEASIBLE or solver.refusal(problem) is not None:
        return outcome
    made = run_stage(solver, problem, search)
    return made if fits(made, problem) else outcome


def by_segments(problem: Problem, search: Search, auto: Solver) -> Candidate | None:
    """A plan that makes equal segments of a graph once, where it has some."""
    if not problem.graph.shares or problem.graph.not_a_chain is None:
        return None

    def plan_part(part: Problem) -> Candidate | None:
        inner = search.apart("auto", SEGMENTS_SHARE)
        inner.nodes = MAX_SEGMENT_NODES if inner.nodes is None else min(inner.nodes, MAX_SEGMENT_NODES)
        with suppress(SearchStopped):
            return auto.solve(part, inner).candidate
        return None

    return segmented(problem, plan_part, search)
