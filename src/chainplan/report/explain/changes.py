"""What the optimum would be if a size, or what is known of an elemental, were different."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from chainplan.plans.replay import Replay
from chainplan.plans.steps import Accumulate, Application, Load, Multiply, Plan
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Elemental
from chainplan.problem.problem import Problem
from chainplan.report.explain.replan import ReplannedOptimum, Replanner
from chainplan.report.explain.variants import FreeVertices, exchanged, resized
from chainplan.structures import DENSE, DIAGONAL, Banded, Dense, product_fma


@dataclass(frozen=True)
class ElementalShare:
    """An elemental, and the price of the steps that take it from the graph or multiply its block itself."""

    elemental: str
    price: int


@dataclass(frozen=True)
class SizeSensitivity:
    """The optima with the size of some vertices doubled and halved; a size of 1 is not halved."""

    vertices: tuple[str, ...]
    size: int
    doubled: ReplannedOptimum
    halved: ReplannedOptimum | None


@dataclass(frozen=True)
class ElementalSaving:
    """The optimum with an elemental changed, and the change in words."""

    elemental: str
    change: str
    price: int
    proven: bool


@dataclass(frozen=True)
class MatrixFreeThreshold:
    """An explicit elemental pays off as a matrix-free one where tangents and adjoints cost at most `most` fma each.

    `product` is what its product with one vector costs now.
    """

    elemental: str
    most: int
    product: int


def shares(plan: Plan, replayed: Replay) -> list[ElementalShare]:
    """List the elementals by what the steps that use them directly cost, the dearest first; ties in their order."""
    prices: dict[str, int] = {}
    for position, step in enumerate(plan.steps):
        names: tuple[str, ...] = ()
        if isinstance(step, Application):
            names = (step.elemental,)
        if isinstance(step, Multiply):
            taken = (plan.steps[factor] for factor in (step.left, step.right))
            names = tuple(t.elemental for t in taken if isinstance(t, Load | Accumulate))
        for name in dict.fromkeys(names):
            prices[name] = prices.get(name, 0) + replayed.prices[position]
    shares = [ElementalShare(e.name, prices[e.name]) for e in plan.graph.elementals if prices.get(e.name)]
    return sorted(shares, key=lambda share: -share.price)


def sensitivity(problem: Problem, free: FreeVertices, replanner: Replanner, now: ReplannedOptimum) -> SizeSensitivity:
    """Find the optimum at twice and at half of a size; `now` is the best that is known at the size itself."""
    doubled = replanner.cheapest(resized(problem, free.vertices, 2 * free.size), now)
    half = resized(problem, free.vertices, free.size // 2)
    halved = None if free.size < 2 else replanner.easier(half, now, doubled)
    return SizeSensitivity(free.vertices, free.size, doubled, halved)


def savings(problem: Problem, name: str, replanner: Replanner, now: ReplannedOptimum) -> Iterator[ElementalSaving]:
    """Yield the optima with an elemental that is sparser, or explicit instead of matrix-free, or half as dear.

    There are none of an implicit system, whose prices follow from its blocks.
    """
    e = problem.graph.declared[name]
    if e.implicit is not None:
        return
    known: list[ReplannedOptimum] = []
    for words, other in _sparser(e):
        known.append(replanner.easier(exchanged(problem, other), now, *known))
        yield ElementalSaving(name, words, known[-1].price, known[-1].proven)
    if not e.explicit:
        tangent, adjoint = (None if price is None else price // 2 for price in (e.tangent, e.adjoint))
        half = replanner.easier(exchanged(problem, replace(e, tangent=tangent, adjoint=adjoint)), now)
        yield ElementalSaving(name, "half as dear per vector", half.price, half.proven)
        entries = replanner.cheapest(exchanged(problem, replace(e, tangent=None, adjoint=None, tape=0)), now)
        yield ElementalSaving(name, "explicit, with entries that are known for nothing", entries.price, entries.proven)


def _sparser(e: Elemental) -> Iterator[tuple[str, Elemental]]:
    """Yield a dense elemental with fewer and fewer entries."""
    rows, cols = e.block.rows, e.block.cols
    if not isinstance(e.block.structure, Dense):
        return
    if min(rows, cols) >= 20:
        width = min(rows, cols) // 20
        band = e.block._replace(structure=Banded(width, width))
        yield "a band with a tenth of its entries", replace(e, block=band)
    if rows == cols > 1:
        yield "diagonal", replace(e, block=e.block._replace(structure=DIAGONAL))


def threshold(problem: Problem, name: str, price: int, replanner: Replanner) -> MatrixFreeThreshold | None:
    """Find the largest price per vector at which an explicit elemental would do better matrix-free, if there is one.

    The optimum never falls when a price rises, so bisection finds that price.
    """
    e = problem.graph.declared[name]
    if not e.explicit or problem.cost is not FMA:
        return None

    def saves(each: int) -> bool:
        cheapest = replanner.cheapest(exchanged(problem, replace(e, tangent=each, adjoint=each)))
        return cheapest.price < price

    product = vector_price(e)
    if not saves(0):
        return None
    low, high = 0, max(1, product)
    if saves(high):
        return MatrixFreeThreshold(name, high, product)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if saves(middle) else (low, middle)
    return MatrixFreeThreshold(name, low, product)


def vector_price(e: Elemental) -> int:
    """Count the fma of the product of an explicit elemental with one vector."""
    return product_fma(e.block, e.block._replace(rows=e.block.cols, cols=1, structure=DENSE))
