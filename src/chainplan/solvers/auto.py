"""Chooses the solvers for a problem and compares what they return; it is the only solver that knows the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import final

from chainplan.plans.bound import NO_BOUND, Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import PROPAGATION, SHARED, includes
from chainplan.plans.product_orders import baseline_price
from chainplan.plans.reorder import reordered
from chainplan.plans.result import Outcome
from chainplan.plans.sharing import shared
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.dense import ChainDenseSolver
from chainplan.solvers.chain.equal_factors import EqualFactorsSolver
from chainplan.solvers.chain.equal_segments import segmented
from chainplan.solvers.chain.interval_dp import ChainDpSolver
from chainplan.solvers.chain.memory_limit import ChainMemorySolver
from chainplan.solvers.checkpoint.reversal_solver import ChainReversalSolver
from chainplan.solvers.checkpoint.solver import ChainRecomputeSolver
from chainplan.solvers.dag.exact import DagExactSolver
from chainplan.solvers.dag.local_search import LocalSearchSolver
from chainplan.solvers.dag.memory_limit import DagMemorySolver
from chainplan.solvers.dag.order_plans import timed_work
from chainplan.solvers.dag.propagation import PropagationSolver
from chainplan.solvers.elimination.edge_prices import counts_fma
from chainplan.solvers.elimination.elimination_graph import after_accumulation, intermediates
from chainplan.solvers.elimination.path_bound import path_bound, quick_bound
from chainplan.solvers.forward import ForwardSolver
from chainplan.solvers.reverse import ReverseSolver
from chainplan.solvers.search.search import Search, SearchStopped
from chainplan.solvers.search.solver import Solver
from chainplan.solvers.second.chain import SecondChainSolver
from chainplan.solvers.second.elimination import SecondEliminationSolver
from chainplan.solvers.second.memory_limit import SecondMemorySolver
from chainplan.solvers.second.products import SecondProductsSolver
from chainplan.solvers.uses.chain_groups import ChainGroupsSolver
from chainplan.solvers.uses.free import FreeSolver
from chainplan.solvers.uses.graph_products import GraphProductsSolver
from chainplan.solvers.uses.shared_groups import SharedGroupsSolver

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
"""Share of the budget that local search gets on a graph that is too large for a proof; the rest goes into the bound."""
QUICK_BOUND_SHARE = 0.1
"""Share of the budget that the bound of such a graph may take before the search, which ends where a plan reaches it."""
MAX_PROVABLE_INTERMEDIATES = 120
"""Intermediate vertices above which no proof is tried."""
MAX_COMPARED_STEPS = 40
"""Elementals of the longest chain for which one sweep with a disk is compared with the exact plan without it."""

FMA_SHARE = 0.5
"""Share of the budget for the plan by fma where another objective is minimised."""
SEGMENTS_SHARE = 0.1
"""Share of the budget for the plan of each of the equal segments of a graph."""
MAX_SEGMENT_NODES = 1000
"""Nodes of the search for the plan of one of the equal segments of a graph."""

QUICK_SWEEP_SHARE = 0.3
"""Share of a limited budget for one sweep over a chain that evaluates its states, in case the exact search stops."""

_FORMED_BASELINES: tuple[Solver, ...] = (ForwardSolver(), ReverseSolver())
"""The plain orders of forming derivatives."""
_PRODUCT_BASELINES: tuple[Solver, ...] = (FreeSolver(), *_FORMED_BASELINES)
"""The plain ways to make products with vectors, which compete with the search as long as there is time."""
_SECOND_SOLVERS: tuple[Solver, ...] = (SecondChainSolver(), SecondEliminationSolver())
_CHAIN_SOLVERS: tuple[Solver, ...] = (ChainDenseSolver(), ChainDpSolver())


@final
class AutoSolver(Solver):
    """Chains by the first exact solver that takes them; other graphs exactly where that is quick, else by local search.

    Cost: that of the solvers it picks; on graphs that are not chains at most the budget, 10 seconds by default.
    Exact: yes on chains (up to 150 elementals under a memory limit that matters, above that where a single sweep over a
        chain that evaluates its states is proven); on other graphs where the exact
        search ends within its share of the budget. Under an objective in time only on chains without such a limit;
        elsewhere the best plan by fma competes with that of local search, and nothing is proven.
    Refuses: nothing but recomputation on what is not a chain, or for another objective than fma.
    """

    name = "auto"
    recomputes = True
    multiplies = True
    twice = True

    def refuses(self, problem: Problem) -> str | None:
        return ChainReversalSolver().refuses(problem) if problem.recompute else None

    def solve(self, problem: Problem, search: Search) -> Outcome:
        if problem.recompute:
            return _solve_evaluating(problem, search)
        if problem.products is not None and problem.second is not None:
            return _solve_second_products(problem, search)
        if problem.products is not None:
            return _solve_products(problem, search)
        if problem.second is not None and problem.cost is FMA:
            return _solve_second_order(problem, search)
        if problem.cost is not FMA and (problem.second is not None or not _searched_alone(problem)):
            return _solve_by_other_costs(problem, search)
        for solver in _CHAIN_SOLVERS:
            if solver.refuses(problem) is None:
                return _with_equal_shared(_solve_chain(solver, problem, search), problem, search)
        if not search.limited:
            search.budget = DEFAULT_AUTO_SECONDS
        if not problem.graph.explicit:
            search.keeps = partial(_says_enough, problem)
        limited = None
        if problem.memory is not None:
            limited = _run_stage(DagMemorySolver(), problem, search, MEMORY_LIMIT_SHARE)
            if limited.status is Status.INFEASIBLE:
                return limited
        by_segments = _by_segments(problem, search)
        kept = [limited] if limited is not None and limited.plan is not None else []
        outcomes = [*kept, *_run_stages(problem, search)]
        if not problem.graph.explicit:
            outcomes = [_in_own_class(outcome, problem) for outcome in outcomes]
        outcome = _best_outcome(problem, outcomes, search)
        if limited is not None and not _fits(outcome, problem):
            return limited
        if problem.graph.not_a_chain is None and outcome.status is not Status.OPTIMAL:
            outcome = replace(outcome, note=f"'chain-dp' refuses: {ChainDpSolver().refuses(problem)}.")
        return _with_equal_shared(outcome, problem, search, by_segments)


def _solve_products(problem: Problem, search: Search) -> Outcome:
    """The cheapest plan for products: of the groups of a chain or of elimination on other graphs, and the baselines."""
    searches: tuple[Solver, ...] = (ChainGroupsSolver(), GraphProductsSolver(AutoSolver()))
    solvers = [solver for solver in searches if solver.refuses(problem) is None][:1]
    if SharedGroupsSolver().refuses(problem) is None:
        solvers.append(SharedGroupsSolver())
    outcomes = list[Outcome]()
    for solver in solvers:
        outcomes.append(_run_stage(solver, problem, search))
    for solver in _PRODUCT_BASELINES:
        if _may_be_cheaper(solver, problem, outcomes, search):
            outcomes.append(_run_stage(solver, problem, search))
    return _with_equal_shared(_best_outcome(problem, outcomes, search), problem, search)


def _solve_second_order(problem: Problem, search: Search) -> Outcome:
    """The plan of the first solver for second derivatives that takes the problem, or the cheaper baseline."""
    solver, outcomes = next((one for one in _SECOND_SOLVERS if one.refuses(problem) is None), None), list[Outcome]()
    if solver is not None:
        if problem.graph.not_a_chain is not None and not search.limited:
            search.budget = DEFAULT_AUTO_SECONDS
        outcome = _run_stage(solver, problem, search)
        if _fits(outcome, problem):
            return _with_equal_shared(outcome, problem, search)
        limited = _run_stage(SecondMemorySolver(), problem, search)
        if limited.status is Status.INFEASIBLE:
            return limited
        outcomes += [outcome, limited]
    return _best_outcome(problem, [*outcomes, *(_run_stage(one, problem, search) for one in _FORMED_BASELINES)], search)


def _solve_second_products(problem: Problem, search: Search) -> Outcome:
    """The cheapest plan for products with a Hessian: of the search, or of the baselines where it refuses or exceeds."""
    if problem.graph.not_a_chain is not None and not search.limited:
        search.budget = DEFAULT_AUTO_SECONDS
    solver, outcomes = SecondProductsSolver(AutoSolver()), list[Outcome]()
    if solver.refuses(problem) is None:
        outcomes.append(_run_stage(solver, problem, search))
    for baseline in _PRODUCT_BASELINES:
        if _may_be_cheaper(baseline, problem, outcomes, search):
            outcomes.append(_run_stage(baseline, problem, search))
    best = _best_outcome(problem, outcomes, search)
    return replace(best, note=outcomes[0].note) if best.candidate is outcomes[0].candidate else best


def _may_be_cheaper(baseline: Solver, problem: Problem, outcomes: Sequence[Outcome], search: Search) -> bool:
    """Whether a baseline may be the best plan, by its price while there is time, where others keep the limits.

    To price a baseline takes a fraction of the time of writing its plan, which has a step for every elemental.
    """
    prices = [one.candidate.price for one in outcomes if one.candidate is not None and _fits(one, problem)]
    if not prices:
        return True
    return search.in_time() and baseline_price(problem, baseline.name, problem.cost) < min(prices)


def _solve_evaluating(problem: Problem, search: Search) -> Outcome:
    """The exact plan of a chain that evaluates its states; one sweep over a longer one, or one that may use a disk.

    With a disk the exact plan without it competes, and what is proven of that one says nothing.
    """
    exact, inside = ChainRecomputeSolver(), replace(problem, disk=None)
    if exact.refuses(problem) is None:
        if search.limited and len(problem.graph.chain) > MAX_COMPARED_STEPS:
            with suppress(SearchStopped):
                _run_stage(ChainReversalSolver(), problem, search, QUICK_SWEEP_SHARE)
        return _run_stage(exact, problem, search)
    sweep = _run_stage(ChainReversalSolver(), problem, search)
    if len(problem.graph.chain) > MAX_COMPARED_STEPS or exact.refuses(inside) is not None:
        return sweep
    other = _run_stage(exact, inside, search).candidate
    if other is None or (sweep.candidate is not None and sweep.candidate.price <= other.price):
        return sweep
    bound = search.bound.below(other.price)
    return Outcome(bound.status(other.price), other, bound, solver=exact.name)


def _solve_chain(solver: Solver, problem: Problem, search: Search) -> Outcome:
    """The exact plan if it keeps the memory limit, else the exact one under the limit, else forward or reverse order.

    The last of these stands for chains that are too long for the exact search under a limit.
    """
    outcome, limited = _run_stage(solver, problem, search), ChainMemorySolver()
    if _fits(outcome, problem):
        return outcome
    if limited.refuses(problem) is None:
        return _run_stage(limited, problem, search)
    search.prove(Bound(outcome.bound.value, outcome.bound.within or "bracketings"))
    return _best_outcome(
        problem, [_run_stage(order, problem, search) for order in (ForwardSolver(), ReverseSolver())], search
    )


def _with_equal_shared(
    outcome: Outcome, problem: Problem, search: Search, by_segments: Candidate | None = None
) -> Outcome:
    """The outcome, or a cheaper one that makes products of equal elementals once, where some are equal."""
    if not problem.graph.shares:
        return outcome
    if outcome.candidate is None:
        return _shared_under_limit(outcome, problem, search)
    if _fits(outcome, problem):
        search.offer(outcome.candidate.plan, outcome.candidate.price)
    once = in_order(problem, replace(outcome, candidate=shared(outcome.candidate)), search)
    outcomes, solver = [outcome, _repriced(once)], EqualFactorsSolver()
    if solver.refusal(problem) is None:
        outcomes.append(_run_stage(solver, problem, search))
    if by_segments is not None:
        made = replace(outcome, candidate=by_segments, solver="auto", note=None)
        outcomes.append(_repriced(in_order(problem, made, search)))
    fitting = [one for one in outcomes if one.candidate is not None and _fits(one, problem)] or outcomes[:1]
    best = min(fitting, key=lambda one: one.candidate.price if one.candidate else 0)
    bounds = [one.bound for one in outcomes if one.bound.within == SHARED and problem.memory is None]
    if not bounds or best.candidate is None:
        return best
    bound = bounds[0].below(best.candidate.price)
    if bound.status(best.candidate.price) is Status.OPTIMAL or best is not outcome:
        return _repriced(replace(best, bound=bound))
    return best


def _shared_under_limit(outcome: Outcome, problem: Problem, search: Search) -> Outcome:
    """The outcome without a plan, or one with a plan that keeps the limit because it shares equal products."""
    solver = EqualFactorsSolver()
    if outcome.status is Status.INFEASIBLE or solver.refusal(problem) is not None:
        return outcome
    made = _run_stage(solver, problem, search)
    return made if _fits(made, problem) else outcome


def _by_segments(problem: Problem, search: Search) -> Candidate | None:
    """A plan that makes equal segments of a graph once, where it has some."""
    if not problem.graph.shares or problem.graph.not_a_chain is None:
        return None

    def plan_part(part: Problem) -> Candidate | None:
        inner = search.apart("auto", SEGMENTS_SHARE)
        inner.nodes = MAX_SEGMENT_NODES if inner.nodes is None else min(inner.nodes, MAX_SEGMENT_NODES)
        with suppress(SearchStopped):
            return AutoSolver().solve(part, inner).candidate
        return None

    return segmented(problem, plan_part, search)


def _repriced(outcome: Outcome) -> Outcome:
    """The outcome with what its bound says of its plan, which may cost less than all plans that the bound is about."""
    assert outcome.candidate is not None, "only outcomes with a plan are compared"
    bound = outcome.bound.below(outcome.candidate.price)
    return replace(outcome, status=bound.status(outcome.candidate.price), bound=bound)


def _searched_alone(problem: Problem) -> bool:
    """Whether a graph is searched by the objective alone: the prices of orders are exact, and all blocks explicit."""
    return counts_fma(problem.cost) and problem.graph.not_a_chain is not None and problem.graph.explicit


def _solve_by_other_costs(problem: Problem, search: Search) -> Outcome:
    """The exact plan of a chain by the cost model; else the cheapest, by the model, of several.

    These are the best by fma, the best of a search by the model, and both orders. Where every fma costs 1 at least,
    what the search by fma proves holds; else it is in another unit.
    """
    dp = ChainDpSolver()
    if dp.refusal(problem) is None:
        outcome = _run_stage(dp, problem, search)
        if _fits(outcome, problem):
            return _with_equal_shared(outcome, problem, search)
        search.prove(Bound(outcome.bound.value, outcome.bound.within or "bracketings"))
    inner = search.apart("auto", FMA_SHARE)
    try:
        by_fma = AutoSolver().solve(replace(problem, cost=FMA), inner)
    except (SearchStopped, KeyboardInterrupt):
        if inner.incumbent is not None:
            search.offer(inner.incumbent, Candidate(inner.incumbent, problem.cost).price)
        raise
    if by_fma.plan is None:
        return by_fma
    bound = by_fma.bound if counts_fma(problem.cost) else NO_BOUND
    unproven = replace(
        by_fma, status=Status.FEASIBLE, candidate=Candidate(by_fma.plan, problem.cost), bound=bound, note=None
    )
    others: tuple[Solver, ...] = (ForwardSolver(), ReverseSolver())
    if problem.graph.not_a_chain is not None and problem.second is None:
        others = (*others, LocalSearchSolver())
    outcomes = [unproven, *(_run_stage(other, problem, search) for other in others)]
    best = _with_equal_shared(_best_outcome(problem, outcomes, search), problem, search)
    if best.status is Status.OPTIMAL and best.bound.within is not None:
        return best
    note = f"orders were searched by fma too, and compared by '{problem.cost.objective}'."
    return replace(best, status=Status.FEASIBLE, note=note)


def _run_stages(problem: Problem, search: Search) -> Iterator[Outcome]:
    """The outcomes of the stages in turn until one proves its plan; large graphs get a bound and local search.

    Every stage begins with forward and reverse order among others. Under a memory limit these two compete as plans of
    their own.
    """
    if problem.memory is not None:
        yield _run_stage(ForwardSolver(), problem, search)
        yield _run_stage(ReverseSolver(), problem, search)
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
        outcome = _run_stage(solver, problem, search, 1.0 if hopeless else share, search.incumbent)
        yield outcome
        if outcome.status is Status.OPTIMAL or _settled(outcome, problem, search) or hopeless or not search.in_time():
            return


def _run_matrix_free(problem: Problem, search: Search) -> Iterator[Outcome]:
    """The outcomes of elimination with propagation and after accumulation in turn, until a plan is proven."""
    provable = intermediates(problem.graph) <= MAX_PROVABLE_INTERMEDIATES
    for solver, share in MATRIX_FREE_STAGES:
        if not provable and isinstance(solver, DagExactSolver):
            continue
        outcome = _run_stage(solver, problem, search, share, search.incumbent)
        yield outcome
        if _settled(outcome, problem, search) or not search.in_time():
            return


def _settled(outcome: Outcome, problem: Problem, search: Search) -> bool:
    """Whether an outcome has a plan that reaches the bound of the search, so that no other is cheaper."""
    candidate = outcome.candidate
    return (
        candidate is not None
        and search.bound.stronger(outcome.bound).status(candidate.price) is Status.OPTIMAL
        and _fits(outcome, problem)
    )


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
    """Local search after a bound; where the better bound took more than its share, it comes once more at the end."""
    (work, _), within = timed_work(problem, search), after_accumulation(problem.graph, "vertex elimination")
    search.prove(Bound(path_bound(work), within))
    first = search.stage("auto", QUICK_BOUND_SHARE)
    search.prove(Bound(quick_bound(work, first.tick), within))
    whole = first.going()
    outcome = _run_stage(LocalSearchSolver(), problem, search, LARGE_SEARCH_SHARE)
    yield outcome
    if not whole and not _settled(outcome, problem, search) and search.in_time():
        search.prove(Bound(quick_bound(work, search.tick), within))


def _best_outcome(problem: Problem, outcomes: list[Outcome], search: Search) -> Outcome:
    """The outcome with the cheapest plan that fits and the best bound; ties go to a proven plan, then to the first.

    Where none fits, it is the one whose plan needs the least memory.
    """
    prices = [0 if outcome.candidate is None else outcome.candidate.price for outcome in outcomes]
    needs = [
        0 if outcome.candidate is None or _fits(outcome, problem) else outcome.candidate.peak for outcome in outcomes
    ]
    proven = [outcome.status is Status.OPTIMAL for outcome in outcomes]
    best = min(
        range(len(outcomes)), key=lambda i: (not _fits(outcomes[i], problem), needs[i], prices[i], not proven[i])
    )
    outcome = outcomes[best]
    for other in outcomes:
        if other.bound.within is not None:
            search.prove(other.bound)
    if prices[best] < search.bound.value:
        return replace(outcome, status=Status.FEASIBLE, bound=NO_BOUND)
    if search.bound.status(prices[best]) is Status.OPTIMAL:
        return replace(outcome, status=Status.OPTIMAL, bound=search.bound)
    return replace(outcome, status=Status.FEASIBLE, bound=search.bound, note=None)


def _run_stage(
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


def _fits(outcome: Outcome, problem: Problem) -> bool:
    """Whether an outcome has a plan that keeps the memory limit, if there is one."""
    return outcome.candidate is not None and outcome.candidate.fits(problem.memory)
