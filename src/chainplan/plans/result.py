"""The result of planning: a status, a plan with its cost, a bound, and the baselines to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from chainplan._util.notebook_views import viewed
from chainplan.plans.bound import NO_BOUND, Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.product_orders import baseline_price, baselines_for
from chainplan.plans.ratios import gap, gap_text, ratio_text
from chainplan.plans.replay import Replay
from chainplan.plans.schedule import Schedule
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA, CostModel
from chainplan.problem.graph import Graph
from chainplan.problem.problem import Problem
from chainplan.problem.units import unit_text


@dataclass(frozen=True)
class Outcome:
    """What a solver returns.

    `bound` is proven, in the unit of the objective, and an OPTIMAL plan reaches it; `needs` is the smallest memory
    limit, in elements, under which the solver has a plan.
    """

    status: Status
    candidate: Candidate | None = None
    bound: Bound = NO_BOUND
    needs: int | None = None
    solver: str | None = None
    note: str | None = None
    schedule: Schedule | None = None

    @property
    def plan(self) -> Plan | None:
        """The plan, None where there is none."""
        return None if self.candidate is None else self.candidate.plan


def bounded(candidate: Candidate, price: int, bound: Bound) -> Outcome:
    """Return the outcome of a plan that costs `price`, which is optimal where that equals the bound."""
    return Outcome(bound.status(price), candidate, bound)


@dataclass(frozen=True)
class Cost:
    """The cost of a plan: fma, additions without a product, the most elements alive at once, and the most on disk."""

    fma: int
    adds: int
    peak_elements: int
    peak_disk: int = 0


BASELINE_WORDS = {"forward": "forward order", "reverse": "reverse order", "free": "nothing formed", "late": ""}
"""The names of the baselines in reports; those with a Hessian for which nothing is formed have names of their own."""
_SECOND_WORDS = {"free": "forward over reverse", "late": "reverse over forward"}


def baseline_text(problem: Problem, name: str) -> str:
    """Return the name of a baseline in reports."""
    words = BASELINE_WORDS if problem.second is None else BASELINE_WORDS | _SECOND_WORDS
    return words[name]


@dataclass(frozen=True)
class Baselines:
    """The costs of forward and of reverse order, in fma or in the unit of an objective.

    Of products, these are the costs of a derivative formed in that order and of all products with it, and `free` is
    that of products for which nothing is formed, None where the derivative itself is asked for. With a Hessian those
    are forward over reverse, and `late` is reverse over forward, None elsewhere.
    """

    forward: int
    reverse: int
    free: int | None = None
    late: int | None = None

    @property
    def best(self) -> int:
        """The cheapest of them."""
        return min(self.named().values())

    def named(self) -> dict[str, int]:
        """Return the costs by the names of the baselines.

        Returns
        -------
        dict[str, int]
            Those of forward and reverse, and of free and late where there are some.
        """
        named = {"forward": self.forward, "reverse": self.reverse, "free": self.free, "late": self.late}
        return {name: price for name, price in named.items() if price is not None}


def baselines_of(problem: Problem, cost: CostModel = FMA) -> Baselines:
    """Price the baselines of a problem by a cost model."""
    return Baselines(**{name: baseline_price(problem, name, cost) for name in baselines_for(problem)})


def counts(graph: Graph, replayed: Replay | None) -> str:
    """Say whether the nonzeros of all blocks of a plan are counted exactly, or some of them from above."""
    return "exact" if graph.exact or _all_exact(graph, replayed) else "upper bound"


def _all_exact(graph: Graph, replayed: Replay | None) -> bool:
    """Say whether the blocks of a plan are counted exactly where those of other plans are not."""
    if replayed is None or not graph.bounded_below:
        return False
    blocks = chain(replayed.blocks, *(program.blocks for program in replayed.programs))
    return all((typed.whole or typed.block).structure.exact for typed in blocks)


@dataclass(frozen=True, eq=False)
class Result:
    """A planned problem. `print(result)` shows a summary, `chainplan.render(result)` is the table of the plan.

    Notebooks show it with forward order, reverse order and the plan drawn beside each other.

    `replay` and `cost` are in fma whatever the objective, `price`, `bound` and `gap` in the unit of the objective.

    Parameters
    ----------
    problem : Problem
        The problem that was planned.
    solver : str
        The name of the solver that made the plan.
    seed : int
        The seed of its random numbers.
    seconds : float
        The time that planning took.
    status : Status
        The outcome of the search.
    candidate : Candidate | None
        The plan with what follows from it; None where there is none that keeps the limits.
    lower_bound : Bound
        What no plan of a class costs less than, and that class.
    needs : int | None
        The smallest memory limit, in elements, under which a plan is known.
    notes : tuple[str, ...]
        Sentences on how the plan was found.
    schedule : Schedule | None
        The schedule, where it was planned for several machines; the plan is the one that it schedules.
    claimed : bool
        Whether status, bound and schedule are as a file claims and have not been proven here.

    Examples
    --------
    >>> import chainplan
    >>> result = chainplan.plan(chainplan.chain([1000, 1, 1000, 1, 1000]))
    >>> result.cost.fma, result.bound, result.gap, result.baselines.best
    (1002000, 1002000, 0.0, 3000000)
    """

    problem: Problem
    solver: str
    seed: int
    seconds: float
    status: Status
    candidate: Candidate | None
    lower_bound: Bound
    needs: int | None = None
    notes: tuple[str, ...] = ()
    schedule: Schedule | None = None
    claimed: bool = False

    @property
    def plan(self) -> Plan | None:
        """The plan; None where there is none that keeps the limits."""
        return None if self.candidate is None else self.candidate.plan

    @property
    def replay(self) -> Replay | None:
        """The blocks, prices and peak of the plan, None where there is no plan."""
        return None if self.candidate is None else self.candidate.replay

    @property
    def counts(self) -> str:
        """ "exact", or "upper bound" where some nonzeros of the plan's blocks are counted from above."""
        return counts(self.problem.graph, self.replay)

    @property
    def bound(self) -> int:
        """A proven lower bound on the plans of the class `within`, 0 where none is known."""
        return self.lower_bound.value

    @property
    def within(self) -> str | None:
        """The class of plans within which the bound holds."""
        return self.lower_bound.within

    @property
    def optimal_within(self) -> str | None:
        """The class of plans within which this one is proven, or `claimed`, to be optimal, None where it is not."""
        return self.within if self.status is Status.OPTIMAL else None

    @property
    def cost(self) -> Cost | None:
        """Cost of the plan, None where there is no plan."""
        return (
            None
            if self.replay is None
            else Cost(self.replay.total, self.replay.adds, self.replay.peak, self.replay.disk)
        )

    @property
    def priced(self) -> Replay | None:
        """The replay of the plan under the objective, None where there is no plan."""
        return None if self.candidate is None else self.candidate.priced

    @property
    def price(self) -> int | None:
        """Cost of the plan in the unit of the objective."""
        return None if self.candidate is None else self.candidate.price

    @cached_property
    def price_baselines(self) -> Baselines:
        """The costs of the baselines in the unit of the objective."""
        return baselines_of(self.problem, self.problem.cost)

    @cached_property
    def baselines(self) -> Baselines:
        """The costs of the baselines in fma."""
        return baselines_of(self.problem)

    @property
    def gap(self) -> float | None:
        """How far the plan may be above the optimum, as a share of its cost; 0.0 where it is proven optimal."""
        return gap(self.price, self.bound)

    def __str__(self) -> str:
        """Summarise the result in a few lines: status, cost, makespan, bound, baselines."""
        unit, price, baselines = unit_text(self.problem), self.price, self.price_baselines
        status = self.status.value if self.optimal_within is None else f"optimal within {self.optimal_within}"
        status += ", claimed by the file" if self.claimed else ""
        lines = [f"{status}: {'no plan' if price is None else f'{price:,} {unit}'}, by {self.solver}"]
        if self.schedule is not None:
            machines = self.schedule.machines
            on = f"{machines:,} machine{'' if machines == 1 else 's'}"
            lines.append(f"makespan: {self.schedule.makespan:,} {unit} on {on}")
        if self.bound and price is not None and self.optimal_within is None:
            lines.append(f"bound: {self.bound:,} {unit}, a gap of at most {gap_text(price, self.bound)}")
        for name, other in baselines.named().items():
            ratio = "" if price is None else f", {ratio_text(other, price)}"
            lines.append(f"{baseline_text(self.problem, name)}: {other:,} {unit}{ratio}")
        return "\n".join(lines)

    def _repr_html_(self) -> str | None:
        return viewed("html", self)

    def _repr_svg_(self) -> str | None:
        return viewed("svg", self)
