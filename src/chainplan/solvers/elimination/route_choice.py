"""Which edges of a vertex are accumulated when it is eliminated, and by which route each of its products is made.

A product of an out-edge and an in-edge of a vertex multiplies two blocks, or applies the matrix-free elementals of one
edge to the block of the other, which must be whole then: tangents need the whole block of the in-edge, adjoints that of
the out-edge. So the price of a product depends on two decisions alone, one for each of its edges, and where those of
one side are given, every edge of the other side decides for itself. All decisions of the side with fewer matrix-free
edges are tried, unless these are many; then the two sides take turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from itertools import product
from typing import NamedTuple

from chainplan.plans.compressed_sweep import UNREACHED_PRICE

MAX_TRIED_DECISIONS = 5
"""Matrix-free edges of one side up to which all their decisions are tried."""
DECISION_TURNS = 4
"""Turns that the two sides take where there are more."""


class Route(Enum):
    """The three ways to make the product of an out-edge and an in-edge."""

    PRODUCT = "product"
    TANGENTS = "tangents"
    ADJOINTS = "adjoints"


class RoutePrices(NamedTuple):
    """The price of each route, `UNREACHED_PRICE` where a product does not have it."""

    product: int
    tangents: int = UNREACHED_PRICE
    adjoints: int = UNREACHED_PRICE


EdgePrices = tuple[int, int]
"""The price of keeping an edge as it is, and that of making its block whole."""


class RouteChoice(NamedTuple):
    """The decisions for a vertex: which out-edges and which in-edges are whole, and the price of it all."""

    price: int
    out: tuple[bool, ...]
    into: tuple[bool, ...]


def cheapest_route(prices: RoutePrices, out: bool, into: bool) -> Route:
    """Return the cheapest route of a product, by whether its out-edge and its in-edge are whole; one of them is."""
    if not out:
        return Route.TANGENTS
    if not into:
        return Route.ADJOINTS
    return tuple(Route)[prices.index(min(prices))]


def choose_routes(
    out: Sequence[EdgePrices], into: Sequence[EdgePrices], products: Sequence[Sequence[RoutePrices]]
) -> RouteChoice:
    """Return the cheapest decisions for the edges of a vertex; of equal ones those that make more blocks whole.

    Parameters
    ----------
    out : Sequence[EdgePrices]
        The prices of the out-edges; `UNREACHED_PRICE` where an edge is whole already and cannot be kept otherwise.
    into : Sequence[EdgePrices]
        The prices of the in-edges.
    products : Sequence[Sequence[RoutePrices]]
        Row by row for the out-edges, the routes of the product with every in-edge.
    """
    pairs = [[_pair_table(routes) for routes in row] for row in products]
    flipped = [[((t[0][0], t[1][0]), (t[0][1], t[1][1])) for t in column] for column in zip(*pairs, strict=True)]
    if _undecided(out) <= _undecided(into):
        return RouteChoice(*_best(out, into, pairs, flipped))
    price, ins, outs = _best(into, out, flipped, pairs)
    return RouteChoice(price, outs, ins)


_PairTable = tuple[tuple[int, int], tuple[int, int]]
"""The price of a product by the decision for the first and for the second of its edges."""


def _pair_table(prices: RoutePrices) -> _PairTable:
    return (UNREACHED_PRICE, prices.tangents), (prices.adjoints, min(prices))


def _undecided(edges: Sequence[EdgePrices]) -> int:
    """Count the edges that need not be whole."""
    return sum(kept < UNREACHED_PRICE for kept, _ in edges)


def _best(
    few: Sequence[EdgePrices],
    many: Sequence[EdgePrices],
    pairs: Sequence[Sequence[_PairTable]],
    flipped: Sequence[Sequence[_PairTable]],
) -> tuple[int, tuple[bool, ...], tuple[bool, ...]]:
    """Return the cheapest decisions and their price; rows of `pairs` are the edges of the first side."""
    free = [i for i, (kept, _) in enumerate(few) if kept < UNREACHED_PRICE]
    exact = len(free) <= MAX_TRIED_DECISIONS
    best: tuple[int, tuple[bool, ...], tuple[bool, ...]] | None = None
    for tried in product((True, False), repeat=len(free)) if exact else ((True,) * len(free), (False,) * len(free)):
        given = dict(zip(free, tried, strict=True))
        first = tuple(given.get(i, True) for i in range(len(few)))
        price, second = _answer(few, many, flipped, first)
        for _ in range(0 if exact else DECISION_TURNS):
            _, first = _answer(many, few, pairs, second)
            price, second = _answer(few, many, flipped, first)
        if best is None or price < best[0]:
            best = price, first, second
    assert best is not None
    return best


def _answer(
    given: Sequence[EdgePrices],
    own: Sequence[EdgePrices],
    table: Sequence[Sequence[_PairTable]],
    decisions: tuple[bool, ...],
) -> tuple[int, tuple[bool, ...]]:
    """Return the price of all and the best decisions of one side, whose edges are the rows of the table."""
    total, answers = sum(prices[whole] for prices, whole in zip(given, decisions, strict=True)), []
    for prices, row in zip(own, table, strict=True):
        kept, whole = (
            prices[mine] + sum(pair[mine][other] for pair, other in zip(row, decisions, strict=True)) for mine in (0, 1)
        )
        answers.append(whole <= kept)
        total += min(whole, kept)
    return total, tuple(answers)
