"""The best order of a chain at every size of its one name: interval dynamic programming on functions of the size.

The price of an order is a polynomial of the size, of bands one on each of several pieces, so the optimum of an interval
is the lower envelope of the sums over its splits: again pieces of polynomials, each with the order that it is the price
of. The recurrence is that of numbers, with sums and minima of such functions (`pieces`), so that it finds at once what
planning at every size of the range would. Planning at the crossings of what is known until no crossing is new
(M. J. Eisner and D. G. Severance, J. ACM 23(4), 1976) finds the same envelope, but needs prices that are linear in the
parameter.
"""

from __future__ import annotations

from typing import NamedTuple, cast

from chainplan.problem.family import SizeRange, SizeTerm
from chainplan.solvers.chain.derivation import ChainInterval
from chainplan.solvers.sizes.moves import BandPrice, ChainMoves, Order, Price
from chainplan.solvers.sizes.pieces import (
    Piece,
    Pieces,
    Polynomial,
    added,
    common,
    least,
    sign_runs,
    summed,
    through,
    trimmed,
    value,
)
from chainplan.structures import Banded

MAX_ENVELOPE_LENGTH = 40
"""Elementals of the longest chain whose best order is found at every size, where all prices are terms."""
MAX_BANDED_ENVELOPE_LENGTH = 20
"""The same of chains with bands, whose prices have many pieces."""


_Made = tuple[tuple[ChainInterval, int], tuple["_Made", ...]]
"""An interval with the number of its move, and how its parts are made."""


class BestRange(NamedTuple):
    """Sizes first ... last, at all of which an order is the best."""

    first: int
    last: int
    order: Order


def enveloped(moves: ChainMoves) -> bool:
    """Say whether the best order of a chain is found at every size."""
    return moves.q <= (MAX_ENVELOPE_LENGTH if moves.terms_only else MAX_BANDED_ENVELOPE_LENGTH)


def best_orders(moves: ChainMoves, ranged: SizeRange) -> list[BestRange]:
    """Return the best order at every size of the range, neighbouring sizes of one order together."""
    return _ranges(moves, optimum(moves, ranged))


def optimum(moves: ChainMoves, ranged: SizeRange) -> Pieces:
    """Return what the best order costs at every size of the range.

    It takes O(q³·p·d²·log R) operations for q elementals, a range of R sizes, polynomials of degree d and p pieces in
    the longest envelope.
    """
    best: dict[tuple[int, int], Pieces] = {}
    functions: dict[Price, Pieces] = {}
    for interval, options in moves.moves.items():
        ways = []
        for number, move in enumerate(options):
            if move.price not in functions:
                functions[move.price] = price_pieces(move.price, ranged)
            ways.append(
                summed(
                    [functions[move.price], *(best[part] for part in move.parts)],
                    lambda made, key=(interval, number): (key, made[1:]),  # type: ignore[misc]
                )
            )
        best[interval] = least(ways)
    return best[moves.whole]


def _ranges(moves: ChainMoves, envelope: Pieces) -> list[BestRange]:
    """Return the ranges of an envelope; an order goes on where it costs no more than the one that comes next."""
    orders = [_order(moves, piece.made) for piece in envelope]
    prices = {order: _polynomial(moves, order) for order in orders} if moves.terms_only else {}
    result: list[BestRange] = []
    for piece, order in zip(envelope, orders, strict=True):
        known = next((r.order for r in result if prices and prices[r.order] == piece.price), order)
        if result and result[-1].order == known:
            result[-1] = result[-1]._replace(last=piece.last)
        else:
            result.append(BestRange(piece.first, piece.last, known))
    return result


def _order(moves: ChainMoves, made: object) -> Order:
    """Return the order of a piece, which is made by its own move, given first, from its parts."""
    numbers, todo = dict[ChainInterval, int](), [cast(_Made, made)]
    while todo:
        (interval, number), parts = todo.pop()
        numbers[interval] = number
        todo += parts
    return moves.order(numbers.__getitem__)


def _polynomial(moves: ChainMoves, order: Order) -> Polynomial:
    """Return the price of an order whose prices are all terms."""
    total = [0] * (1 + max((len(p.names) for p in moves.prices(order) if isinstance(p, SizeTerm)), default=0))
    for price in moves.prices(order):
        assert isinstance(price, SizeTerm)
        total[len(price.names)] += price.coefficient
    return trimmed(total)


def cheapest_throughout(moves: ChainMoves, order: Order, known: Pieces, first: int, last: int) -> bool:
    """Say whether an order costs no more than the optimum at the sizes first ... last."""
    ranged = known[0].first, known[-1].last
    own = summed([price_pieces(price, ranged) for price in moves.prices(order)], lambda made: None)
    return all(
        sign == 0
        for a, b, (ours, best) in common((own, known))
        for _, _, sign in sign_runs(added(ours.price, best.price, -1), max(a, first), min(b, last))
    )


def price_pieces(price: Price, ranged: SizeRange) -> Pieces:
    """Return a price as a function of the one size that has a name."""
    first, last = ranged
    if isinstance(price, SizeTerm):
        return (Piece(first, last, trimmed((0,) * len(price.names) + (price.coefficient,)), None),)
    degree = sum(len(term.names) for term in price[2:])
    name = next((name for term in price[2:] for name in term.names), "")
    known: list[Piece] = []

    def exact(n: int) -> int:
        return price.at({name: n})

    for start, stop in _segments(price, name, first, last):
        if stop - start > degree:
            polynomial = through([(n, exact(n)) for n in range(start, start + degree + 1)])
            assert value(polynomial, stop) == exact(stop)
            assert value(polynomial, (start + stop) // 2) == exact((start + stop) // 2)
            if known and known[-1].price == polynomial:
                known[-1] = known[-1]._replace(last=stop)
            else:
                known.append(Piece(start, stop, polynomial, None))
            continue
        for n in range(start, stop + 1):
            if known and value(known[-1].price, n) == exact(n):
                known[-1] = known[-1]._replace(last=n)
            else:
                known.append(Piece(n, n, trimmed((exact(n),)), None))
    return tuple(known)


def _segments(price: BandPrice, name: str, first: int, last: int) -> list[SizeRange]:
    """Split a range where the count of a band may change its polynomial.

    Counts of lines are linear between the ends of the clipped corners, and the ends change their order only where the
    size of the square blocks is a sum of two widths, or up to two more.
    """
    bands = [s for s in (price.left, price.right) if isinstance(s, Banded)]
    size = price.inner
    widths = {0, *(width for band in bands for width in (band.lower, band.upper))}
    cuts = {x + y + extra for x in widths for y in widths for extra in range(4)}
    starts = {first}
    for cut in cuts:
        if size.at({name: first}) < cut <= size.at({name: last}):
            low, high = first, last  # size(low) < cut <= size(high)
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if size.at({name: middle}) < cut else (low, middle)
            starts.add(high)
    ordered = sorted(starts)
    return list(zip(ordered, [*(start - 1 for start in ordered[1:]), last], strict=True))
