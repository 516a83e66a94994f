"""A lower bound on all vertex eliminations with propagation in linear time, from widest paths.

What separates a vertex from the inputs weighs at least as much as the narrowest place of any path between them, so the
least vertex of the widest path stands for the minimum cut of `propagation_bound`. The products of a vertex are bounded
by its widest paths that begin with an explicit block and go through dense and diagonal ones alone: these pass on as
many paths of entries as the path is wide, from each entry of a dense block at once (`path_bound`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from chainplan.plans.accumulations import accumulated
from chainplan.problem.graph import Graph
from chainplan.solvers.elimination.cut_sum import widest_paths
from chainplan.solvers.elimination.elimination_graph import WorkEdge, WorkGraph
from chainplan.solvers.elimination.path_bound import paid_paths


def width_bounds(graph: Graph) -> tuple[dict[str, int], dict[str, int]]:
    """Return what each vertex, and each matrix-free elemental, costs at least, by name, in O(edges)."""
    work = WorkGraph(graph)
    middle = sorted(work.middle)
    kept = {v for v in middle if work.kept[v]}
    into, paid_into = _widths(work, work.into, middle, ())
    out, paid_out = _widths(work, work.out, middle[::-1], kept)
    vertices = {work.names[v]: work.size[v] * paid_into[v] * paid_out[v] for v in middle}
    elementals, outputs = dict[str, int](), set(graph.outputs)
    for e in graph.useful:
        if not e.explicit:
            source, target = work.index[e.source], work.index[e.target]
            ways = [accumulated(e).least]
            if e.tangent is not None and source in into:
                ways.append(e.tangent * into[source])
            if e.adjoint is not None and target in out and e.target not in outputs:
                ways.append(e.adjoint * out[target])
            elementals[e.name] = min(ways)
    return vertices, elementals


def _widths(
    work: WorkGraph, step: Sequence[Mapping[int, WorkEdge]], order: Sequence[int], ends: Collection[int]
) -> tuple[dict[int, int], dict[int, int]]:
    """Return by vertex the width of its widest path out of the middle, and of that which is paid for."""
    whole = widest_paths(work.size, step, order, ends, lambda v, u, width: width)
    return whole, paid_paths(work, step, order, ends, lambda edge: all(e.explicit for e in edge.parts))
