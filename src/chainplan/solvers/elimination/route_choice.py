"""Which elementals of a vertex are accumulated when it is eliminated, and by which route each of its products is made.

A product of an out-edge and an in-edge of a vertex multiplies two blocks, or applies matrix-free elementals of one edge
to the block of the other, which must be whole then: tangents need the whole block of the in-edge, adjoints that of the
out-edge, and what they are not applied to must have been accumulated too. So the price of a product depends on two
decisions alone, which elementals of each of its edges are accumulated. Where those of one side are given, every edge of
the other side decides for itself. All decisions of the side that has fewer are tried, unless these are many; then the
two sides take turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import product
from math import prod
from typing import NamedTuple

from chainplan.plans.compressed_sweep import UNREACHED_PRICE

MAX_TRIED_DECISIONS = 32
"""Decisions of one side together up to which all of them are tried."""
DECISION_TURNS = 4
"""Turns that the two sides take where there are more."""


class Route(Enum):
    """The three ways to make the product of an out-edge and an in-edge."""

    PRODUCT = "product"
    TANGENTS = "tangents"
    ADJOINTS = "adjoints"


class RoutedProduct(NamedTuple):
    """A way to make a product, its price, and what it takes.

    Elementals of an edge are bits of a set in their order. `applied` are those that tangents or adjoints go through,
    `out` and `into` those of the two edges that must have been accumulated.
    """

    route: Route
    price: int
    applied: int = 0
    out: int = 0
    into: int = 0


class EdgeDecisions(NamedTuple):
    """The sets of elementals of an edge that may be accumulated, and what accumulating each of them costs now."""

    sets: tuple[int, ...] = (0,)
    prices: tuple[int, ...] = (0,)


class RouteChoice(NamedTuple):
    """The decisions for a vertex: which elementals of its out-edges and in-edges are accumulated; the price of all."""

    price: int
    out: tuple[int, ...]
    into: tuple[int, ...]


def cheapest_route(ways: Sequence[RoutedProduct], out: int, into: int) -> RoutedProduct:
    """Return the cheapest way to make a product where these elementals of its edges have been accumulated."""
    return min(open_ways(ways, out, into), key=lambda way: way.price)


def open_ways(ways: Sequence[RoutedProduct], out: int, into: int) -> Iterator[RoutedProduct]:
    """Yield the ways that need nothing but what has been accumulated."""
    return (way for way in ways if not way.out & ~out and not way.into & ~into)


def choose_routes(
    out: Sequence[EdgeDecisions],
    into: Sequence[EdgeDecisions],
    products: Sequence[Sequence[Sequence[RoutedProduct]]],
) -> RouteChoice:
    """Return the cheapest decisions for the edges of a vertex; of equal ones those that accumulate more.

    Parameters
    ----------
    out : Sequence[EdgeDecisions]
        The decisions that each out-edge has.
    into : Sequence[EdgeDecisions]
        The decisions that each in-edge has.
    products : Sequence[Sequence[Sequence[RoutedProduct]]]
        Row by row for the out-edges, the ways to make the product with every in-edge.
    """
    pairs = [
        [_pair_table(ways, left.sets, right.sets) for ways, right in zip(row, into, strict=True)]
        for row, left in zip(products, out, strict=True)
    ]
    flipped = [[[*zip(*table, strict=True)] for table in column] for column in zip(*pairs, strict=True)]
    out_prices, into_prices = [edge.prices for edge in out], [edge.prices for edge in into]
    if _count(out_prices) <= _count(into_prices):
        price, lefts, rights = _best(out_prices, into_prices, pairs, flipped)
    else:
        price, rights, lefts = _best(into_prices, out_prices, flipped, pairs)
    return RouteChoice(
        price,
        tuple(edge.sets[i] for edge, i in zip(out, lefts, strict=True)),
        tuple(edge.sets[i] for edge, i in zip(into, rights, strict=True)),
    )


_PairTable = Sequence[Sequence[int]]
"""The price of a product by the decision for the first and for the second of its edges."""


def _pair_table(ways: Sequence[RoutedProduct], out: tuple[int, ...], into: tuple[int, ...]) -> _PairTable:
    return [
        [min((way.price for way in open_ways(ways, left, right)), default=UNREACHED_PRICE) for right in into]
        for left in out
    ]


def _count(edges: Sequence[tuple[int, ...]]) -> int:
    """Count the decisions of a side together."""
    return prod(map(len, edges))


def _best(
    few: Sequence[tuple[int, ...]],
    many: Sequence[tuple[int, ...]],
    pairs: Sequence[Sequence[_PairTable]],
    flipped: Sequence[Sequence[_PairTable]],
) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Return the cheapest decisions, as positions, and their price; rows of `pairs` are the edges of the first side."""
    exact = _count(few) <= MAX_TRIED_DECISIONS
    ends = (tuple(len(prices) - 1 for prices in few), (0,) * len(few))
    best: tuple[int, tuple[int, ...], tuple[int, ...]] | None = None
    for first in product(*(reversed(range(len(prices))) for prices in few)) if exact else ends:
        price, second = _answer(few, many, flipped, first)
        for _ in range(0 if exact else DECISION_TURNS):
            _, first = _answer(many, few, pairs, second)
            price, second = _answer(few, many, flipped, first)
        if best is None or price < best[0]:
            best = price, first, second
    assert best is not None
    return best


def _answer(
    given: Sequence[tuple[int, ...]],
    own: Sequence[tuple[int, ...]],
    table: Sequence[Sequence[_PairTable]],
    decisions: tuple[int, ...],
) -> tuple[int, tuple[int, ...]]:
    """Return the price of all and the best decisions of one side, whose edges are the rows of the table."""
    total, answers = sum(prices[made] for prices, made in zip(given, decisions, strict=True)), []
    for prices, row in zip(own, table, strict=True):
        best = mine = None
        for i in reversed(range(len(prices))):
            price = prices[i] + sum(pair[i][other] for pair, other in zip(row, decisions, strict=True))
            if best is None or price < best:
                best, mine = price, i
        assert best is not None
        assert mine is not None
        answers.append(mine)
        total += best
    return total, tuple(answers)
