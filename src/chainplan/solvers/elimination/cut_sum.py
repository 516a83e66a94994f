"""The sum of `d_v · cut_in(v) · cut_out(v)` over all vertices of a graph, the lower bound that takes no search.

The minimum cuts come from one pass over the graph in each direction (`linked_spans`). Widest paths bound the vertices
that it did not come to within its limits: a cut meets every path, so it weighs at least the least size on any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from chainplan.solvers.elimination.bitset_graph import BitsetGraph
from chainplan.solvers.elimination.bitset_problem import members
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.elimination.linked_spans import LinkedSpans
from chainplan.solvers.search.search import SearchStopped, WorkWatcher, unwatched


@dataclass(frozen=True)
class CutSide:
    """One direction of a graph: the neighbours of each vertex, those that are paid for, and the ends of paths.

    `order` holds the intermediates, neighbours first, and `ends` those at which a path may end as well.
    """

    size: Sequence[int]
    step: Sequence[Collection[int]]
    paid: Sequence[Collection[int]]
    order: Sequence[int]
    ends: Collection[int]

    def linked(self, look: WorkWatcher = unwatched) -> LinkedSpans:
        """What reaches each intermediate, as far as `look` lets the pass come."""
        spans = LinkedSpans(self.size, self.step, self.order, self.ends)
        with suppress(SearchStopped):
            spans.run(self.paid, look)
        return spans

    def cuts(self, spans: LinkedSpans) -> dict[int, int]:
        """A lower bound on the minimum cut of each intermediate; paths bound those that the pass did not come to."""
        reach = spans.reach
        if len(reach) == len(self.order) and spans.exact:
            return reach
        paths = widest_paths(
            self.size, self.step, self.order, self.ends, lambda v, u, width: width if u in self.paid[v] else 0
        )
        return {v: max(width, reach.get(v, 0)) for v, width in paths.items()}


def widest_paths(
    size: Sequence[int],
    step: Sequence[Collection[int]],
    order: Iterable[int],
    ends: Collection[int],
    paid: Callable[[int, int, int], int],
) -> dict[int, int]:
    """The width of the widest path of each vertex in `order` that is paid for: the least size on it, its start apart.

    Of a path that goes on from v to u and is `width` wide, `paid(v, u, width)` is paid for.
    """
    beyond, widest = dict[int, int](), dict[int, int]()
    for v in order:
        beyond[v] = widest[v] = 0
        for u in step[v]:
            width = size[u] if u in ends or u not in beyond else min(size[u], beyond[u])
            beyond[v] = max(beyond[v], width)
            widest[v] = max(widest[v], paid(v, u, width))
    return widest


def work_sides(work: WorkGraph) -> tuple[CutSide, CutSide]:
    """Both directions of a work graph of dense blocks."""
    order, kept = sorted(work.middle), {v for v in work.middle if work.kept[v]}
    return (
        CutSide(work.size, work.into, work.into, order, ()),
        CutSide(work.size, work.out, work.out, order[::-1], kept),
    )


def net_sides(net: BitsetGraph) -> tuple[CutSide, CutSide]:
    """Both directions of a net, where full edges are paid for."""
    order, kept = list(members(net.middle)), set(members(net.kept))
    into, out, full_into, full_out = (
        [list(members(mask)) for mask in step]
        for step in (net.pred, net.succ, net.classes.full_pred, net.classes.full_succ)
    )
    return CutSide(net.size, into, full_into, order, ()), CutSide(net.size, out, full_out, order[::-1], kept)


def cut_sum(
    sides: tuple[CutSide, CutSide],
    look: WorkWatcher = unwatched,
    priced: Callable[[int, tuple[int, int], None], int] | None = None,
) -> int:
    """The sum over the intermediates of what each costs at least, in fma unless a vertex is `priced` by its cuts."""
    first, second = sides
    into, out = first.cuts(first.linked(look)), second.cuts(second.linked(look))
    if priced is not None:
        return sum(priced(v, (into[v], out[v]), None) for v in first.order)
    return sum(first.size[v] * into[v] * out[v] for v in first.order)
