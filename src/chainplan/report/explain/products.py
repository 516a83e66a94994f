"""What is best formed for how many products with vectors: the lower envelope of set-up + k · (one product).

For k products a plan costs a straight line in k, so the least price of all plans is concave and made of pieces of such
lines. Planning at the crossing of two known lines either finds a cheaper plan there, and so a new line, or shows that
nothing lies between them (Eisner and Severance, *Mathematical techniques for efficient record segmentation in large
shared databases*, JACM 23, 1976, section 4). As numbers of products are whole, both numbers beside a crossing are
planned. Where these plans are proven, so is every range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from chainplan.plans.candidate import Candidate
from chainplan.plans.steps import Plan
from chainplan.problem.problem import Problem
from chainplan.problem.products import MAX_PRODUCTS, Products
from chainplan.report.explain.replan import Replanner
from chainplan.report.words.steps import formed_texts, second_texts


class ProductSide(NamedTuple):
    """The products whose number k is varied, in words, and all products that are asked for then."""

    what: str
    asked: Callable[[int], Products]


@dataclass(frozen=True)
class ProductRange:
    """The numbers of products, `first` to `last` (None: and all above), for which one mix is the best.

    It costs `setup` once and `each` for each number of the side. `formed` names the blocks of the set-up on a chain;
    elsewhere it says how many they are.
    """

    what: str
    first: int
    last: int | None
    setup: int
    each: int
    formed: str
    proven: bool


class _ProductLine(NamedTuple):
    """What a plan costs for k products: setup + k · each."""

    setup: int
    each: int
    plan: Plan
    proven: bool

    def value(self, k: int) -> int:
        return self.setup + k * self.each


def sides(problem: Problem) -> list[ProductSide]:
    """List the numbers that are varied: of either side and of both, or of those asked for beside the others."""
    asked = problem.products
    if problem.second is not None:
        return [] if asked is None else [ProductSide("H·v", Products)]
    if asked is None:
        return [
            ProductSide("J·v", lambda k: Products(k, 0)),
            ProductSide("w·J", lambda k: Products(0, k)),
            ProductSide("J·v and w·J each", lambda k: Products(k, k)),
        ]
    found = []
    if asked.right:
        beside = f" beside {asked.left:,} w·J" if asked.left else ""
        found.append(ProductSide(f"J·v{beside}", lambda k: Products(k, asked.left)))
    if asked.left:
        beside = f" beside {asked.right:,} J·v" if asked.right else ""
        found.append(ProductSide(f"w·J{beside}", lambda k: Products(asked.right, k)))
    return found


def product_ranges(problem: Problem, side: ProductSide, replanner: Replanner) -> Iterator[ProductRange]:
    """Yield the ranges of the number of products on a side, from 1 on.

    Raises
    ------
    OutOfQuestionTime
        If there is no time left.
    """

    def line(k: int) -> _ProductLine:
        optimum = replanner.cheapest(replace(problem, products=side.asked(k)))
        prices = Candidate(optimum.plan, problem.cost).priced.products
        one, two = (
            sum(n * (per or 0) for n, per in zip((p.right, p.left), prices[1:], strict=True))
            for p in (side.asked(1), side.asked(2))
        )
        return _ProductLine(prices.setup + 2 * one - two, two - one, optimum.plan, optimum.proven)

    pieces = _envelope(line)
    for (first, found), after in zip(pieces, [*pieces[1:], None], strict=True):
        last = None if after is None else after[0] - 1
        formed = _formed(found.plan)
        yield ProductRange(side.what, first, last, found.setup, found.each, formed, found.proven)


def _envelope(line: Callable[[int], _ProductLine]) -> list[tuple[int, _ProductLine]]:
    """Find the lines of the lower envelope, each with the first number at which it is the lowest."""
    known = {1: line(1), MAX_PRODUCTS: line(MAX_PRODUCTS)}
    todo, starts = [(1, MAX_PRODUCTS)], {1: known[1]}
    while todo:
        a, b = todo.pop()
        low, high = known[a], known[b]
        if low[:2] == high[:2] or low.each <= high.each:
            continue
        crossing = min(max(a, (high.setup - low.setup) // (low.each - high.each)), b - 1)
        for k in (crossing, crossing + 1):
            fresh = known[k] if k in known else line(k)
            if fresh.value(k) < min(low.value(k), high.value(k)):
                known[k] = fresh
                todo += [(a, k), (k, b)]
                break
        else:
            starts[crossing + 1] = high
    return sorted(starts.items())


def _formed(plan: Plan) -> str:
    """Name what the set-up of a plan forms."""
    names = formed_texts(plan) if plan.second is None else second_texts(plan)
    if names is None:
        kept = len({operand for program in plan.programs for step in program.steps for operand in step.operands()})
        return f"{kept:,} blocks are formed" if plan.steps else "nothing is formed"
    if not names:
        return "nothing is formed"
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} formed"
