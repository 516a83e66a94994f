"""Minimum vertex cuts between one vertex and the boundary of a set: the lightest neighbourhood it can ever have.

When v is eliminated, its predecessors separate it from every vertex that stays. Whatever was eliminated before, they
weigh at least as much as a minimum cut with the sizes as capacities (v itself cannot be cut). The cut is computed as a
maximum flow by shortest augmenting paths (Edmonds & Karp 1972, O(V · E²)) on the graph with every vertex split into an
entry and an exit.
"""

from __future__ import annotations

from itertools import pairwise

from chainplan.compiled.loader import SMALLEST_UNCOMPILED_NUMBER, compiled_core
from chainplan.solvers.elimination.bitset_problem import members
from chainplan.solvers.search.search import WorkWatcher, unwatched

WORK_PER_FLOW_VISIT = 4
"""The work that one visit of a vertex counts as."""
MAX_COMPILED_VERTICES = 2000
"""Vertices above which bit sets take longer to hand over than they save."""


class CutNetwork:
    """A graph whose minimum cuts are asked for: `step` holds the neighbours of each vertex, `size` the capacities.

    It must not change. The compiled routine is used where there is one and the numbers fit.
    """

    def __init__(self, step: list[int], size: list[int]) -> None:
        self.step, self.size = step, size
        core = compiled_core()
        fits = core is not None and len(size) <= MAX_COMPILED_VERTICES and sum(size) < SMALLEST_UNCOMPILED_NUMBER
        self._compiled = core.FlowNetwork(step, size) if core is not None and fits else None

    def cut(
        self,
        v: int,
        region: int,
        locked: int = 0,
        ends: int = 0,
        look: WorkWatcher = unwatched,
        starts: int | None = None,
    ) -> int:
        """The weight of the lightest set that meets every path along `step` from v out of `region`.

        Parameters
        ----------
        v : int
            The start of the paths; it lies in `region` and cannot be cut.
        region : int
            The set to leave; the first vertex outside belongs to the path and can be cut.
        locked : int
            Vertices that cannot be cut.
        ends : int
            Vertices of the region at which a path may end as well; up to their size of flow ends there.
        look : WorkWatcher
            It is told of the work after each path; what it raises ends the search.
        starts : int | None
            The vertices to which the first edges of the paths lead, by default the neighbours of v.
        """
        starts = self.step[v] if starts is None else starts
        if self._compiled is not None:
            return self._compiled.cut(v, starts, region, locked, ends, look)
        return VertexFlow(self.step, self.size, v, region, locked, ends & ~(1 << v), look, starts).run()


class VertexFlow:
    """A flow along edges, through vertices and out of ends; states are 2u for the entry of u, 2u + 1 for its exit."""

    def __init__(
        self,
        step: list[int],
        size: list[int],
        v: int,
        region: int,
        locked: int,
        ends: int,
        look: WorkWatcher,
        starts: int | None = None,
    ) -> None:
        self.step, self.size, self.v, self.region = step, size, v, region
        self.starts = step[v] if starts is None else starts
        self.locked, self.ends = locked, ends
        self.edge: dict[tuple[int, int], int] = {}
        self.into: dict[int, int] = {}
        self.through: dict[int, int] = {}
        self.ended: dict[int, int] = {}
        self.visits, self._look = 0, look

    def run(self) -> int:
        """The maximum flow, which is the minimum cut."""
        total = 0
        while pushed := self.augment():
            total += pushed
        return total

    def augment(self) -> int:
        """Push along one shortest path and return how much; 0 where there is none left."""
        came, last = self._search()
        self.visits += len(came)
        self._look(WORK_PER_FLOW_VISIT * len(came))
        if last < 0:
            return 0
        path, state = [last], last
        while state != 2 * self.v + 1:
            state = came[state]
            path.append(state)
        path.reverse()
        pushed = min(self._room(a, b) for a, b in pairwise(path))
        final = last >> 1
        if self.region >> final & 1:
            pushed = min(pushed, self.size[final] - self.ended.get(final, 0))
            self.ended[final] = self.ended.get(final, 0) + pushed
        for a, b in pairwise(path):
            self._push(a, b, pushed)
        return pushed

    def _search(self) -> tuple[dict[int, int], int]:
        """Search breadth first from v until a path can end.

        Returns the state from which each state was reached, and the last state, -1 where no path is left.
        """
        step, size, region, ends = self.step, self.size, self.region, self.ends
        start = 2 * self.v + 1
        came, queue = {start: start}, [start]
        entered = 1 << self.v
        for state in queue:
            u = state >> 1
            if state & 1:
                if not region >> u & 1 or (ends >> u & 1 and self.ended.get(u, 0) < size[u]):
                    return came, state
                fresh = (self.starts if state == start else step[u]) & ~entered
                entered |= fresh
                while fresh:
                    low = fresh & -fresh
                    other = 2 * low.bit_length() - 2
                    came[other] = state
                    queue.append(other)
                    fresh ^= low
                if self.through.get(u) and not entered >> u & 1:
                    entered |= 1 << u
                    came[state - 1] = state
                    queue.append(state - 1)
                continue
            if state + 1 not in came and (self.locked >> u & 1 or self.through.get(u, 0) < size[u]):
                came[state + 1] = state
                queue.append(state + 1)
            for a in members(self.into.get(u, 0)):
                if 2 * a + 1 not in came:
                    came[2 * a + 1] = state
                    queue.append(2 * a + 1)
        return came, -1

    def _room(self, a: int, b: int) -> int:
        """How much more can flow from state a to state b."""
        u, w = a >> 1, b >> 1
        if u == w:
            if a & 1:
                return self.through[u]
            return 1 << 200 if self.locked >> u & 1 else self.size[u] - self.through.get(u, 0)
        return 1 << 200 if a & 1 else self.edge[w, u]

    def _push(self, a: int, b: int, pushed: int) -> None:
        """Send `pushed` more from state a to state b, or take back as much of what flows from b to a."""
        u, w = a >> 1, b >> 1
        if u == w:
            self.through[u] = self.through.get(u, 0) + (-pushed if a & 1 else pushed)
        elif a & 1:
            self.edge[u, w] = self.edge.get((u, w), 0) + pushed
            self.into[w] = self.into.get(w, 0) | 1 << u
        else:
            self.edge[w, u] -= pushed
            if not self.edge[w, u]:
                self.into[u] &= ~(1 << w)
