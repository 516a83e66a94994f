"""A pattern as plain lists, seen from its columns and from its rows.

The greedy kernels visit single entries in an order that depends on what they found so far, so numpy has nothing to
vectorise; Python lists of ints are several times faster there than CSR arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from chainplan.colouring.recovery import Pattern

Lists = Sequence[Sequence[int]]


class Side(NamedTuple):
    """The vertices of one side (columns, say), the lines (rows) each has a nonzero in, and the reverse."""

    lines: Lists
    members: Lists

    @property
    def other(self) -> Side:
        """The same pattern seen from the other side."""
        return Side(self.members, self.lines)


def column_side(pattern: Pattern) -> Side:
    """Columns as vertices, rows as lines; `.other` is the reverse."""
    return Side(_lists(pattern.T.tocsr()), _lists(pattern))


def _lists(pattern: Pattern) -> Lists:
    ends, flat = pattern.indptr.tolist(), pattern.indices.tolist()
    return [flat[a:b] for a, b in zip(ends, ends[1:], strict=False)]
