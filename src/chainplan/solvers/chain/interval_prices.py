"""Prices of all intervals of a chain, by interval dynamic programming.

Listed patterns and objectives in time are priced split by split (`interval_table`). All other chains are priced by
anti-diagonals in numpy, in two layouts of one table: by start for right factors, by end and backwards for left ones,
so that the candidates of an interval are the sum of two contiguous rows. No table of splits is kept, as the walk back
derives the split of each of the q-1 intervals it visits. Numbers are int64 where every intermediate result provably
fits and Python ints elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainplan.compiled.loader import SMALLEST_UNCOMPILED_NUMBER, compiled_core
from chainplan.plans.compressed_sweep import CompressedSweep
from chainplan.problem.cost import Fma, LeastFma
from chainplan.problem.graph import Elemental, Mode
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.compressed_intervals import SweepChoices
from chainplan.solvers.chain.derivation import (
    Derivation,
    ElementalDerivation,
    ProductDerivation,
    PropagationDerivation,
    SweepDerivation,
    leaf_options,
    sizes_of,
)
from chainplan.solvers.chain.interval_table import IntervalTable
from chainplan.solvers.search.search import Search
from chainplan.structures import Banded, BlockDiagonal, Dense, Kronecker, OnDiagonal, Zero

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike

    from chainplan._util.arrays import Array, DType
    from chainplan.solvers.chain.interval_products import LastProducts

MAX_DP_CHAIN_LENGTH = 5000
"""Elementals of the longest chain that is priced by anti-diagonals."""
MAX_SINGLY_TREATED_CHAIN_LENGTH = 300
"""Elementals of the longest chain whose patterns are multiplied, or whose products are priced, one by one."""


def filled(problem: Problem, sweeps: SweepChoices, search: Search) -> FmaTable | IntervalTable:
    """The table with the prices of all intervals of a chain, in O(q³) time for q elementals.

    Raises
    ------
    SearchStopped
        When the budget of the search has run out.
    """
    chain = problem.graph.chain
    table = (
        FmaTable(chain, sweeps, _last_products(problem, search))
        if _priced_by_diagonals(problem)
        else IntervalTable(chain, problem.cost, sweeps)
    )
    for length in range(2, len(chain) + 1):
        table.fill(length)
        search.tick((length / len(chain)) ** 2)
    return table


def _priced_by_diagonals(problem: Problem) -> bool:
    """Whether all prices follow from counts that are kept in tables, so that numpy computes many at once."""
    from chainplan.solvers.chain.listed_products import counts_fit

    return type(problem.cost) in (Fma, LeastFma) and (_evenly_filled(problem) or counts_fit(problem.graph.chain))


def longest_chain(problem: Problem) -> int:
    """The elementals of the longest chain like this one that is not refused."""
    from chainplan.solvers.chain.interval_bits import bits_fit

    if not _priced_by_diagonals(problem):
        return MAX_SINGLY_TREATED_CHAIN_LENGTH
    quick = _evenly_filled(problem) or (problem.graph.exact and bits_fit(problem.graph.chain))
    return MAX_DP_CHAIN_LENGTH if quick else MAX_SINGLY_TREATED_CHAIN_LENGTH


def _evenly_filled(problem: Problem) -> bool:
    """Whether all counts are constant or those of bands."""
    return all(isinstance(e.block.structure, _EVENLY_FILLED) for e in problem.graph.chain)


def _last_products(problem: Problem, search: Search) -> Callable[[DTypeLike], LastProducts]:
    """What makes the prices of the last products of all intervals, of a type of numbers."""
    chain, graph = problem.graph.chain, problem.graph
    if _evenly_filled(problem):
        from chainplan.solvers.chain.interval_products import IntervalProducts

        return lambda dtype: IntervalProducts(chain, dtype)
    from chainplan.solvers.chain.listed_products import ListedProducts

    least = isinstance(problem.cost, LeastFma)
    return lambda dtype: ListedProducts(chain, dtype, graph.exact, least, search.watch)


_EVENLY_FILLED = (OnDiagonal, Zero, Dense, Banded, BlockDiagonal, Kronecker)


class FmaTable:
    """Prices of all intervals: `by_start[i, d]` and `by_end[j, q-d]` both hold that of (i, i+d) with j = i+d."""

    def __init__(
        self, chain: tuple[Elemental, ...], sweeps: SweepChoices, products: Callable[[DTypeLike], LastProducts]
    ) -> None:
        import numpy as np

        self.chain, self.q, self._sweeps = chain, len(chain), sweeps
        self._swept: dict[tuple[int, int], CompressedSweep] = {}
        self.sizes = sizes_of(chain)
        self.leaves = [min(leaf_options(chain, i), key=lambda option: option[0]) for i in range(self.q)]
        dtype, self.never = _number_type(chain, self.sizes, sum(price for price, _ in self.leaves))
        self.products = products(dtype)
        self._tables = self.products.tables()
        self._longest = self.products.longest_not_dense, self.products.longest_band
        self._compiled = compiled_core() if self.never < SMALLEST_UNCOMPILED_NUMBER else None
        q = self.q
        self.by_start = np.zeros((q + 1, q + 1), dtype)
        self.by_end = np.zeros((q + 1, q + 1), dtype)
        for i, (price, _) in enumerate(self.leaves):
            self.by_start[i, 1] = self.by_end[i + 1, q - 1] = price
        self._enter_sweeps(1, self.by_start[:q, 1])
        self.tangents = self._propagations(Mode.TANGENT, dtype)
        self.adjoints = self._propagations(Mode.ADJOINT, dtype)
        self.s = np.array(self.sizes, dtype)

    def _propagations(self, mode: Mode, dtype: DTypeLike) -> tuple[Array, Array]:
        """The price per vector of each elemental in a mode, and whether it has that mode."""
        import numpy as np

        prices = [e.per_vector(mode) for e in self.chain]
        return np.array([p or 0 for p in prices], dtype), np.array([p is not None for p in prices])

    def price(self, i: int, j: int) -> int:
        """What the interval (i, j) costs."""
        return int(self.by_start[i, j - i])

    def product_price(self, i: int, j: int, mode: Mode) -> int:
        """What one product of the block of (i, j) with a vector costs, on either side its nonzeros."""
        return self.products.product_fma(i, j - i)

    def fill(self, d: int) -> None:
        """Price all intervals of length d from the shorter ones."""
        import numpy as np

        q = self.q
        count = q - d + 1
        best = self._least_splits(d)
        for price, available, shorter, vectors in (
            (
                self.tangents[0][d - 1 :],
                self.tangents[1][d - 1 :],
                self.by_start[:count, d - 1],
                self.s[:count],
            ),
            (self.adjoints[0][:count], self.adjoints[1][:count], self.by_end[d:, q - d + 1], self.s[d:]),
        ):
            if available.any():
                best = np.minimum(best, np.where(available, shorter + vectors * price, self.never))
        self.by_start[:count, d] = best
        self.by_end[d:, q - d] = best
        self._enter_sweeps(d, best)

    def _least_splits(self, d: int) -> Array:
        """The price of the cheapest split of each interval of length d, some rows at a time to stay in the cache."""
        import numpy as np

        q = self.q
        count = q - d + 1
        best = np.empty(count, self.s.dtype)
        if self._compiled is not None and self._tables is not None:
            self._compiled.least_splits(q, d, *self._longest, (self.by_start, self.by_end, *self._tables, best))
            return best
        rows = max(1, 32_768 // d)
        for a in range(0, count, rows):
            b = min(a + rows, count)
            candidates = self.products.even_prices(a, b, d)
            candidates += self.by_start[a:b, 1:d]
            candidates += self.by_end[a + d : b + d, q - d + 1 : q]
            i, t = self.products.uneven(a, b, d)
            parts = candidates[i - a, t - 1]
            candidates[i - a, t - 1] = self.never
            best[a:b] = candidates.min(axis=1)
            cheap = np.flatnonzero(parts < best[i])
            if len(cheap):
                prices = parts[cheap] + self.products.uneven_prices(i[cheap], t[cheap], d)
                np.minimum.at(best, i[cheap], prices)
        return best

    def _first_split(self, i: int, d: int, price: int) -> int:
        """The first split at which the interval (i, i+d) has its price."""
        q = self.q
        if self._compiled is not None and self._tables is not None:
            tables = self.by_start, self.by_end, *self._tables
            return i + self._compiled.first_split(q, i, d, *self._longest, price, tables)
        parts = self.by_start[i, 1:d] + self.by_end[i + d, q - d + 1 : q]
        candidates = parts + self.products.even_prices(i, i + 1, d)[0]
        starts, t = self.products.uneven(i, i + 1, d)
        candidates[t - 1] = self.never
        cheap = parts[t - 1] <= price
        starts, t = starts[cheap], t[cheap]
        candidates[t - 1] = parts[t - 1] + self.products.uneven_prices(starts, t, d)
        return i + 1 + int((candidates == price).argmax())

    def _enter_sweeps(self, d: int, best: Array) -> None:
        """Replace the prices of intervals of length d that are cheaper in one compressed sweep."""
        for i in self._sweeps.of_length(d):
            sweep = self._sweeps.cheaper(i, i + d, int(best[i]))
            if sweep is not None:
                self._swept[i, i + d] = sweep
                self.by_start[i, d] = self.by_end[i + d, self.q - d] = sweep.price

    def derive(self, interval: tuple[int, int]) -> Derivation:
        """How the interval gets its price; ties go to tangent, adjoint, first split, sweep, in this order."""
        i, j = interval
        d = j - i
        if interval in self._swept:
            return SweepDerivation(self._swept[interval])
        if d == 1:
            leaf: ElementalDerivation = self.leaves[i][1]
            return leaf
        price = self.price(i, j)
        first, last = self.chain[i], self.chain[j - 1]
        if last.tangent is not None and self.price(i, j - 1) + self.sizes[i] * last.tangent == price:
            return PropagationDerivation(j - 1, Mode.TANGENT, (i, j - 1))
        if first.adjoint is not None and self.price(i + 1, j) + self.sizes[j] * first.adjoint == price:
            return PropagationDerivation(i, Mode.ADJOINT, (i + 1, j))
        k = self._first_split(i, d, price)
        return ProductDerivation((k, j), (i, k))


def _number_type(chain: tuple[Elemental, ...], sizes: list[int], leaves: int) -> tuple[DType, int]:
    """A dtype in which no candidate overflows, and a price that no candidate reaches.

    No product costs more than the three largest sizes multiplied, so no optimum costs more than all leaves and q such
    products. A candidate is the sum of two optima and a product, or of one optimum and a propagation.
    """
    import numpy as np

    a, b, c = ([*sorted(sizes, reverse=True), 1])[:3]
    applied = max(sizes) * max((price or 0) for e in chain for price in (e.tangent, e.adjoint))
    ceiling = 3 * (leaves + (len(chain) + 1) * a * b * c) + applied
    return np.dtype(np.int64 if ceiling < 1 << 62 else object), ceiling + 1
