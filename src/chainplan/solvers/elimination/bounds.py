"""Lower bounds of eliminating a set: minimum cuts for single vertices, small dynamic programs for groups.

Let C be the set to be eliminated, everything else kept. Whatever is eliminated before v, its predecessors then separate
it from the outside of C, so they weigh at least the minimum cut; the same holds for its successors. Hence
`f(C) >= Σ d_v · cut_in(v) · cut_out(v)`. The cuts only grow when C shrinks.

A group G ⊆ C does better. Take any order of C and look at the members of G alone. When v goes, the members A that went
before it cannot lie in its neighbourhood, and the members B that are still there are the first ones met on their
paths: the neighbourhood separates v from the outside of C − B, without vertices of A. So v costs at least
`price(v, A) = d_v · cut_in · cut_out` with A locked and B outside, and f(C) is at least the sum over disjoint groups
of `h(A) = min over v in A of h(A − v) + price(v, A − v)` at A = G. The same table bounds smaller sets: where C' ⊆ C
meets G in A, f(C') pays at least h(A) for it, because B = G − A is kept and the cuts of C' are no smaller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from chainplan.solvers.elimination.bitset_graph import Net
from chainplan.solvers.elimination.bitset_problem import members
from chainplan.solvers.elimination.mincut import min_cut
from chainplan.solvers.search.search import Look, unwatched


class Side:
    """One direction of a net: neighbourhoods through a set and minimum cuts, cached by the part of the set that counts.

    Both depend on v and its reach, the vertices of the set on paths from v, alone; so components that other branches of
    the search share are worked out once. `sizes[v]` is what each vertex counts for v, its size by default.
    """

    def __init__(
        self, net: Net, step: list[int], ends: int, sizes: list[list[int]] | None = None, look: Look = unwatched
    ) -> None:
        self.net, self.step, self.ends, self._told = net, step, ends, look
        self.sizes = [net.size] * len(step) if sizes is None else sizes
        self.known: list[dict[int, tuple[int, int]]] = [{} for _ in step]
        self.cuts: dict[tuple[int, int, int], int] = {}
        self.plain = [self.weight(v, step[v]) for v in range(len(step))]
        self.floor = [-1] * len(step)

    def weight(self, v: int, mask: int) -> int:
        """Total of what the vertices of a set count for v."""
        size = self.sizes[v]
        return sum(size[u] for u in members(mask))

    def reach(self, v: int, inside: int) -> int:
        """v and the vertices of `inside` on paths from it whose vertices lie in `inside`."""
        step, found, border = self.step, 0, 1 << v
        while border:
            found |= border
            grown = 0
            while border:
                low = border & -border
                grown |= step[low.bit_length() - 1]
                border ^= low
            border = grown & inside & ~found
        return found

    def around(self, v: int, reach: int) -> int:
        """The neighbourhood of v once the rest of its reach is gone."""
        found = 0
        for u in members(reach):
            found |= self.step[u]
        return (found & ~reach) | (reach & self.ends & ~(1 << v))

    def look(self, v: int, reach: int) -> tuple[int, int]:
        """Weight of that neighbourhood and of the lightest one v can ever have."""
        weight = self.weight(v, self.around(v, reach))
        pair = self.known[v][reach] = weight, self.cut(v, reach, 0, min(weight, self.plain[v]))
        return pair

    def cut(self, v: int, reach: int, locked: int = 0, most: int | None = None) -> int:
        """Minimum cut of v; `most` is the weight of some cut. `floor`, the cut of a superset, settles it if equal."""
        if reach == 1 << v:
            return self.plain[v]
        if most == self.floor[v]:
            return self.floor[v]
        key = v, reach, locked
        found = self.cuts.get(key)
        if found is None:
            found = self.cuts[key] = min_cut(self.step, self.sizes[v], v, reach, locked, self.ends, self._told)
        return found


class Scan(NamedTuple):
    """The members of a set, what each costs if it goes last, the least it costs, and a set for reductions."""

    found: list[int]
    last: list[int]
    least: list[int]
    tight: int


class Bounds:
    """Prices of going last and lower bounds, of every vertex of a set at once."""

    def __init__(
        self, net: Net, sizes: tuple[list[list[int]], list[list[int]]] | None = None, look: Look = unwatched
    ) -> None:
        self.net = net
        into, out = sizes or (None, None)
        self.sides = Side(net, net.pred, 0, into, look), Side(net, net.succ, net.kept, out, look)

    def root(self, inside: int) -> None:
        """Take the minimum cuts of a set as those that no subset goes below."""
        for v in self.scan(inside).found:
            for side in self.sides:
                side.floor[v] = side.known[v][side.reach(v, inside)][1]

    def scan(self, inside: int) -> Scan:
        """Prices and bounds of a set; tight are the vertices whose neighbourhoods are as light as they can ever be."""
        net, (into, out) = self.net, self.sides
        found = list(members(inside))
        ins = _looks(into, found, inside)
        outs = _looks(out, found[::-1], inside)
        last, least, tight = [], [], 0
        for v in found:
            (a, b), (c, d), size = ins[v], outs[v], net.size[v]
            last.append(size * a * c)
            least.append(size * b * d)
            if b == into.plain[v] and d == out.plain[v]:
                tight |= 1 << v
        return Scan(found, last, least, tight)

    def least(self, v: int, inside: int, gone: int) -> int:
        """The least that v costs when `gone` went before it and what is not in `inside` stays until after it."""
        product = self.net.size[v]
        for side in self.sides:
            reach = side.reach(v, inside)
            product *= side.cut(v, reach, gone & reach)
        return product


def _looks(side: Side, order: list[int], inside: int) -> dict[int, tuple[int, int]]:
    """Weight and cut of every vertex on one side, reaches being built up from those of the neighbours."""
    reach: dict[int, int] = {}
    result, step = {}, side.step
    for v in order:
        found = 1 << v
        near = step[v] & inside
        while near:
            low = near & -near
            u = low.bit_length() - 1
            found |= reach[u]
            near &= ~reach[u]
        reach[v] = found
        pair = side.known[v].get(found)
        result[v] = side.look(v, found) if pair is None else pair
    return result


class Group:
    """The table h of a group: what its members cost at least, by the subset that is to be eliminated."""

    def __init__(self, bounds: Bounds, inside: int, group: int) -> None:
        self.bounds, self.inside, self.mask = bounds, inside, group
        self.table: dict[int, int] = {0: 0}

    def least(self, part: int) -> int:
        """h(part): the members of `part` go, those of the rest of the group stay."""
        found = self.table.get(part)
        if found is None:
            within = self.inside & ~(self.mask & ~part)
            found = self.table[part] = min(
                self.least(part & ~(1 << v)) + self.bounds.least(v, within, part & ~(1 << v)) for v in members(part)
            )
        return found


def groups(bounds: Bounds, inside: int, most: int, tick: Callable[[], None]) -> list[Group]:
    """Disjoint groups of at most `most` members, merged as long as that adds to the sum of their bounds, best first."""
    best: dict[int, Group] = {1 << v: Group(bounds, inside, 1 << v) for v in members(inside)}
    near = {mask: _near(bounds.net, mask) & inside for mask in best}
    gains: dict[tuple[int, int], tuple[int, Group]] = {}
    fresh = list(best)
    while True:
        for mask in fresh:
            for other in best:
                if other != mask and near[mask] & other and (mask | other).bit_count() <= most:
                    tick()
                    pair = (min(mask, other), max(mask, other))
                    joint = Group(bounds, inside, mask | other)
                    gain = joint.least(joint.mask) - best[mask].least(mask) - best[other].least(other)
                    gains[pair] = gain, joint
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


def _near(net: Net, mask: int) -> int:
    """The neighbours of a set."""
    found = 0
    for v in members(mask):
        found |= net.pred[v] | net.succ[v]
    return found
