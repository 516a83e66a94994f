"""What planning again says of the plans of a class: its results, and the plans of the class that they show.

A result shows more than its own plan. If that plan is not of the class in question, the order in which it multiplies
through vertices mostly gives one that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import monotonic

from chainplan.errors import PlanError, SolverError
from chainplan.planner import plan as plan_again
from chainplan.plans.bound import AFTER_ACCUMULATION, Bound
from chainplan.plans.candidate import Candidate
from chainplan.plans.check import prove
from chainplan.plans.classes import (
    GRAPH_PRODUCT_CLASSES,
    PROPAGATION,
    SECOND_ELIMINATION,
    SECOND_PRODUCTS,
    SHARED,
    SWEPT_PROPAGATION,
    class_of,
    includes,
)
from chainplan.plans.reorder import reordered
from chainplan.plans.result import Result
from chainplan.problem.problem import Problem
from chainplan.solvers.dag.order_plans import order_of
from chainplan.solvers.elimination.elimination_graph import after_accumulation, order_plan
from chainplan.solvers.registry import SOLVERS
from chainplan.solvers.search.search import SearchProgress

VERTEX_ELIMINATION = "vertex elimination"
CLASS_PROVERS = {
    VERTEX_ELIMINATION: "dag-exact",
    "edge elimination": "edge",
    "face elimination": "face",
    PROPAGATION: "propagation",
    SWEPT_PROPAGATION: "propagation",
    SECOND_ELIMINATION: "second-elimination",
    SECOND_PRODUCTS: "second-products",
    **dict.fromkeys(GRAPH_PRODUCT_CLASSES, "graph-products"),
}
"""The solvers that prove bounds of a class which `auto` does not prove; `auto` is tried before them."""


@dataclass
class Replanning:
    """Planning again until a deadline; all results are kept."""

    problem: Problem
    deadline: float
    progress: Callable[[SearchProgress], None] | None
    known: list[Result] = field(default_factory=list)

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return max(0.0, self.deadline - monotonic())

    @property
    def cheapest(self) -> int | None:
        """The price of the cheapest plan so far."""
        return min((result.price for result in self.known if result.price is not None), default=None)

    def results(self, within: str, share: float = 1.0) -> Iterator[Result]:
        """The result of `auto`, then that of the solver that proves bounds of the class, if there is one.

        Where elementals are equal, `auto` also plans without sharing, for classes that do not share.

        `auto` has half of the time where a second solver follows.
        """
        other = CLASS_PROVERS.get(within.removesuffix(AFTER_ACCUMULATION))
        second = other is not None and SOLVERS[other].refusal(self.problem) is None
        if SOLVERS["auto"].refusal(self.problem) is not None:
            return
        if not self.known:
            self.known.append(self.plan("auto", share * (0.5 if second else 1.0)))
        yield self.known[0]
        if self.problem.graph.shares and within != SHARED:
            self.known.append(self.plan("auto", share * 0.5, problem=self._apart))
            yield self.known[-1]
        if second and other is not None:
            self.known.append(self.plan(other, share))
            yield self.known[-1]

    def scheduled(self, machines: int) -> Result | None:
        """The best plan and schedule for so many machines, None where the limits leave none."""
        with suppress(SolverError):
            return self.plan("auto", 1.0, machines)
        return None

    @property
    def _apart(self) -> Problem:
        """The problem without equal elementals: other classes than that of shared products know of none."""
        graph = self.problem.graph
        own = tuple(e if e.values is None else replace(e, values=None) for e in graph.elementals)
        return replace(self.problem, graph=replace(graph, elementals=own))

    def plan(self, solver: str, share: float, machines: int | None = None, problem: Problem | None = None) -> Result:
        """The result of a solver in a share of the remaining time."""
        return plan_again(
            problem or self.problem, solver, budget=share * self.left, progress=self.progress, machines=machines
        )


def proves(proven: Bound, bound: Bound, problem: Problem) -> bool:
    """Whether a proven bound is as high as another, and holds for its class or a wider one."""
    if proven.within is None or bound.within is None:
        return False
    return includes(proven.within, bound.within, problem) and proven.value >= bound.value


def cheaper_member(result: Result, bound: Bound, problem: Problem) -> Candidate | None:
    """A plan of the class that costs less than the bound, made from the plan of a result; None where there is none."""
    own = result.candidate
    if own is None or bound.within is None or own.price >= bound.value:
        return None
    candidates = members(result, own, bound.within, problem)
    return next((other for other in candidates if valid(other, problem) and other.price < bound.value), None)


def members(result: Result, candidate: Candidate, within: str, problem: Problem) -> Iterable[Candidate]:
    """Plans of the class made from the plan of a result: that plan itself, or the elimination of vertices in its order.

    The second may cost a little more than the plan it is made from.
    """
    shown = class_of(candidate, problem)
    own = result.price == result.bound and result.solver in CLASS_PROVERS.values() and result.within == within
    if own or (shown is not None and includes(within, shown, problem)):
        yield candidate
    elif includes(within, after_accumulation(problem.graph, VERTEX_ELIMINATION), problem):
        ordered = Candidate(order_plan(problem.graph, order_of(candidate.plan)), problem.cost)
        yield ordered if problem.memory is None else reordered(ordered, problem.memory)


def valid(candidate: Candidate, problem: Problem) -> bool:
    """Whether a plan is right and keeps the limits."""
    try:
        prove(candidate, problem)
    except PlanError:
        return False
    return True
