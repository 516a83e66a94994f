"""Colours a pattern for given prices of its two modes: many heuristics compete and the cheapest colouring wins.

No heuristic dominates: an arrowhead needs two sides, a band one; orders that win on one matrix lose on the next. So
one-sided colourings under several orders and two-sided ones from several splits compete, local search improves the best
few, and the search stops where the lower bound is met. The prices weigh the two sides in all parts of the search.

Work is counted in visited nonzeros, not in seconds, so that the same input gives the same colouring on every machine.
`effort` times `VISITS_PER_EFFORT` visits go to the improvement; the number of splits that are peeled falls with the
number of nonzeros. Below 10^4 nonzeros the whole takes about a second, with 5·10^5 some seconds. Heuristics that a
bound shows to be useless are not run.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

from chainplan._util.gc_pause import uncollected
from chainplan.colouring.bounds import ColouringNeeds, SweepCounts, check_prices, least
from chainplan.colouring.exhaustive import all_of, cheapest
from chainplan.colouring.improve import ColourPair, SweepPrices, search, settle
from chainplan.colouring.incidence import PatternSide, column_side
from chainplan.colouring.initial import colour_both_sides, colour_one_side, families
from chainplan.colouring.model import UNSEEDED, Colouring
from chainplan.colouring.witness import Witness

if TYPE_CHECKING:
    from chainplan.colouring.recovery import Pattern

VISITS_PER_EFFORT = 30_000_000
"""Visits of nonzeros that the improvement may take at effort 1."""
MAX_PEELED_SPLITS = 40
"""Most splits of a family that are peeled."""
MAX_COLOURED_SPLITS = 8
"""Most splits of a family that are coloured."""
MAX_IMPROVED_COLOURINGS = 4
"""Candidates that local search improves."""
VISITS_PER_PEELED_NONZERO = 25
"""Visits that peeling counts as, per nonzero."""


@dataclass(frozen=True)
class Coloured:
    """A colouring, what every colouring needs at least, and the heuristic that gave this one.

    Every direct colouring has at least as many tangents and adjoints as one of the pairs `needs`; `bound` is the price
    of the cheapest pair. The `witness` proves what one mode alone needs, as far as pairwise conflicts do.
    """

    colouring: Colouring
    price: int
    bound: int
    method: str
    needs: tuple[SweepCounts, ...]
    witness: Witness
    whole: bool = True
    """Whether there was time for all heuristics."""

    @property
    def optimal(self) -> bool:
        """Whether the bound proves that no direct colouring is cheaper."""
        return self.price == self.bound

    @property
    def turned(self) -> Coloured:
        """The same colouring as one of the transposed pattern, with the two prices exchanged."""
        turned = Colouring(self.colouring.rows, self.colouring.columns)
        needs = tuple((c, a) for a, c in self.needs)
        return replace(self, colouring=turned, needs=needs, witness=Witness(*self.witness[::-1]))


@dataclass(frozen=True)
class _ColouringCandidate:
    """A colouring and the heuristic that gave it."""

    method: str
    pair: ColourPair


def colour(
    pattern: Pattern,
    tangent: int | None,
    adjoint: int | None,
    *,
    effort: float = 1,
    seed: int = 0,
    in_time: Callable[[], bool] | None = None,
) -> Coloured:
    """The cheapest direct colouring of a pattern that the heuristics give, with a lower bound.

    Parameters
    ----------
    pattern : Pattern
        The m x n pattern, with sorted indices and no duplicates; only its structure counts.
    tangent, adjoint : int | None
        What one sweep of each mode costs; None where there is no such mode.
    effort : float
        The factor of the work of the improvement, which is left out at 0.
    seed : int
        The seed of the random choices in the improvement.
    in_time : Callable[[], bool] | None
        Whether there is time for another heuristic; the first one always runs.

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
        tiny = all_of(side, tangent is not None, adjoint is not None)
        if tiny is not None:
            colouring = cheapest(tiny, tangent, adjoint)
            price = colouring.price(tangent, adjoint)
            needs = tuple((one.tangents, one.adjoints) for one in tiny)
            return Coloured(colouring, price, price, "exhaustive", needs, Witness())
        work = int(effort * VISITS_PER_EFFORT)
        portfolio = _ColouringPortfolio(
            pattern, side, SweepPrices(tangent, adjoint), work, random.Random(seed), in_time
        )
        best = portfolio.run()
    colouring, needs, whole = best.pair.colouring(), portfolio.needs.pairs, portfolio.whole
    price = colouring.price(tangent, adjoint)
    return Coloured(colouring, price, portfolio.bound, best.method, needs, portfolio.witness, whole)


@final
class _ColouringPortfolio:
    """The candidates for one pattern, the needs proven so far, and the limits of the search."""

    def __init__(
        self,
        pattern: Pattern,
        side: PatternSide,
        prices: SweepPrices,
        work: int,
        rng: random.Random,
        in_time: Callable[[], bool] | None,
    ) -> None:
        self.pattern, self.side, self.prices = pattern, side, prices
        self.work, self.rng, self._in_time = work, rng, in_time
        self.whole = True
        self.needs = ColouringNeeds.of(pattern, prices.tangent, prices.adjoint)
        self.witness = Witness()
        self.nonzeros = 1 + pattern.nnz
        self.sides = {"columns", "rows"}
        self.candidates: list[_ColouringCandidate] = []

    def run(self) -> _ColouringCandidate:
        """The cheapest candidate after all heuristics that may still gain something."""
        self._colour_one_side(self.bound)
        if self.prices.two_sided and self._least > self.bound:
            self._colour_splits()
            if self._going():
                self._colour_one_side(self._least - 1)
        self.candidates.sort(key=lambda candidate: self.prices.key(candidate.pair))
        self._improve()
        return self.candidates[0]

    def _going(self) -> bool:
        """Whether there is time for another heuristic; there always is until a candidate exists."""
        return not self.candidates or self._has_time()

    def _has_time(self) -> bool:
        """Whether there is time left; what is left out without it makes the search less than whole."""
        self.whole = self.whole and (self._in_time is None or self._in_time())
        return self.whole

    @property
    def bound(self) -> int:
        """A price that no colouring undercuts."""
        return least(self.needs.pairs, self.prices.tangent, self.prices.adjoint)

    @property
    def _least(self) -> float:
        """The least price of a candidate, infinite where there is none."""
        keys = (self.prices.key(candidate.pair)[0] for candidate in self.candidates)
        return min(keys, default=math.inf)

    def _colour_one_side(self, most: float) -> None:
        """Colour columns alone and rows alone.

        Either is left out where it was tried before or its longest line shows that it costs more than `most`.
        """
        m, n = self.pattern.shape
        tangent, adjoint = self.prices.tangent, self.prices.adjoint
        most = most if self.prices.two_sided else math.inf
        if "columns" in self.sides and tangent is not None and (self.needs.tangents or 0) * tangent <= most:
            self.sides.remove("columns")
            alone = colour_one_side(self.pattern, self.side, self._has_time)
            self.needs = self.needs._replace(tangents=alone.fewest)
            self.witness = self.witness._replace(columns=alone.witness)
            for order, colours in alone.colourings:
                self.candidates.append(_ColouringCandidate(f"columns, {order}", ColourPair(colours, [UNSEEDED] * m)))
            if self._least <= self.bound or not self._going():
                return
        if "rows" in self.sides and adjoint is not None and (self.needs.adjoints or 0) * adjoint <= most:
            self.sides.remove("rows")
            alone = colour_one_side(self.pattern.T.tocsr(), self.side.other, self._has_time)
            self.needs = self.needs._replace(adjoints=alone.fewest)
            self.witness = self.witness._replace(rows=alone.witness)
            for order, colours in alone.colourings:
                self.candidates.append(_ColouringCandidate(f"rows, {order}", ColourPair([UNSEEDED] * n, colours)))

    def _colour_splits(self) -> None:
        """Colour both sides of the most promising splits, family after family until a colouring meets the bound."""
        count = min(MAX_PEELED_SPLITS, VISITS_PER_EFFORT // (VISITS_PER_PEELED_NONZERO * self.nonzeros))
        for family in families(self.side, self.prices, count):
            splits = [(name, split()) for name, split in family if self._going()]
            splits.sort(key=lambda entry: self.prices.total(entry[1].rows_most, entry[1].columns_most))
            for name, split in splits[: max(1, min(MAX_COLOURED_SPLITS, count))]:
                pair = min(colour_both_sides(self.side, split), key=self.prices.key)
                self.candidates.append(_ColouringCandidate(f"two sides, {name}", settle(self.side, pair, self.rng)))
                if self._least <= self.bound or not self._going():
                    return

    def _improve(self) -> None:
        """Improve the best few candidates by local search, which share the work equally."""
        for k, candidate in enumerate(self.candidates[:MAX_IMPROVED_COLOURINGS]):
            if not self._going():
                break
            work = self.work // MAX_IMPROVED_COLOURINGS
            pair = search(self.side, candidate.pair, self.prices, self.bound, work, self.rng, self._has_time)
            if self.prices.key(pair) < self.prices.key(candidate.pair):
                self.candidates[k] = _ColouringCandidate(f"{candidate.method}, improved", pair)
        self.candidates.sort(key=lambda candidate: self.prices.key(candidate.pair))
