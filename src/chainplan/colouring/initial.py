"""First colourings of a pattern, one-sided and two-sided, with which local search begins.

The heuristics run from the cheapest to the dearest, and none runs once a colouring meets the lower bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainplan.colouring.bipartition import (
    PeelingOrder,
    PeelingRule,
    column_cap,
    dense_columns,
    dense_rows,
    minimum_count,
    peel,
    row_cap,
)
from chainplan.colouring.greedy import first_fit, of_entries, whole
from chainplan.colouring.improve import ColourPair, SweepPrices, sweeps
from chainplan.colouring.incidence import IndexLists, PatternSide
from chainplan.colouring.lattices import lattice
from chainplan.colouring.model import UNSEEDED
from chainplan.colouring.saturation import saturate
from chainplan.colouring.vertex_orders import conflicts, largest_first, meetings, natural, smallest_last
from chainplan.colouring.witness import pairwise

if TYPE_CHECKING:
    from chainplan.colouring.recovery import Pattern


MAX_TARGET_VISITS = 200_000
"""Visits of neighbours in a search for a given number of colours, besides four for each conflict."""
MAX_TARGET_CONFLICTS = 3_000_000
"""Most conflicts of a pattern on which such a search is tried, and most counters that it keeps."""
COLOUR_TARGETS = 3
"""How many numbers of colours are tried, from the fewest possible upwards."""
HOPELESS_COLOUR_RATIO, CROWDED_CONFLICTS = 2, 64
"""No given number of colours is tried where the best colouring has more than `HOPELESS_COLOUR_RATIO` times the fewest
possible colours and columns have more than `CROWDED_CONFLICTS` conflicts on average: such numbers are out of reach."""


class OneSidedColouring(NamedTuple):
    """Colours of the columns alone, and the order that gave them."""

    order: str
    colours: list[int]


class ColumnColourings(NamedTuple):
    """Colourings of the columns alone, the number of colours that none undercuts, and columns that pairwise meet.

    That number may be higher than the number of these columns, because an exhaustive search without a colouring is a
    proof without a witness.
    """

    colourings: list[OneSidedColouring]
    fewest: int
    witness: tuple[int, ...]


def colour_one_side(pattern: Pattern, side: PatternSide, going: Callable[[], bool]) -> ColumnColourings:
    """Colour all columns (the vertices of `side`) in several ways, until a colouring has the fewest colours possible.

    After the first way, `going` is asked before each other one.

    The ways are first-fit in natural order, a lattice, the most constrained column first with a given number of
    colours, and first-fit in largest-first and smallest-last order. The third and the last need the graph of conflicts
    and are left out where that is too large.
    """
    lines, witness = len(side.members), max(side.members, key=len, default=())
    fewest = len(witness)
    colourings: list[OneSidedColouring] = []
    filled = [v for v, rows in enumerate(side.lines) if rows]
    if len(filled) == fewest:
        place = {v: k for k, v in enumerate(filled)}
        return ColumnColourings(
            [OneSidedColouring("one each", [place.get(v, UNSEEDED) for v in range(len(side.lines))])],
            fewest,
            tuple(witness),
        )

    def fewest_so_far() -> int:
        return min(sweeps(one.colours) for one in colourings)

    colourings.append(OneSidedColouring("natural", first_fit(whole(side), lines, natural(len(side.lines)))))
    if fewest_so_far() > fewest and going():
        grid = lattice(pattern, fewest, fewest_so_far())
        colourings += [] if grid is None else [OneSidedColouring("lattice", grid)]
    graph = conflicts(pattern) if fewest_so_far() > fewest and going() else None
    if graph is not None:
        witness = pairwise(graph, witness)
        constrained, fewest = _most_constrained_first(graph, side, len(witness), fewest_so_far(), going)
        colourings += [] if constrained is None else [OneSidedColouring("most constrained first", constrained)]
    if fewest_so_far() > fewest and going():
        degrees = meetings(side, np.ones(pattern.nnz, dtype=np.bool_)) if graph is None else list(map(len, graph))
        colourings.append(OneSidedColouring("largest first", first_fit(whole(side), lines, largest_first(degrees))))
        if graph is not None:
            colourings.append(OneSidedColouring("smallest last", first_fit(whole(side), lines, smallest_last(graph))))
    return ColumnColourings(colourings, fewest, tuple(witness))


def _most_constrained_first(
    graph: IndexLists, side: PatternSide, fewest: int, below: int, going: Callable[[], bool]
) -> tuple[list[int] | None, int]:
    """A colouring of fewer than `below` colours or None, and `fewest`, raised where the search shows it impossible."""
    size = sum(map(len, graph))
    best: list[int] | None = None
    if size > max(MAX_TARGET_VISITS, CROWDED_CONFLICTS * len(graph)) and below > HOPELESS_COLOUR_RATIO * fewest:
        return None, fewest
    targets = [*range(fewest, min(below, fewest + COLOUR_TARGETS)), below - 1]
    for most in dict.fromkeys(targets):
        if max(size, most * len(graph)) > MAX_TARGET_CONFLICTS or not going():
            break
        attempt = saturate(graph, most, MAX_TARGET_VISITS + 4 * size)
        if attempt.impossible and most == fewest:
            fewest += 1
        if attempt.colours is not None:
            best = [colour if rows else UNSEEDED for colour, rows in zip(attempt.colours, side.lines, strict=True)]
            break
    return best, fewest


def families(
    side: PatternSide, prices: SweepPrices, count: int
) -> Iterator[Sequence[tuple[str, Callable[[], PeelingOrder]]]]:
    """Families of splits to try, cheap ones first: dense lines apart, minimum counts, and at most `count` with caps.

    The caps are spread geometrically, for rows and columns in turn.
    """
    dense = [2**k for k in range(6)]
    yield [(f"{k} dense rows apart", partial(dense_rows, side, k)) for k in dense if k < len(side.members)] + [
        (f"{k} dense columns apart", partial(dense_columns, side, k)) for k in dense if k < len(side.lines)
    ]
    rules: list[tuple[str, PeelingRule]] = [
        (f"minimum count, {kind}", minimum_count(prices.tangent or 0, prices.adjoint or 0, kind == "rows first"))
        for kind in ("columns first", "rows first")
    ]
    if prices.tangent != prices.adjoint:
        rules.append(("minimum count, unweighted", minimum_count(1, 1, False)))
    yield [(name, partial(peel, side, rule)) for name, rule in rules[: max(1, count)]]
    rules = []
    rows, columns = _spread_caps(side.members, count // 2), _spread_caps(side.lines, count // 2)
    for k in range(count // 2):
        rules += [(f"row cap {cap}", row_cap(cap)) for cap in rows[k : k + 1]]
        rules += [(f"column cap {cap}", column_cap(cap)) for cap in columns[k : k + 1]]
    yield [(name, partial(peel, side, rule)) for name, rule in rules]


def _spread_caps(lists: IndexLists, count: int) -> list[int]:
    """At most `count` + 1 caps below the longest length, spread geometrically."""
    lengths = [len(row) for row in lists]
    most = max(lengths, default=0)
    values = {round(most ** (k / (count + 1))) for k in range(count + 1)}
    return sorted(value for value in values if 0 < value < most)


def colour_both_sides(side: PatternSide, split: PeelingOrder) -> Iterator[ColourPair]:
    """Colourings of both sides for what a split demands of them, in natural and in largest-first order."""
    halves = list(zip((side, side.other), split.entries(side), strict=True))
    demands = [(of_entries(half, which), len(half.members)) for half, which in halves]
    yield ColourPair(*(first_fit(demand, lines, natural(len(demand.needed))) for demand, lines in demands))
    orders = [largest_first(meetings(half, which)) for half, which in halves]
    yield ColourPair(*(first_fit(demand, lines, order) for (demand, lines), order in zip(demands, orders, strict=True)))
