"""Columns that are pairwise in conflict: the witness of a lower bound on colours, and its judge.

Two columns with a nonzero in the same row cannot share a colour where columns alone are coloured, so columns that
pairwise meet need as many colours as they are. The columns of the longest row are such; larger sets are found greedily.
Whoever is given a set need not know how it was found: `unmet` looks at the pattern and at nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from chainplan.colouring.incidence import Lists
    from chainplan.colouring.recovery import Pattern

STARTS = 200
"""Columns from which a set is grown."""
VISITS = 200_000
"""Conflicts that are looked at, in all."""


class Witness(NamedTuple):
    """Columns that pairwise meet in a row, and rows that pairwise meet in a column."""

    columns: tuple[int, ...] = ()
    rows: tuple[int, ...] = ()


def unmet(pattern: Pattern, columns: Sequence[int]) -> str | None:
    """Say which of some columns are no proof that each needs a colour of its own, or None where they are one.

    Rows are judged as the columns of the transposed pattern. O(nonzeros of the columns times their number).
    """
    outside = [j for j in columns if not 0 <= j < pattern.shape[1]]
    if outside or len(set(columns)) < len(columns):
        return f"column {outside[0]} does not exist." if outside else "a column is named twice."
    if not len(columns):
        return None
    chosen = pattern.tocsc()[:, list(columns)].astype(np.int64)
    chosen.data[:] = 1
    met = (chosen.T @ chosen).toarray() > 0
    if met.all():
        return None
    a, b = np.argwhere(~met)[0]
    if a == b:
        return f"column {columns[a]} has no nonzero."
    return f"columns {columns[a]} and {columns[b]} meet in no row."


def pairwise(graph: Lists, known: Sequence[int]) -> Sequence[int]:
    """The largest set of vertices found that are pairwise in conflict, `known` where none is larger."""
    best, visits = known, VISITS
    for v in sorted(range(len(graph)), key=lambda v: (-len(graph[v]), v))[:STARTS]:
        if len(graph[v]) < len(best) or visits < 0:
            break
        chosen, left = [v], set(graph[v])
        while left and len(chosen) + len(left) > len(best):
            visits -= sum(len(graph[u]) for u in left)
            u = max(left, key=lambda u: (len(left.intersection(graph[u])), -u))
            chosen.append(u)
            left &= set(graph[u])
        if len(chosen) > len(best):
            best = chosen
    return best
