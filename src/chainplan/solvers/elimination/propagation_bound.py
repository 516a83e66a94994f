"""A lower bound on all vertex eliminations with propagation, from minimum cuts.

A matrix-free elemental that is not accumulated meets, when a vertex at its end goes, every other edge on the far side
of that vertex: its tangents are applied to all blocks that end at its source, or its adjoints to all that start at its
target. The predecessors of a vertex separate it from the inputs, so there are at least as many tangents as a minimum
cut weighs, and likewise adjoints on the side of the outputs. No price of an elemental is counted twice.

Products are paid for beside that. What has been formed of an edge multiplies what has been formed of another by every
route: in a product of whole blocks, or as the rest beside the elementals that are applied. Something has been formed
between a vertex and those to which it is joined by a path through eliminated vertices that does not begin with a
matrix-free elemental. So each of its entries pays for at least the minimum cuts of the paths that begin with an
explicit block that is no unit (`entry_graph`), on one side times on the other.

Coloured sweeps over parts (`swept_parts`) have fewer vectors. The colours of a line are as many at least as the entries
at its end that reach one entry behind; over all forward lines these separate that entry from the inputs. So an
elemental beside a vertex of a part is applied at least as often as the minimum cut before an entry of its target
weighs, of the paths that come through it, or as that behind an entry of its source; or at least once in each mode. The
explicit blocks on one side of a swept vertex are multiplied by all lines, which is no less than the product of the two
cuts, unless both modes are used: then those of both sides are multiplied at least once. That happens only where all
paths to the vertex, and all from it, go through one other vertex.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from functools import cache
from typing import NamedTuple

from chainplan.plans.accumulations import accumulated
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.solvers.elimination.bitset_problem import EliminationCore, members
from chainplan.solvers.elimination.elimination_graph import intermediates
from chainplan.solvers.elimination.entry_graph import EntryGraph
from chainplan.solvers.elimination.mincut import CutNetwork
from chainplan.solvers.elimination.width_bound import width_bounds
from chainplan.solvers.search.search import SearchStopped, WorkWatcher, unwatched

MAX_CUT_INTERMEDIATES = 5000
"""Intermediate vertices above which widest paths stand for cuts."""
MAX_ENTRY_CLASSES = 20_000
"""Classes of entries above which products count as nothing."""


class Charges(NamedTuple):
    """The bound as a sum over what is paid when vertices go: by vertex, and by matrix-free elemental.

    `edges[v]` are pairs of the other end of an elemental and what it costs at least when the first of its ends goes. An
    elemental that ends at an output costs it when its source goes; the other end is then -1.
    """

    vertices: dict[int, int]
    edges: dict[int, list[tuple[int, int]]]

    def total(self, vertices: Iterable[int]) -> int:
        """Return what some vertices cost at least, whatever the order."""
        seen, total = set[int](), 0
        for v in vertices:
            seen.add(v)
            total += self.vertices.get(v, 0) + sum(fma for u, fma in self.edges.get(v, ()) if u not in seen)
        return total


NO_CHARGES = Charges({}, {})
"""The bound that says nothing."""


class BoundParts(NamedTuple):
    """The parts of the bound by the name of a vertex or of an elemental."""

    vertices: dict[str, int]
    elementals: dict[str, int]

    @property
    def total(self) -> int:
        """The bound on all plans."""
        return sum(self.vertices.values()) + sum(self.elementals.values())

    def charges(self, graph: Graph, index: Mapping[str, int], paid: Collection[str]) -> Charges:
        """Return what vertices cost, by their numbers, where the elementals in `paid` are paid for beforehand."""
        edges = dict[int, list[tuple[int, int]]]()
        for e in graph.useful:
            if e.name in self.elementals and e.name not in paid:
                source, target, fma = index[e.source], index[e.target], self.elementals[e.name]
                ends = [(source, -1)] if e.target in graph.outputs else [(source, target), (target, source)]
                for one, other in ends:
                    edges.setdefault(one, []).append((other, fma))
        return Charges({index[v]: fma for v, fma in self.vertices.items()}, edges)


def propagation_bound(graph: Graph, look: WorkWatcher = unwatched, swept: int = 0) -> BoundParts:
    """Return a lower bound in fma; where `look` raises `SearchStopped`, it is what has been counted by then.

    Where no part may be swept, widest paths stand for the cuts that are missing. The vertices in `swept`, as bits, may
    be in parts that are swept.
    """
    parts = BoundParts({}, {}) if swept else BoundParts(*width_bounds(graph))
    if intermediates(graph) > MAX_CUT_INTERMEDIATES:
        return parts
    cuts, outputs = _Cuts(graph, look), set(graph.outputs)
    products = _ProductCuts(graph, cuts.core, look)
    narrow = swept & _between_two(cuts.core) if swept else 0
    with suppress(SearchStopped):
        for e in graph.useful:
            if not e.explicit:
                least = _least(e, cuts, outputs)
                ends = 1 << cuts.core.index[e.source] | 1 << cuts.core.index[e.target]
                if swept & ends:
                    least = min(least, products.least_swept(e, both=bool(narrow & ends)))
                parts.elementals[e.name] = max(least, parts.elementals.get(e.name, 0))
        for v in cuts.middle:
            least = products.least(v)
            least = min(least, _both_sides(graph, v)) if narrow >> cuts.core.index[v] & 1 else least
            parts.vertices[v] = max(least, parts.vertices.get(v, 0))
    return parts


def _least(e: Elemental, cuts: _Cuts, outputs: set[str]) -> int:
    """Bound what becomes of an elemental; one that ends at an output is used up when its source goes, if at all."""
    ways = [accumulated(e).least]
    if e.tangent is not None and e.source in cuts.middle:
        ways.append(e.tangent * cuts.before(e.source))
    if e.adjoint is not None and e.target in cuts.middle and e.target not in outputs:
        ways.append(e.adjoint * cuts.behind(e.target))
    return min(ways)


def _between_two(core: EliminationCore) -> int:
    """Return the intermediate vertices whose paths all come through one vertex, and all go on through another."""
    found = core.middle
    for step, ends, order in (
        (core.pred, ~core.middle, range(len(core.size))),
        (core.succ, ~core.middle | core.kept, range(len(core.size))[::-1]),
    ):
        through = [0] * len(core.size)
        for v in order:
            shared = -1
            for u in members(step[v]):
                shared &= through[u] | 1 << u if not ends >> u & 1 else 1 << u
            through[v] = 0 if shared == -1 else shared
            if not through[v]:
                found &= ~(1 << v)
    return found


def _both_sides(graph: Graph, v: str) -> int:
    """Return the nonzeros of the explicit blocks at a vertex that are no units."""
    beside = (e for e in graph.useful if v in (e.source, e.target) and e.explicit)
    return sum(e.block.nnz for e in beside if not e.block.structure.unit)


class _Cuts:
    """Minimum cuts on both sides of the intermediate vertices of a graph, each computed once."""

    def __init__(self, graph: Graph, look: WorkWatcher) -> None:
        self.core, self._look = EliminationCore(graph), look
        self._into, self._out = (CutNetwork(step, self.core.size) for step in (self.core.pred, self.core.succ))
        self.middle = [v for v, i in self.core.index.items() if self.core.middle >> i & 1]
        self.before, self.behind = cache(self._before), cache(self._behind)

    def _before(self, v: str) -> int:
        """Return the least weight of vertices that separate v from the inputs."""
        core = self.core
        return self._into.cut(core.index[v], core.middle, look=self._look)

    def _behind(self, v: str) -> int:
        """Return the least weight of vertices that separate v from the outputs."""
        core = self.core
        return self._out.cut(core.index[v], core.middle, ends=core.kept, look=self._look)


class _ProductCuts:
    """Minimum cuts on both sides of the entries of vertices, of the paths that begin with an explicit block."""

    def __init__(self, graph: Graph, core: EliminationCore, look: WorkWatcher) -> None:
        self._core, self._look = core, look
        self._entries = entries = EntryGraph.of(core, MAX_ENTRY_CLASSES)
        self._parallel = Counter((e.source, e.target) for e in graph.useful)
        self._free_pred, self._free_succ = [0] * len(core.size), [0] * len(core.size)
        if entries is None:
            return
        for e in graph.useful:
            if not e.explicit:
                p, v = core.index[e.source], core.index[e.target]
                self._free_pred[v] |= entries.classes[p]
                self._free_succ[p] |= entries.classes[v]
        self._networks = CutNetwork(entries.net.pred, entries.net.size), CutNetwork(entries.net.succ, entries.net.size)

    def least_swept(self, e: Elemental, both: bool) -> int:
        """Return the least that a coloured sweep through an elemental pays for it, perhaps one of both modes."""
        prices = {mode: price for mode in Mode if (price := e.per_vector(mode)) is not None}
        ways = [price * self._vectors(e, mode) for mode, price in prices.items()]
        return min([*ways, sum(prices.values())] if both and len(ways) > 1 else ways)

    def _vectors(self, e: Elemental, mode: Mode) -> int:
        """Return how many vectors the lines of one direction carry through an elemental at least, if they do."""
        entries, core = self._entries, self._core
        if entries is None or self._parallel[e.source, e.target] > 1:
            return 1
        net, (into, out) = entries.net, self._networks
        near, far = core.index[e.source], core.index[e.target]
        most, known = 1, set[int]()
        if mode is Mode.ADJOINT:
            near, far = far, near
        for c in members(entries.classes[far]):
            own = 1 << c
            start = (net.pred if mode is Mode.TANGENT else net.succ)[c] & entries.classes[near]
            if not start or start in known:
                continue
            region, ends = net.middle | own, net.kept & ~own
            if mode is Mode.TANGENT:
                used = not own & net.middle or own & net.kept or out.cut(c, net.middle, 0, ends, self._look)
                cut = into.cut(c, region, look=self._look, starts=start)
            else:
                used = not own & net.middle or into.cut(c, net.middle, look=self._look)
                cut = out.cut(c, region, 0, ends, self._look, start)
            if used:
                known.add(start)
                most = max(most, cut)
        return most

    def least(self, name: str) -> int:
        """Return the least that the products of a vertex cost; 0 where its entries are too many to be told apart."""
        entries, v = self._entries, self._core.index[name]
        if entries is None:
            return 0
        net, total = entries.net, 0
        into, out = self._networks
        for c in members(entries.classes[v]):
            before, behind = (
                net.classes.full_pred[c] & ~self._free_pred[v],
                net.classes.full_succ[c] & ~self._free_succ[v],
            )
            if before and behind:
                cut = into.cut(c, net.middle, look=self._look, starts=before)
                total += net.size[c] * cut * out.cut(c, net.middle, 0, net.kept & ~(1 << c), self._look, behind)
        return total
