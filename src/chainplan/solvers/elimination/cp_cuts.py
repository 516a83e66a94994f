"""Lower bounds on the price of vertices and of small groups: minimum cuts, given what is known of other vertices.

Whatever has been eliminated before v, its predecessors at that time separate it from the inputs, so they weigh at least
a minimum vertex cut. If u is known to be gone, it cannot be cut; if it is known to be still there, it is one more
input, because the predecessors of v separate v from every vertex that is there. The same holds for successors and
outputs. An output that is read stays a successor when it is gone, and paths lead through it to the vertices after it.

A group of vertices costs at least what its cheapest order costs, where each vertex is priced by its cuts given which
members are gone and which are there, whatever happens to the other vertices. Groups bound more than their vertices do
one by one, because not all members can go first.

Knowledge only ever adds capacity to the network of a cut, so every flow continues from the one without knowledge.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainplan.solvers.elimination.bitset_problem import EliminationCore, members

CutNode = tuple[int, int]
"""A vertex on its near side (0) or far side (1), as seen from the vertex that the cut is for; (-1, 0) is the sink."""

ResidualCapacities = dict[CutNode, dict[CutNode, int]]
"""Residual capacities of a network."""

CUT_SINK: CutNode = (-1, 0)
CUT_GROUP_SIZE = 6
"""Most vertices in a group, which takes 2^k · k cuts: with 4 the bounds are weaker, with 8 no better but four times as
dear."""


class MinimumCuts:
    """The minimum cuts of a core, each computed once; sets are bit sets of intermediates."""

    def __init__(self, core: EliminationCore) -> None:
        self.core = core
        self._ahead = {v: core.possible_neighbours(core.pred, v) & core.middle for v in members(core.middle)}
        self._behind = {v: core.possible_neighbours(core.succ, v) & core.middle for v in members(core.middle)}
        self._known: dict[tuple[bool, int, int, int], int] = {}
        self._start: dict[tuple[bool, int], tuple[ResidualCapacities, int]] = {}

    def least_in(self, v: int, gone: int = 0, there: int = 0) -> int:
        """Least weight of the predecessors of v at its elimination, given vertices that are gone and that are there."""
        # A vertex that no path joins to v changes nothing.
        near = self._ahead[v]
        return self._least(True, v, gone & near, there & near)

    def least_out(self, v: int, gone: int = 0, there: int = 0) -> int:
        """Least weight of the successors of v at its elimination, given vertices that are gone and that are there."""
        near = self._behind[v]
        return self._least(False, v, gone & near, there & near)

    def _least(self, above: bool, v: int, gone: int, there: int) -> int:
        """The minimum cut of v upstream (`above`) or downstream, given vertices that are gone and that are there."""
        key = (above, v, gone, there)
        if key not in self._known:
            room, flow = self._network(above, v)
            for u in members(gone):
                room[u, 0][u, 1] += sum(self.core.size)
            for u in members(there):
                room[u, 1].setdefault(CUT_SINK, self.core.size[u])
                room[CUT_SINK].setdefault((u, 1), 0)
            self._known[key] = flow + _more_flow(room, (v, 1))
        return self._known[key]

    def _network(self, above: bool, v: int) -> tuple[ResidualCapacities, int]:
        """A copy of the network of v in one direction after the maximum flow without knowledge, and that flow."""
        if (above, v) not in self._start:
            core = self.core
            step, ends = (core.pred, ~core.middle) if above else (core.succ, ~core.middle | core.kept)
            room = _network(core.size, step, v, ends)
            self._start[above, v] = room, _more_flow(room, (v, 1))
        room, flow = self._start[above, v]
        return {a: row.copy() for a, row in room.items()}, flow

    def price(self, v: int, gone: int = 0, there: int = 0) -> int:
        """Least price of v, given vertices that are gone and that are there."""
        into, out = self.least_in(v, gone, there), self.least_out(v, gone, there)
        return self.core.prices.weighed(self.core.size[v], into, out, bool(self.core.kept >> v & 1))

    def group_price(self, group: int) -> int:
        """Least price of a group of k vertices, that of its cheapest order, by O(2^k · k) cuts."""
        best = {group: 0}
        for gone in sorted(_subsets(group), key=int.bit_count, reverse=True)[1:]:
            left = group & ~gone
            best[gone] = min(self.price(v, gone, left & ~(1 << v)) + best[gone | 1 << v] for v in members(left))
        return best[0]

    def groups(self) -> Iterator[tuple[int, int]]:
        """Connected groups that cost more than their vertices do one by one, and their price.

        From every vertex a group grows by the neighbour that adds most to what it costs beyond its vertices.
        """
        seen = set()
        for v in members(self.core.middle):
            group, price = 1 << v, self.price(v)
            while group.bit_count() < CUT_GROUP_SIZE and (border := self._border(group)):
                grown = [(self.group_price(group | 1 << w) - price - self.price(w), -w) for w in members(border)]
                gain, w = max(grown)
                group, price = group | 1 << -w, price + gain + self.price(-w)
                if gain > 0 and group not in seen:
                    seen.add(group)
                    yield group, price

    def _border(self, group: int) -> int:
        """The intermediates next to a group."""
        near = 0
        for u in members(group):
            near |= self.core.pred[u] | self.core.succ[u]
        return near & self.core.middle & ~group


def _subsets(group: int) -> Iterator[int]:
    """All subsets of a group, the empty one last."""
    part = group
    while part:
        yield part
        part = (part - 1) & group
    yield 0


def _network(size: list[int], step: list[int], v: int, ends: int) -> ResidualCapacities:
    """The network of v: each vertex is an arc of its size, each edge an unlimited one; ends have an arc to the sink."""
    room: ResidualCapacities = {(v, 1): {}, CUT_SINK: {}}

    def add_arc(a: CutNode, b: CutNode, capacity: int) -> None:
        room.setdefault(a, {})[b] = capacity
        room.setdefault(b, {}).setdefault(a, 0)

    seen, todo = 1 << v, [v]
    while todo:
        u = todo.pop()
        if u != v:
            add_arc((u, 0), (u, 1), size[u])
            if ends >> u & 1:
                add_arc((u, 1), CUT_SINK, size[u])
        for w in members(step[u]):
            add_arc((u, 1), (w, 0), sum(size))
        fresh = step[u] & ~seen
        seen |= fresh
        todo += members(fresh)
    return room


def _more_flow(room: ResidualCapacities, start: CutNode) -> int:
    """Augment the flow from the start to the sink to its maximum, by shortest paths, and return how much was added."""
    added = 0
    while path := _augmenting(room, start):
        push = min(room[a][b] for a, b in path)
        for a, b in path:
            room[a][b] -= push
            room[b][a] += push
        added += push
    return added


def _augmenting(room: ResidualCapacities, start: CutNode) -> list[tuple[CutNode, CutNode]]:
    """A shortest path to the sink along arcs with capacity left, empty where there is none."""
    before: dict[CutNode, CutNode] = {start: start}
    queue = [start]
    for a in queue:
        for b, capacity in room[a].items():
            if capacity > 0 and b not in before:
                before[b] = a
                queue.append(b)
        if CUT_SINK in before:
            break
    path, b = [], CUT_SINK
    while b in before and b != start:
        path.append((before[b], b))
        b = before[b]
    return path
