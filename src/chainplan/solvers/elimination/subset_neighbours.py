"""What the vertices of a fragment reach through every subset of it: tables indexed by subsets as bit masks.

The prices of dense blocks and those of structured ones are both read off these tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from chainplan._util.byte_cache import kept
from chainplan.solvers.elimination.elimination_graph import WorkGraph

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from chainplan._util.arrays import Array


class FragmentSides:
    """The neighbours of a fragment of k vertices on one side (predecessors or successors).

    `near[i]` is the set of neighbours of i within the fragment, `weights[mask]` the weight of the outside vertices
    whose neighbours within the fragment are exactly `mask`.
    """

    def __init__(self, work: WorkGraph, local: Sequence[int], side: Sequence[Mapping[int, object]]) -> None:
        number = {v: i for i, v in enumerate(local)}
        self.near = [0] * len(local)
        touched: dict[int, int] = {}
        for i, v in enumerate(local):
            for u in side[v]:
                j = number.get(u)
                if j is None:
                    touched[u] = touched.get(u, 0) | 1 << i
                else:
                    self.near[i] |= 1 << j
        self.weights: dict[int, int] = {}
        for u, mask in touched.items():
            self.weights[mask] = self.weights.get(mask, 0) + work.size[u]

    @property
    def most(self) -> int:
        """The weight of all outside vertices."""
        return sum(self.weights.values())

    def neighbours(self) -> Array:
        """For every set, the union of the neighbours of its members within the fragment."""
        import numpy as np

        table = np.zeros(1, np.int32)
        for mask in self.near:
            table = np.concatenate((table, table | mask))
        return table

    def outside(self, dtype: DTypeLike) -> Array:
        """For every set, the weight of the outside vertices that touch it: all but those that touch only the rest."""
        import numpy as np

        k = len(self.near)
        table = np.zeros(1 << k, dtype)
        for mask, weight in self.weights.items():
            table[mask] = weight
        for i in range(k):
            halves = table.reshape(-1, 2, 1 << i)
            halves[:, 1] += halves[:, 0]
        rest: Array = table[::-1]
        return np.asarray(table[-1] - rest)


def through(near: Sequence[int], order: Sequence[int]) -> Array:
    """Row v, column E: v and the members of E that a path from v, with inner vertices in E, reaches along `near`.

    In `order` neighbours must come first. Columns of sets that hold v itself mean nothing.
    """
    import numpy as np

    k = len(near)
    chosen = kept(("chosen", k), lambda: _chosen(k))
    table = np.empty((k, 1 << k), np.int32)
    for v in order:
        table[v] = 1 << v
        for u in range(k):
            if near[v] >> u & 1:
                table[v] |= table[u] & chosen[u]
    return table


def _chosen(k: int) -> Array:
    """Row i, column E: all bits where i is in E, else none."""
    import numpy as np

    sets = np.arange(1 << k, dtype=np.int32)
    return np.array([-(sets >> i & 1) for i in range(k)], np.int32)
