"""A few orders of many that keep the largest quotient to the optimum small, over a sample of sizes.

Candidates are the best orders at the sampled sizes. The table of their quotients is covered greedily, and then each
chosen order is exchanged for any other as long as that helps.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from chainplan.problem.family import SizeRange
from chainplan.solvers.sizes.moves import ChainMoves, Order
from chainplan.solvers.sizes.points import PointPrices, best_at

if TYPE_CHECKING:
    from chainplan._util.arrays import Array

SAMPLED_SIZES = 600
"""Sizes at which orders are compared: half of them on a grid, half of them drawn."""
MAX_CANDIDATES = 300
"""Orders that are compared, the best at most sizes first."""


def sampled(ranges: Sequence[SizeRange], seed: int, extra: Sequence[tuple[int, ...]] = ()) -> Array:
    """Return sizes, evenly in their logarithms: the corners and a grid, drawn ones, and those given."""
    draw = Random(seed)
    side = max(2, round((SAMPLED_SIZES / 2) ** (1 / len(ranges))))
    grid = product(*([_between(low, high, i / (side - 1)) for i in range(side)] for low, high in ranges))
    drawn = [tuple(_between(low, high, draw.random()) for low, high in ranges) for _ in range(SAMPLED_SIZES // 2)]
    return np.array(sorted({*grid, *drawn, *extra}), np.int64)


def _between(low: int, high: int, share: float) -> int:
    return min(high, max(low, int(low * (high / low) ** share + 0.5)))


def few_orders(moves: ChainMoves, points: Array, most: int) -> list[Order]:
    """Return at most so many orders, in the order of the least sizes at which they are the best of them."""
    priced = PointPrices(moves.names, points)
    optimum, best = best_at(moves, priced)
    count: dict[Order, int] = {}
    for order in best:
        count[order] = count.get(order, 0) + 1
    orders = sorted(count, key=lambda order: (-count[order], order))[:MAX_CANDIDATES]
    table = np.array([priced.total(moves, order) for order in orders])
    with np.errstate(divide="ignore", invalid="ignore"):
        quotients = np.where(table <= optimum, 1.0, table / optimum)
    chosen = covering(quotients, min(most, len(orders)))
    first = quotients[chosen].argmin(axis=0)
    return [orders[chosen[place]] for place in dict.fromkeys(first.tolist())]


def covering(quotients: Array, most: int) -> list[int]:
    """Choose rows so that the largest of the least entries of all columns is small, and their mean second."""
    chosen: list[int] = []
    least = np.full(quotients.shape[1], np.inf)
    while len(chosen) < most and (not chosen or least.max() > 1):
        chosen.append(_best_row(quotients, least))
        least = np.minimum(least, quotients[chosen[-1]])
    improved = True
    while improved:
        improved = False
        for place in range(len(chosen)):
            others = [row for i, row in enumerate(chosen) if i != place]
            rest = quotients[others].min(axis=0) if others else np.full(quotients.shape[1], np.inf)
            other = _best_row(quotients, rest)
            if _key(np.minimum(rest, quotients[other])) < _key(np.minimum(rest, quotients[chosen[place]])):
                chosen[place], improved = other, True
    return chosen


def _best_row(quotients: Array, least: Array) -> int:
    """Return the row that helps most; of equal ones the first."""
    with_each = np.minimum(least, quotients)
    keys = list(zip(with_each.max(axis=1).round(9).tolist(), with_each.mean(axis=1).round(12).tolist(), strict=True))
    return min(range(len(keys)), key=keys.__getitem__)


def _key(least: Array) -> tuple[float, float]:
    return round(float(least.max()), 9), round(float(least.mean()), 12)
