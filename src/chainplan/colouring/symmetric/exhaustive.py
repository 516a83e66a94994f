"""The fewest colours of a small graph, by trying all colourings: exact, and the proof of a bound on larger ones.

Vertices are taken in an order in which each has many neighbours among those before it. Of colours that are not in use
yet only the first is tried. A colour that breaks something among the vertices decided so far breaks it in the whole
graph (`local_rules`), so that the search is exhaustive where it ends.
"""

from __future__ import annotations

from typing import NamedTuple

from chainplan.colouring.model import UNSEEDED
from chainplan.colouring.symmetric.adjacency import Adjacency
from chainplan.colouring.symmetric.local_rules import UNDECIDED, local_rules


class FewestColours(NamedTuple):
    """A number of colours that no colouring undercuts, a colouring with so many where one was found, and the visits."""

    least: int
    colours: list[int] | None
    visited: int


def fewest_colours(graph: Adjacency, substitution: bool, least: int, most: int, work: int) -> FewestColours:
    """Try `least` colours, then one more and so on up to `most`, within `work` visits of entries in all."""
    visited = 0
    for colours in range(least, most + 1):
        found, spent = _coloured(graph, substitution, colours, work - visited)
        visited += spent
        if found is not None or visited >= work:
            return FewestColours(colours, found, visited)
    return FewestColours(most + 1, None, visited)


def _coloured(graph: Adjacency, substitution: bool, most: int, work: int) -> tuple[list[int] | None, int]:
    """A colouring of at most `most` colours, None where there is none or the work did not suffice; and the visits."""
    rules, order = local_rules(graph, substitution), connected_order(graph)
    if not order:
        return [], 0
    trail: list[tuple[int, list[int]]] = []
    used = [0]
    untried = _choices(graph, order[0], 0, most)
    while rules.visited < work:
        v = order[len(trail)]
        while untried:
            colour = untried.pop()
            rules.put(v, colour)
            if rules.fits(v):
                break
        else:
            rules.put(v, UNDECIDED)
            if not trail:
                return None, rules.visited
            v, untried = trail.pop()
            used.pop()
            rules.put(v, UNDECIDED)
            continue
        trail.append((v, untried))
        used.append(max(used[-1], colour + 1))
        if len(trail) == len(order):
            return list(rules.colours), rules.visited
        untried = _choices(graph, order[len(trail)], used[-1], most)
    return None, max(rules.visited, work)


def _choices(graph: Adjacency, v: int, used: int, most: int) -> list[int]:
    """The colours to try for a vertex, the last one first; a vertex with a loop must have one."""
    colours = [*range(min(used + 1, most))][::-1]
    return colours if graph.loops[v] else [UNSEEDED, *colours]


def connected_order(graph: Adjacency, start: int | None = None, size: int | None = None) -> list[int]:
    """The first `size` vertices in an order in which each has most neighbours before it, from `start` on.

    Ties go to the vertex that met the others first, so that squares of a grid are filled. Cost: O(size²).
    """
    rows = graph.neighbours
    inside, placed = dict[int, int](), dict[int, None]()
    starts = iter(sorted(range(len(rows)), key=lambda v: (-len(rows[v]), v)) if start is None else [start])
    while len(placed) < (len(rows) if size is None else size):
        v = max(inside, key=inside.__getitem__) if inside else next((v for v in starts if v not in placed), -1)
        if v < 0:
            break
        inside.pop(v, None)
        placed[v] = None
        for u in rows[v]:
            if u not in placed:
                inside[u] = inside.get(u, 0) + 1
    return list(placed)
