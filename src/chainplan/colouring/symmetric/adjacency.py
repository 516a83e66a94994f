"""The graph of a symmetric pattern: its columns are vertices, its entries beside the diagonal are edges.

Entries on the diagonal are kept apart as loops. A vertex with a loop may not share its colour with a neighbour; one
without may, and need not be coloured at all where its neighbours tell its entries. Plain lists serve the same end as in
`incidence`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainplan.colouring.incidence import IndexLists, cut
from chainplan.colouring.recovery import entries
from chainplan.errors import ShapeError

if TYPE_CHECKING:
    from chainplan.colouring.recovery import Pattern


class Adjacency(NamedTuple):
    """The neighbours of each vertex, and whether it has a loop."""

    neighbours: IndexLists
    loops: Sequence[bool]

    @property
    def edges(self) -> int:
        """The number of edges, without loops."""
        return sum(map(len, self.neighbours)) // 2

    def members(self, v: int) -> Sequence[int]:
        """The columns with an entry in row v: the neighbours of v, and v itself where it has a loop."""
        return [*self.neighbours[v], v] if self.loops[v] else self.neighbours[v]

    def induced(self, vertices: Iterable[int]) -> Adjacency:
        """The graph of some vertices, numbered in the order in which they are given."""
        chosen = list(vertices)
        place = {v: k for k, v in enumerate(chosen)}
        rows = [[place[u] for u in self.neighbours[v] if u in place] for v in chosen]
        return Adjacency(rows, [self.loops[v] for v in chosen])


def adjacency(pattern: Pattern) -> Adjacency:
    """The graph of a symmetric pattern.

    Raises
    ------
    ShapeError
        If the pattern is not square, or not symmetric.
    """
    i, j = symmetric_entries(pattern)
    beside = i != j
    loops = np.zeros(pattern.shape[0], dtype=np.bool_)
    loops[i[~beside]] = True
    return Adjacency(cut(j[beside], i[beside], pattern.shape[0]), loops.tolist())


def symmetric_entries(pattern: Pattern) -> tuple[np.ndarray, np.ndarray]:
    """The row and the column of every nonzero, row by row, of a pattern that is proved symmetric.

    Raises
    ------
    ShapeError
        If it is not.
    """
    m, n = pattern.shape
    if m != n:
        raise ShapeError(f"pattern: found {m} x {n}; expected a square one, of a symmetric matrix. Pass its pattern.")
    i, j = entries(pattern)
    here, there = i * n + j, j * n + i
    if not np.array_equal(here, np.sort(there)):
        k = int(np.argmax(~np.isin(there, here)))
        raise ShapeError(
            f"pattern: found a nonzero ({i[k]}, {j[k]}) and none ({j[k]}, {i[k]}); expected a symmetric pattern with "
            "sorted indices. Pass that of H + Hᵀ."
        )
    return i, j
