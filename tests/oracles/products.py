"""Products with the Jacobian of a chain straight from the definition: every cut into groups, every way with each group.

A group is formed at the least price of its interval and multiplied by every vector, or it is a single matrix-free
elemental that is applied to every vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from tests.oracles.chain import Chain
from tests.oracles.patterns import Block, fma


def least_products_cost(spec: Mapping[str, Any], right: int, left: int) -> int | None:
    """Multiply-adds of the cheapest plan; None where the colourings of some interval are too many to try."""
    chain = Chain(spec)
    if None in chain.sweeps.values():
        return None

    @cache
    def formed(i: int, j: int) -> int:
        return min(_ways(chain, formed, i, j))

    def group(i: int, j: int) -> int:
        block = chain.of[i, j]
        uses = right * fma(block, Block(block.cols, 1)) + left * fma(Block(1, block.rows), block)
        prices = [formed(i, j) + uses]
        if j == i + 1 and not chain.explicit(i):
            tangent, adjoint = chain.tangent[i], chain.adjoint[i]
            if (tangent is not None or not right) and (adjoint is not None or not left):
                prices.append(right * (tangent or 0) + left * (adjoint or 0))
        return min(prices)

    return min(sum(group(i, j) for i, j in cut) for cut in _cuts(0, chain.q))


def _ways(chain: Chain, formed: Callable[[int, int], int], i: int, j: int) -> Iterator[int]:
    """The prices of all last operations that make the block of an interval."""
    sweep = chain.sweeps.get((i, j))
    if sweep is not None:
        yield sweep
    if j == i + 1 and chain.explicit(i):
        yield 0
    last, first = chain.tangent[j - 1], chain.adjoint[i]
    if last is not None:
        yield chain.of[i, j].cols * last + (formed(i, j - 1) if j > i + 1 else 0)
    if first is not None:
        yield chain.of[i, j].rows * first + (formed(i + 1, j) if j > i + 1 else 0)
    for k in range(i + 1, j):
        yield formed(i, k) + formed(k, j) + chain.times[i, k, j]


def _cuts(i: int, q: int) -> Iterator[list[tuple[int, int]]]:
    """Every cut of the elementals from i on into groups of adjacent ones."""
    if i == q:
        yield []
    for j in range(i + 1, q + 1):
        for rest in _cuts(j, q):
            yield [(i, j), *rest]
