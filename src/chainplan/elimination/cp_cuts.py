"""Lower bounds on the weight of a vertex's neighbours at its elimination: minimum cuts, given what is known of others.

Whatever has been eliminated before v, its predecessors at that time separate it from the inputs, so they weigh at least
a minimum vertex cut. Knowing that u is gone makes u useless for the cut; knowing that u is still there makes it one
more input, because the predecessors of v separate v from every vertex that is there. The same holds for successors
and outputs; an output that is read stays a successor when it is gone, and what lies behind it is reached all the same.
"""

from __future__ import annotations

from chainplan.elimination.core import Core, members

Node = tuple[int, int]
"""A vertex on its near side (0) or far side (1), as seen from the vertex the cut is for; (-1, 0) is the sink."""

SINK: Node = (-1, 0)


def least_in(core: Core, v: int, gone: int = 0, there: int = 0) -> int:
    """Least weight of the predecessors of v at its elimination, given sets of eliminated and of other vertices."""
    return _flow(core, core.pred, v, ~core.middle | there, gone, 0)


def least_out(core: Core, v: int, gone: int = 0, there: int = 0) -> int:
    """Least weight of the successors of v at its elimination, given sets of eliminated and of other vertices."""
    return _flow(core, core.succ, v, ~core.middle | core.kept | there, gone, core.kept & gone)


def _flow(core: Core, step: list[int], v: int, ends: int, gone: int, stays: int) -> int:
    """Maximum flow from v to the ends along `step` through vertices of limited capacity: shortest augmenting paths."""
    room = _network(core, step, v, ends, gone, stays)
    flow = 0
    while path := _augmenting(room, (v, 1)):
        push = min(room[a][b] for a, b in path)
        for a, b in path:
            room[a][b] -= push
            room[b][a] += push
        flow += push
    return flow


def _network(core: Core, step: list[int], v: int, ends: int, gone: int, stays: int) -> dict[Node, dict[Node, int]]:
    """Residual capacities: each vertex is an arc of its size, or of unlimited capacity where it is gone."""
    unlimited = sum(core.size) + 1
    room: dict[Node, dict[Node, int]] = {(v, 1): {}, SINK: {}}

    def arc(a: Node, b: Node, capacity: int) -> None:
        room.setdefault(a, {})[b] = capacity
        room.setdefault(b, {}).setdefault(a, 0)

    seen, todo = 1 << v, [v]
    while todo:
        u = todo.pop()
        if u != v:
            is_gone = gone >> u & 1
            arc((u, 0), (u, 1), unlimited if is_gone else core.size[u])
            if stays >> u & 1:
                arc((u, 1), SINK, core.size[u])
            elif ends >> u & 1 and not is_gone:
                arc((u, 1), SINK, unlimited)
        for w in members(step[u]):
            arc((u, 1), (w, 0), unlimited)
        fresh = step[u] & ~seen
        seen |= fresh
        todo += members(fresh)
    return room


def _augmenting(room: dict[Node, dict[Node, int]], start: Node) -> list[tuple[Node, Node]]:
    """A shortest path to the sink along arcs with room left, empty where there is none."""
    before: dict[Node, Node] = {start: start}
    queue = [start]
    for a in queue:
        for b, capacity in room[a].items():
            if capacity > 0 and b not in before:
                before[b] = a
                queue.append(b)
        if SINK in before:
            break
    path, b = [], SINK
    while b in before and b != start:
        path.append((before[b], b))
        b = before[b]
    return path
