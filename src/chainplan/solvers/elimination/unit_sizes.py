"""What vertices count in the bounds of graphs that mix dense blocks with plus and minus the identity.

Products with a unit block are free. But the block between u and v, a sum of products along paths, is dense as soon as
some path has a dense factor, so it can be a unit only where a path of unit blocks alone leads from one to the other. In
that case u counts nothing for v, otherwise its size. The cuts of `bounds` then weigh no more than those neighbours of v
whose blocks are dense when v goes, and the products between these are paid in full.
"""

from __future__ import annotations

from chainplan.solvers.elimination.bitset_problem import EliminationCore
from chainplan.structures import Dense, Identity, NegatedIdentity


def unit_sizes(core: EliminationCore) -> tuple[list[list[int]], list[list[int]]] | None:
    """What each vertex counts for every vertex v upstream and downstream; None where other structures occur."""
    if not all(isinstance(b.structure, Dense | Identity | NegatedIdentity) for b in core.block.values()):
        return None
    units = [pair for pair, b in core.block.items() if not isinstance(b.structure, Dense)]
    n = len(core.size)
    above, below = [0] * n, [0] * n
    for p, v in sorted(units, key=lambda pair: pair[1]):
        above[v] |= above[p] | 1 << p
    for v, s in sorted(units, key=lambda pair: -pair[0]):
        below[v] |= below[s] | 1 << s
    return _counts(core, above), _counts(core, below)


def _counts(core: EliminationCore, free: list[int]) -> list[list[int]]:
    """The sizes of all vertices for each vertex, with 0 for those in its set `free`."""
    return [[0 if mask >> u & 1 else size for u, size in enumerate(core.size)] for mask in free]
