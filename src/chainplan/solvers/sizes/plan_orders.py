"""Orders of a chain read off plans, and their prices in words."""

from __future__ import annotations

from chainplan.errors import PlanError
from chainplan.plans.replay import replay
from chainplan.plans.steps import Accumulate, Plan, Propagate
from chainplan.problem.family import SizeTerm
from chainplan.solvers.chain.derivation import ChainInterval
from chainplan.solvers.sizes.moves import ChainMoves, Order

MAX_PRICE_TERMS = 6
"""The most terms of a price that is written out."""


def order_of(moves: ChainMoves, plan: Plan) -> Order:
    """Return the order of a plan that makes each block once.

    Raises
    ------
    PlanError
        Where the plan is no bracketing of single products and propagations.
    """
    vertices = [moves.elementals[0].source, *(e.target for e in moves.elementals)]
    place = {vertex: i for i, vertex in enumerate(vertices)}
    made: list[ChainInterval] = []
    numbers: dict[ChainInterval, int] = {}
    for step, typed in zip(plan.steps, replay(plan).blocks, strict=True):
        interval = place[typed.source], place[typed.target]
        parts = tuple(sorted(made[operand] for operand in step.operands()))
        mode = step.mode if isinstance(step, Accumulate | Propagate) else None
        fitting = (i for i, move in enumerate(moves.moves[interval]) if (move.parts, move.mode) == (parts, mode))
        number = next(fitting, None)
        if number is None or interval in numbers:
            raise PlanError(f"step {len(made)}: expected each block once, by a product of two or by a propagation.")
        numbers[interval] = number
        made.append(interval)
    return moves.order(numbers.__getitem__)


def price_text(moves: ChainMoves, order: Order) -> str | None:
    """Write the price of an order as a sum of terms, None where it is none or a long one."""
    total: dict[tuple[str, ...], int] = {}
    for price in moves.prices(order):
        if not isinstance(price, SizeTerm):
            return None
        total[price.names] = total.get(price.names, 0) + price.coefficient
    terms = [SizeTerm(coefficient, names) for names, coefficient in total.items() if coefficient]
    terms.sort(key=lambda term: (-len(term.names), term.names))
    return " + ".join(map(str, terms)) or "0" if len(terms) <= MAX_PRICE_TERMS else None
