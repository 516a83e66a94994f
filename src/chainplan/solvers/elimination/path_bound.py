"""A lower bound of an elimination problem that is there in seconds, also for thousands of vertices.

Small problems get what the exact search starts from: reductions and group bounds. Large ones get the sum over vertices
of `d_v · cut_in(v) · cut_out(v)`, with minimum cuts for the vertices that promise most while a work limit lasts, and
for the others the widest path: a cut meets every path, so it weighs at least the least size on any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from chainplan.problem.graph import Graph
from chainplan.solvers.elimination.bitset_graph import Net
from chainplan.solvers.elimination.bitset_problem import Core, members
from chainplan.solvers.elimination.branch_and_bound import Exact
from chainplan.solvers.elimination.elimination_graph import WorkGraph, accumulation, intermediates
from chainplan.solvers.elimination.mincut import Flow
from chainplan.solvers.search.search import Look, Stopped, paced, unwatched

SMALL = 100
LARGE = 20_000
WORK = 3_000_000


def quick_bound(graph: Graph, tick: Callable[[], None] = unwatched) -> int:
    """A lower bound in fma of all vertex eliminations of a graph, accumulation included.

    Above `LARGE` intermediates no sets of vertices are made, as each would have as many bits: `path_bound` is all.
    Where `tick` raises `Stopped`, what has been proven by then is the bound: widest paths at least, in O(edges).
    """
    if intermediates(graph) > LARGE:
        return path_bound(graph)
    core = Core(graph)
    return core.least_fixed + lower_bound(core, tick=tick)


def path_bound(graph: Graph) -> int:
    """The lower bound that widest paths alone give, in O(edges); just the accumulation for structured blocks."""
    work = WorkGraph(graph)
    if not work.dense:
        return accumulation(graph).least
    found = sorted(work.middle)
    none = [False] * len(work.size)
    into = _widest_paths(work, [row.keys() for row in work.into], found, none)
    out = _widest_paths(work, [row.keys() for row in work.out], found[::-1], work.kept)
    return accumulation(graph).least + sum(work.size[v] * into[v] * out[v] for v in found)


def _widest_paths(
    work: WorkGraph, step: Sequence[Iterable[int]], order: Iterable[int], ends: Sequence[bool]
) -> dict[int, int]:
    """For each vertex the most that the least size on a path out of the middle can be, the vertex itself left out."""
    size, width = work.size, dict[int, int]()
    for v in order:
        width[v] = max(size[u] if u not in width or ends[u] else min(size[u], width[u]) for u in step[v])
    return width


def lower_bound(core: Core, mask: int | None = None, tick: Callable[[], None] = unwatched) -> int:
    """What eliminating the intermediates in `mask` (default all) costs at least, every other vertex kept.

    0 for large problems with structured blocks. Accumulation is not included.
    """
    net = Net.of(core, mask)
    found = _cuts(net, WORK, paced(tick)) if core.dense else 0
    if net.middle.bit_count() <= SMALL:
        with suppress(Stopped):
            search = Exact(core, mask, tick)
            found = max(found, search.bound)
            search.prepare(tick)
            found = max(found, search.bound)
    return found


def _cuts(net: Net, work: int, look: Look = unwatched) -> int:
    """The sum over vertices, minimum cuts for those where they may add most until `work` vertices have been visited.

    Where `look` raises `Stopped`, widest paths do for the others.
    """
    size, low = net.size, []
    found = list(members(net.middle))
    for step, order, ends in ((net.pred, found, 0), (net.succ, found[::-1], net.kept)):
        low.append(_widest(net, step, order, ends))
    plain = {v: net.weight(net.pred[v]) * net.weight(net.succ[v]) for v in found}

    def promise(v: int) -> tuple[int, int]:
        return size[v] * (low[0][v] * low[1][v] - plain[v]), v

    with suppress(Stopped):
        for v in sorted(found, key=promise):
            if work < 0 or promise(v)[0] == 0:
                break
            for side, step, ends in ((0, net.pred, 0), (1, net.succ, net.kept)):
                flow = Flow(step, size, v, net.middle, 0, ends & ~(1 << v), look)
                low[side][v] = flow.run()
                work -= flow.visits + 1
    return sum(size[v] * low[0][v] * low[1][v] for v in found)


def _widest(net: Net, step: list[int], order: list[int], ends: int) -> dict[int, int]:
    """For each vertex the most that the least size on a path out of the middle can be, the vertex itself left out."""
    size, width = net.size, dict[int, int]()
    for v in order:
        width[v] = 0
        for u in members(step[v]):
            beyond = size[u] if u not in width or ends >> u & 1 else min(size[u], width[u])
            width[v] = max(width[v], beyond)
    return width
