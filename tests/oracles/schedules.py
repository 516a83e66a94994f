"""Makespans straight from the definition: every plan of a chain, every order of its tasks on every machine.

Plans are nested tuples of prices, grown by recursion over splits and modes; a schedule is a topological order whose
tasks are put, one after the other, where they can start first, which some optimal schedule is (schedules that cannot be
shifted to the left).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from tests.oracles.chain import Chain

Nest = tuple[int, tuple[Any, ...]]
"""A price and the nests that it waits for."""


def nests(spec: Mapping[str, Any]) -> frozenset[Nest]:
    """All bracketings of a chain as trees of prices; equal ones once."""
    chain = Chain(spec)

    @cache
    def of(i: int, j: int) -> frozenset[Nest]:
        return frozenset(grow(i, j))

    def grow(i: int, j: int) -> Iterator[Nest]:
        block = chain.of[i, j]
        tangent, adjoint = chain.tangent[j - 1], chain.adjoint[i]
        if j == i + 1:
            if chain.explicit(i):
                yield 0, ()
            for price, vectors in ((tangent, block.cols), (adjoint, block.rows)):
                if price is not None:
                    yield price * vectors, ()
            return
        for k in range(i + 1, j):
            yield from ((chain.times[i, k, j], tuple(sorted((a, b)))) for a in of(k, j) for b in of(i, k))
        if tangent is not None:
            yield from ((tangent * block.cols, (a,)) for a in of(i, j - 1))
        if adjoint is not None:
            yield from ((adjoint * block.rows, (a,)) for a in of(i + 1, j))

    return of(0, chain.q)


def critical_path(nest: Nest) -> int:
    """The makespan of a plan on machines without end."""
    return nest[0] + max(map(critical_path, nest[1]), default=0)


def best_makespan(spec: Mapping[str, Any], machines: int) -> int:
    """The shortest schedule of the best bracketing of a chain."""
    best: int | None = None
    for nest in sorted(nests(spec), key=critical_path):
        if best is not None and critical_path(nest) >= best:
            break
        prices: list[int] = []
        reads: list[tuple[int, ...]] = []
        _flatten(nest, prices, reads)
        found = shortest(prices, reads, machines, best)
        best = found if best is None else min(best, found)
    assert best is not None
    return best


def shortest(prices: Sequence[int], reads: Sequence[tuple[int, ...]], machines: int, most: int | None = None) -> int:
    """The shortest schedule of tasks of these prices that read earlier ones; at least `most` where none is shorter."""
    best = sum(prices) if most is None else most
    tails = [0] * len(prices)
    for task in range(len(prices) - 1, -1, -1):
        tails[task] += prices[task]
        for before in reads[task]:
            tails[before] = max(tails[before], tails[task])

    def go(ends: dict[int, int], free: tuple[int, ...]) -> None:
        nonlocal best
        if len(ends) == len(prices):
            best = min(best, max(ends.values(), default=0))
            return
        ready = [t for t in range(len(prices)) if t not in ends and all(b in ends for b in reads[t])]
        free_ones = [t for t in ready if not prices[t]]
        for task in free_ones[:1] or ready:
            start = max([free[0] if prices[task] else 0, *(ends[b] for b in reads[task])])
            if start + tails[task] >= best:
                continue
            after = tuple(sorted((*free[1:], start + prices[task]))) if prices[task] else free
            go({**ends, task: start + prices[task]}, after)

    go({}, (0,) * machines)
    return best


def _flatten(nest: Nest, prices: list[int], reads: list[tuple[int, ...]]) -> int:
    before = tuple(_flatten(part, prices, reads) for part in nest[1])
    prices.append(nest[0])
    reads.append(before)
    return len(prices) - 1
