"""The cheapest products with the Hessian of a dense chain, over all sets of eliminated vertices and all orders of them.

The chain is a list of sizes, from the input to the weighted outputs. What is kept of it is a list of vertices, each
with a second derivative of one row, and the Jacobians between neighbours; to eliminate one joins its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def least_hessian_products_cost(sizes: Sequence[int], bent: Sequence[bool], times: int) -> int:
    """The least fma of a set-up and of so many products H·v; `bent` says which elementals have second derivatives."""
    arguments = [i for i, some in enumerate(bent) if some]
    if not arguments:
        return 0
    rows = sum(sizes[i] * sizes[i - 1] for i in range(arguments[0] + 2, len(sizes)))
    weighted = sum(sizes[i + 1] * sizes[i] * (sizes[i] + 1) // 2 for i in arguments)
    last = arguments[-1]
    return rows + weighted + _least(tuple(range(last + 1)), frozenset(arguments), sizes, times)


def _least(kept: tuple[int, ...], bent: frozenset[int], sizes: Sequence[int], times: int) -> int:
    """The least fma from here on, where these vertices are left and some of them have second derivatives."""
    through = sum(sizes[a] * sizes[b] for a, b in pairwise(kept))
    best = times * (2 * through + sum(sizes[v] ** 2 for v in bent))
    for place in range(1, len(kept)):
        before, v = sizes[kept[place - 1]], sizes[kept[place]]
        price = 0
        joined = bent
        if kept[place] in bent:
            price += v * v * before + v * before * (before + 1) // 2
            joined = bent - {kept[place]} | {kept[place - 1]}
        if place + 1 < len(kept):
            price += sizes[kept[place + 1]] * v * before
        best = min(best, price + _least((*kept[:place], *kept[place + 1 :]), joined, sizes, times))
    return best
