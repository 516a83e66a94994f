"""First colourings of a pattern, one-sided and two-sided: what local search begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainplan.colouring.greedy import first_fit, of_entries, whole
from chainplan.colouring.improve import Pair, Prices
from chainplan.colouring.incidence import Lists, Side
from chainplan.colouring.model import UNSEEDED
from chainplan.colouring.orders import conflicts, largest_first, meetings, natural, smallest_last
from chainplan.colouring.peeling import (
    Rule,
    Split,
    column_cap,
    dense_columns,
    dense_rows,
    minimum_count,
    peel,
    row_cap,
)

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
    degrees = meetings(side, np.ones(pattern.nnz, dtype=np.bool_)) if graph is None else [len(row) for row in graph]
    yield OneSided("largest first", first_fit(demand, lines, largest_first(degrees)))
    if graph is not None:
        yield OneSided("smallest last", first_fit(demand, lines, smallest_last(graph)))


def families(side: Side, prices: Prices, count: int) -> Iterator[Sequence[tuple[str, Callable[[], Split]]]]:
    """Splits to try, cheap families first: dense lines apart, minimum counts, and at most `count` with caps.

    The caps are spread geometrically, for rows and columns in turn.
    """
    dense = [2**k for k in range(6)]
    yield [(f"{k} dense rows apart", partial(dense_rows, side, k)) for k in dense if k < len(side.members)] + [
        (f"{k} dense columns apart", partial(dense_columns, side, k)) for k in dense if k < len(side.lines)
    ]
    rules: list[tuple[str, Rule]] = [
        (f"minimum count, {kind}", minimum_count(prices.tangent or 0, prices.adjoint or 0, kind == "rows first"))
        for kind in ("columns first", "rows first")
    ]
    if prices.tangent != prices.adjoint:
        rules.append(("minimum count, unweighted", minimum_count(1, 1, False)))
    yield [(name, partial(peel, side, rule)) for name, rule in rules[: max(1, count)]]
    rules = []
    rows, columns = _spread(side.members, count // 2), _spread(side.lines, count // 2)
    for k in range(count // 2):
        rules += [(f"row cap {cap}", row_cap(cap)) for cap in rows[k : k + 1]]
        rules += [(f"column cap {cap}", column_cap(cap)) for cap in columns[k : k + 1]]
    yield [(name, partial(peel, side, rule)) for name, rule in rules]


def _spread(lists: Lists, count: int) -> list[int]:
    lengths = [len(row) for row in lists]
    most = max(lengths, default=0)
    values = {round(most ** (k / (count + 1))) for k in range(count + 1)}
    return sorted(value for value in values if 0 < value < most)


def two_sided(side: Side, split: Split) -> Iterator[Pair]:
    """Colour both sides for what a split demands of them, in natural and in largest-first order."""
    halves = list(zip((side, side.other), split.entries(side), strict=True))
    demands = [(of_entries(half, which), len(half.members)) for half, which in halves]
    yield Pair(*(first_fit(demand, lines, natural(len(demand.needed))) for demand, lines in demands))
    orders = [largest_first(meetings(half, which)) for half, which in halves]
    yield Pair(*(first_fit(demand, lines, order) for (demand, lines), order in zip(demands, orders, strict=True)))
