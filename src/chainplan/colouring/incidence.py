"""A pattern as plain lists, seen from its columns and from its rows.

The greedy kernels visit single entries in an order that depends on what they found so far, so numpy has nothing to
vectorise; Python lists of ints are several times faster there than CSR arrays.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    from chainplan.colouring.recovery import Pattern

    Array = np.ndarray[Any, np.dtype[np.integer[Any]]]

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
    turned = pattern.T.tocsr()
    return Side(cut(turned.indptr, turned.indices), cut(pattern.indptr, pattern.indices))


def cut(ends: Array, flat: Array) -> Lists:
    """The rows of a CSR array: pieces of `flat` between consecutive `ends`."""
    stops, items = ends.tolist(), flat.tolist()
    return [items[a:b] for a, b in itertools.pairwise(stops)]
