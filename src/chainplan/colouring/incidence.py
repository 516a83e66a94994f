"""A pattern as plain lists, seen from its columns and from its rows.

The greedy kernels visit single entries in an order that depends on what they found so far, so numpy has nothing to
vectorise; Python lists of ints are several times faster there than CSR arrays. What looks at all entries at once uses
the arrays beside them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainplan.colouring.model import Colours
from chainplan.colouring.recovery import entries

if TYPE_CHECKING:
    from chainplan.colouring.recovery import Flags, Pattern

Lists = Sequence[Sequence[int]]


class Half(NamedTuple):
    """The nonzeros vertex by vertex: as lists, and as two arrays."""

    lists: Lists
    vertex: Colours
    line: Colours


class Side(NamedTuple):
    """A pattern as the vertices of one side (columns, say), each with the lines (rows) it has a nonzero in."""

    here: Half
    there: Half

    @property
    def lines(self) -> Lists:
        """The lines of each vertex."""
        return self.here.lists

    @property
    def members(self) -> Lists:
        """The vertices of each line."""
        return self.there.lists

    @property
    def other(self) -> Side:
        """The same pattern seen from the other side."""
        return Side(self.there, self.here)


def column_side(pattern: Pattern) -> Side:
    """Columns as vertices, rows as lines; `.other` is the reverse."""
    return Side(_half(pattern.T.tocsr()), _half(pattern))


def cut(flat: Colours, vertex: Colours, vertices: int) -> list[list[int]]:
    """Pieces of `flat`, one per vertex; `vertex`, sorted, says whose each item is."""
    ends = np.concatenate([[0], np.cumsum(np.bincount(vertex, minlength=vertices))]).tolist()
    items: list[int] = flat.tolist()
    return [items[a:b] for a, b in itertools.pairwise(ends)]


def chosen(half: Half, which: Flags) -> list[list[int]]:
    """The lines of each vertex, only those entries that are flagged."""
    return cut(half.line[which], half.vertex[which], len(half.lists))


def _half(pattern: Pattern) -> Half:
    vertex, line = entries(pattern)
    return Half(cut(line, vertex, pattern.shape[0]), vertex, line)
