"""The cheapest order of a few vertices of a work graph, exactly, by dynamic programming over all their subsets.

What a vertex costs depends only on the *set* eliminated before it, so the cheapest way to eliminate a set is the best
over its last member (Held & Karp 1962 for orders; the recurrence of `branch_and_bound` without the split into
components, which does not pay below a dozen vertices when whole arrays of subsets are treated at once). All tables are
indexed by subsets of the fragment as bit masks. Outside vertices enter by their weight alone: one subset-sum transform
gives the weight of all neighbours of every set as a sum over the outside vertices that touch it.

Structured blocks are priced by the block algebra (`subset_prices`).
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

from chainplan._util.byte_cache import kept
from chainplan.compiled.loader import compiled_core
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.elimination.subset_neighbours import FragmentSides, through
from chainplan.solvers.elimination.subset_prices import structured_prices

if TYPE_CHECKING:
    from chainplan._util.arrays import Array


def best_order(work: WorkGraph, vertices: Sequence[int], rng: Random, heat: float = 0.0) -> list[int]:
    """The cheapest order of eliminating `vertices` next; ties are broken at random.

    With `heat` every price is first multiplied by a random factor between 1 and 1 + heat.

    Cost: O(k · 2^k) numbers for k vertices, in arrays of numpy.
    """
    local = sorted(vertices)
    prices = dense_prices(work, local) if work.dense else structured_prices(work, local)
    return [local[i] for i in _cheapest(_disturbed(prices, rng, heat))]


def dense_prices(work: WorkGraph, local: Sequence[int], outside: tuple[Array, Array] | None = None) -> Array:
    """Row v, column E: what eliminating v costs, by w(P) and w(S), when the set E of the fragment is gone.

    Columns of sets that hold v itself mean nothing.

    `outside` may hold, for every set of the fragment, what the vertices outside that touch it count upstream and
    downstream; by default that is their weight.
    """
    import numpy as np

    k, core = len(local), compiled_core()
    kept = sum(1 << i for i, v in enumerate(local) if work.kept[v])
    if core is not None and outside is None:
        prices = np.empty((k, 1 << k), np.int64)
        rows = work.size, work.into, work.out
        if core.fragment_prices(list(local), *rows, kept, work.prices.adds, prices):
            return prices
    into, out = FragmentSides(work, local, work.into), FragmentSides(work, local, work.out)
    sizes = [work.size[v] for v in local]
    widest = 2 * (into.most + sum(sizes)) * (out.most + sum(sizes)) * max(sizes) * k
    dtype = np.dtype(np.int64 if widest < 1 << 44 else object)
    inside = np.zeros(1, dtype)
    for size in sizes:
        inside = np.concatenate((inside, inside + size))
    gone = np.arange(1 << k, dtype=np.int32)
    sources = through(into.near, range(k))
    targets = through(out.near, range(k - 1, -1, -1))
    above, below = (into.outside(dtype), out.outside(dtype)) if outside is None else outside
    ins = above[sources] + inside[into.neighbours()[sources] & ~gone]
    outs = below[targets] + inside[out.neighbours()[targets] & (~gone | kept)]
    totals = ins * outs
    if work.prices.adds:
        goes = np.array([int(not work.kept[v]) for v in local], dtype)[:, None]
        totals = 2 * totals - outs - goes * (ins - 1)
    return np.asarray(np.array(sizes, dtype)[:, None] * totals)


def least_total(prices: Array) -> int:
    """The least total price of all orders, where row v and column E hold the price of v after the set E."""
    total = gone = 0
    for i in _cheapest(prices):
        total += int(prices[i, gone])
        gone |= 1 << i
    return total


def _disturbed(prices: Array, rng: Random, heat: float) -> Array:
    """Prices with small random numbers that break ties or, where heat is given, with random factors."""
    import numpy as np

    draw = np.random.default_rng(rng.getrandbits(64))
    k = len(prices)
    if prices.dtype == object:
        return np.asarray(prices * 1024 + draw.integers(0, 1024 // k, prices.shape).astype(object))
    if heat:
        factors = draw.random(prices.shape, np.float32)
        factors *= heat
        factors += 1
        return np.asarray(prices * factors, np.float64)
    lots: Array = np.asarray(draw.integers(0, 1024 // k, prices.shape, np.int64))
    lots += prices * 1024
    return lots


def _cheapest(prices: Array) -> list[int]:
    """The order of least total price, where row v and column E hold the price of v after the set E."""
    import numpy as np

    k, core = len(prices), compiled_core()
    if core is not None and prices.dtype.kind != "O":
        return core.cheapest_order(k, np.ascontiguousarray(prices))
    best = np.zeros(1 << k, prices.dtype)
    flat = prices.ravel()
    last = np.zeros(1 << k, np.int8)
    for sets, before, at, who in kept(("layers", k), lambda: _layers(k)):
        candidates = best[before] + flat[at]
        choice = candidates.argmin(axis=0)
        columns = np.arange(len(sets))
        best[sets] = candidates[choice, columns]
        last[sets] = who[choice, columns]
    order, mask = [], (1 << k) - 1
    while mask:
        order.append(int(last[mask]))
        mask ^= 1 << order[-1]
    return order[::-1]


def _layers(k: int) -> list[tuple[Array, Array, Array, Array]]:
    """For every size the sets, and for each last member the set before it, its place in the prices, and the member."""
    import numpy as np

    sets = np.arange(1 << k)
    counts = np.array([int(mask).bit_count() for mask in sets])
    result = []
    for size in range(1, k + 1):
        layer = sets[counts == size]
        who = np.array([[i for i in range(k) if mask >> i & 1] for mask in layer.tolist()]).T
        before = layer - (1 << who)
        result.append((layer, before, who * (1 << k) + before, who.astype(np.int8)))
    return result
