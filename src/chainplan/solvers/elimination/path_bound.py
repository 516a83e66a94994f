"""Lower bounds of an elimination problem that take seconds, also for thousands of vertices.

Small problems get the bound that the exact search starts from: reductions and group bounds. All get the sum of the
bounds of their vertices, or of the entries of structured ones (`entry_graph`), from minimum cuts (`cut_sum`), and large
dense ones that of windows of a few vertices (`window_bound`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress

from chainplan.solvers.elimination.bitset_graph import BitsetGraph
from chainplan.solvers.elimination.bitset_problem import EliminationCore
from chainplan.solvers.elimination.block_classes import edge_classes
from chainplan.solvers.elimination.branch_and_bound import ExactSearch
from chainplan.solvers.elimination.cut_sum import cut_sum, net_sides, widest_paths
from chainplan.solvers.elimination.elimination_graph import WorkEdge, WorkGraph
from chainplan.solvers.elimination.entry_graph import EntryGraph
from chainplan.solvers.elimination.window_bound import window_bound
from chainplan.solvers.search.search import SearchStopped, paced, unwatched
from chainplan.structures import Dense
from chainplan.structures.diagonal import OnDiagonal

MAX_GROUP_BOUND_INTERMEDIATES = 100
"""Intermediate vertices up to which the exact search gives the bound."""
MAX_SET_BOUND_INTERMEDIATES = 20_000
"""Intermediate vertices, and classes of entries, up to which structured blocks are bounded by their entries."""


def quick_bound(work: WorkGraph, tick: Callable[[], None] = unwatched) -> int:
    """A lower bound on all vertex eliminations of a graph, with the accumulation; `work` is not changed.

    It is in the unit of the prices, and 0 for objectives in time. What all orders cost in fma bounds operations.
    Where `tick` raises `SearchStopped`, it is what has been proven by then, at least the sum of widest paths, in
    O(edges).
    """
    if not work.prices.adds:
        return _quick_bound(work, tick)
    if not work.prices.by_weight:
        return 0
    bound = _quick_bound(WorkGraph(work.graph), tick)
    if not work.grows or not (work.dense or len(work.middle) <= MAX_GROUP_BOUND_INTERMEDIATES):
        return bound
    return max(bound, _quick_bound(work, tick))


def _quick_bound(work: WorkGraph, tick: Callable[[], None]) -> int:
    """The bound by the prices of the graph."""
    if len(work.middle) > MAX_GROUP_BOUND_INTERMEDIATES:
        if work.dense:
            return work.fixed_price.least + window_bound(work, paced(tick))
        if len(work.middle) > MAX_SET_BOUND_INTERMEDIATES:
            return path_bound(work)
    core = EliminationCore(work.graph, work.prices.cost)
    bound = core.least_fixed + lower_bound(core, tick=tick)
    return bound if core.dense or work.prices.adds else max(bound, path_bound(work))


def path_bound(work: WorkGraph) -> int:
    """The lower bound of widest paths alone, in O(edges); structured blocks off the diagonal count as nothing."""
    if work.prices.adds:
        if not work.prices.by_weight:
            return 0
        bound = path_bound(WorkGraph(work.graph))
        return max(bound, _path_bound(work)) if work.dense and work.grows else bound
    return _path_bound(work)


def _path_bound(work: WorkGraph) -> int:
    """The bound by the prices of the graph."""
    middle = sorted(work.middle)
    into = paid_paths(work, work.into, middle, ())
    out = paid_paths(work, work.out, middle[::-1], {v for v in middle if work.kept[v]})
    weighed = work.prices.weighed
    return work.fixed_price.least + sum(weighed(work.size[v], into[v], out[v], work.kept[v]) for v in middle)


def paid_paths(
    work: WorkGraph,
    rows: Sequence[Mapping[int, WorkEdge]],
    order: Iterable[int],
    ends: Collection[int],
    counts: Callable[[WorkEdge], bool] = lambda edge: True,
) -> dict[int, int]:
    """For each vertex the width of the widest path that is paid for out of the middle, its first block one that counts.

    Dense and diagonal blocks pass on all of it from every entry at once, which makes that many paths; one entry begins
    only one where the first block is diagonal, and none that is paid for where it is a unit.
    """
    step = rows
    if not work.dense:
        step = [{u: e for u, e in row.items() if isinstance(e.block.structure, Dense | OnDiagonal)} for row in rows]

    def paid(v: int, u: int, width: int) -> int:
        structure = step[v][u].block.structure
        if not counts(step[v][u]):
            return 0
        return width if isinstance(structure, Dense) else 0 if structure.unit else min(width, 1)

    return widest_paths(work.size, step, order, ends, paid)


def lower_bound(core: EliminationCore, mask: int | None = None, tick: Callable[[], None] = unwatched) -> int:
    """What eliminating the intermediates in `mask` (default all) costs at least, every other vertex kept.

    The accumulation is not included. Structured blocks are bounded by their entries where these are few enough.
    """
    net, look, bound = BitsetGraph.of(core, mask), paced(tick), 0
    if core.dense:
        bound = cut_sum(net_sides(net), look, net.priced)
    elif core.prices.adds:
        net = BitsetGraph.of(core, mask, edge_classes(core))
    else:
        with suppress(SearchStopped):
            entries = EntryGraph.of(core, MAX_SET_BOUND_INTERMEDIATES, mask, look)
            bound = 0 if entries is None else cut_sum(net_sides(entries.net), look)
    if net.middle.bit_count() <= MAX_GROUP_BOUND_INTERMEDIATES:
        with suppress(SearchStopped):
            search = ExactSearch(core, mask, tick)
            bound = max(bound, search.bound)
            search.prepare(tick)
            bound = max(bound, search.bound)
    return bound
