"""The best colouring of a tiny pattern, by trying all: the oracle of the tests, and exact where it takes no time.

Every set partition of some of the columns is a column colouring, and likewise for rows: 877 each for 6 columns and 6
rows. A colouring is reduced to the set of nonzeros that it recovers, an int of bits; one whose set lies in that of a
colouring with as few colours is dropped, and then all pairs that cover the pattern compete.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chainplan.colouring.incidence import PatternSide
from chainplan.colouring.model import UNSEEDED, Colouring

MAX_EXHAUSTIVE_LINES = 6
"""Rows and columns of the largest pattern of which all colourings are tried."""


def best_of_all(side: PatternSide, tangent: int | None, adjoint: int | None) -> Colouring | None:
    """A cheapest colouring of a pattern (columns as vertices); None above `MAX_EXHAUSTIVE_LINES` rows or columns.

    Ties go to the fewest sweeps in all, then to the fewest adjoints.
    """
    colourings = all_of(side, tangent is not None, adjoint is not None)
    return None if colourings is None else cheapest(colourings, tangent, adjoint)


def all_of(side: PatternSide, tangent: bool, adjoint: bool) -> list[Colouring] | None:
    """A colouring for every undominated pair of numbers of tangents and adjoints, of the modes that are available.

    None where the pattern has more than `MAX_EXHAUSTIVE_LINES` rows or columns.
    """
    n, m = len(side.lines), len(side.members)
    if max(m, n) > MAX_EXHAUSTIVE_LINES:
        return None
    cells = {(i, j): 1 << k for k, (i, j) in enumerate((i, j) for j in range(n) for i in side.lines[j])}
    whole = (1 << len(cells)) - 1
    turned = {(j, i): bit for (i, j), bit in cells.items()}
    columns = _kept(side, cells) if tangent else [(0, 0, [UNSEEDED] * n)]
    rows = _kept(side.other, turned) if adjoint else [(0, 0, [UNSEEDED] * m)]
    sides: dict[tuple[int, int], tuple[list[int], list[int]]] = {}
    for c, one, left in columns:
        for a, two, right in rows:
            if one | two == whole:
                sides.setdefault((c, a), (left, right))
    least = [p for p in sides if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in sides)]
    return [Colouring.of(*sides[pair]) for pair in least]


def cheapest(colourings: Sequence[Colouring], tangent: int | None, adjoint: int | None) -> Colouring:
    """The cheapest of some colourings; ties go to the fewest sweeps, then to the fewest adjoints."""
    return min(colourings, key=lambda one: (one.price(tangent, adjoint), one.tangents + one.adjoints, one.adjoints))


def _kept(side: PatternSide, cells: dict[tuple[int, int], int]) -> list[tuple[int, int, list[int]]]:
    """The colourings of one side that no other makes superfluous: number of colours, recovered set and colours."""
    best: dict[int, tuple[int, list[int]]] = {}
    for colours in _partitions(len(side.lines)):
        recovered, count = 0, max(colours, default=UNSEEDED) + 1
        for line, members in enumerate(side.members):
            seen = [colours[v] for v in members]
            for v, colour in zip(members, seen, strict=True):
                if colour >= 0 and seen.count(colour) == 1:
                    recovered |= cells[line, v]
        if recovered not in best or count < best[recovered][0]:
            best[recovered] = count, colours
    kept: list[tuple[int, int, list[int]]] = []
    for recovered, (count, colours) in sorted(best.items(), key=lambda item: (item[1][0], -item[0].bit_count())):
        if all(recovered | other != other for _, other, _ in kept):
            kept.append((count, recovered, colours))
    return kept


def _partitions(size: int, head: Sequence[int] = (), used: int = 0) -> Iterator[list[int]]:
    """All colourings of `size` vertices that begin with `head`, up to the names of the colours."""
    if len(head) == size:
        yield list(head)
        return
    for colour in range(UNSEEDED, used + 1):
        yield from _partitions(size, (*head, colour), max(used, colour + 1))
