"""Whether colours of the columns of a symmetric pattern tell its nonzeros, by the definitions; the fewest colours.

Coleman & Moré, Math. Program. 28, 1984: a nonzero is read off directly where its column is the only one of its colour
with a nonzero in its row, or where that holds with the two exchanged. It is substituted where that is so once nonzeros
that are known are struck out. Gebremedhin, Tarafdar, Manne & Pothen, SIAM J. Sci. Comput. 29(3), 2007, section 2: on a
full diagonal these are the colourings without a path on four vertices, and without a cycle, of two colours.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

Pattern = np.ndarray[Any, np.dtype[np.bool_]]


def read_off(pattern: Pattern, colours: Sequence[int]) -> bool:
    """Whether every nonzero is alone with the colour of its column in its row, or that of its row in its column."""
    for i, j in np.argwhere(pattern).tolist():
        alike = [
            [k for k in np.flatnonzero(pattern[a]).tolist() if colours[k] == colours[b]] for a, b in ((i, j), (j, i))
        ]
        if not ((colours[j] >= 0 and alike[0] == [j]) or (colours[i] >= 0 and alike[1] == [i])):
            return False
    return True


def substituted(pattern: Pattern, colours: Sequence[int]) -> bool:
    """Whether striking out nonzeros that are alone in a sum, in both sums in which they stand, ends with none left."""
    unknown = {(min(i, j), max(i, j)) for i, j in np.argwhere(pattern).tolist()}
    sums: dict[tuple[int, int], set[tuple[int, int]]] = {}
    for i, j in unknown:
        for row, column in {(i, j), (j, i)}:
            if colours[column] >= 0:
                sums.setdefault((row, colours[column]), set()).add((i, j))
    while True:
        found = {one for terms in sums.values() if len(terms & unknown) == 1 for one in terms & unknown}
        if not found:
            return not unknown
        unknown -= found


def is_star(pattern: Pattern, colours: Sequence[int]) -> bool:
    """Whether neighbours differ and no path on four vertices has two colours."""
    edges = _edges(pattern)
    if any(colours[a] == colours[b] for a, b in edges):
        return False
    beside = {v: {a + b - v for a, b in edges if v in (a, b)} for v in range(len(pattern))}
    paths = ((a, b, c, d) for e, f in edges for b, c in ((e, f), (f, e)) for a in beside[b] for d in beside[c])
    return not any(
        len({a, b, c, d}) == 4 and colours[a] == colours[c] and colours[b] == colours[d] for a, b, c, d in paths
    )


def is_acyclic(pattern: Pattern, colours: Sequence[int]) -> bool:
    """Whether neighbours differ and two classes together are always a forest."""
    edges = _edges(pattern)
    if any(colours[a] == colours[b] for a, b in edges):
        return False
    pairs = (set(pair) for pair in itertools.combinations(set(colours), 2))
    return all(_is_forest([(a, b) for a, b in edges if {colours[a], colours[b]} == pair]) for pair in pairs)


def fewest(pattern: Pattern, substitution: bool) -> int:
    """The fewest colours, by trying all colourings, those with columns left out among them."""
    recovers = substituted if substitution else read_off
    size = len(pattern)
    for count in range(size + 1):
        for colours in itertools.product(range(-1, count), repeat=size):
            first = [c for c in dict.fromkeys(colours) if c >= 0]
            if first == [*range(len(first))] and recovers(pattern, colours):
                return count
    raise AssertionError("one colour each recovers everything")


def _edges(pattern: Pattern) -> list[tuple[int, int]]:
    return [(i, j) for i, j in np.argwhere(pattern).tolist() if i < j]


def _is_forest(edges: Sequence[tuple[int, int]]) -> bool:
    """Whether every edge joins two trees."""
    trees = {v: {v} for edge in edges for v in edge}
    for a, b in edges:
        if trees[a] is trees[b]:
            return False
        joined = trees[a] | trees[b]
        trees.update(dict.fromkeys(joined, joined))
    return True
