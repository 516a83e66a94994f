"""What the factorisations of systems cost: the same in every plan of a problem, and so no decision of any.

Each system between inputs and outputs is factored once, before the first step, and its factors are held to the last.
So a search goes by the prices of the right-hand sides, on the problem `without_factors`, whose limit of memory is lower
by the elements of the factors; what it finds and proves holds `with_factors`, where price and bound are higher by the
same number.
"""

from __future__ import annotations

from dataclasses import replace

from chainplan.plans.bound import NO_BOUND, Bound
from chainplan.plans.candidate import Candidate
from chainplan.plans.result import Outcome
from chainplan.problem.cost import FMA, CostModel, factor_price
from chainplan.problem.graph import Graph
from chainplan.problem.problem import Problem


def without_factors(problem: Problem) -> Problem:
    """Return the problem in which systems are elementals that are applied, and factored already."""
    graph = problem.graph
    if not graph.solves:
        return problem
    plain = tuple(e if e.implicit is None else replace(e, implicit=None, advance=None) for e in graph.elementals)
    memory = None if problem.memory is None else max(0, problem.memory - graph.factor_elements)
    return replace(problem, graph=replace(graph, elementals=plain), memory=memory)


def on_graph(candidate: Candidate, graph: Graph) -> Candidate:
    """Return a plan of one of these two problems as one of the other, given its graph."""
    return Candidate(replace(candidate.plan, graph=graph), candidate.cost)


def with_factors(outcome: Outcome, problem: Problem) -> Outcome:
    """Return what was found without factors as it is with those of the problem."""
    if not problem.graph.solves:
        return outcome
    return replace(
        outcome,
        candidate=None if outcome.candidate is None else on_graph(outcome.candidate, problem.graph),
        bound=raised(outcome.bound, factor_price(problem.graph, problem.cost)),
        needs=None if outcome.needs is None else outcome.needs + problem.graph.factor_elements,
    )


def raised(bound: Bound, price: int) -> Bound:
    """Return a bound that is higher by a price that every plan pays."""
    return NO_BOUND if bound.within is None else replace(bound, value=bound.value + price)


def factor_documents(graph: Graph, cost: CostModel) -> list[dict[str, str | int]]:
    """Return the factorisations as a plan file lists them."""
    return [
        {"elemental": e.name, "fma": FMA.advance(e), cost.unit: cost.advance(e), "elements": e.implicit.counts.solve}
        for e in graph.solves
        if e.implicit is not None
    ]
