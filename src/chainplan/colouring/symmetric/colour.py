"""Colours a symmetric pattern: several greedy colourings compete, local search improves the best, bounds judge it.

As in the colouring of one or two sides no order wins on all patterns, work is counted in visited entries and not in
seconds, and the search stops where the lower bound is met. A product with a colour is worth the same whatever it
recovers, so that there are no prices here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from chainplan._util.gc_pause import uncollected
from chainplan.colouring.improve import sweeps
from chainplan.colouring.incidence import column_side
from chainplan.colouring.initial import colour_one_side
from chainplan.colouring.model import UNSEEDED
from chainplan.colouring.symmetric.adjacency import Adjacency, adjacency
from chainplan.colouring.symmetric.bounds import SymmetricBound, SymmetricWitness, cheap_bound, searched_bound
from chainplan.colouring.symmetric.exhaustive import fewest_colours
from chainplan.colouring.symmetric.first_fit import first_fit, most_constrained_first
from chainplan.colouring.symmetric.improve import improved, numbered
from chainplan.colouring.symmetric.lattices import symmetric_lattice
from chainplan.colouring.symmetric.model import SymmetricColouring
from chainplan.colouring.vertex_orders import (
    dynamic_largest_first,
    incidence_degree,
    largest_first,
    natural,
    smallest_last,
)

if TYPE_CHECKING:
    from chainplan.colouring.recovery import Pattern

SYMMETRIC_VISITS_PER_EFFORT = 2_000_000
"""Visits of entries that the improvement may take at effort 1."""
MAX_SATURATED_PAIRS = 400_000
"""Pairs of edges that meet, up to which the most constrained vertex is looked for."""
MAX_EXHAUSTIVE_VERTICES = 40
"""Vertices of the largest graph of which all colourings may be tried, within the work of the improvement."""


@dataclass(frozen=True)
class SymmetricColoured:
    """A colouring of a symmetric pattern, what every colouring needs at least, and the heuristic that gave this one.

    No colouring that recovers in the same way has fewer colours than `bound`, which the `witness` proves.
    """

    colouring: SymmetricColouring
    bound: int
    method: str
    witness: SymmetricWitness
    whole: bool = True
    """Whether there was time for all heuristics."""

    @property
    def optimal(self) -> bool:
        """Whether the bound proves that no colouring has fewer colours."""
        return self.colouring.products == self.bound


def colour_symmetric(
    pattern: Pattern,
    *,
    substitution: bool = False,
    effort: float = 1,
    seed: int = 0,
    in_time: Callable[[], bool] | None = None,
) -> SymmetricColoured:
    """A colouring of a symmetric pattern with few colours, and a lower bound.

    Where the whole diagonal is nonzero it is a star colouring, or with `substitution` an acyclic one.

    Parameters
    ----------
    pattern : Pattern
        The n x n pattern, with sorted indices and no duplicates; only its structure counts.
    substitution : bool
        Whether nonzeros may be taken off others that are known already; otherwise each is read off directly. It takes
        fewer colours, and its rounding errors add up along the trees of equations.
    effort : float
        The factor of the work of the improvement, which is left out at 0.
    seed : int
        The seed of the random choices in the improvement.
    in_time : Callable[[], bool] | None
        Whether there is time for another heuristic; the first one always runs.

    Returns
    -------
    SymmetricColoured
        The colouring, the bound and its witness.

    Raises
    ------
    ShapeError
        If the pattern is not square, or not symmetric.
    ValueError
        If the effort is negative.

    Notes
    -----
    Cost: O(edges · colours / 64) for each of up to seven greedy colourings, and the work of the improvement.
    Exact: where the bound is met; small graphs are searched exhaustively.

    Examples
    --------
    >>> from scipy.sparse import diags_array
    >>> tridiagonal = diags_array([[1.0] * 9, [1.0] * 10, [1.0] * 9], offsets=[-1, 0, 1]).tocsr()
    >>> colour_symmetric(tridiagonal).colouring
    SymmetricColouring(3 products, direct)
    >>> found = colour_symmetric(tridiagonal, substitution=True)
    >>> found.colouring, found.optimal
    (SymmetricColouring(2 products, substitution), True)
    """
    if effort < 0:
        raise ValueError(f"the effort is {effort}; it counts from 0.")
    with uncollected():
        search = _SymmetricPortfolio(pattern, adjacency(pattern), substitution, in_time)
        search.run(int(effort * SYMMETRIC_VISITS_PER_EFFORT), random.Random(seed))
    colouring = SymmetricColouring.of(search.best, substitution)
    return SymmetricColoured(colouring, search.bound.fewest, search.method, search.bound.witness, search.whole)


@final
class _SymmetricPortfolio:
    """The best colouring so far, the heuristic that gave it, and the bound."""

    def __init__(
        self, pattern: Pattern, graph: Adjacency, substitution: bool, in_time: Callable[[], bool] | None
    ) -> None:
        self.pattern, self.graph, self.substitution, self._in_time = pattern, graph, substitution, in_time
        self.whole, self.method = True, "one each"
        self.best = numbered([v if graph.members(v) else UNSEEDED for v in range(len(graph.neighbours))])
        self.bound: SymmetricBound = cheap_bound(graph, substitution)

    @property
    def _open(self) -> bool:
        """Whether the best colouring is not proven to be one of the fewest colours."""
        return sweeps(self.best) > self.bound.fewest

    def _has_time(self) -> bool:
        """Whether there is time left; what is left out without it makes the search less than whole."""
        self.whole = self.whole and (self._in_time is None or self._in_time())
        return self.whole

    def run(self, work: int, rng: random.Random) -> None:
        """Try the heuristics from the cheapest to the dearest, until the bound is met."""
        for method, make in self._ways():
            if not self._open or (method != "natural" and not self._has_time()):
                return
            self._take(method, make())
        if self._open and work and self._has_time():
            found = improved(self.graph, self.substitution, self.best, self.bound.fewest, work, rng, self._has_time)
            self._take(f"{self.method}, improved", found)
        if self._open and work and len(self.best) <= MAX_EXHAUSTIVE_VERTICES and self._has_time():
            self._search(work)

    def _take(self, method: str, colours: list[int] | None) -> None:
        """Keep a colouring where it is better."""
        if colours is not None and sweeps(colours) < sweeps(self.best):
            filled = [c if self.graph.members(v) else UNSEEDED for v, c in enumerate(colours)]
            self.method, self.best = method, numbered(filled)

    def _ways(self) -> Iterator[tuple[str, Callable[[], list[int] | None]]]:
        """The heuristics by name; the bound is raised after the first."""
        rows, substitution = self.graph.neighbours, self.substitution
        yield "natural", lambda: first_fit(rows, substitution, natural(len(rows)))
        if self._open:
            self.bound = searched_bound(self.graph, substitution, self.bound, sweeps(self.best))
        fewest = self.bound.fewest
        yield "lattice", lambda: symmetric_lattice(self.pattern, self.graph, substitution, fewest, sweeps(self.best))
        if sum(len(row) ** 2 for row in rows) <= MAX_SATURATED_PAIRS:
            yield "most constrained first", lambda: most_constrained_first(rows, substitution)
            if max(map(len, self.graph.neighbours)) + 1 < sweeps(self.best) and not substitution:
                yield "one side", self._one_side
        yield "smallest last", lambda: first_fit(rows, substitution, smallest_last(rows))
        yield "incidence degree", lambda: first_fit(rows, substitution, incidence_degree(rows))
        yield "largest first", lambda: first_fit(rows, substitution, largest_first(list(map(len, rows))))
        yield "dynamic largest first", lambda: first_fit(rows, substitution, dynamic_largest_first(rows))

    def _one_side(self) -> list[int]:
        """The best colouring in which no two columns of a colour meet in a row, which recovers in all rows."""
        found = colour_one_side(self.pattern, column_side(self.pattern), self._has_time)
        return min((one.colours for one in found.colourings), key=sweeps)

    def _search(self, work: int) -> None:
        """Try all colourings with fewer colours."""
        most = sweeps(self.best) - 1
        found = fewest_colours(self.graph, self.substitution, self.bound.fewest, most, work)
        self._take("exhaustive", found.colours)
        if found.least > self.bound.fewest:
            self.bound = SymmetricBound(found.least, SymmetricWitness("search", tuple(range(len(self.best)))))
