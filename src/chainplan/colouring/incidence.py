"""A pattern as plain lists, seen from its columns and from its rows.

The greedy kernels visit single entries in an order that depends on the colours given so far, so numpy has nothing to
vectorise; Python lists of ints are several times faster there than CSR arrays. Functions that treat all entries at once
use the arrays beside the lists.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainplan.colouring.model import ColourArray
from chainplan.colouring.recovery import entries

if TYPE_CHECKING:
    from chainplan.colouring.recovery import Flags, Pattern

IndexLists = Sequence[Sequence[int]]


class NonzerosByVertex(NamedTuple):
    """The nonzeros vertex by vertex: as lists, and as two arrays."""

    lists: IndexLists
    vertex: ColourArray
    line: ColourArray


class PatternSide(NamedTuple):
    """A pattern as the vertices of one side (columns, say), each with the lines (rows) in which it has a nonzero."""

    here: NonzerosByVertex
    there: NonzerosByVertex

    @property
    def lines(self) -> IndexLists:
        """The lines of each vertex."""
        return self.here.lists

    @property
    def members(self) -> IndexLists:
        """The vertices of each line."""
        return self.there.lists

    @property
    def other(self) -> PatternSide:
        """The same pattern seen from the other side."""
        return PatternSide(self.there, self.here)


def column_side(pattern: Pattern) -> PatternSide:
    """The pattern with columns as vertices and rows as lines; its `other` exchanges the two."""
    return PatternSide(_half(pattern.T.tocsr()), _half(pattern))


def cut(flat: ColourArray, vertex: ColourArray, vertices: int) -> list[list[int]]:
    """The pieces of `flat`, one per vertex; `vertex`, sorted, holds the vertex of each item."""
    ends = np.concatenate([[0], np.cumsum(np.bincount(vertex, minlength=vertices))]).tolist()
    items: list[int] = flat.tolist()
    return [items[a:b] for a, b in itertools.pairwise(ends)]


def lines_of_flagged(half: NonzerosByVertex, which: Flags) -> list[list[int]]:
    """The lines of each vertex in the flagged entries alone."""
    return cut(half.line[which], half.vertex[which], len(half.lists))


def _half(pattern: Pattern) -> NonzerosByVertex:
    vertex, line = entries(pattern)
    return NonzerosByVertex(cut(line, vertex, pattern.shape[0]), vertex, line)
