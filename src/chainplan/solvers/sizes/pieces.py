"""Prices as functions of one size: polynomials on pieces of its range, each with how it comes about.

All is exact, because the arguments are whole numbers. Where a polynomial is positive, zero or negative follows from its
differences p(n + 1) - p(n), which are a polynomial of lower degree: between two changes of their sign p is monotone,
and changes its own sign at most twice, where bisection finds it. So no root is ever rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from math import comb
from typing import NamedTuple

Polynomial = tuple[int | Fraction, ...]
"""Coefficients, that of degree 0 first; the last one is not zero."""
SignRun = tuple[int, int, int]
"""The first and the last argument of a run, and the sign there: -1, 0 or 1."""


class Piece(NamedTuple):
    """The price for sizes first ... last, and what it is the price of."""

    first: int
    last: int
    price: Polynomial
    made: object


Pieces = tuple[Piece, ...]
"""A function of a size: pieces that follow one another."""


def trimmed(coefficients: Sequence[int | Fraction]) -> Polynomial:
    """Return a polynomial without leading zeros."""
    end = len(coefficients)
    while end and not coefficients[end - 1]:
        end -= 1
    return tuple(coefficients[:end])


def value(p: Polynomial, n: int) -> int | Fraction:
    """Evaluate a polynomial by Horner's rule."""
    result: int | Fraction = 0
    for coefficient in reversed(p):
        result = result * n + coefficient
    return result


def added(p: Polynomial, q: Polynomial, sign: int = 1) -> Polynomial:
    """Return p + sign·q."""
    length = max(len(p), len(q))
    a, b = p + (0,) * (length - len(p)), q + (0,) * (length - len(q))
    return trimmed([x + sign * y for x, y in zip(a, b, strict=True)])


def difference(p: Polynomial) -> Polynomial:
    """Return p(n + 1) - p(n)."""
    return trimmed([sum(p[k] * comb(k, i) for k in range(i + 1, len(p))) for i in range(max(0, len(p) - 1))])


def sign_runs(p: Polynomial, first: int, last: int) -> list[SignRun]:
    """Return the runs of one sign of a polynomial at the whole numbers first ... last, each as long as it can be."""
    if first > last:
        return []
    if len(p) < 2 or (first >= 0 and len({c > 0 for c in p if c}) == 1 and (first or p[0])):
        return [(first, last, _sign(value(p, first)))]
    runs: list[SignRun] = []
    for a, b, _ in sign_runs(difference(p), first, last - 1) or [(first, first, 0)]:
        end = min(b + 1, last)
        start = a if not runs else runs[-1][1] + 1
        while start <= end:
            sign = _sign(value(p, start))
            stop = _last(lambda n, sign=sign: _sign(value(p, n)) == sign, start, end)  # type: ignore[misc]
            if runs and runs[-1][2] == sign:
                runs[-1] = (runs[-1][0], stop, sign)
            else:
                runs.append((start, stop, sign))
            start = stop + 1
    return runs


def _sign(number: int | Fraction) -> int:
    return (number > 0) - (number < 0)


def _last(holds: Callable[[int], bool], good: int, end: int) -> int:
    """Return the last number up to `end` for which something holds that holds from `good` on until it does not."""
    if holds(end):
        return end
    while end - good > 1:
        middle = (good + end) // 2
        good, end = (middle, end) if holds(middle) else (good, middle)
    return good


def summed(functions: Sequence[Pieces], made: Callable[[tuple[object, ...]], object]) -> Pieces:
    """Return the sum of functions; `made` says how it comes about, given how each of them does."""
    result = []
    for first, last, pieces in common(functions):
        price: Polynomial = ()
        for piece in pieces:
            price = added(price, piece.price)
        result.append(Piece(first, last, price, made(tuple(piece.made for piece in pieces))))
    return tuple(result)


def least(functions: Iterable[Pieces]) -> Pieces:
    """Return the least of functions at each size; of equal ones the first."""
    envelope: Pieces = ()
    for function in functions:
        envelope = tuple(_joined(_lower(envelope, function))) if envelope else function
    return envelope


def _lower(envelope: Pieces, other: Pieces) -> Iterator[Piece]:
    for first, last, (old, new) in common((envelope, other)):
        for a, b, sign in sign_runs(added(new.price, old.price, -1), first, last):
            yield (new if sign < 0 else old)._replace(first=a, last=b)


def _joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Join neighbouring pieces that are the same function, made in the same way."""
    held: Piece | None = None
    for piece in pieces:
        if held is not None and held.price == piece.price and held.made is piece.made:
            held = held._replace(last=piece.last)
        else:
            if held is not None:
                yield held
            held = piece
    if held is not None:
        yield held


def common(functions: Sequence[Pieces]) -> Iterator[tuple[int, int, tuple[Piece, ...]]]:
    """Yield the common pieces of functions of one range: first, last, and the piece of each function."""
    places = [0] * len(functions)
    first, end = functions[0][0].first, functions[0][-1].last
    while first <= end:
        pieces = tuple(function[place] for function, place in zip(functions, places, strict=True))
        last = min(piece.last for piece in pieces)
        yield first, last, pieces
        places = [place + (piece.last == last) for place, piece in zip(places, pieces, strict=True)]
        first = last + 1


def through(points: Sequence[tuple[int, int]]) -> Polynomial:
    """Return the polynomial of least degree through points, by Newton's divided differences."""
    table: list[int | Fraction] = [y for _, y in points]
    newton = [table[0]]
    for order in range(1, len(points)):
        table = [Fraction(table[i + 1] - table[i], points[i + order][0] - points[i][0]) for i in range(len(table) - 1)]
        newton.append(table[0])
    result: Polynomial = ()
    for coefficient, (x, _) in zip(reversed(newton), reversed(points), strict=True):
        shifted = (0, *result)
        result = added(added(shifted, tuple(x * c for c in result), -1), trimmed((coefficient,)))
    return tuple(int(c) if c == int(c) else c for c in result)
