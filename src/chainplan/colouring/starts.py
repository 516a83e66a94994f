"""First colourings of a pattern, one-sided and two-sided: what local search begins with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from chainplan.colouring.greedy import Demand, first_fit, whole
from chainplan.colouring.improve import Pair, Prices
from chainplan.colouring.incidence import Lists, Side
from chainplan.colouring.model import UNSEEDED
from chainplan.colouring.orders import conflicts, largest_first, meetings, natural, smallest_last
from chainplan.colouring.peeling import Rule, Split, column_cap, minimum_count, row_cap

if TYPE_CHECKING:
    from chainplan.colouring.recovery import Pattern


class OneSided(NamedTuple):
    """Colours of the columns alone, and the order that first-fit took."""

    order: str
    colours: list[int]


def one_sided(pattern: Pattern, side: Side) -> Iterator[OneSided]:
    """Colour all columns (the vertices of `side`) first-fit in natural, largest-first and smallest-last order.

    Smallest-last needs the graph of conflicts and is left out where that is too large. Where one row meets all columns
    there is nothing to choose.
    """
    demand, lines = whole(side), len(side.members)
    filled = [v for v, rows in enumerate(side.lines) if rows]
    if len(filled) == max(map(len, side.members), default=0):
        place = {v: k for k, v in enumerate(filled)}
        yield OneSided("one each", [place.get(v, UNSEEDED) for v in range(len(side.lines))])
        return
    yield OneSided("natural", first_fit(demand, lines, natural(len(side.lines))))
    graph = conflicts(pattern)
    degrees = meetings(demand, lines) if graph is None else [len(row) for row in graph]
    yield OneSided("largest first", first_fit(demand, lines, largest_first(degrees)))
    if graph is not None:
        yield OneSided("smallest last", first_fit(demand, lines, smallest_last(graph)))


def rules(side: Side, prices: Prices, count: int) -> Iterator[tuple[str, Rule]]:
    """At most `count` peeling rules: minimum counts, then caps spread geometrically, for rows and columns in turn."""
    tangent, adjoint = prices.tangent or 0, prices.adjoint or 0
    found: list[tuple[str, Rule]] = [
        ("minimum count", minimum_count(tangent, adjoint, False)),
        ("minimum count, rows first", minimum_count(tangent, adjoint, True)),
    ]
    if tangent != adjoint:
        found.append(("minimum count, unweighted", minimum_count(1, 1, False)))
    half = max(1, (count - len(found)) // 2)
    caps = [("row cap", row_cap, _spread(side.members, half)), ("column cap", column_cap, _spread(side.lines, half))]
    for k in range(half):
        found += [(f"{name} {values[k]}", rule(values[k])) for name, rule, values in caps if k < len(values)]
    yield from found[:count]


def _spread(lists: Lists, count: int) -> list[int]:
    lengths = [len(row) for row in lists]
    most = max(lengths, default=0)
    values = {round(most ** (k / (count + 1))) for k in range(count + 1)}
    return sorted(value for value in values if 0 < value < most)


def two_sided(side: Side, split: Split) -> Iterator[Pair]:
    """Colour both sides for what a split demands of them, in natural and in largest-first order."""
    demands = (split.column_demand(side), len(side.members)), (split.row_demand(side), len(side.lines))
    yield Pair(*(first_fit(demand, lines, natural(len(demand.needed))) for demand, lines in demands))
    yield Pair(*(first_fit(demand, lines, _dense_first(demand, lines)) for demand, lines in demands))


def _dense_first(demand: Demand, lines: int) -> list[int]:
    return largest_first(meetings(demand, lines))
