"""The best colouring found for a pattern and for the prices of its two modes: many heuristics, the cheapest wins.

No heuristic dominates: an arrowhead wants two sides, a band one; orders that win on one matrix lose on the next. So
one-sided colourings under several orders and two-sided ones from several splits compete, the best few are improved by
local search, and the search stops where the lower bound is met. Prices weigh the two sides in every part of it.

Work is counted in visited nonzeros, not in seconds, so that the same input gives the same colouring on every machine.
`effort` times `WORK` visits go to the improvement; how many splits are peeled falls with the number of nonzeros. Below
10^4 nonzeros that takes about a second, with 5·10^5 some seconds. What a bound shows to be useless is left out.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from chainplan.colouring.bounds import check_prices, lower_bound
from chainplan.colouring.exhaustive import best_of_all
from chainplan.colouring.improve import Pair, Prices, search, settle
from chainplan.colouring.incidence import Side, column_side
from chainplan.colouring.model import UNSEEDED, Colouring
from chainplan.colouring.starts import families, one_sided, two_sided
from chainplan.garbage import uncollected

if TYPE_CHECKING:
    from chainplan.colouring.recovery import Pattern

WORK = 30_000_000
SPLITS = 40
COLOURED = 8
IMPROVED = 4
PEEL_WORK = 25


@dataclass(frozen=True)
class Coloured:
    """A colouring, a lower bound on the price of any, and which heuristic found it."""

    colouring: Colouring
    price: int
    bound: int
    method: str

    @property
    def optimal(self) -> bool:
        """Whether the bound proves that no direct colouring is cheaper."""
        return self.price == self.bound


@dataclass(frozen=True)
class _Candidate:
    method: str
    pair: Pair


def colour(pattern: Pattern, tangent: int | None, adjoint: int | None, *, effort: float = 1, seed: int = 0) -> Coloured:
    """The cheapest direct colouring of a pattern that is found, with a lower bound.

    Parameters
    ----------
    pattern : Pattern
        m x n, sorted indices and no duplicates; only its structure counts.
    tangent, adjoint : int | None
        What one sweep of each mode costs; None where there is no such mode.
    effort : float
        Multiplies the work of the improvement; 0 leaves it out.
    seed : int
        Of the random choices in the improvement.

    Raises
    ------
    ValueError
        If no mode is available, or a price or the effort is negative.
    """
    check_prices(tangent, adjoint)
    if effort < 0:
        raise ValueError(f"the effort is {effort}; it counts from 0.")
    with uncollected():
        side = column_side(pattern)
        tiny = best_of_all(side, tangent, adjoint)
        if tiny is not None:
            price = tiny.price(tangent, adjoint)
            return Coloured(tiny, price, price, "exhaustive")
        bound = lower_bound(pattern, tangent, adjoint)
        prices, work = Prices(tangent, adjoint), int(effort * WORK)
        best = _Portfolio(pattern, side, prices, bound, work, random.Random(seed)).run()
    found = best.pair.colouring()
    return Coloured(found, found.price(tangent, adjoint), bound, best.method)


@final
class _Portfolio:
    """The candidates of one pattern, cheapest first, and what is left of the work."""

    def __init__(self, pattern: Pattern, side: Side, prices: Prices, bound: int, work: int, rng: random.Random) -> None:
        self.pattern, self.side, self.prices = pattern, side, prices
        self.bound, self.work, self.rng = bound, work, rng
        self.nonzeros = 1 + pattern.nnz
        self.sides = {"columns", "rows"}
        self.found: list[_Candidate] = []

    def run(self) -> _Candidate:
        self._one_sided(self.bound)
        if self.prices.two_sided and self._least > self.bound:
            self._splits()
            self._one_sided(self._least - 1)
        self.found.sort(key=lambda candidate: self.prices.key(candidate.pair))
        self._improve()
        return self.found[0]

    @property
    def _least(self) -> float:
        keys = (self.prices.key(candidate.pair)[0] for candidate in self.found)
        return min(keys, default=math.inf)

    def _one_sided(self, most: float) -> None:
        """Columns alone and rows alone, each unless tried or its most crowded line shows that it costs above `most`."""
        m, n = self.pattern.shape
        tangent, adjoint = self.prices.tangent, self.prices.adjoint
        most = most if self.prices.two_sided else math.inf
        if "columns" in self.sides and tangent is not None and lower_bound(self.pattern, tangent, None) <= most:
            self.sides.remove("columns")
            for order, colours in one_sided(self.pattern, self.side):
                self.found.append(_Candidate(f"columns, {order}", Pair(colours, [UNSEEDED] * m)))
        if "rows" in self.sides and adjoint is not None and lower_bound(self.pattern, None, adjoint) <= most:
            self.sides.remove("rows")
            for order, colours in one_sided(self.pattern.T.tocsr(), self.side.other):
                self.found.append(_Candidate(f"rows, {order}", Pair([UNSEEDED] * n, colours)))

    def _splits(self) -> None:
        """Two-sided colourings of the most promising splits, family after family until one meets the bound."""
        count = min(SPLITS, WORK // (PEEL_WORK * self.nonzeros))
        for family in families(self.side, self.prices, count):
            splits = [(name, split()) for name, split in family]
            splits.sort(key=lambda entry: self.prices.total(entry[1].rows_most, entry[1].columns_most))
            for name, split in splits[: max(1, min(COLOURED, count))]:
                pair = min(two_sided(self.side, split), key=self.prices.key)
                self.found.append(_Candidate(f"two sides, {name}", settle(self.side, pair, self.rng)))
                if self._least <= self.bound:
                    return

    def _improve(self) -> None:
        """Local search on the best few, the work shared equally."""
        for k, candidate in enumerate(self.found[:IMPROVED]):
            pair = search(self.side, candidate.pair, self.prices, self.bound, self.work // IMPROVED, self.rng)
            if self.prices.key(pair) < self.prices.key(candidate.pair):
                self.found[k] = _Candidate(f"{candidate.method}, improved", pair)
        self.found.sort(key=lambda candidate: self.prices.key(candidate.pair))
