"""What every colouring of a symmetric pattern needs at least, each bound with the vertices that prove it.

Leaving vertices out only makes recovery easier, so that a bound for the graph of some vertices is one for the whole.
Three arguments are tried. All are for vertices S of which e edges and l loops are among themselves.

- *clique*: neighbours with loops differ in colour, so that vertices with loops that are pairwise neighbours need one
  colour each.
- *count*: each of the k·|S| equations gives at most one nonzero, so that e + l ≤ k·|S|. Where all of S have loops, two
  classes make a forest, whose edges are fewer than its vertices: e ≤ (k − 1)·|S| − k·(k − 1)/2. Where they must be
  stars, and none of S has more than d neighbours in S, a star of at most d edges has a vertex more than edges:
  e·(d + 1) ≤ (k − 1)·|S|·d.
- *search*: an exhaustive search of a small part finds no colouring with fewer colours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chainplan.colouring.model import ColourArray
from chainplan.colouring.symmetric.adjacency import Adjacency
from chainplan.colouring.symmetric.exhaustive import connected_order, fewest_colours
from chainplan.colouring.vertex_orders import smallest_last
from chainplan.colouring.witness import pairwise

PART_SIZES = (8, 12, 16, 21, 27)
"""Vertices of the small parts that are searched."""
SEARCHED_CENTRES = 4
"""Vertices around which parts are searched."""
MAX_SEARCH_VISITS = 300_000
"""Visits of entries of all these searches."""
MAX_JUDGED_VISITS = 3_000_000
"""Visits of entries after which the judge of a search gives up."""


class SymmetricWitness(NamedTuple):
    """Vertices, and the argument by which they prove a number of colours: "clique", "count" or "search"."""

    kind: str
    vertices: tuple[int, ...]


class _PartCounts(NamedTuple):
    """Of sets of vertices: how many they are, edges and loops among them, and the most neighbours of one."""

    sizes: ColourArray
    edges: ColourArray
    loops: ColourArray
    degrees: ColourArray

    def proven(self, substitution: bool) -> ColourArray:
        """The number of colours that counting proves for each set."""
        sizes, edges = self.sizes, self.edges
        fewest: ColourArray = -(-(edges + self.loops) // sizes)
        looped = self.loops == sizes
        if not substitution:
            most = np.maximum(self.degrees, 1)
            stars = 1 + -(-(edges * (most + 1)) // (sizes * most))
            fewest = np.where(looped, np.maximum(fewest, stars), fewest)
        while True:
            forests = (fewest - 1) * sizes - fewest * (fewest - 1) // 2
            short = looped & (edges > forests) & (fewest < sizes)
            if not short.any():
                return fewest
            fewest = fewest + short


class SymmetricBound(NamedTuple):
    """A number of colours that no colouring undercuts, and its witness."""

    fewest: int
    witness: SymmetricWitness


def proven_colours(graph: Adjacency, substitution: bool, witness: SymmetricWitness) -> int:
    """The number of colours that a witness proves, found from the graph alone; 0 where it proves nothing.

    Cost: that of the edges of the witness; of a search, at most `MAX_JUDGED_VISITS`.
    """
    vertices, known = witness.vertices, len(graph.neighbours)
    if len(set(vertices)) < len(vertices) or not all(0 <= v < known for v in vertices):
        return 0
    part = graph.induced(vertices)
    if witness.kind == "clique":
        rows = part.neighbours
        return len(vertices) if all(part.loops) and all(len(row) == len(vertices) - 1 for row in rows) else 0
    if witness.kind == "count":
        sizes = len(vertices), part.edges, sum(part.loops), max(map(len, part.neighbours), default=0)
        return int(_PartCounts(*(np.array([size]) for size in sizes)).proven(substitution)[0]) if vertices else 0
    if witness.kind == "search":
        return fewest_colours(part, substitution, 0, len(vertices), MAX_JUDGED_VISITS).least
    return 0


def cheap_bound(graph: Adjacency, substitution: bool) -> SymmetricBound:
    """The best bound of cliques and counts. Cost: O(edges), and of the cliques a fixed number of visits."""
    rows, loops = graph.neighbours, graph.loops
    best = _of_one_entry(graph)
    if not best.fewest:
        return best
    looped = [[u for u in row if loops[u]] if loop else [] for row, loop in zip(rows, loops, strict=True)]
    clique = pairwise(looped, best.witness.vertices[:1])
    if len(clique) > best.fewest:
        best = SymmetricBound(len(clique), SymmetricWitness("clique", tuple(sorted(clique))))
    order = smallest_last(rows)
    counted = _prefix_counts(graph, order).proven(substitution)
    if counted.max(initial=0) > best.fewest:
        size = int(np.argmax(counted)) + 1
        best = SymmetricBound(int(counted[size - 1]), SymmetricWitness("count", tuple(sorted(order[:size]))))
    return best


def _of_one_entry(graph: Adjacency) -> SymmetricBound:
    """One colour where there is a nonzero, none where there is none."""
    for v, (row, loop) in enumerate(zip(graph.neighbours, graph.loops, strict=True)):
        if row or loop:
            witness = SymmetricWitness("clique", (v,)) if loop else SymmetricWitness("count", (v, row[0]))
            return SymmetricBound(1, witness)
    return SymmetricBound(0, SymmetricWitness("count", ()))


def searched_bound(graph: Adjacency, substitution: bool, known: SymmetricBound, below: int) -> SymmetricBound:
    """`known`, or a better bound of less than `below` + 1 colours by searching small parts of the graph."""
    rows, best, work = graph.neighbours, known, MAX_SEARCH_VISITS
    by_degree = sorted(range(len(rows)), key=lambda v: (-len(rows[v]), v))
    centres = dict.fromkeys([len(rows) // 2, *by_degree[:SEARCHED_CENTRES]])
    for size in PART_SIZES:
        for centre in centres:
            if best.fewest >= below or work <= 0:
                return best
            chosen = connected_order(graph, centre, size)
            part, visits = graph.induced(chosen), min(work, MAX_SEARCH_VISITS // 4)
            found = fewest_colours(part, substitution, best.fewest, below - 1, visits)
            work -= found.visited
            if found.least > best.fewest:
                best = SymmetricBound(found.least, SymmetricWitness("search", tuple(sorted(chosen))))
    return best


def _prefix_counts(graph: Adjacency, order: list[int]) -> _PartCounts:
    """Vertices, edges, loops and most neighbours of the first vertices of an order, for every number of them."""
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(order))
    places = place.tolist()
    before = [sum(places[u] < places[v] for u in graph.neighbours[v]) for v in order]
    edges = np.cumsum(np.array(before, dtype=np.intp))
    loops = np.cumsum(np.array([graph.loops[v] for v in order], dtype=np.intp))
    degrees = np.maximum.accumulate(np.array([len(graph.neighbours[v]) for v in order], dtype=np.intp))
    return _PartCounts(np.arange(1, len(order) + 1), edges, loops, degrees)
