"""Columns that are pairwise in conflict: the witness of a lower bound on colours, and its judge.

Two columns with a nonzero in the same row cannot share a colour where columns alone are coloured, so columns that
pairwise meet need a colour each. The columns of the longest row are such a set; larger ones are grown greedily. The
judge need not know how a set was made: `unmet` reads the pattern alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from chainplan.colouring.incidence import IndexLists
    from chainplan.colouring.recovery import Pattern

WITNESS_STARTS = 200
"""Columns from which sets are grown."""
MAX_WITNESS_VISITS = 200_000
"""Conflicts that are visited in all."""


class Witness(NamedTuple):
    """Columns that pairwise meet in a row, and rows that pairwise meet in a column."""

    columns: tuple[int, ...] = ()
    rows: tuple[int, ...] = ()


def unmet(pattern: Pattern, columns: Sequence[int]) -> str | None:
    """Say why some columns do not prove that each of them needs a colour of its own, or None where they do.

    Rows are judged as the columns of the transposed pattern. Cost: O(nonzeros of the columns · their number).
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


def pairwise(graph: IndexLists, known: Sequence[int]) -> Sequence[int]:
    """The largest set of pairwise conflicting vertices that greedy growth gives, `known` where that is no larger."""
    best, visits = known, MAX_WITNESS_VISITS
    for v in sorted(range(len(graph)), key=lambda v: (-len(graph[v]), v))[:WITNESS_STARTS]:
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
