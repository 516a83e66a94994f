"""Runs solvers as stages of one search, and compares what they return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chainplan.plans.bound import NO_BOUND, Status
from chainplan.plans.product_orders import baseline_price
from chainplan.plans.reorder import reordered
from chainplan.plans.result import Outcome
from chainplan.plans.steps import Plan
from chainplan.problem.problem import Problem
from chainplan.solvers.forward import ForwardSolver
from chainplan.solvers.reverse import ReverseSolver
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver

FORMED_BASELINES: tuple[Solver, ...] = (ForwardSolver(), ReverseSolver())
"""The plain orders of forming derivatives."""


def run_stage(
    solver: Solver, problem: Problem, search: Search, share: float = 1.0, start: Plan | None = None
) -> Outcome:
    """The outcome of a solver, under its name, in a stage of the search that begins at `start` where it is given."""
    stage = search.stage(solver.name, share)
    stage.start = start or stage.start
    outcome = solver.solve(problem, stage)
    return in_order(problem, replace(outcome, solver=solver.name), search)


def in_order(problem: Problem, outcome: Outcome, search: Search) -> Outcome:
    """The outcome with its steps in an order that keeps the memory limit if one is met, else of low peak."""
    if problem.memory is None or outcome.candidate is None:
        return outcome
    return replace(outcome, candidate=reordered(outcome.candidate, problem.memory, search.in_time))


def fits(outcome: Outcome, problem: Problem) -> bool:
    """Whether an outcome has a plan that keeps the memory limit, if there is one."""
    return outcome.candidate is not None and outcome.candidate.fits(problem.memory)


def settled(outcome: Outcome, problem: Problem, search: Search) -> bool:
    """Whether an outcome has a plan that reaches the bound of the search, so that no other is cheaper."""
    candidate = outcome.candidate
    return (
        candidate is not None
        and search.bound.stronger(outcome.bound).status(candidate.price) is Status.OPTIMAL
        and fits(outcome, problem)
    )


def best_outcome(problem: Problem, outcomes: list[Outcome], search: Search) -> Outcome:
    """The outcome with the cheapest plan that fits and the best bound; ties go to a proven plan, then to the first.

    Where none fits, it is the one whose plan needs the least memory.
    """
    prices = [0 if outcome.candidate is None else outcome.candidate.price for outcome in outcomes]
    needs = [
        0 if outcome.candidate is None or fits(outcome, problem) else outcome.candidate.peak for outcome in outcomes
    ]
    proven = [outcome.status is Status.OPTIMAL for outcome in outcomes]
    best = min(range(len(outcomes)), key=lambda i: (not fits(outcomes[i], problem), needs[i], prices[i], not proven[i]))
    outcome = outcomes[best]
    for other in outcomes:
        if other.bound.within is not None:
            search.prove(other.bound)
    if prices[best] < search.bound.value:
        return replace(outcome, status=Status.FEASIBLE, bound=NO_BOUND)
    if search.bound.status(prices[best]) is Status.OPTIMAL:
        return replace(outcome, status=Status.OPTIMAL, bound=search.bound)
    return replace(outcome, status=Status.FEASIBLE, bound=search.bound, note=None)


def repriced(outcome: Outcome) -> Outcome:
    """The outcome with what its bound says of its plan, which may cost less than all plans that the bound is about."""
    assert outcome.candidate is not None, "only outcomes with a plan are compared"
    bound = outcome.bound.below(outcome.candidate.price)
    return replace(outcome, status=bound.status(outcome.candidate.price), bound=bound)


def may_be_cheaper(baseline: Solver, problem: Problem, outcomes: Sequence[Outcome], search: Search) -> bool:
    """Whether a baseline may be the best plan, by its price while there is time, where others keep the limits.

    To price a baseline takes a fraction of the time of writing its plan, which has a step for every elemental.
    """
    prices = [one.candidate.price for one in outcomes if one.candidate is not None and fits(one, problem)]
    if not prices:
        return True
    return search.in_time() and baseline_price(problem, baseline.name, problem.cost) < min(prices)
