"""Lower bounds of eliminating a set: minimum cuts for single vertices, small dynamic programs for groups.

Let C be the set to be eliminated, everything else kept. Whatever is eliminated before v, its predecessors then separate
it from the outside of C, so they weigh at least the minimum cut; the same holds for its successors. Hence
`f(C) >= Σ d_v · cut_in(v) · cut_out(v)`. The cuts only grow when C shrinks. All this holds for whatever price grows
with what the neighbours weigh, as the number of operations does (`edge_prices`); where units make their entries weigh
something else than what they count for multiplications, the cuts of entries come from the graph of entries.

A group G ⊆ C does better. Take any order of C and look at the members of G alone. When v goes, the members A that went
before it cannot lie in its neighbourhood, and the members B that are still there are the first ones met on their
paths: the neighbourhood separates v from the outside of C − B, without vertices of A. So v costs at least
`price(v, A) = d_v · cut_in · cut_out` with A locked and B outside, and f(C) is at least the sum over disjoint groups
of `h(A) = min over v in A of h(A − v) + price(v, A − v)` at A = G. The same table bounds smaller sets: where C' ⊆ C
meets G in A, f(C') pays at least h(A) for it, because B = G − A is kept and the cuts of C' are no smaller. A table of k
members takes O(2^k · k) minimum cuts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from chainplan.solvers.elimination.bitset_graph import BitsetGraph
from chainplan.solvers.elimination.bitset_problem import members
from chainplan.solvers.elimination.mincut import CutNetwork
from chainplan.solvers.search.search import WorkWatcher, unwatched


class NetDirection:
    """One direction of a net: neighbourhoods through a set and minimum cuts, cached by the part of the set that counts.

    Both depend only on v and on its reach, the vertices of the set on paths from v; so they are computed once for a
    component that several branches of the search share.
    """

    def __init__(self, net: BitsetGraph, upstream: bool, look: WorkWatcher = unwatched) -> None:
        classes = net.classes
        self.net, self.upstream, self._told = net, upstream, look
        self.step, self.ends = (net.pred, 0) if upstream else (net.succ, net.kept)
        self.full, self.unit = (
            (classes.full_pred, classes.unit_pred) if upstream else (classes.full_succ, classes.unit_succ)
        )
        self._network = CutNetwork(self.step, net.size)
        self.known: list[dict[int, tuple[int, int]]] = [{} for _ in self.step]
        self.cuts: dict[tuple[int, int, int], int] = {}
        self.plain = [net.counts(*sets) for sets in zip(self.step, self.full, self.unit, strict=True)]
        self.floor = [-1] * len(self.step)

    def reach(self, v: int, inside: int) -> int:
        """v and the vertices of `inside` on paths from it whose vertices lie in `inside`."""
        step, reached, border = self.step, 0, 1 << v
        while border:
            reached |= border
            grown = 0
            while border:
                low = border & -border
                grown |= step[low.bit_length() - 1]
                border ^= low
            border = grown & inside & ~reached
        return reached

    def weight(self, v: int, reach: int) -> int:
        """What the neighbours of v count after the rest of its reach has been eliminated."""
        near = thin = 0
        if self.net.mixed:
            near, thin = self._classes(v, reach)
        else:
            for u in members(reach):
                near |= self.step[u]
        stays = ~reach | self.ends & ~(1 << v)
        return self.net.weight(near & stays) + (thin & stays).bit_count()

    def _classes(self, v: int, reach: int) -> tuple[int, int]:
        """The vertices to which v is joined by a full block, and by a thin one, once all of its reach is gone."""
        step, full_step, unit = self.step, self.full, self.unit
        full, once = full_step[v], step[v] & ~full_step[v]
        thin = once & ~unit[v]
        others = list(members(reach & ~(1 << v)))
        for u in reversed(others) if self.upstream else others:
            if full >> u & 1:
                full |= step[u]
            if once >> u & 1:
                full |= full_step[u]
                more = step[u] & ~full_step[u]
                thin |= more if thin >> u & 1 else more & (once | ~unit[u])
                once |= more
        return full, thin & ~full

    def look(self, v: int, reach: int) -> tuple[int, int]:
        """The weight of that neighbourhood and of the lightest one that v can ever have."""
        weight = self.weight(v, reach)
        pair = self.known[v][reach] = weight, self.cut(v, reach, 0, min(weight, self.plain[v]))
        return pair

    def cut(self, v: int, reach: int, locked: int = 0, most: int | None = None) -> int:
        """The minimum cut of v, given the weight `most` of some cut.

        `floor` holds the minimum cut in a superset, which is no larger; where it equals `most` both are the minimum.
        """
        if reach == 1 << v:
            return self.plain[v]
        if most == self.floor[v]:
            return self.floor[v]
        key = v, reach, locked
        cut = self.cuts.get(key)
        if cut is None:
            cut = self.cuts[key] = self._cut(v, reach, locked)
        return cut

    def _cut(self, v: int, reach: int, locked: int) -> int:
        """The minimum cut, where the first edges of all paths are full.

        Units count nothing, so paths that leave v by units, and through locked vertices by more of them, end for free,
        and so they do after a thin edge but for the 1 that it counts. What is reached along a full edge counts in full
        wherever the path goes on.
        """
        if not self.net.mixed:
            return self._network.cut(v, reach, locked, self.ends, self._told)
        starts = thin = joined = 0
        border = 1 << v
        while border:
            joined |= border
            near = 0
            for u in members(border):
                starts |= self.full[u]
                near |= self.step[u] & ~self.full[u]
                thin |= self.step[u] & ~self.full[u] & ~self.unit[u]
            border = near & locked & ~joined
        return max(self._network.cut(v, reach, locked, self.ends, self._told, starts), int(thin != 0))


class SetScan(NamedTuple):
    """The vertices of a set and what each costs: its price if it goes last, and the least it ever costs."""

    vertices: list[int]
    last: list[int]
    least: list[int]
    tight: int
    """The vertices that need not be tried as the last."""


class SetBounds:
    """The prices of going last and the lower bounds of all vertices of a set at once."""

    def __init__(self, net: BitsetGraph, look: WorkWatcher = unwatched) -> None:
        self.net = net
        self.sides = NetDirection(net, True, look), NetDirection(net, False, look)
        self.entries: tuple[NetDirection, ...] = ()
        if net.counted is not None:
            self.entries = NetDirection(net.counted, True, look), NetDirection(net.counted, False, look)

    def root(self, inside: int) -> None:
        """Remember the minimum cuts of a set as lower bounds on those of its subsets."""
        for v in self.scan(inside).vertices:
            for side in (*self.sides, *self.entries):
                side.floor[v] = side.known[v][side.reach(v, inside)][1]

    def scan(self, inside: int) -> SetScan:
        """The prices and bounds of a set; `tight` are the vertices whose neighbourhoods are as light as they can be."""
        vertices = list(members(inside))
        sides = (*self.sides, *self.entries)
        looks = [_looks(side, vertices if side.upstream else vertices[::-1], inside) for side in sides]
        last, least, tight = [], [], 0
        for v in vertices:
            weights, cuts = zip(*(look[v] for look in looks), strict=True)
            last.append(self._priced(v, weights))
            least.append(self._priced(v, cuts))
            if all(cut == side.plain[v] for cut, side in zip(cuts, sides, strict=True)):
                tight |= 1 << v
        return SetScan(vertices, last, least, tight)

    def _priced(self, v: int, counts: Sequence[int]) -> int:
        """The price of v by what its neighbours count on both sides, and by their entries where these differ."""
        return self.net.priced(v, (counts[0], counts[1]), (counts[2], counts[3]) if self.entries else None)

    def least(self, v: int, inside: int, gone: int) -> int:
        """The least that v costs when `gone` goes before it and what is not in `inside` stays until after it."""
        cuts = []
        for side in (*self.sides, *self.entries):
            reach = side.reach(v, inside)
            cuts.append(side.cut(v, reach, gone & reach))
        return self._priced(v, cuts)


def _looks(side: NetDirection, order: list[int], inside: int) -> dict[int, tuple[int, int]]:
    """The weight and the cut of every vertex on one side; a reach is the union of those of the neighbours."""
    reach: dict[int, int] = {}
    result, step = {}, side.step
    for v in order:
        reached = 1 << v
        near = step[v] & inside
        while near:
            low = near & -near
            u = low.bit_length() - 1
            reached |= reach[u]
            near &= ~reach[u]
        reach[v] = reached
        pair = side.known[v].get(reached)
        result[v] = side.look(v, reached) if pair is None else pair
    return result


class GroupPrices(Protocol):
    """What a table of a group is made from."""

    net: BitsetGraph

    def least(self, v: int, inside: int, gone: int) -> int:
        """The least that v costs when `gone` goes before it and what is not in `inside` stays until after it."""
        ...


class GroupTable:
    """The table h of a group: `least[part]` is what a subset of its members costs when the others stay."""

    def __init__(self, bounds: GroupPrices, inside: int, group: int) -> None:
        self.mask = group
        self.least = least = {0: 0}
        part = 0
        while part != group:
            part = (part - group) & group
            within = inside & ~(group & ~part)
            rest = ((v, part & ~(1 << v)) for v in members(part))
            least[part] = min(least[gone] + bounds.least(v, within, gone) for v, gone in rest)

    @property
    def whole(self) -> int:
        """What all its members cost at least."""
        return self.least[self.mask]


def groups(bounds: GroupPrices, inside: int, most: int, tick: Callable[[], None]) -> list[GroupTable]:
    """Disjoint groups of at most `most` members: while some merger raises the bound, the pair that adds most merges."""
    best: dict[int, GroupTable] = {1 << v: GroupTable(bounds, inside, 1 << v) for v in members(inside)}
    near = {mask: _near(bounds.net, mask) & inside for mask in best}
    gains: dict[tuple[int, int], tuple[int, GroupTable]] = {}
    fresh = list(best)
    while True:
        for mask in fresh:
            for other in best:
                pair = (min(mask, other), max(mask, other))
                if pair not in gains and near[mask] & other & ~mask and (mask | other).bit_count() <= most:
                    tick()
                    joint = GroupTable(bounds, inside, mask | other)
                    gains[pair] = joint.whole - best[mask].whole - best[other].whole, joint
        if not gains:
            break
        pair = max(gains, key=lambda p: (gains[p][0], p))
        gain, joint = gains[pair]
        if gain <= 0:
            break
        gains = {p: g for p, g in gains.items() if not (p[0] in pair or p[1] in pair)}
        for mask in pair:
            del best[mask]
        best[joint.mask] = joint
        near[joint.mask] = near[pair[0]] | near[pair[1]]
        fresh = [joint.mask]
    return [group for mask, group in best.items() if mask.bit_count() > 1]


def _near(net: BitsetGraph, mask: int) -> int:
    """The neighbours of a set."""
    near = 0
    for v in members(mask):
        near |= net.pred[v] | net.succ[v]
    return near
