"""Variants of graphs whose prices are no known functions of their sizes: by planning at some sizes.

All prices grow with every size, so in a cell of sizes no plan costs less than the bound at the least sizes, and a
variant never more than at the largest. The cell with the worst quotient is halved along its widest side as long as time
is left. That proves less than tangents do (`boxes`), and every bound takes a search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count, product
from math import inf, log
from time import monotonic
from typing import NamedTuple

import numpy as np

from chainplan.plans.candidate import Candidate
from chainplan.plans.classes import BRACKETINGS, PROPAGATION, SWEEPS, SWEPT_PROPAGATION, includes
from chainplan.plans.result import Result
from chainplan.plans.steps import Plan, Seed
from chainplan.problem.family import Family, SizeRange
from chainplan.problem.problem import Problem
from chainplan.solvers.forward import ForwardSolver
from chainplan.solvers.search.search import Search
from chainplan.solvers.sizes.few import covering

NEAR_ON_GRAPHS = 1.02
"""The proven factor over the largest quotient met, at which halving ends."""
GRID_SIDE = 4
"""Sizes of each name at which a graph is planned, when there are so many in time."""

_WITHOUT_SWEEPS = {SWEEPS: BRACKETINGS, SWEPT_PROPAGATION: PROPAGATION}
"""The classes whose plans have steps for all sizes, in place of those with coloured sweeps."""

Point = tuple[int, ...]


class PlannedSizes:
    """What planning says at sizes, each of which is planned once; the first one always, others until the deadline."""

    def __init__(self, family: Family, solve: Callable[[Problem], Result], deadline: float) -> None:
        self.family, self.names = family, family.names
        self._solve, self._deadline = solve, deadline
        self.results: dict[Point, Result] = {}
        self._prices: dict[tuple[Point, Plan], int] = {}

    @property
    def late(self) -> bool:
        """Whether the time is up."""
        return bool(self.results) and monotonic() >= self._deadline

    def at(self, point: Point) -> Result:
        """Return the result of planning at sizes."""
        if point not in self.results:
            self.results[point] = self._solve(self.problem(point))
        return self.results[point]

    def problem(self, point: Point) -> Problem:
        """Return the problem at sizes."""
        return self.family.at_point(dict(zip(self.names, point, strict=True)))

    def on_grid(self, until: float = inf) -> None:
        """Plan at the corners and on a grid of sizes, as long as there is time."""
        ranges = list(self.family.ranges.values())
        sides = [sorted({_between(low, high, i / (GRID_SIDE - 1)) for i in range(GRID_SIDE)}) for low, high in ranges]
        for point in dict.fromkeys([*product(*ranges), *product(*sides)]):
            if self.late or (self.results and monotonic() >= until):
                break
            self.at(point)

    def worst(self, plans: Sequence[Plan]) -> tuple[float, Point]:
        """Return the largest quotient of the best of some plans to what planning found, and where it is."""
        quotients = [
            (min(self.price(plan, point) for plan in plans) / result.price, point)
            for point, result in self.results.items()
            if result.price and not any(isinstance(step, Seed) for step in (result.plan.steps if result.plan else ()))
        ]
        return max(quotients, default=(1.0, next(iter(self.results))))

    def forward(self) -> Plan:
        """Return forward order, which is a plan at all sizes."""
        candidate = ForwardSolver().solve(Problem(self.family.graph), Search()).candidate
        assert candidate is not None
        return candidate.plan

    def price(self, plan: Plan, point: Point) -> int:
        """Return what a plan costs at sizes."""
        if (point, plan) not in self._prices:
            problem = self.problem(point)
            self._prices[point, plan] = Candidate(Plan(problem.graph, plan.steps, plan.outputs), problem.cost).price
        return self._prices[point, plan]


def few_plans(planned: PlannedSizes, most: int) -> tuple[Plan, ...]:
    """Return at most so many plans, of those that are the best at some sizes, which keep the largest quotient small."""
    planned.on_grid()
    plans: dict[tuple[object, ...], Plan] = {}
    for result in planned.results.values():
        fixed = result.plan is not None and not any(isinstance(step, Seed) for step in result.plan.steps)
        if result.plan is not None and fixed:
            plans.setdefault(result.plan.steps, Plan(planned.family.graph, result.plan.steps, result.plan.outputs))
    known = list(plans.values()) or [planned.forward()]
    table = np.array([[planned.price(plan, point) for point in planned.results] for plan in known], float)
    chosen = covering(np.where(table <= table.min(axis=0), 1.0, table / np.maximum(table.min(axis=0), 1)), most)
    return tuple(known[i] for i in sorted(chosen))


def _between(low: int, high: int, share: float) -> int:
    return min(high, max(low, int(low * (high / low) ** share + 0.5)))


class _Cell(NamedTuple):
    """Sizes between two corners, and the largest quotient that is possible there."""

    least: Point
    largest: Point
    factor: float


def prove_graph_factor(planned: PlannedSizes, plans: Sequence[Plan], enough: float = 1.0) -> tuple[float, str | None]:
    """Return a factor that the best of the plans never exceeds, and the class of plans in which it holds.

    Halving ends where the factor is `enough`.
    """
    ranges: list[SizeRange] = list(planned.family.ranges.values())
    within: list[str] = []
    order = count()

    def cell(least: Point, largest: Point) -> _Cell:
        bound = planned.at(least).lower_bound
        if bound.within is None or not _common(_WITHOUT_SWEEPS.get(bound.within, bound.within), within, planned.family):
            return _Cell(least, largest, inf)
        price = min(planned.price(plan, largest) for plan in plans)
        return _Cell(least, largest, 1.0 if price <= bound.value else price / bound.value if bound.value else inf)

    open_: list[tuple[float, int, _Cell]] = []
    whole = cell(tuple(low for low, _ in ranges), tuple(high for _, high in ranges))
    heappush(open_, (-whole.factor, next(order), whole))
    met = closed = 1.0
    while open_ and not planned.late and -open_[0][0] > max(met * NEAR_ON_GRAPHS, closed, enough):
        _, _, worst = heappop(open_)
        if worst.least == worst.largest:
            closed = max(closed, worst.factor)
            continue
        for part in _halves(worst):
            made = cell(*part)
            heappush(open_, (-made.factor, next(order), made))
            least = min(planned.price(plan, made.least) for plan in plans)
            best = planned.at(made.least).price
            met = max(met, least / best if best else 1.0)
    factor = max(closed, -open_[0][0] if open_ else 1.0)
    return factor, within[0] if within else None


def _halves(cell: _Cell) -> list[tuple[Point, Point]]:
    """Halve a cell along the name whose size grows by the largest factor in it."""
    name = max(range(len(cell.least)), key=lambda i: log(cell.largest[i] / cell.least[i]))
    a, b = cell.least[name], cell.largest[name]
    middle = min(b - 1, max(a, int((a * b) ** 0.5)))
    upper, lower = list(cell.largest), list(cell.least)
    upper[name], lower[name] = middle, middle + 1
    return [(cell.least, tuple(upper)), (tuple(lower), cell.largest)]


def _common(name: str, within: list[str], family: Family) -> bool:
    """Say whether a bound of a class holds for the class of all others, which becomes narrower where that helps."""
    if not within or (includes(within[0], name, family) and within[0] != name):
        within[:] = [name]
        return True
    return includes(name, within[0], family)
