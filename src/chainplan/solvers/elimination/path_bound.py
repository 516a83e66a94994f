"""Lower bounds of an elimination problem that take seconds, also for thousands of vertices.

Small problems get the bound that the exact search starts from: reductions and group bounds. All get the sum over
vertices, or over the entries of structured ones (`entry_graph`), of `d_v · cut_in(v) · cut_out(v)`, with minimum cuts
for those that promise most, until a work limit is reached, and widest paths for the others: a cut meets every path, so
it weighs at least the least size on any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from chainplan.problem.graph import Graph
from chainplan.solvers.elimination.bitset_graph import BitsetGraph
from chainplan.solvers.elimination.bitset_problem import EliminationCore, members
from chainplan.solvers.elimination.branch_and_bound import ExactSearch
from chainplan.solvers.elimination.elimination_graph import WorkEdge, WorkGraph, accumulation, intermediates
from chainplan.solvers.elimination.entry_graph import EntryGraph
from chainplan.solvers.elimination.mincut import VertexFlow
from chainplan.solvers.search.search import SearchStopped, WorkWatcher, paced, unwatched
from chainplan.structures import Dense
from chainplan.structures.diagonal import OnDiagonal

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
    bound = core.least_fixed + lower_bound(core, tick=tick)
    return bound if core.dense else max(bound, path_bound(graph))


def path_bound(graph: Graph) -> int:
    """The lower bound of widest paths alone, in O(edges); structured blocks off the diagonal count as nothing."""
    work = WorkGraph(graph)
    middle = sorted(work.middle)
    into = _widest_paths(work, work.into, middle, [False] * len(work.size))
    out = _widest_paths(work, work.out, middle[::-1], work.kept)
    return accumulation(graph).least + sum(work.size[v] * into[v] * out[v] for v in middle)


def _widest_paths(
    work: WorkGraph, step: Sequence[Mapping[int, WorkEdge]], order: Iterable[int], ends: Sequence[bool]
) -> dict[int, int]:
    """For each vertex the width of the widest path that is paid for out of the middle.

    The width is the least size on the path but for its start. Dense and diagonal blocks pass on all of it from every
    entry at once, which makes that many paths; one entry begins only one where the first block is diagonal, and none
    that is paid for where it is a unit.
    """
    size, width, paid = work.size, dict[int, int](), dict[int, int]()
    for v in order:
        width[v] = paid[v] = 0
        for u, edge in step[v].items():
            beyond = size[u] if u not in width or ends[u] else min(size[u], width[u])
            structure = edge.block.structure
            if type(structure) is Dense:
                width[v], paid[v] = max(width[v], beyond), max(paid[v], beyond)
            elif isinstance(structure, OnDiagonal):
                width[v] = max(width[v], beyond)
                if not structure.unit:
                    paid[v] = max(paid[v], min(beyond, 1))
    return paid


def lower_bound(core: EliminationCore, mask: int | None = None, tick: Callable[[], None] = unwatched) -> int:
    """What eliminating the intermediates in `mask` (default all) costs at least, every other vertex kept.

    The accumulation is not included. Structured blocks are bounded by their entries where these are few enough.
    """
    net, look, bound = BitsetGraph.of(core, mask), paced(tick), 0
    if core.dense:
        bound = _cuts(net, MAX_CUT_WORK, look)
    elif (entries := EntryGraph.of(core, MAX_SET_BOUND_INTERMEDIATES, mask)) is not None:
        bound = _cuts(entries.net, MAX_CUT_WORK, look)
    if net.middle.bit_count() <= MAX_GROUP_BOUND_INTERMEDIATES:
        with suppress(SearchStopped):
            search = ExactSearch(core, mask, tick)
            bound = max(bound, search.bound)
            search.prepare(tick)
            bound = max(bound, search.bound)
    return bound


def _cuts(net: BitsetGraph, work: int, look: WorkWatcher = unwatched) -> int:
    """The sum of bounds over vertices: minimum cuts where they may add most, until `work` vertices have been visited.

    Widest paths bound the other vertices, also where `look` raises `SearchStopped`. All paths begin with a full edge.
    """
    size, low = net.size, []
    into, out = net.classes.full_pred, net.classes.full_succ
    vertices = list(members(net.middle))
    for step, first, order, ends in ((net.pred, into, vertices, 0), (net.succ, out, vertices[::-1], net.kept)):
        low.append(_widest(net, step, first, order, ends))
    plain = {v: net.weight(into[v]) * net.weight(out[v]) for v in vertices}

    def promise(v: int) -> tuple[int, int]:
        return size[v] * (low[0][v] * low[1][v] - plain[v]), v

    with suppress(SearchStopped):
        for v in sorted(vertices, key=promise):
            if work < 0 or promise(v)[0] == 0:
                break
            for side, step, first, ends in ((0, net.pred, into, 0), (1, net.succ, out, net.kept)):
                flow = VertexFlow(step, size, v, net.middle, 0, ends & ~(1 << v), look, first[v])
                low[side][v] = flow.run()
                work -= flow.visits + 1
    return sum(size[v] * low[0][v] * low[1][v] for v in vertices)


def _widest(net: BitsetGraph, step: list[int], first: list[int], order: list[int], ends: int) -> dict[int, int]:
    """For each vertex the width of the widest path that is paid for out of the middle: the least size but of its start.

    It begins at one of the vertices `first` and goes on along `step`.
    """
    size, beyond, width = net.size, dict[int, int](), dict[int, int]()
    for v in order:
        past = {u: size[u] if u not in beyond or ends >> u & 1 else min(size[u], beyond[u]) for u in members(step[v])}
        beyond[v] = max(past.values(), default=0)
        width[v] = max((past[u] for u in members(first[v])), default=0)
    return width
