"""A lower bound on all vertex eliminations with propagation in linear time, from widest paths.

What separates a vertex from the inputs weighs at least as much as the narrowest place of any path between them, so the
least vertex of the widest path stands for the minimum cut of `propagation_bound`. The products of a vertex are bounded
by its widest paths that begin with an explicit block and go through dense and diagonal ones alone: these pass on as
many paths of entries as the path is wide, from each entry of a dense block at once (`path_bound`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from chainplan.plans.accumulations import accumulated
from chainplan.problem.graph import Graph
from chainplan.solvers.elimination.elimination_graph import WorkEdge, WorkGraph
from chainplan.structures import Dense, OnDiagonal


class _Widths(NamedTuple):
    """By vertex the narrowest place of its widest path, of all paths and of those whose products are paid for."""

    whole: dict[int, int]
    paid: dict[int, int]


def width_bounds(graph: Graph) -> tuple[dict[str, int], dict[str, int]]:
    """Return what each vertex, and each matrix-free elemental, costs at least, by name, in O(edges)."""
    work = WorkGraph(graph)
    middle = sorted(work.middle)
    into = _widths(work, work.into, middle, [False] * len(work.size))
    out = _widths(work, work.out, middle[::-1], work.kept)
    vertices = {work.names[v]: work.size[v] * into.paid[v] * out.paid[v] for v in middle}
    elementals, outputs = dict[str, int](), set(graph.outputs)
    for e in graph.useful:
        if not e.explicit:
            source, target = work.index[e.source], work.index[e.target]
            ways = [accumulated(e).least]
            if e.tangent is not None and source in into.whole:
                ways.append(e.tangent * into.whole[source])
            if e.adjoint is not None and target in out.whole and e.target not in outputs:
                ways.append(e.adjoint * out.whole[target])
            elementals[e.name] = min(ways)
    return vertices, elementals


def _widths(
    work: WorkGraph, step: Sequence[Mapping[int, WorkEdge]], order: Iterable[int], ends: Sequence[bool]
) -> _Widths:
    """Follow the paths along `step` out of the middle, which they may also leave at `ends`."""
    size, found, passing = work.size, _Widths({}, {}), dict[int, int]()
    for v in order:
        whole = through = paid = 0
        for u, edge in step[v].items():
            leaves, structure = u not in found.whole or ends[u], edge.block.structure
            whole = max(whole, size[u] if leaves else min(size[u], found.whole[u]))
            if isinstance(structure, Dense | OnDiagonal):
                beyond = size[u] if leaves else min(size[u], passing[u])
                through = max(through, beyond)
                if not structure.unit and all(e.explicit for e in edge.parts):
                    paid = max(paid, beyond if isinstance(structure, Dense) else min(beyond, 1))
        found.whole[v], passing[v], found.paid[v] = whole, through, paid
    return found
