"""Edges of three classes, by which graphs that mix dense blocks with diagonal ones are priced on bit sets alone.

A block is *full* where it is dense, *unit* where it is plus or minus the identity (or signs on the diagonal), so that
products with it are free, and *thin* where it is any other diagonal. Products and sums stay among these: a product is
full if a factor is, else unit if both factors are, else thin; a sum is full if a term is, else thin. So the block that
joins u to v once a set has been eliminated is full if some path through the set has a full edge, else unit if one path
of unit edges is all there is, else thin. When v goes, the product of two blocks costs `d_v` times what each neighbour
counts: its size where its block is full, 1 where it is thin, 0 where it is a unit. Thin blocks between vertices of size
1 are full.
"""

from __future__ import annotations

from typing import NamedTuple

from chainplan.solvers.elimination.bitset_problem import EliminationCore
from chainplan.structures import Dense
from chainplan.structures.diagonal import OnDiagonal


class EdgeClasses(NamedTuple):
    """The full edges and the unit edges of a graph: for each vertex its neighbours along them, as bit sets."""

    full_pred: list[int]
    full_succ: list[int]
    unit_pred: list[int]
    unit_succ: list[int]


def edge_classes(core: EliminationCore) -> EdgeClasses | None:
    """The classes of the edges of a problem; None where some block is neither dense nor on the diagonal."""
    classes = EdgeClasses(*([0] * len(core.size) for _ in range(4)))
    for (p, v), block in core.block.items():
        if not isinstance(block.structure, Dense | OnDiagonal):
            return None
        unit = block.structure.units is not None
        if unit:
            classes.unit_pred[v] |= 1 << p
            classes.unit_succ[p] |= 1 << v
        elif isinstance(block.structure, Dense) or core.size[v] == 1:
            classes.full_pred[v] |= 1 << p
            classes.full_succ[p] |= 1 << v
    return classes
