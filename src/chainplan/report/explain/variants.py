"""Problems with one thing changed: the size of a vertex, or what is known of an elemental."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chainplan.problem.graph import Elemental, sharing_among
from chainplan.problem.problem import Problem
from chainplan.structures import Banded, Dense, OnDiagonal


@dataclass(frozen=True)
class FreeVertices:
    """Vertices whose size can change; square structures tie the sizes of several vertices together.

    `linear` is whether it is one vertex between dense Jacobians, so that every plan's cost is linear in its size.
    """

    vertices: tuple[str, ...]
    size: int
    linear: bool


def free_sizes(problem: Problem) -> tuple[list[FreeVertices], list[str]]:
    """List the sizes that can change, and the vertices whose size a structure fixes; both in topological order."""
    graph = problem.graph
    group = {v: v for e in graph.useful for v in (e.source, e.target)}
    fixed: set[str] = set()
    plain = dict.fromkeys(group, True)

    def find(v: str) -> str:
        while group[v] != v:
            v = group[v]
        return v

    for e in graph.elementals:
        if e.source not in group or e.target not in group:
            continue
        if isinstance(e.block.structure, Dense) and e.implicit is None:
            continue
        plain[e.source] = plain[e.target] = False
        if isinstance(e.block.structure, OnDiagonal | Banded) and e.block.rows == e.block.cols:
            group[find(e.target)] = find(e.source)
        else:
            fixed |= {e.source, e.target}
    held = {find(v) for v in fixed}
    members: dict[str, list[str]] = {}
    for v in graph.order:
        if v in group:
            members.setdefault(find(v), []).append(v)
    free = [
        FreeVertices(tuple(vs), graph.sizes[vs[0]], plain[vs[0]] and len(vs) == 1)
        for root, vs in members.items()
        if root not in held and graph.sizes[vs[0]] > 0
    ]
    return free, [v for root, vs in members.items() if root in held for v in vs]


def resized(problem: Problem, vertices: Sequence[str], size: int) -> Problem:
    """Give some vertices of a problem another size, and ask for the Jacobian alone.

    Matrix-free elementals keep their prices per vector. Lists of second derivatives hold at one size only, and no plan
    for a Jacobian reads them.
    """
    graph, changed = problem.graph, set(vertices)
    useful = {e.name for e in graph.useful}
    sizes = {v: size if v in changed else s for v, s in graph.sizes.items()}
    elementals = tuple(
        replace(e, block=e.block._replace(rows=sizes[e.target], cols=sizes[e.source]), second=None)
        if e.source in changed or e.target in changed
        else e
        for e in graph.elementals
        if e.name in useful
    )
    changed_graph = replace(graph, sizes=sizes, elementals=sharing_among(elementals), mixed=())
    return replace(problem, graph=changed_graph)


def exchanged(problem: Problem, elemental: Elemental) -> Problem:
    """Exchange an elemental, and those of equal values, for another one; names and ends stay."""
    graph = problem.graph
    kept = tuple(
        replace(elemental, name=e.name, source=e.source, target=e.target, values=e.values)
        if e.first == elemental.first
        else e
        for e in graph.elementals
    )
    return replace(problem, graph=replace(graph, elementals=kept))
