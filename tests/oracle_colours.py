"""The fewest sweeps that recover a pattern, and the cheapest bracketing with coloured sweeps, by trying everything.

Nothing of chainplan is imported: patterns are numpy arrays of booleans, chains plain tuples. A colouring gives each
column and each row a colour or none; an entry is recovered where its column has a colour that no other entry's column
in its row has, or its row one that no other entry's row in its column has.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

Table = np.ndarray[Any, np.dtype[np.bool_]]
Price = int | None
Link = tuple[Table, Price, Price]
"""Pattern, price of a tangent and of an adjoint; neither has one where the elemental is explicit."""


def least_price(pattern: Table, tangent: Price, adjoint: Price) -> int:
    """The price of the cheapest direct colouring."""
    found = pareto(pattern.astype(bool).tobytes(), *pattern.shape, tangent is not None, adjoint is not None)
    return min(c * (tangent or 0) + a * (adjoint or 0) for c, a in found)


@cache
def pareto(cells: bytes, rows: int, cols: int, tangents: bool, adjoints: bool) -> tuple[tuple[int, int], ...]:
    """All pairs of numbers of tangents and adjoints that recover a pattern."""
    pattern = np.frombuffer(cells, dtype=bool).reshape(rows, cols)
    by_columns = _recovered(pattern) if tangents else {(0, np.zeros_like(pattern).tobytes())}
    by_rows = _recovered(pattern.T) if adjoints else {(0, np.zeros_like(pattern.T).tobytes())}
    turned = {(a, np.frombuffer(held, dtype=bool).reshape(cols, rows).T.copy().tobytes()) for a, held in by_rows}
    return tuple(
        {
            (c, a)
            for c, one in by_columns
            for a, two in turned
            if (np.frombuffer(one, bool) | np.frombuffer(two, bool))[np.frombuffer(cells, bool)].all()
        }
    )


def _recovered(pattern: Table) -> set[tuple[int, bytes]]:
    """Number of colours, and the entries recovered, of every colouring of the columns."""
    found = set()
    for colours in _colourings(pattern.shape[1]):
        held = np.zeros_like(pattern)
        for colour in set(colours) - {-1}:
            alike = pattern & (np.asarray(colours) == colour)
            held |= alike & (alike.sum(axis=1, keepdims=True) == 1)
        found.add((max(colours, default=-1) + 1, held.tobytes()))
    return found


def _colourings(count: int) -> Iterator[tuple[int, ...]]:
    """All colourings of some lines, -1 for none, up to the names of the colours."""
    if not count:
        yield ()
        return
    for head in _colourings(count - 1):
        for colour in range(-1, max(head, default=-1) + 2):
            yield (*head, colour)


def least_chain(links: list[Link]) -> int:
    """The cheapest of all bracketings of a chain, any interval with a matrix-free elemental swept by any colouring."""

    @cache
    def block(i: int, j: int) -> Any:
        found = links[i][0]
        for pattern, *_ in links[i + 1 : j]:
            found = (pattern.astype(int) @ found.astype(int)) > 0
        return found

    @cache
    def price(i: int, j: int) -> int:
        run, whole = links[i:j], block(i, j)
        explicit = [tangent is None and adjoint is None for _, tangent, adjoint in run]
        found = []
        if not all(explicit) and whole.any():
            sides = [_per_vector(run, mode) for mode in (1, 2)]
            if sides != [None, None]:
                found.append(least_price(whole, *sides))
        if j == i + 1:
            pattern, tangent, adjoint = run[0]
            found += [0] if explicit[0] else []
            found += [n * p for n, p in ((pattern.shape[1], tangent), (pattern.shape[0], adjoint)) if p is not None]
            return min(found)
        if run[-1][1] is not None:
            found.append(price(i, j - 1) + whole.shape[1] * run[-1][1])
        if run[0][2] is not None:
            found.append(price(i + 1, j) + whole.shape[0] * run[0][2])
        for k in range(i + 1, j):
            left, right = block(k, j), block(i, k)
            found.append(price(i, k) + price(k, j) + int(left.sum(axis=0) @ right.sum(axis=1)))
        return min(found)

    return price(0, len(links))


def _per_vector(run: list[Link], mode: int) -> Price:
    """Multiply-adds of one sweep: an explicit elemental counts its nonzeros."""
    total = 0
    for link in run:
        explicit = link[1] is None and link[2] is None
        price: Any = int(link[0].sum()) if explicit else link[mode]
        if price is None:
            return None
        total += price
    return total
