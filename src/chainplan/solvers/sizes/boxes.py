"""A factor by which the best of some orders is proven to stay within the optimum at all sizes of a box.

In logarithms of the sizes the price of an order is convex, a sum of exponentials, and so is its quotient by a concave
lower bound on the optimum quasiconvex: over a cell it is largest at a corner. Such a bound is the interval program with
each term in place of itself by its tangent at the middle of the cell, a linear function below it; the least of sums of
linear functions is concave. Where the cell is too wide for tangents, and for the counts of bands, the price at the
least sizes stands in, which is constant and lower because prices grow with every size; counts of bands in the orders
themselves are taken at the largest sizes. Cells are halved along their widest side until the proven factor is near the
largest quotient that is met at a corner, which none can undercut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from chainplan.problem.family import SizeRange, SizeTerm
from chainplan.solvers.sizes.few import sampled
from chainplan.solvers.sizes.moves import ChainMoves, Order, Price
from chainplan.solvers.sizes.points import ROUNDING, PointPrices, optima

if TYPE_CHECKING:
    from chainplan._util.arrays import Array

NEAR = 1.01
"""The proven factor over the largest quotient met, at which halving ends."""
MAX_CELLS = 40_000
"""Cells that are looked at, at most."""
FIRST_CELLS = 400
"""Cells into which a box is divided at first."""
WIDEST_TANGENT = 0.6
"""The logarithm by which a term may grow from the middle of a cell to its corner for its tangent to be taken."""
_CELLS_AT_ONCE = 2048


@dataclass(frozen=True)
class ProvenFactor:
    """No quotient in the box is more than `factor`, and at the sizes `worst` one is `met`."""

    factor: float
    met: float
    worst: tuple[int, ...]


def prove_factor(
    moves: ChainMoves,
    orders: Sequence[Order],
    ranges: Sequence[SizeRange],
    going: Callable[[], bool],
    near: float = NEAR,
    most_cells: int = MAX_CELLS,
    claimed: float | None = None,
) -> ProvenFactor:
    """Return a factor that the best of the orders never exceeds in the box.

    Halving also ends where `going` says no. Where a factor is `claimed`, it ends once that is proven of all cells, or
    once a larger quotient is met; sampled sizes are looked at first.
    """
    cells = _divided(ranges)
    done, met, worst, seen = 1.0, 1.0, tuple(low for low, _ in ranges), 0
    if claimed is not None:
        met, worst = _largest_quotient(moves, orders, sampled(ranges, 0))
    while len(cells):
        proven = np.empty(len(cells))
        for start in range(0, len(cells), _CELLS_AT_ONCE):
            part = cells[start : start + _CELLS_AT_ONCE]
            proven[start : start + len(part)], quotients = _quotients(moves, orders, part)
            if quotients.max() > met:
                at = int(quotients.argmax())
                met, worst = float(quotients[at]), tuple(map(int, part[at, 0]))
        seen += len(cells)
        enough = met * near if claimed is None else max(claimed, met if met > claimed * (1 + ROUNDING) else 0.0)
        open_ = (proven > enough) & (cells[:, 1] > cells[:, 0]).any(axis=1)
        if seen > most_cells or not open_.any() or not going():
            done = max(done, float(proven.max()))
            break
        done = max(done, float(proven[~open_].max(initial=1.0)))
        cells = _halved(cells[open_])
    return ProvenFactor(max(done, met), met, worst)


def _largest_quotient(moves: ChainMoves, orders: Sequence[Order], points: Array) -> tuple[float, tuple[int, ...]]:
    """Return the largest quotient at some sizes, and where it is met."""
    at = PointPrices(moves.names, points)
    quotients = _ratio(np.min([at.total(moves, order) for order in orders], axis=0), optima(moves, at))
    worst = int(quotients.argmax())
    return float(quotients[worst]), tuple(map(int, points[worst]))


def _divided(ranges: Sequence[SizeRange]) -> Array:
    """Divide a box into cells of about equal logarithmic sides: an array of cells x (least, largest) x names."""
    spans = [np.log(high / low) for low, high in ranges]
    longest = max(*spans, 1e-9) if len(spans) > 1 else max(spans[0], 1e-9)
    parts = max(1.0, FIRST_CELLS ** (1 / len(ranges)))
    sides = [
        _edges(low, high, int(np.ceil(parts * span / longest))) for (low, high), span in zip(ranges, spans, strict=True)
    ]
    return np.array([list(zip(*cell, strict=True)) for cell in product(*sides)], np.int64)


def _edges(low: int, high: int, parts: int) -> list[SizeRange]:
    """Divide a range into parts that grow by about the same factor; all whole numbers are in one of them."""
    cuts = {low, *(round(low * (high / low) ** (i / max(parts, 1))) for i in range(1, parts))}
    starts = sorted(cut for cut in cuts if cut <= high)
    return list(zip(starts, [*(start - 1 for start in starts[1:]), high], strict=True))


def _halved(cells: Array) -> Array:
    """Halve each cell along the name whose size grows by the largest factor in it."""
    low, high = cells[:, 0], cells[:, 1]
    name = np.log(high / low).argmax(axis=1)
    rows = np.arange(len(cells))
    a, b = low[rows, name], high[rows, name]
    middle = np.clip(np.sqrt(a.astype(float) * b).astype(np.int64), a, b - 1)
    first, second = cells.copy(), cells.copy()
    first[rows, 1, name], second[rows, 0, name] = middle, middle + 1
    return np.concatenate([first, second])


def _quotients(moves: ChainMoves, orders: Sequence[Order], cells: Array) -> tuple[Array, Array]:
    """Return what is proven of each cell, and the quotient at its least sizes."""
    least = PointPrices(moves.names, cells[:, 0])
    floor = _ratio(np.min([least.total(moves, order) for order in orders], axis=0), optima(moves, least))
    shape = len(cells), 2 ** cells.shape[2]
    corners = _corners(cells)
    below = _Tangents(moves.names, cells, least)
    optimum = optima(moves, below).reshape(shape)
    tops = _Ceilings(moves.names, corners, PointPrices(moves.names, cells[:, 1]))
    prices = [np.sum([tops.price(price) for price in moves.prices(order)], axis=0).reshape(shape) for order in orders]
    proven = np.min([_ratio(price, optimum).max(axis=1) for price in prices], axis=0)
    single = (cells[:, 0] == cells[:, 1]).all(axis=1)
    return np.where(single, floor, proven * (1 + ROUNDING)), floor


def _ratio(price: Array, optimum: Array) -> Array:
    """Return quotients; it is 1 where nothing costs anything, and endless where there is no bound."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Array = np.where(price <= optimum, 1.0, np.where(optimum > 0, price / optimum, np.inf))
    return result


def _corners(cells: Array) -> Array:
    """Return the corners of all cells, those of one cell after the other: (cells · corners) x names."""
    ends = np.array(list(product((0, 1), repeat=cells.shape[2])))
    return np.stack([cells[:, ends[:, i], i] for i in range(cells.shape[2])], axis=2).reshape(-1, cells.shape[2])


class _Ceilings:
    """Prices at the corners of cells; counts of bands are those at the largest sizes of the cell."""

    def __init__(self, names: Sequence[str], corners: Array, largest: PointPrices) -> None:
        self._at, self._largest = PointPrices(names, corners), largest
        self.count = len(corners)

    def price(self, price: Price) -> Array:
        if isinstance(price, SizeTerm):
            return self._at.price(price)
        return np.repeat(self._largest.price(price), self.count // self._largest.count)


class _Tangents:
    """Lower bounds on prices that are linear in the logarithms of the sizes of a cell, at all its corners."""

    def __init__(self, names: Sequence[str], cells: Array, least: PointPrices) -> None:
        self._names, self._least = tuple(names), least
        logs = np.log(cells.astype(float))
        middle = logs.mean(axis=1)
        self._middle = PointPrices(names, np.exp(middle))
        self._half = (logs[:, 1] - logs[:, 0]) / 2
        signs = np.array(list(product((-1.0, 1.0), repeat=cells.shape[2])))
        self._steps = self._half[:, None, :] * signs
        self.count = len(cells) * len(signs)
        self._known: dict[Price, Array] = {}

    def price(self, price: Price) -> Array:
        if price not in self._known:
            self._known[price] = self._bound(price).ravel()
        return self._known[price]

    def _bound(self, price: Price) -> Array:
        corners = self._steps.shape[1]
        least = np.repeat(self._least.price(price)[:, None], corners, axis=1)
        if not isinstance(price, SizeTerm) or not price.names:
            return least
        powers = np.array([price.names.count(name) for name in self._names], float)
        tangent = self._middle.price(price)[:, None] * (1 + self._steps @ powers)
        narrow = self._half @ powers <= WIDEST_TANGENT
        result: Array = np.where(narrow[:, None], tangent, least)
        return result
