"""First-fit colouring of one side of a pattern, for all of its nonzeros or for those that the other side leaves to it.

Two vertices may not share a colour where they meet in a line and one of them has to recover its entry there (Coleman &
Verma 1998, section 3; with every entry needed this is the partial distance-2 colouring of Gebremedhin, Manne & Pothen
2005, section 3.4). The graph of these conflicts, which networkx colours in the tests, is not built here, because it has
n²/2 edges for an arrowhead. Instead every line keeps the set of colours seen in it as the bits of an int: a pass costs
O(nnz · colours / 64), about a second for a million nonzeros, and gives the same colours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainplan.colouring.incidence import IndexLists, PatternSide, lines_of_flagged
from chainplan.colouring.model import UNSEEDED
from chainplan.colouring.recovery import alone

if TYPE_CHECKING:
    from chainplan.colouring.recovery import Flags


class Demand(NamedTuple):
    """For each vertex the lines in which it must recover its entry, and the lines that it merely meets."""

    needed: IndexLists
    met: IndexLists


def whole(side: PatternSide) -> Demand:
    """The demand of a one-sided colouring: every entry."""
    return Demand(side.lines, [()] * len(side.lines))


def of_entries(side: PatternSide, which: Flags) -> Demand:
    """The demand of the flagged entries, in the order of `side.here`."""
    if which.all():
        return whole(side)
    return Demand(lines_of_flagged(side.here, which), lines_of_flagged(side.here, ~which))


def remaining(side: PatternSide, others: Sequence[int]) -> Demand:
    """The demand on the vertices of a side whose lines have the colours `others`.

    The other side recovers entry (v, line) where the line has a colour that no other line meeting v has.
    """
    return of_entries(side, ~alone(side.here.vertex, np.asarray(others, dtype=np.intp)[side.here.line]))


def first_fit(demand: Demand, lines: int, order: Iterable[int]) -> list[int]:
    """Give each vertex in turn the least colour without a conflict; a vertex that recovers nothing is not seeded."""
    needed, met = demand
    present, claimed = [0] * lines, [0] * lines
    colours = [UNSEEDED] * len(needed)
    for v in order:
        mine, rest = needed[v], met[v]
        if not mine:
            continue
        taken = 0
        for line in mine:
            taken |= present[line]
        for line in rest:
            taken |= claimed[line]
        bit = ~taken & (taken + 1)
        colours[v] = bit.bit_length() - 1
        for line in mine:
            present[line] |= bit
            claimed[line] |= bit
        for line in rest:
            present[line] |= bit
    return colours
