"""Lower bounds of the minimum cuts of all vertices at once, by random linear network coding.

Let every vertex that stays send as many random vectors as its size, and every other one as many random combinations of
what its neighbours send, at most its size. All that reaches v lies in the span of what any cut of v sends, so its
dimension is at most the weight of the cut, whatever numbers were drawn. Over a large field it equals the minimum cut
with high probability (Ho, Médard, Koetter et al., IEEE Trans. Inf. Theory 52, 2006, theorem 1). So one pass over the
graph replaces a maximum flow for every vertex.

What several vertices send together has at most as many dimensions as flows can reach out of all of them at once, so it
bounds what must lie between them and the vertices that stay.

Sizes above the most dimensions are rounded down to multiples of a number, for which one dimension stands.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from random import Random

from chainplan.solvers.elimination.residue_vectors import ResidueSpace, ResidueSpan
from chainplan.solvers.search.search import WorkWatcher, unwatched

MAX_DIMENSIONS = 64
"""Dimensions of the vectors, above which no cut is counted."""
MAX_DIMENSIONS_OF_LARGE = 8
"""The same in graphs of more than `LARGE` vertices, whose vectors would take too much memory."""
LARGE = 20_000
"""Vertices of a graph above which it is large."""
WORK_PER_VECTOR_STEP = 4
"""The work that one multiple of a vector counts as."""


class LinkedSpans:
    """What every vertex sends in one direction, `sent`, and the weight that reaches it, `reach`.

    It is `exact`, with high probability, where no cut exceeds the dimensions and no size is rounded.

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
        most = MAX_DIMENSIONS if len(size) <= LARGE else MAX_DIMENSIONS_OF_LARGE
        self.unit = -(-max(size, default=1) // most) or 1
        self.size, self.step, self.order = [count // self.unit for count in size], step, order
        self._inner = set(order) - set(ends)
        outside = {u for v in order for u in step[v] if u not in self._inner}
        needed = sum(self.size[u] for u in outside)
        self.exact = self.unit == 1 and needed <= most
        self.space = ResidueSpace(min(most, needed))
        self.reach: dict[int, int] = {}
        self._rng = Random(0)
        self.sent = {u: self._drawn(min(self.size[u], self.space.dimensions)) for u in sorted(outside)}

    def run(self, paid: Sequence[Collection[int]], look: WorkWatcher = unwatched) -> None:
        """Go through all vertices, and count what reaches each from the neighbours that are paid for."""
        for v in self.order:
            span = ResidueSpan(self.space)
            first, near = paid[v], self.step[v]
            for u in first:
                self._add(span, u)
            self.reach[v] = self.unit * len(span)
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

    def unions(self, near: Sequence[Collection[int]]) -> list[int]:
        """The weight that reaches all vertices in the sets chosen, for every choice of some of the sets, as a bit set.

        Cost: O(2^k · dimensions · size) operations on vectors for k sets.
        """
        spans, weights = [ResidueSpan(self.space)], [0]
        for chosen in range(1, 1 << len(near)):
            span = spans[chosen & chosen - 1]
            more = near[(chosen & -chosen).bit_length() - 1]
            if more and len(span) < self.space.dimensions:
                span = span.copy()
                for u in more:
                    self._add(span, u)
            spans.append(span)
            weights.append(self.unit * len(span))
        return weights
