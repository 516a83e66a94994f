"""What the first products of vectors cost at least, in a graph with a vertex for the vectors of all products.

An input is read by nothing but itself, so that when it goes, all vectors are multiplied by what leaves it then. Where a
matrix-free elemental is among that and is applied, it costs k · tangent + l · adjoint. Else what leaves an entry of the
input meets every path from it to an output: all vectors are multiplied by at least as many nonzeros as a minimum cut
weighs, of the paths that do not begin with a unit block. So an input costs the less of the two. This is instead of what
`propagation_bound` counts for the input and for the matrix-free elementals that leave it: the more of both is taken,
for each input. Behind the outputs it is the same the other way round.
"""

from __future__ import annotations

from contextlib import suppress

from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.problem.products import Products
from chainplan.solvers.elimination.bitset_problem import EliminationCore, members
from chainplan.solvers.elimination.entry_graph import EntryGraph
from chainplan.solvers.elimination.mincut import CutNetwork
from chainplan.solvers.elimination.propagation_bound import MAX_ENTRY_CLASSES, BoundParts
from chainplan.solvers.search.search import SearchStopped, WorkWatcher, unwatched


def with_vectors_counted(
    parts: BoundParts, counted: Graph, graph: Graph, times: Products, vertex: str, look: WorkWatcher = unwatched
) -> BoundParts:
    """Return the parts of a bound with what the vectors of a vertex cost beside it, where that is more.

    `counted` is the graph that the bound is of, and `graph` the same with the prices of its elementals. Where `look`
    raises `SearchStopped`, the vertices that have been counted by then are changed.
    """
    before = vertex in graph.inputs
    core = EliminationCore(counted)
    entries = EntryGraph.of(core, MAX_ENTRY_CLASSES)
    if entries is None:
        return parts
    net = entries.net
    network = CutNetwork(net.succ if before else net.pred, net.size)
    full, ends = (net.classes.full_succ, net.kept) if before else (net.classes.full_pred, 0)
    vertices, elementals = dict(parts.vertices), dict(parts.elementals)
    with suppress(SearchStopped):
        for v in {e.target if before else e.source for e in (graph.out_of if before else graph.into).get(vertex, ())}:
            free = [e for e in (graph.out_of if before else graph.into).get(v, ()) if not e.explicit]
            nonzeros = sum(
                net.size[c] * network.cut(c, net.middle, 0, ends & ~(1 << c), look, full[c])
                for c in members(entries.classes[core.index[v]])
                if full[c]
            )
            least = min([times.total * nonzeros, *(price for e in free if (price := _applied(e, times)) is not None)])
            if least > vertices.get(v, 0) + sum(elementals.get(e.name, 0) for e in free):
                vertices[v] = least
                for e in free:
                    elementals.pop(e.name, None)
    return BoundParts(vertices, elementals)


def _applied(e: Elemental, times: Products) -> int | None:
    """Return what an elemental costs that is applied to the vectors of all products, None where it lacks a mode."""
    prices = [(count, e.per_vector(mode)) for mode, count in ((Mode.TANGENT, times.right), (Mode.ADJOINT, times.left))]
    if any(count and price is None for count, price in prices):
        return None
    return sum(count * (price or 0) for count, price in prices)
