"""Lower bounds of the minimum cuts of all vertices at once, by random linear network coding.

Let every vertex that stays send as many random vectors as its size, and every other one as many random combinations of
what its neighbours send, at most its size. All that reaches v lies in the span of what any cut of v sends, so its
dimension is at most the weight of the cut, whatever numbers were drawn. Over a large field it equals the minimum cut
with high probability (Ho, Médard, Koetter et al., IEEE Trans. Inf. Theory 52, 2006, theorem 1). So one pass over the
graph replaces a maximum flow for every vertex.

The same holds for several vertices together: if what each of them adds to the span of those before it is counted, then
no subset of them is counted more than its own span, which flows out of the graph can be found for (the gains of a
submodular function in one order form a point of its base polytope). So the counts are capacities with which these
vertices can stand for all that lies behind them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from random import Random

from chainplan.solvers.elimination.residue_vectors import ResidueSpace, ResidueSpan
from chainplan.solvers.search.search import WorkWatcher, unwatched

MAX_DIMENSIONS = 64
"""Dimensions of the vectors, above which no cut is counted."""
WORK_PER_VECTOR_STEP = 4
"""The work that one multiple of a vector counts as."""


class LinkedSpans:
    """What every vertex sends in one direction, `sent`, and the dimension of what reaches it, `reach`.

    It is `capped` where cuts may exceed the dimensions.

    Parameters
    ----------
    size : Sequence[int]
        The sizes of the vertices.
    step : Sequence[Collection[int]]
        The neighbours that send to each vertex.
    order : Sequence[int]
        The vertices that are eliminated, neighbours first.
    ends : Collection[int]
        Those of them that stay as outputs, and so send vectors of their own.
    """

    def __init__(
        self, size: Sequence[int], step: Sequence[Collection[int]], order: Sequence[int], ends: Collection[int]
    ) -> None:
        self.size, self.step, self.order = size, step, order
        self._inner = set(order) - set(ends)
        outside = {u for v in order for u in step[v] if u not in self._inner}
        needed = sum(size[u] for u in outside)
        self.capped = needed > MAX_DIMENSIONS
        self.space = ResidueSpace(min(MAX_DIMENSIONS, needed))
        self.reach: dict[int, int] = {}
        self._rng = Random(0)
        self.sent = {u: self._drawn(min(size[u], self.space.dimensions)) for u in sorted(outside)}

    def run(self, paid: Sequence[Collection[int]], look: WorkWatcher = unwatched) -> None:
        """Go through all vertices, and count what reaches each from the neighbours that are paid for."""
        for v in self.order:
            span = ResidueSpan(self.space)
            first, near = paid[v], self.step[v]
            for u in first:
                self._add(span, u)
            self.reach[v] = len(span)
            if v in self._inner:
                for u in near if len(first) < len(near) else ():
                    self._add(span, u)
                self.sent[v] = self._sends(span, self.size[v])
            look(WORK_PER_VECTOR_STEP * (len(span) + 1) * (len(span) + min(self.size[v], len(span)) + len(near)))

    def _drawn(self, count: int) -> list[int]:
        """Vectors drawn at random."""
        return [self.space.random_vector(self._rng) for _ in range(count)]

    def _add(self, span: ResidueSpan, u: int) -> int:
        """Add what a vertex sends to a span; return by how much that grows."""
        return sum(span.add(vector) for vector in self.sent[u])

    def _sends(self, span: ResidueSpan, size: int) -> list[int]:
        """What a vertex sends that is reached by a span."""
        if size >= len(span):
            return list(span.rows.values())
        return [self.space.random_member(span, self._rng) for _ in range(size)]

    def capacities(self, vertices: Iterable[int]) -> list[int]:
        """With how much each of some vertices can be reached by all of them together, the first ones preferred."""
        span = ResidueSpan(self.space)
        return [self._add(span, u) for u in vertices]
