"""A lower bound of large graphs: the vertices in windows of a few, each of which is solved exactly.

Let L be a convex set of intermediates (no path leaves it and comes back), and take any order of all of them. When a
vertex v of L goes, let A be the members that went before it, B those it meets upstream through A that are still there,
and X the vertices outside L that it meets so. The predecessors of v hold B. The others separate X from the inputs: a
path upstream from X never enters L, so its first vertex that is still there is a predecessor of v outside L. Hence v
has predecessors of at least `w(B) + r(X)`, where r(X) is the dimension of what reaches X (`linked_spans`), at most the
largest flow from X to the inputs. The same holds downstream. So what the members of L cost in any order is at least
the optimum of L alone at these prices, which the dynamic program over its subsets finds (`subset_dp`), and the sum over
disjoint windows bounds the whole. A window of one vertex gives its cuts; larger ones give no less, because what reaches
v comes from B and X.

Consecutive vertices of a topological order are convex. The order is the one in which a depth-first search along the
predecessors leaves the vertices, so that neighbours are near each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from chainplan.solvers.elimination.cut_sum import work_sides
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.elimination.linked_spans import LinkedSpans
from chainplan.solvers.elimination.subset_dp import dense_prices, least_total
from chainplan.solvers.search.search import SearchStopped, WorkWatcher, unwatched

WINDOW_SIZES = (4, 8)
"""Members of the windows, one size after the other; each is a multiple of the one before."""
MAX_WINDOW_SUBSETS = 400_000
"""Subsets of all windows together above which a size is not tried."""
WORK_PER_SUBSET = 300
"""Work that one subset of a window counts as."""


def window_bound(work: WorkGraph, look: WorkWatcher = unwatched) -> int:
    """A lower bound on the products of a graph of dense blocks; where `look` ends it, what has been proven by then.

    Larger windows begin where all smaller ones have been solved, and are made of these.
    """
    first, second = work_sides(work)
    into, out = first.linked(look), second.linked(look)
    above, below = first.cuts(into), second.cuts(out)
    order, width = depth_first(work), 1
    known = [work.prices.weighed(work.size[v], above[v], below[v], work.kept[v]) for v in order]
    total = sum(known)
    if len(into.reach) == len(out.reach) == len(order):
        with suppress(SearchStopped):
            for most in WINDOW_SIZES:
                larger = []
                for i in range(0, len(order) if len(order) << most < MAX_WINDOW_SUBSETS * most else 0, most):
                    look(WORK_PER_SUBSET << most)
                    parts = sum(known[i // width : (i + most) // width])
                    larger.append(max(parts, window_optimum(work, order[i : i + most], into, out)))
                    total += larger[-1] - parts
                known, width = larger, most
    return total


def window_optimum(work: WorkGraph, local: Sequence[int], into: LinkedSpans, out: LinkedSpans) -> int:
    """What the members of a convex set cost at least, given what reaches all vertices from both ends.

    Cost: O(2^k · k) numbers for k members, and the dimensions of what reaches 2^k sets on both sides.
    """
    import numpy as np

    chosen = set(local)
    sides = ((spans, [row[v].keys() - chosen for v in local]) for spans, row in ((into, work.into), (out, work.out)))
    above, below = (np.array(spans.unions([sorted(near) for near in nears]), object) for spans, nears in sides)
    if int(above.max()) * int(below.max()) < 1 << 40:
        above, below = above.astype(np.int64), below.astype(np.int64)
    return least_total(dense_prices(work, local, (above, below)))


def depth_first(work: WorkGraph) -> list[int]:
    """The intermediates in the order in which a depth-first search along the predecessors leaves them."""
    middle, seen, left = work.middle, set[int](), list[int]()

    def near(v: int) -> Iterator[int]:
        return iter(sorted(u for u in work.into[v] if u in middle))

    for root in sorted(middle, reverse=True):
        path = [] if root in seen else [(root, near(root))]
        seen.add(root)
        while path:
            v, more = path[-1]
            u = next(more, None)
            if u is None:
                left.append(v)
                path.pop()
            elif u not in seen:
                seen.add(u)
                path.append((u, near(u)))
    return left
