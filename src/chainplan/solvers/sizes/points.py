"""Optima and prices of orders at many sizes at once: one interval program for all of them, on arrays of floats.

Prices up to 2^53 are exact; larger ones are rounded, by less than `ROUNDING` of themselves in all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from chainplan.problem.family import SizeTerm
from chainplan.solvers.sizes.moves import ChainMoves, Order, Price

if TYPE_CHECKING:
    from chainplan._util.arrays import Array

ROUNDING = 1e-9
"""A share of any price, which is more than all its rounding errors together."""


class Priced(Protocol):
    """Prices at some sizes."""

    count: int

    def price(self, price: Price) -> Array: ...


class PointPrices:
    """Prices at points: an array of points x names."""

    def __init__(self, names: Sequence[str], points: Array) -> None:
        self.sizes = {name: np.asarray(points[:, i], float) for i, name in enumerate(names)}
        self.count = len(points)
        self._known: dict[Price, Array] = {}

    def price(self, price: Price) -> Array:
        """Return a price at all points."""
        if price not in self._known:
            made = price.at(self.sizes) if isinstance(price, SizeTerm) else price.at_points(self.sizes)
            self._known[price] = np.broadcast_to(np.asarray(made, float), (self.count,))
        return self._known[price]

    def total(self, moves: ChainMoves, order: Order) -> Array:
        """Return the price of an order at all points."""
        total: Array = np.sum([self.price(price) for price in moves.prices(order)], axis=0)
        return total


def optima(moves: ChainMoves, priced: Priced) -> Array:
    """Return the price of the cheapest order at each point."""
    return _program(moves, priced, None)


def best_at(moves: ChainMoves, priced: Priced) -> tuple[Array, list[Order]]:
    """Return the price of the cheapest order at each point, and the order; of equal ones the first."""
    numbers: dict[tuple[int, int], Array] = {}

    def note(interval: tuple[int, int], number: int, better: Array | None) -> None:
        if better is None:
            numbers[interval] = np.zeros(priced.count, np.intp)
        else:
            numbers[interval][better] = number

    prices = _program(moves, priced, note)
    known: dict[bytes, Order] = {}
    table = np.array([numbers[interval] for interval in moves.moves], np.int32).T
    place = {interval: i for i, interval in enumerate(moves.moves)}
    orders = []
    for row in table:
        key = row.tobytes()
        if key not in known:
            known[key] = moves.order(lambda interval, row=row: int(row[place[interval]]))  # type: ignore[misc]
        orders.append(known[key])
    return prices, orders


def _program(
    moves: ChainMoves, priced: Priced, note: Callable[[tuple[int, int], int, Array | None], None] | None
) -> Array:
    best: dict[tuple[int, int], Array] = {}
    for interval, options in moves.moves.items():
        for number, move in enumerate(options):
            total = priced.price(move.price)
            for part in move.parts:
                total = total + best[part]
            if number == 0:
                least = total
                if note is not None:
                    note(interval, 0, None)
            else:
                if note is not None:
                    note(interval, number, total < least)
                least = np.minimum(least, total)
        best[interval] = least
    return best[moves.whole]
