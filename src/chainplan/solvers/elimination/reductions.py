"""Reductions that keep the optimum: vertices that may go first, and vertices that may go together.

Safe to go first (`goes_first`). Let the neighbourhoods P, S of v weigh as much as the minimum cuts of v, so that v
never costs less than now. For every successor s in the set let the vertices of P that are not predecessors of s be kept
for good and weigh at most d_v; likewise for every predecessor, with nothing allowed where v is an output. Then moving v
to the front of any order makes nothing dearer: a vertex u that goes while v is among its predecessors sees v through
some s; in place of v it gets what is left of P. It already had the predecessors that s shares, or what has replaced
them, and the rest weighs at most d_v. Because any order can be changed so, all such vertices may go before all others.
The condition survives when the set shrinks.

Chain pair (`chain_pair`). Let v be the only successor of p, p the only predecessor of v, neither an output,
`d_p <= d_v`, and let the successors S of v weigh as much as the minimum cut of v and no more than that of p towards the
inputs. In an order with v before p, move v to the front: it costs the least it can, and others see p in place of v. In
an order with p before v, let v go first and p in the old place of v: others see p in place of p or v; the two paid
`d_p · w(P(p)) · d_v + d_v · w(P(v)) · w(S')`, P(v) and S' as v saw them at that time, and now pay
`d_v · d_p · w(S) + d_p · w(P(v)) · w(S')`, which is no more. So v may go first; transposed likewise.

Where edges have classes (`block_classes`), what v leaves behind is full as before if its neighbours have it along full
edges already; so the neighbours that the shared vertices are full for count alone, and a neighbour to which v itself is
not full, which may pay little or nothing for v, must gain nothing at all. Chain pairs and twins must have full edges
only.

Twins (`merge_twins`). Two vertices with the same neighbourhoods, neither an output, may go one right after the other.
Let v go at t1 and its twin v' at t2. Per unit of its size, moving v' to t1 saves x = the factors of the vertices that
see it in between + (price at t2 − price at t1), and moving v to t2 costs y = the same less what those vertices see in
place of v, so y <= x. Where x >= 0 the first move does not raise the price, where x < 0 the second does not. So twins
are one vertex of the sum of their sizes.

Where additions count (`edge_prices`), prices grow with what the neighbours count and with their entries, which the
argument for going first needs of both, and are affine in what each side counts, which is all that twins need. Chain
pairs are left alone: their argument is about products.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

from chainplan.solvers.elimination.bitset_graph import BitsetGraph
from chainplan.solvers.elimination.bitset_problem import members
from chainplan.solvers.elimination.bounds import NetDirection, SetBounds
from chainplan.solvers.search.search import WorkWatcher, unwatched


@dataclass
class ReducedGraph:
    """A net after its reductions: the vertices that go first, what they cost, and which vertices are merged."""

    net: BitsetGraph
    first: list[int] = field(default_factory=list)
    price: int = 0
    merged: dict[int, list[int]] = field(default_factory=dict)

    def expand(self, order: list[int]) -> list[int]:
        """The order of the original vertices that an order of the remaining ones stands for."""
        return [w for v in [*self.first, *order] for w in self.merged.get(v, [v])]


def reduce(net: BitsetGraph, look: WorkWatcher = unwatched) -> ReducedGraph:
    """Apply every reduction until none fits any more; `look` is told of the work."""
    result = ReducedGraph(net.copy())
    while merge_twins(result) or _eliminate_one(result, look):
        pass
    return result


def _eliminate_one(reduced: ReducedGraph, look: WorkWatcher) -> bool:
    """Eliminate the vertices that are safe now, or else one vertex of a chain pair; return whether any went.

    Cuts, which take longest, are computed only for vertices that meet all other conditions.
    """
    net = reduced.net
    look(len(net.size))
    bounds = SetBounds(net, look=look)
    fits = [v for v in members(net.middle) if goes_first(net, v, net.middle)]
    safe = [v for v in fits if all(_tight(side, v) for side in (*bounds.sides, *bounds.entries))]
    if not safe and not net.prices.adds:
        pairs = (v for v in members(net.middle & ~net.kept) if chain_pair(bounds, v))
        safe = list(islice(pairs, 1))
    for v in safe:
        reduced.price += net.eliminate(v)
        reduced.first.append(v)
    return bool(safe)


def _tight(side: NetDirection, v: int) -> bool:
    """Whether the neighbourhood of v weighs as much as its minimum cut."""
    return side.plain[v] == side.cut(v, side.reach(v, side.net.middle))


def goes_first(net: BitsetGraph, v: int, inside: int) -> bool:
    """Whether a vertex with neighbourhoods as light as its minimum cuts can go first without making others dearer."""
    if net.counted is not None and not goes_first(net.counted, v, inside):
        return False
    full_pred, full_succ, _, _ = net.classes
    into, out, size = net.pred[v], net.succ[v], net.size[v]
    room = 0 if net.kept >> v & 1 else size
    return _bearable(net, into, full_pred, out & inside, full_succ[v], inside, size) and _bearable(
        net, out, full_succ, into & inside, full_pred[v], inside, room
    )


def _bearable(
    net: BitsetGraph, given: int, step: list[int], neighbours: int, full: int, inside: int, room: int
) -> bool:
    """Whether the vertices that each neighbour gains from `given` stay for good and weigh at most `room`.

    Neighbours that are not in `full` have no room, and what they have along other edges than those in `step` is gained.
    """
    for s in members(neighbours):
        fresh = given & ~step[s]
        if fresh & inside or net.weight(fresh) > (room if full >> s & 1 else 0):
            return False
    return True


def chain_pair(bounds: SetBounds, v: int) -> bool:
    """Whether v, which is no output, and its only predecessor or successor are a chain pair of which v may go first."""
    net = bounds.net
    for near, far in (bounds.sides, bounds.sides[::-1]):
        p = near.step[v].bit_length() - 1
        alone = near.step[v] == 1 << p and far.step[p] == 1 << v and (net.middle & ~net.kept) >> p & 1
        if not alone or not net.all_full(v) or net.size[p] > net.size[v] or not _tight(near, v) or not _tight(far, v):
            continue
        if far.plain[v] <= near.cut(p, near.reach(p, net.middle)):
            return True
    return False


def merge_twins(reduced: ReducedGraph) -> bool:
    """Merge intermediates with the same neighbourhoods, outputs apart, into the first of them; say whether any were."""
    net, seen, changed = reduced.net, {}, False
    for v in list(members(net.middle & ~net.kept)):
        if not net.all_full(v):
            continue
        key = net.pred[v], net.succ[v]
        if key not in seen:
            seen[key] = v
            continue
        u = seen[key]
        reduced.merged[u] = [*reduced.merged.get(u, [u]), *reduced.merged.get(v, [v])]
        net.merge(u, v)
        changed = True
    return changed
