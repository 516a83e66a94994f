"""variants(family): a few plans for all sizes of a family, and a factor by which they are proven to be good enough.

With one name every size gets its best order (`solvers.sizes.one_name`). With several, orders that are the best at
sampled sizes are candidates (`few`), of which those that keep the largest quotient small are taken; a factor for all
sizes is then proven (`boxes`). The plans of graphs come from planning at sizes, and so do the bounds that prove their
factor (`graphs`), which takes longer and proves less.
"""

from __future__ import annotations

from math import ceil, inf, isinf
from time import monotonic
from typing import Any

from chainplan.errors.arguments import refuse, whole
from chainplan.errors.arguments import seconds as seconds_of
from chainplan.planner import plan
from chainplan.plans.candidate import Candidate
from chainplan.plans.check import prove
from chainplan.plans.classes import BRACKETINGS
from chainplan.plans.steps import Plan
from chainplan.plans.variants import VariantRange, Variants
from chainplan.problem.family import Family
from chainplan.problem.problem import Problem
from chainplan.solvers.sizes.boxes import prove_factor
from chainplan.solvers.sizes.few import few_orders, sampled
from chainplan.solvers.sizes.graphs import PlannedSizes, few_plans, prove_graph_factor
from chainplan.solvers.sizes.moves import ChainMoves, Order, refusal
from chainplan.solvers.sizes.one_name import best_orders, enveloped

DEFAULT_VARIANTS = 4
"""The most variants where several sizes have names."""
DEFAULT_GRAPH_SECONDS = 10.0
"""Seconds for the variants of a graph that is no chain."""
MAX_SHARES = 4
"""One planning of a graph may take the budget divided by so much."""
GUARANTEE_STEP = 10**6
"""A guarantee is rounded up to a multiple of one part in so many."""


def variants(
    problem: Problem,
    at_most: int | None = None,
    *,
    budget: float | None = None,
    seed: int = 0,
) -> Variants:
    """Find a few plans for all sizes of a family, such that the best of them is good at every size.

    Parameters
    ----------
    problem : Problem
        A family: a problem some of whose sizes are names, as specs with `ranges` describe them.
    at_most : int | None
        The most variants. None takes as many as there are best orders where one size has a name, and 4 otherwise.
    budget : float | None
        The seconds after which no smaller factor is proven; None lets chains finish and gives other graphs 10.
    seed : int
        The seed of the sizes that are sampled.

    Returns
    -------
    Variants
        The plans, the factor that is proven of them, and `choose`, which picks one for given sizes.

    Raises
    ------
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> import chainplan
    >>> family = chainplan.chain(["n", 100, "batch", 10], ranges={"n": [1, 100000], "batch": [1, 512]})
    >>> found = variants(family)
    >>> len(found.plans), found.guarantee < 1.02, found.choose(n=1, batch=512).cost.fma
    (2, True, 56320)
    """
    family = _family_of(problem)
    most = None if at_most is None else whole("at_most", at_most, least=1)
    seed, allowed = whole("seed", seed, most=None), seconds_of("budget", budget)
    start = monotonic()
    search = _on_graph if refusal(family) else _on_chain
    plans, guarantee, within, best = search(family, most, seed, allowed)
    for each in plans:
        prove(Candidate(each, family.cost), Problem(family.graph))
    return Variants(family, plans, guarantee, within, best, seed, monotonic() - start)


_Found = tuple[tuple[Plan, ...], float | None, str | None, tuple[VariantRange, ...]]
"""The plans, the factor that is proven of them, its class, and where each is the best of all."""


def _on_chain(family: Family, most: int | None, seed: int, budget: float | None) -> _Found:
    """Find variants of a chain whose prices are functions of its sizes."""
    moves, ranges = ChainMoves(family), list(family.ranges.values())
    deadline = None if budget is None else monotonic() + budget
    if len(ranges) == 1 and enveloped(moves):
        known = best_orders(moves, ranges[0])
        orders = list(dict.fromkeys(each.order for each in known))
        if most is None or len(orders) <= most:
            best = tuple(VariantRange(first, last, orders.index(order)) for first, last, order in known)
            return _plans(moves, family, orders), 1.0, BRACKETINGS, best
    orders = few_orders(moves, sampled(ranges, seed), most or DEFAULT_VARIANTS)
    proven = prove_factor(moves, orders, ranges, lambda: deadline is None or monotonic() < deadline)
    return _plans(moves, family, orders), rounded_up(proven.factor), BRACKETINGS, ()


def _plans(moves: ChainMoves, family: Family, orders: list[Order]) -> tuple[Plan, ...]:
    return tuple(moves.plan(order, family.graph) for order in orders)


def _on_graph(family: Family, most: int | None, seed: int, budget: float | None) -> _Found:
    """Find variants of any other graph, by planning at sizes."""
    allowed = DEFAULT_GRAPH_SECONDS if budget is None else budget
    deadline = monotonic() + allowed
    planned = PlannedSizes(family, lambda at: plan(at, seed=seed, budget=allowed / MAX_SHARES), deadline)
    factor, within, plans = inf, None, tuple[Plan, ...]()
    while True:
        better = few_plans(planned, most or DEFAULT_VARIANTS)
        proven, among = prove_graph_factor(planned, better)
        if plans and proven >= factor:
            break
        plans, factor, within = better, proven, among
        if planned.late:
            break
    return plans, None if isinf(factor) else rounded_up(factor), within, ()


def rounded_up(factor: float) -> float:
    """Return a factor with few digits that is no smaller."""
    return ceil(factor * GUARANTEE_STEP) / GUARANTEE_STEP


def _family_of(problem: Any) -> Family:
    if isinstance(problem, Family):
        if problem.products is not None:
            raise refuse("problem", problem, "a family without products", "Leave products out, or plan at given sizes.")
        return problem
    todo = "Write names for sizes and give their ranges: chain(['n', 100, 3], ranges={'n': [1, 1000]})."
    raise refuse("problem", problem, "a Family, whose sizes have names", todo)
