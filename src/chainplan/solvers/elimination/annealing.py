"""Simulated annealing on the order of a fragment: one vertex moves elsewhere, and the prices in between change.

A fragment may have up to a hundred vertices, so on small graphs this is annealing on the whole order; on large graphs
it serves fragments that are too large for a table of all their subsets. Only the vertices between the old and the new
place change their price, because a price depends on the set eliminated before alone. Neighbourhoods are bit sets: the
vertices of the fragment first, the outside ones after them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp
from random import Random
from typing import Protocol

from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.elimination.greedy import always
from chainplan.solvers.elimination.subset_prices import StructuredFragment

FIRST_TEMPERATURE, LAST_TEMPERATURE = 1.0, 0.05
"""First and last temperature, in mean prices of a vertex."""

MAX_VERTEX_SHIFT = 12
"""Most places that a vertex moves."""


class FragmentPrices(Protocol):
    """The prices of the vertices of a fragment, which are numbered from 0."""

    def price(self, i: int, gone: int) -> int:
        """What vertex i costs when the set `gone` of the fragment has been eliminated."""
        ...


def annealed(
    work: WorkGraph, vertices: Sequence[int], rng: Random, moves: int, going: Callable[[], bool] = always
) -> list[int]:
    """The best order met while the given order of eliminating `vertices` next is annealed for so many moves."""
    local = sorted(vertices)
    place = {v: i for i, v in enumerate(local)}
    prices: FragmentPrices = DenseFragmentPrices(work, local) if work.dense else StructuredFragmentPrices(work, local)
    order = _anneal(prices, [place[v] for v in vertices], rng, moves, going)
    return [local[i] for i in order]


def _anneal(prices: FragmentPrices, order: list[int], rng: Random, moves: int, going: Callable[[], bool]) -> list[int]:
    """Anneal an order of the numbers 0 ... n - 1 in place; each move prices at most `MAX_VERTEX_SHIFT` + 1 vertices."""
    n = len(order)
    gone, now = _follow(prices, order, 0)
    total = least = sum(now)
    best = list(order)
    heat, cooling = FIRST_TEMPERATURE * max(total, n) / n, (LAST_TEMPERATURE / FIRST_TEMPERATURE) ** (1 / max(1, moves))
    for move in range(moves):
        if move % 256 == 0 and not going():
            break
        heat *= cooling
        low, high, moved = _move_one(order, rng)
        masks, fresh = _follow(prices, moved, gone[low])
        change = sum(fresh) - sum(now[low:high])
        if change <= 0 or rng.random() < exp(-min(change / heat, 700)):
            order[low:high], now[low:high], gone[low:high] = moved, fresh, masks
            total += change
            if total < least:
                least, best = total, list(order)
    return best


def _move_one(order: list[int], rng: Random) -> tuple[int, int, list[int]]:
    """A random slice low ... high of the order, with its first vertex moved to its end or its last one to its start."""
    n = len(order)
    a = rng.randrange(n)
    b = min(n - 1, max(0, a + rng.choice((-1, 1)) * rng.randint(1, MAX_VERTEX_SHIFT)))
    low, high = (a, b + 1) if a < b else (b, a + 1)
    part = order[low:high]
    return low, high, part[1:] + part[:1] if a < b else part[-1:] + part[:-1]


def _follow(prices: FragmentPrices, order: Sequence[int], mask: int) -> tuple[list[int], list[int]]:
    """For each vertex of an order the set eliminated before it, which is `mask` for the first, and its price."""
    gone, paid = [], []
    for i in order:
        gone.append(mask)
        paid.append(prices.price(i, mask))
        mask |= 1 << i
    return gone, paid


class DenseFragmentPrices:
    """Prices of dense blocks, from the weights of the neighbourhoods."""

    def __init__(self, work: WorkGraph, local: Sequence[int]) -> None:
        number = {v: i for i, v in enumerate(local)}
        for v in local:
            for u in (*work.into[v], *work.out[v]):
                number.setdefault(u, len(number))
        self.into = [sum(1 << number[u] for u in work.into[v]) for v in local]
        self.out = [sum(1 << number[u] for u in work.out[v]) for v in local]
        self.kept = sum(1 << i for i, v in enumerate(local) if work.kept[v])
        self.sizes = [work.size[v] for v in local]
        self.weighed = work.prices.weighed
        classes: dict[int, int] = {}
        for v, i in number.items():
            classes[work.size[v]] = classes.get(work.size[v], 0) | 1 << i
        self.classes = list(classes.items())

    def price(self, i: int, gone: int) -> int:
        sources, _ = through(self.into, i, gone)
        targets, _ = through(self.out, i, gone)
        weight = self._weight
        ins, outs = weight(sources & ~gone), weight(targets & (~gone | self.kept))
        return self.weighed(self.sizes[i], ins, outs, bool(self.kept >> i & 1))

    def _weight(self, mask: int) -> int:
        return sum(size * (mask & members).bit_count() for size, members in self.classes)


class StructuredFragmentPrices:
    """Prices of structured blocks, from the blocks of the paths through eliminated vertices."""

    def __init__(self, work: WorkGraph, local: Sequence[int]) -> None:
        self.fragment = StructuredFragment(work, local)
        place = self.fragment.place
        self.into = [sum(1 << place[u] for u in work.into[v] if u in place) for v in local]
        self.out = [sum(1 << place[u] for u in work.out[v] if u in place) for v in local]

    def price(self, i: int, gone: int) -> int:
        return self.fragment.price(i, through(self.into, i, gone)[1], through(self.out, i, gone)[1])


def through(near: Sequence[int], i: int, gone: int) -> tuple[int, int]:
    """The vertices that a path from i along `near` with inner vertices in `gone` reaches, and those inner vertices."""
    met, inner = near[i], 0
    while todo := met & gone & ~inner:
        low = todo & -todo
        inner |= low
        met |= near[low.bit_length() - 1]
    return met, inner
