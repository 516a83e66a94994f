"""Lower bounds of an elimination problem that take seconds, also for thousands of vertices.

Small problems get the bound that the exact search starts from: reductions and group bounds. All get the sum of the
bounds of their vertices, or of the entries of structured ones (`entry_graph`), from minimum cuts (`cut_sum`), and large
dense ones that of windows of a few vertices (`window_bound`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from chainplan.problem.graph import Graph
from chainplan.solvers.elimination.bitset_graph import BitsetGraph
from chainplan.solvers.elimination.bitset_problem import EliminationCore
from chainplan.solvers.elimination.branch_and_bound import ExactSearch
from chainplan.solvers.elimination.cut_sum import cut_sum, net_sides
from chainplan.solvers.elimination.elimination_graph import WorkEdge, WorkGraph, accumulation, intermediates
from chainplan.solvers.elimination.entry_graph import EntryGraph
from chainplan.solvers.elimination.window_bound import window_bound
from chainplan.solvers.search.search import SearchStopped, paced, unwatched
from chainplan.structures import Dense
from chainplan.structures.diagonal import OnDiagonal

MAX_GROUP_BOUND_INTERMEDIATES = 100
"""Intermediate vertices up to which the exact search gives the bound."""
MAX_SET_BOUND_INTERMEDIATES = 20_000
"""Intermediate vertices, and classes of entries, up to which structured blocks are bounded by their entries."""


def quick_bound(graph: Graph, tick: Callable[[], None] = unwatched) -> int:
    """A lower bound in fma on all vertex eliminations of a graph, with the accumulation.

    Where `tick` raises `SearchStopped`, it is what has been proven by then, at least the sum of widest paths, in
    O(edges).
    """
    count = intermediates(graph)
    if count > MAX_GROUP_BOUND_INTERMEDIATES:
        work = WorkGraph(graph)
        if work.dense:
            return accumulation(graph).least + window_bound(work, paced(tick))
        if count > MAX_SET_BOUND_INTERMEDIATES:
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
            if not isinstance(structure, Dense | OnDiagonal):
                continue
            width[v] = max(width[v], beyond)
            if not structure.unit:
                paid[v] = max(paid[v], beyond if isinstance(structure, Dense) else min(beyond, 1))
    return paid


def lower_bound(core: EliminationCore, mask: int | None = None, tick: Callable[[], None] = unwatched) -> int:
    """What eliminating the intermediates in `mask` (default all) costs at least, every other vertex kept.

    The accumulation is not included. Structured blocks are bounded by their entries where these are few enough.
    """
    net, look, bound = BitsetGraph.of(core, mask), paced(tick), 0
    if core.dense:
        bound = cut_sum(net_sides(net), look)
    elif (entries := EntryGraph.of(core, MAX_SET_BOUND_INTERMEDIATES, mask)) is not None:
        bound = cut_sum(net_sides(entries.net), look)
    if net.middle.bit_count() <= MAX_GROUP_BOUND_INTERMEDIATES:
        with suppress(SearchStopped):
            search = ExactSearch(core, mask, tick)
            bound = max(bound, search.bound)
            search.prepare(tick)
            bound = max(bound, search.bound)
    return bound
