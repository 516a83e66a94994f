"""Break-evens: the sizes for which an order is optimal.

The cost of every bracketing, and of every vertex elimination, is a linear function of the size of one vertex between
dense Jacobians: no product involves it twice. The optimum is the least of such functions, so it is concave, and where
it meets one of them is an interval. Bisection finds both ends by planning again at a size and at the next one. They are
exact where the optima are proven, and they are not given where they are not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from chainplan.plans.forward_reverse import order_price
from chainplan.plans.replay import replay
from chainplan.plans.steps import Plan, Seed
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.report.explain.replan import Replanner
from chainplan.report.explain.variants import FreeVertices, resized

MAX_RANGE_SIZE = 10**12
"""The largest size that is tried."""
LINEAR_CLASSES = ("bracketings", "vertex elimination")
"""Classes of plans all of whose costs are linear in a size."""


@dataclass(frozen=True)
class OptimalRange:
    """An order (`this plan`, `forward`, `reverse`) is optimal for sizes low ... high of a vertex whose size is `size`.

    `high` is None where it is still optimal at `MAX_RANGE_SIZE`.
    """

    vertex: str
    size: int
    order: str
    low: int
    high: int | None

    @property
    def holds(self) -> bool:
        """Whether the order is optimal at the size that the vertex has."""
        return self.low <= self.size and (self.high is None or self.size <= self.high)


class UnprovenRange(Exception):
    """An optimum is not proven, or within a class whose costs are not linear in a size."""


def ranges(problem: Problem, plan: Plan, free: FreeVertices, replanner: Replanner) -> list[OptimalRange]:
    """Find the sizes of one vertex for which the plan, forward order and reverse order are optimal.

    Raises
    ------
    OutOfQuestionTime
        If there is no time left.
    UnprovenRange
        If an optimum is not proven.
    """
    seeded = any(isinstance(step, Seed) for step in plan.steps)
    if not free.linear or problem.cost is not FMA or problem.recompute or seeded:
        return []
    problem = replace(problem, memory=None)
    known: dict[int, int] = {}

    def optimum(size: int) -> int:
        if size not in known:
            cheapest = replanner.cheapest(resized(problem, free.vertices, size))
            if cheapest.within not in LINEAR_CLASSES:
                raise UnprovenRange
            known[size] = cheapest.price
        return known[size]

    def same(size: int) -> int:
        return replay(Plan(resized(problem, free.vertices, size).graph, plan.steps, plan.outputs)).total

    def order(mode: Mode) -> Callable[[int], int]:
        return lambda size: order_price(resized(problem, free.vertices, size).graph, mode)

    intervals = []
    candidates = (("this plan", same), ("forward", order(Mode.TANGENT)), ("reverse", order(Mode.ADJOINT)))
    for name, price in candidates:

        def meets(size: int, price: Callable[[int], int] = price) -> bool:
            return price(size) == optimum(size)

        ends = _interval(meets, free.size)
        if ends is not None:
            intervals.append(OptimalRange(free.vertices[0], free.size, name, *ends))
    return intervals


def _interval(meets: Callable[[int], bool], size: int) -> tuple[int, int | None] | None:
    """Find the interval of sizes that meet, starting at the present size, else at the least, else at the largest."""
    if meets(size):
        return _edge(meets, size, 1) or 1, _edge(meets, size, MAX_RANGE_SIZE)
    if meets(1):
        return 1, _edge(meets, 1, size)
    if meets(MAX_RANGE_SIZE):
        return _edge(meets, MAX_RANGE_SIZE, size) or size, None
    return None


def _edge(meets: Callable[[int], bool], good: int, far: int) -> int | None:
    """Find the last size from `good` towards `far` that meets, None if `far` meets too: gallop, then bisect."""
    if good == far or meets(far):
        return None
    sign, stride = (1 if far > good else -1), 1
    while abs(far - good) > stride and meets(good + sign * stride):
        good, stride = good + sign * stride, stride * 2
    bad = good + sign * min(stride, abs(far - good))
    while abs(bad - good) > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if meets(middle) else (good, middle)
    return good
