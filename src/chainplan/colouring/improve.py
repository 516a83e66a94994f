"""Local search on a colouring: recolour one side for what the other leaves to it, and trade colours.

Recolouring never raises the price: the present colours of a side meet the demand on it, and first-fit class by class
(iterated greedy: Culberson, Univ. of Alberta TR 92-07, 1992) needs no more colours than there were classes. Two moves
trade colours of one side for colours of the other: a colour is given up, or a crowded line is seeded and relieves those
that cross it. A trade is kept where the price does not rise, so the price falls or stays from step to step; accepting
dearer colourings for a while (annealing) gives nothing better on the published matrices.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from chainplan.colouring.greedy import first_fit, remaining
from chainplan.colouring.incidence import PatternSide
from chainplan.colouring.model import UNSEEDED, Colouring
from chainplan.colouring.recovery import alone
from chainplan.colouring.vertex_orders import by_class

MAX_FRUITLESS_MOVES = 150
"""Steps without gain after which the search ends."""
VISITS_PER_MOVE = 3
"""Visits that a step counts as, per nonzero of either side, row and column."""
SETTLING_REPEATS = 3
"""Times that the columns are recoloured after a row was seeded."""
MOVE_WEIGHTS = (5, 3, 2)
"""How often each move is made: a trade, a relief, a recolouring of both sides."""


@dataclass(frozen=True)
class SweepPrices:
    """The prices of a tangent and an adjoint; None where there is no such mode."""

    tangent: int | None
    adjoint: int | None

    @property
    def two_sided(self) -> bool:
        """Whether both modes are available."""
        return self.tangent is not None and self.adjoint is not None

    def total(self, tangents: int, adjoints: int) -> int:
        """What so many sweeps cost."""
        return tangents * (self.tangent or 0) + adjoints * (self.adjoint or 0)

    def key(self, pair: ColourPair) -> tuple[int, int, int]:
        """The key that colourings are compared by: price, then sweeps, then adjoints, because these need tapes."""
        c, a = sweeps(pair.columns), sweeps(pair.rows)
        return self.total(c, a), c + a, a


@dataclass(frozen=True)
class ColourPair:
    """The colours of the columns and of the rows, as lists, which the greedy kernels use."""

    columns: list[int]
    rows: list[int]

    def colouring(self) -> Colouring:
        """The same colours as a `Colouring`."""
        return Colouring.of(self.columns, self.rows)


def sweeps(colours: Sequence[int]) -> int:
    """The number of colours in use, which are numbered from 0 without gaps."""
    return max(colours, default=UNSEEDED) + 1


def settle(side: PatternSide, pair: ColourPair, rng: random.Random) -> ColourPair:
    """Recolour the columns for what the rows leave to them, then the rows for what these columns leave."""
    columns = recolour(side, pair.columns, pair.rows, rng)
    return ColourPair(columns, recolour(side.other, pair.rows, columns, rng))


def recolour(side: PatternSide, mine: Sequence[int], others: Sequence[int], rng: random.Random) -> list[int]:
    """Colours of this side for what `others` leave to it, by first-fit class after class in `_class_order`."""
    rank = _class_order(mine, rng)
    return first_fit(remaining(side, others), len(side.members), by_class(mine, rank))


def search(
    side: PatternSide,
    start: ColourPair,
    prices: SweepPrices,
    bound: int,
    work: int,
    rng: random.Random,
    going: Callable[[], bool],
) -> ColourPair:
    """Improve a colouring until it costs `bound`, `MAX_FRUITLESS_MOVES` in a row gain nothing, or it is time to stop.

    That is when `work` is used up or `going` says no. Where one mode is not available nothing can be traded, so each
    step recolours the other side as a whole.
    """
    best, key = start, prices.key(start)
    cost = VISITS_PER_MOVE * (2 * len(side.here.line) + len(side.lines) + len(side.members))
    patience = MAX_FRUITLESS_MOVES
    while work > 0 and patience and key[0] > bound and going():
        work, patience = work - cost, patience - 1
        pair = _step(side, best, rng) if prices.two_sided else settle(side, best, rng)
        if prices.key(pair) < key:
            patience = MAX_FRUITLESS_MOVES
        if prices.key(pair) <= key:
            best, key = pair, prices.key(pair)
    return best


def _step(side: PatternSide, pair: ColourPair, rng: random.Random) -> ColourPair:
    """The colouring after a random move, half of the time with rows and columns exchanged."""
    move = rng.choices((_trade, _relieve, settle), MOVE_WEIGHTS)[0]
    if rng.random() < 0.5:
        return move(side, pair, rng)
    turned = move(side.other, ColourPair(pair.rows, pair.columns), rng)
    return ColourPair(turned.rows, turned.columns)


def _trade(side: PatternSide, pair: ColourPair, rng: random.Random) -> ColourPair:
    """Give up one column colour and let the rows recover its nonzeros."""
    k = rng.randrange(max(1, sweeps(pair.columns)))
    columns = [UNSEEDED if x == k else x - (x > k) for x in pair.columns]
    rows = recolour(side.other, pair.rows, columns, rng)
    return ColourPair(recolour(side, columns, rows, rng), rows)


def _relieve(side: PatternSide, pair: ColourPair, rng: random.Random) -> ColourPair:
    """Seed one of the rows that leave most to the columns, in a new or a used colour, and recolour the columns."""
    vertex, line = side.here.vertex, side.here.line
    left = ~alone(vertex, np.asarray(pair.rows, dtype=np.intp)[line])
    load = np.bincount(line[left], minlength=len(side.members))
    crowded = np.flatnonzero((load > 1) & (load >= load.max() - rng.randrange(3)))
    if not crowded.size:
        return settle(side, pair, rng)
    row, columns, rows = int(crowded[rng.randrange(crowded.size)]), pair.columns, list(pair.rows)
    count = sweeps(rows)
    rows[row] = count if rng.random() < 0.5 or not count else rng.randrange(count)
    for _ in range(SETTLING_REPEATS):
        columns = recolour(side, columns, rows, rng)
    return ColourPair(columns, recolour(side.other, rows, columns, rng))


def _class_order(colours: Sequence[int], rng: random.Random) -> list[int]:
    """A place for each colour class: in reverse, largest first or at random (the mix that Culberson recommends)."""
    count = sweeps(colours)
    kind = rng.randrange(3)
    if kind == 0:
        return list(range(count))[::-1]
    if kind == 1:
        sizes = [0] * (count + 1)
        for colour in colours:
            sizes[colour] += 1
        order = sorted(range(count), key=lambda c: -sizes[c])
    else:
        order = list(range(count))
        rng.shuffle(order)
    rank = [0] * count
    for place, colour in enumerate(order):
        rank[colour] = place
    return rank
