"""Lower bounds of an elimination problem that take seconds, also for thousands of vertices.

Small problems get the bound that the exact search starts from: reductions and group bounds. Large problems get the sum
over vertices of `d_v · cut_in(v) · cut_out(v)`, with minimum cuts for the vertices that promise most, until a work
limit is reached, and widest paths for the others: a cut meets every path, so it weighs at least the least size on any
of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from chainplan.problem.graph import Graph
from chainplan.solvers.elimination.bitset_graph import BitsetGraph
from chainplan.solvers.elimination.bitset_problem import EliminationCore, members
from chainplan.solvers.elimination.branch_and_bound import ExactSearch
from chainplan.solvers.elimination.elimination_graph import WorkGraph, accumulation, intermediates
from chainplan.solvers.elimination.mincut import VertexFlow
from chainplan.solvers.search.search import SearchStopped, WorkWatcher, paced, unwatched

MAX_GROUP_BOUND_INTERMEDIATES = 100
"""Intermediate vertices up to which the exact search gives the bound."""
MAX_SET_BOUND_INTERMEDIATES = 20_000
"""Intermediate vertices above which widest paths alone give the bound."""
MAX_CUT_WORK = 3_000_000
"""Visits of vertices that the minimum cuts may take."""


def quick_bound(graph: Graph, tick: Callable[[], None] = unwatched) -> int:
    """A lower bound in fma on all vertex eliminations of a graph, with the accumulation.

    Above `MAX_SET_BOUND_INTERMEDIATES` intermediates the bound is `path_bound`, because bit sets of so many vertices
    are too large. Where `tick` raises `SearchStopped`, it is what has been proven by then, at least the sum of widest
    paths, in O(edges).
    """
    if intermediates(graph) > MAX_SET_BOUND_INTERMEDIATES:
        return path_bound(graph)
    core = EliminationCore(graph)
    return core.least_fixed + lower_bound(core, tick=tick)


def path_bound(graph: Graph) -> int:
    """The lower bound of widest paths alone, in O(edges); for structured blocks that of the accumulation alone."""
    work = WorkGraph(graph)
    if not work.dense:
        return accumulation(graph).least
    middle = sorted(work.middle)
    none = [False] * len(work.size)
    into = _widest_paths(work, [row.keys() for row in work.into], middle, none)
    out = _widest_paths(work, [row.keys() for row in work.out], middle[::-1], work.kept)
    return accumulation(graph).least + sum(work.size[v] * into[v] * out[v] for v in middle)


def _widest_paths(
    work: WorkGraph, step: Sequence[Iterable[int]], order: Iterable[int], ends: Sequence[bool]
) -> dict[int, int]:
    """For each vertex the width of the widest path out of the middle: the least size on it but for its start."""
    size, width = work.size, dict[int, int]()
    for v in order:
        width[v] = max(size[u] if u not in width or ends[u] else min(size[u], width[u]) for u in step[v])
    return width


def lower_bound(core: EliminationCore, mask: int | None = None, tick: Callable[[], None] = unwatched) -> int:
    """What eliminating the intermediates in `mask` (default all) costs at least, every other vertex kept.

    The accumulation is not included. The bound is 0 for large problems with structured blocks.
    """
    net = BitsetGraph.of(core, mask)
    bound = _cuts(net, MAX_CUT_WORK, paced(tick)) if core.dense else 0
    if net.middle.bit_count() <= MAX_GROUP_BOUND_INTERMEDIATES:
        with suppress(SearchStopped):
            search = ExactSearch(core, mask, tick)
            bound = max(bound, search.bound)
            search.prepare(tick)
            bound = max(bound, search.bound)
    return bound


def _cuts(net: BitsetGraph, work: int, look: WorkWatcher = unwatched) -> int:
    """The sum of bounds over vertices: minimum cuts where they may add most, until `work` vertices have been visited.

    Widest paths bound the other vertices, also where `look` raises `SearchStopped`.
    """
    size, low = net.size, []
    vertices = list(members(net.middle))
    for step, order, ends in ((net.pred, vertices, 0), (net.succ, vertices[::-1], net.kept)):
        low.append(_widest(net, step, order, ends))
    plain = {v: net.weight(net.pred[v]) * net.weight(net.succ[v]) for v in vertices}

    def promise(v: int) -> tuple[int, int]:
        return size[v] * (low[0][v] * low[1][v] - plain[v]), v

    with suppress(SearchStopped):
        for v in sorted(vertices, key=promise):
            if work < 0 or promise(v)[0] == 0:
                break
            for side, step, ends in ((0, net.pred, 0), (1, net.succ, net.kept)):
                flow = VertexFlow(step, size, v, net.middle, 0, ends & ~(1 << v), look)
                low[side][v] = flow.run()
                work -= flow.visits + 1
    return sum(size[v] * low[0][v] * low[1][v] for v in vertices)


def _widest(net: BitsetGraph, step: list[int], order: list[int], ends: int) -> dict[int, int]:
    """For each vertex the width of the widest path out of the middle: the least size on it but for its start."""
    size, width = net.size, dict[int, int]()
    for v in order:
        width[v] = 0
        for u in members(step[v]):
            beyond = size[u] if u not in width or ends >> u & 1 else min(size[u], width[u])
            width[v] = max(width[v], beyond)
    return width
