"""Chains straight from the definition, with and without a memory limit: shortest paths over what is alive.

While a chain is worked out, the blocks alive are disjoint intervals of it, and what has been done so far is what they
hold. So every plan in every order of its steps, loads at any time included, is a path from nothing to the whole chain,
and there are few states: a Fibonacci number of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from heapq import heappop, heappush
from typing import Any

from tests.oracles.colouring import least_price
from tests.oracles.patterns import Block, blocks_of, fma, intervals

State = frozenset[tuple[int, int]]
Sweeps = dict[tuple[int, int], tuple[int, int]]
"""Price and peak of the compressed sweep of an interval."""


class Chain:
    """A chain as a spec writes it: `{"chain": [{"shape": [rows, cols], "structure": ..., "tangent": ...}, ...]}`."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.entries: list[dict[str, Any]] = spec["chain"]
        self.blocks: list[Block] = blocks_of((*e["shape"], e.get("structure", "dense")) for e in self.entries)
        self.tangent = [e.get("tangent") for e in self.entries]
        self.adjoint = [e.get("adjoint") for e in self.entries]
        self.tape = [e.get("tape", 0) for e in self.entries]
        self.q = len(self.entries)

    def explicit(self, p: int) -> bool:
        """Whether an elemental is given as a block."""
        return self.tangent[p] is None and self.adjoint[p] is None

    @cached_property
    def of(self) -> dict[tuple[int, int], Block]:
        """The block of each interval."""
        return intervals(self.blocks)

    def per_vector(self, i: int, j: int, mode: str) -> int | None:
        """Price of one tangent or adjoint of an interval, None where an elemental has none."""
        prices: list[int | None] = self.tangent if mode == "tangent" else self.adjoint
        vectors = [
            (0 if self.blocks[p].picks else self.blocks[p].nnz) if self.explicit(p) else prices[p] for p in range(i, j)
        ]
        known = [price for price in vectors if price is not None]
        return sum(known) if len(known) == j - i else None

    @cached_property
    def times(self) -> dict[tuple[int, int, int], int]:
        """Price of the product of the intervals (k, j) and (i, k), for every i < k < j."""
        ends = [(i, k, j) for i, j in self.of for k in range(i + 1, j)]
        return {(i, k, j): fma(self.of[k, j], self.of[i, k]) for i, k, j in ends}

    @cached_property
    def nnz(self) -> dict[tuple[int, int], int]:
        """Nonzeros of each interval."""
        return {interval: block.nnz for interval, block in self.of.items()}

    @cached_property
    def sweeps(self) -> dict[tuple[int, int], int | None]:
        """Least price of the compressed sweep of each interval with a matrix-free elemental and a sparse pattern.

        It is None where there are too many colourings to try. A dense block needs as many sweeps as it has rows or
        columns, and then single steps cost no more; a block without nonzeros is not swept.
        """
        found: dict[tuple[int, int], int | None] = {}
        for (i, j), block in self.of.items():
            if all(map(self.explicit, range(i, j))) or not 0 < block.nnz < block.rows * block.cols:
                continue
            prices = self.per_vector(i, j, "tangent"), self.per_vector(i, j, "adjoint")
            if prices != (None, None):
                found[i, j] = least_price(block.cells, *prices)
        return found

    def with_elemental(self, state: State, p: int) -> Iterator[tuple[State, int, int]]:
        """Elemental p loaded, accumulated, or propagated onto an interval beside it: state after, price, elements."""
        own, nnz, tape, tangent, adjoint = (p, p + 1), self.nnz, self.tape[p], self.tangent[p], self.adjoint[p]
        if self.explicit(p):
            yield state | {own}, 0, nnz[own]
        if tangent is not None:
            yield state | {own}, self.of[own].cols * tangent, nnz[own]
        if adjoint is not None:
            yield state | {own}, self.of[own].rows * adjoint, nnz[own] + tape
        for i, j in state:
            rest = state - {(i, j)}
            if tangent is not None and j == p:
                yield rest | {(i, p + 1)}, self.of[i, j].cols * tangent, nnz[i, p + 1]
            if adjoint is not None and i == p + 1:
                yield rest | {(p, j)}, self.of[i, j].rows * adjoint, nnz[p, j] + tape

    def products(self, state: State) -> Iterator[tuple[State, int, int]]:
        """Two intervals that meet, multiplied: state after, price, elements."""
        for right in state:
            for left in state:
                if right[1] == left[0]:
                    made, price = (right[0], left[1]), self.times[right[0], left[0], left[1]]
                    yield (state - {left, right}) | {made}, price, self.nnz[made]


def least_cost(spec: Mapping[str, Any]) -> int:
    """Multiply-adds of the cheapest plan of bracketings and coloured sweeps."""
    chain = Chain(spec)
    assert None not in chain.sweeps.values()
    found = cheapest(chain, None, {interval: (price or 0, 0) for interval, price in chain.sweeps.items()})
    assert found is not None
    return found[1]


def pareto(chain: Chain, sweeps: Sweeps) -> list[tuple[int, int]]:
    """All (peak, cost) that no plan beats in both, from the smallest peak to the smallest cost."""
    points: list[tuple[int, int]] = []
    found = cheapest(chain, None, sweeps)
    while found is not None:
        points.insert(0, found)
        found = cheapest(chain, found[0] - 1, sweeps)
    return points


def cheapest(chain: Chain, limit: int | None, sweeps: Sweeps) -> tuple[int, int] | None:
    """Peak and cost of the cheapest plan under a limit, the least peak of those; None where there is none."""
    goal = frozenset([(0, chain.q)])
    peaks: dict[State, int] = {}
    heap: list[tuple[int, int, int, State]] = [(0, 0, 0, frozenset())]
    pushed = 0
    while heap:
        cost, peak, _, state = heappop(heap)
        if state == goal:
            return peak, cost
        if peaks.get(state, peak + 1) <= peak:
            continue
        peaks[state] = peak
        alive = sum(chain.nnz[interval] for interval in state)
        for after, price, extra in _steps(chain, sweeps, state):
            if limit is None or alive + extra <= limit:
                pushed += 1
                heappush(heap, (cost + price, max(peak, alive + extra), pushed, after))
    return None


def _steps(chain: Chain, sweeps: Sweeps, state: State) -> Iterator[tuple[State, int, int]]:
    """Each step from a state: the state after it, its price, and the elements it needs beside those alive."""
    used = {p for i, j in state for p in range(i, j)}
    for (i, j), (price, hill) in sweeps.items():
        if used.isdisjoint(range(i, j)):
            yield state | {(i, j)}, price, hill
    for p in range(chain.q):
        if p not in used:
            yield from chain.with_elemental(state, p)
    yield from chain.products(state)
