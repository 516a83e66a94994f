"""The least price of recovering a pattern from tangents and adjoints, by trying all colourings.

Coleman & Verma, SIAM J. Sci. Comput. 19(4), 1998, section 2: entry (i, j) is recovered directly from the tangents where
no other column of j's colour has an entry in row i, from the adjoints where no other row of i's colour has one in
column j. A line may be left out, and then recovers nothing and disturbs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

Pattern = np.ndarray[Any, np.dtype[np.bool_]]
MOST = 200_000
"""Colourings of the columns that are tried at most."""
_KNOWN: dict[Any, int | None] = {}


def recovers(pattern: Pattern, columns: Sequence[int], rows: Sequence[int]) -> bool:
    """Whether every entry is recovered by colours of the columns and rows, -1 for those that have none."""
    return not (pattern & ~recovered(pattern, columns) & ~recovered(pattern.T, rows).T).any()


def recovered(pattern: Pattern, colours: Sequence[int]) -> Pattern:
    """Which entries are alone with the colour of their column in their row."""
    found, given = np.zeros(pattern.shape, bool), np.asarray(colours)
    for colour in set(colours) - {-1}:
        alike = pattern & (given == colour)
        found |= alike & (alike.sum(axis=1, keepdims=True) == 1)
    return found


def least_price(pattern: Pattern, tangent: int | None, adjoint: int | None) -> int | None:
    """Price of the cheapest colouring, None where there are too many to be tried.

    `tangent` and `adjoint` are what one sweep in each mode costs, None where it cannot be made.
    """
    if tangent is None:
        assert adjoint is not None
        return least_price(pattern.T, adjoint, None)
    if adjoint is not None and pattern.shape[1] > pattern.shape[0]:
        return least_price(pattern.T, adjoint, tangent)
    key = pattern.shape, pattern.tobytes(), tangent, adjoint
    if key not in _KNOWN:
        _KNOWN[key] = _least_price(pattern, tangent, adjoint)
    return _KNOWN[key]


def _least_price(pattern: Pattern, tangent: int, adjoint: int | None) -> int | None:
    """Every colouring of the columns, each with the fewest rows that recover what it does not."""
    fewest = chromatic(_conflicts(pattern, pattern.any(axis=0)))
    best = tangent * fewest
    if adjoint is None:
        return best
    if _count(pattern.shape[1], fewest - 1) > MOST:
        return None
    for used in range(fewest):
        for columns in labellings(pattern.shape[1], used):
            if used * tangent + adjoint < best and max(columns, default=-1) + 1 == used:
                left = pattern & ~recovered(pattern, columns)
                rows = _row_conflicts(pattern, left, left.any(axis=1))
                best = min(best, used * tangent + adjoint * chromatic(rows))
    return best


def pairs(pattern: Pattern) -> set[tuple[int, int]]:
    """Numbers of tangents and adjoints of all colourings, with the fewest adjoints for each of the columns."""
    found = set()
    for columns in labellings(pattern.shape[1], pattern.shape[1]):
        left = pattern & ~recovered(pattern, columns)
        rows = chromatic(_row_conflicts(pattern, left, left.any(axis=1)))
        found.add((max(columns, default=-1) + 1, rows))
    return found


def labellings(count: int, most: int) -> Iterator[tuple[int, ...]]:
    """All ways to give some of the lines up to `most` colours; those that differ in names of colours alone, once."""
    if not count:
        yield ()
        return
    for rest in labellings(count - 1, most):
        for colour in range(-1, min(max(rest, default=-1) + 2, most)):
            yield (*rest, colour)


def _count(count: int, most: int) -> int:
    """Number of `labellings`."""
    by_colours = [1]
    for _ in range(count):
        grown = [*by_colours, 0]
        by_colours = [grown[k] * (k + 1) + (grown[k - 1] if k else 0) for k in range(len(grown))]
    return sum(by_colours[: most + 1])


def _conflicts(pattern: Pattern, chosen: Any) -> list[set[int]]:
    """For each chosen column those with which it shares a row."""
    shares = (pattern.T.astype(int) @ pattern.astype(int)) > 0
    places = np.flatnonzero(chosen)
    return [{b for b, v in enumerate(places) if v != u and shares[u, v]} for u in places]


def _row_conflicts(pattern: Pattern, left: Pattern, needed: Any) -> list[set[int]]:
    """For each needed row those that hide an entry which either of them is to recover."""
    hides = (left.astype(int) @ pattern.T.astype(int)) > 0
    places = np.flatnonzero(needed)
    return [{b for b, v in enumerate(places) if v != u and (hides[u, v] or hides[v, u])} for u in places]


def chromatic(graph: list[set[int]]) -> int:
    """The fewest colours with which no two neighbours are equal: no fewer than some clique, which is coloured first."""
    order, clique = sorted(range(len(graph)), key=lambda v: (-len(graph[v]), v)), list[int]()
    for v in order:
        clique += [v] if graph[v].issuperset(clique) else []
    order = [*clique, *(v for v in order if v not in clique)]
    graph = [{order.index(u) for u in graph[v]} for v in order]

    def fits(colours: list[int], most: int) -> bool:
        v = len(colours)
        if v == len(graph):
            return True
        taken = {colours[u] for u in graph[v] if u < v}
        fresh = max(colours, default=-1) + 1
        return any(c not in taken and fits([*colours, c], most) for c in range(min(fresh + 1, most)))

    return next(k for k in range(len(clique), len(graph) + 1) if fits([], k))
