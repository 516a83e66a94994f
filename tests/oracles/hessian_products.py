"""The cheapest products with the Hessian of a dense chain, over all sets of eliminated vertices and all orders of them.

The chain is a list of sizes, from the input to the weighted outputs. What is kept of it is a list of vertices, each
with a second derivative of one row, and the Jacobians between neighbours; to eliminate one joins its neighbours. The
second derivative of an elemental of m rows waits for its weights until its vertex is eliminated. If that never comes,
it is weighted, or each vector goes through all m rows of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple


class KeptVertices(NamedTuple):
    """The vertices that are left, those with a weighted second derivative, and those with one that waits."""

    kept: tuple[int, ...]
    weighted: frozenset[int]
    waiting: frozenset[int]


def least_hessian_products_cost(sizes: Sequence[int], bent: Sequence[bool], times: int) -> int:
    """The least fma of a set-up and of so many products H·v; `bent` says which elementals have second derivatives."""
    arguments = [i for i, some in enumerate(bent) if some]
    if not arguments:
        return 0
    rows = sum(sizes[i] * sizes[i - 1] for i in range(arguments[0] + 2, len(sizes)))
    whole = KeptVertices(tuple(range(arguments[-1] + 1)), frozenset(), frozenset(arguments))
    return rows + _least(whole, sizes, times)


def _weighting(v: int, sizes: Sequence[int]) -> int:
    return sizes[v + 1] * sizes[v] * (sizes[v] + 1) // 2


def _stopped(state: KeptVertices, sizes: Sequence[int], times: int) -> int:
    """The fma of all products that go through what is left."""
    total = times * 2 * sum(sizes[a] * sizes[b] for a, b in pairwise(state.kept))
    for v in state.kept:
        product, late = times * sizes[v] ** 2, times * sizes[v + 1] * (sizes[v] ** 2 + sizes[v])
        if v in state.weighted:
            total += product + (min(_weighting(v, sizes), late) if v in state.waiting else 0)
        elif v in state.waiting:
            total += min(_weighting(v, sizes) + product, late)
    return total


def _least(state: KeptVertices, sizes: Sequence[int], times: int) -> int:
    """The least fma from here on."""
    kept, weighted, waiting = state
    best = _stopped(state, sizes, times)
    for place in range(1, len(kept)):
        v, near = kept[place], kept[place - 1]
        before, size = sizes[near], sizes[v]
        price, pushed = 0, v in weighted or v in waiting
        if v in waiting:
            price += _weighting(v, sizes)
        if pushed:
            price += size * size * before + size * before * (before + 1) // 2
        if place + 1 < len(kept):
            price += sizes[kept[place + 1]] * size * before
        after = weighted - {v} | {near} if pushed else weighted
        rest = KeptVertices((*kept[:place], *kept[place + 1 :]), after, waiting - {v})
        best = min(best, price + _least(rest, sizes, times))
    return best
