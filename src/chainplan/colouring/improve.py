"""Local search on a colouring: recolour one side for what the other leaves to it, and give up whole colours.

Recolouring never costs: the demand a side has is one that its present colours meet, and first-fit class by class
(iterated greedy: Culberson, Univ. of Alberta TR 92-07, 1992) needs no more colours than there were classes. Giving up a
colour of one side leaves its nonzeros to the other, which may need more colours then; the trade is kept where the
price does not rise. So the price falls or stays from step to step.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from chainplan.colouring.greedy import first_fit, remaining
from chainplan.colouring.incidence import Side
from chainplan.colouring.model import UNSEEDED, Colouring
from chainplan.colouring.orders import by_class

TRADES = 0.7
PATIENCE = 150


@dataclass(frozen=True)
class Prices:
    """The prices of a tangent and an adjoint; None where there is no such mode."""

    tangent: int | None
    adjoint: int | None

    @property
    def two_sided(self) -> bool:
        """Whether both modes are available."""
        return self.tangent is not None and self.adjoint is not None

    def total(self, tangents: int, adjoints: int) -> int:
        return tangents * (self.tangent or 0) + adjoints * (self.adjoint or 0)

    def key(self, found: Pair) -> tuple[int, int, int]:
        """What colourings are compared by: price, then sweeps, then adjoints, as those need tapes."""
        c, a = sweeps(found.columns), sweeps(found.rows)
        return self.total(c, a), c + a, a


@dataclass(frozen=True)
class Pair:
    """Colours of the columns and of the rows, as the kernels use them."""

    columns: list[int]
    rows: list[int]

    def colouring(self) -> Colouring:
        return Colouring.of(self.columns, self.rows)


def sweeps(colours: Sequence[int]) -> int:
    """Number of colours in use; they are dense from 0."""
    return max(colours, default=UNSEEDED) + 1


def settle(side: Side, pair: Pair, rng: random.Random) -> Pair:
    """Recolour columns for what the rows leave to them, then rows for what those columns leave."""
    columns = recolour(side, pair.columns, pair.rows, rng)
    return Pair(columns, recolour(side.other, pair.rows, columns, rng))


def recolour(side: Side, mine: Sequence[int], others: Sequence[int], rng: random.Random) -> list[int]:
    """Colours for what `others` leave to this side, class by class, the classes in a random or a telling order."""
    rank = _rank(mine, rng)
    return first_fit(remaining(side, others), len(side.members), by_class(mine, rank))


def search(side: Side, start: Pair, prices: Prices, bound: int, work: int, rng: random.Random) -> Pair:
    """Improve a colouring until it costs `bound`, or `PATIENCE` steps or about `work` visits brought nothing more.

    Where one mode is not available the other side's demand is always whole, and colours are never given up.
    """
    best, key = start, prices.key(start)
    cost = 6 * sum(map(len, side.lines)) + 3 * (len(side.lines) + len(side.members))
    patience = PATIENCE
    while work > 0 and patience and key[0] > bound:
        work -= cost
        patience -= 1
        trade = prices.two_sided and rng.random() < TRADES
        found = _trade(side, best, rng) if trade else settle(side, best, rng)
        if prices.key(found) < key:
            patience = PATIENCE
        if prices.key(found) <= key:
            best, key = found, prices.key(found)
    return best


def _trade(side: Side, pair: Pair, rng: random.Random) -> Pair:
    """Give up one colour, of the columns or of the rows, and let the other side take its nonzeros over."""
    c, a = sweeps(pair.columns), sweeps(pair.rows)
    k = rng.randrange(c + a)
    if k < c:
        columns = [UNSEEDED if x == k else x - (x > k) for x in pair.columns]
        rows = recolour(side.other, pair.rows, columns, rng)
        return Pair(recolour(side, columns, rows, rng), rows)
    k -= c
    rows = [UNSEEDED if x == k else x - (x > k) for x in pair.rows]
    columns = recolour(side, pair.columns, rows, rng)
    return Pair(columns, recolour(side.other, rows, columns, rng))


def _rank(colours: Sequence[int], rng: random.Random) -> list[int]:
    """A place for each colour class: reversed, largest first or at random (the mix that Culberson recommends)."""
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
