"""Chains that evaluate their states: shortest paths over all that can be alive, blocks and states, in any order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import heappop, heappush
from typing import Any, NamedTuple

from tests.oracles.chain import Chain


class _Alive(NamedTuple):
    blocks: frozenset[tuple[int, int]]
    stored: frozenset[int]
    working: int | None


def cheapest(spec: Mapping[str, Any], limit: int | None) -> int | None:
    """Price of the cheapest plan under a limit, in any order of any steps; states may be dropped at any time.

    Coloured sweeps are no steps of these plans.
    """
    chain = Chain(spec)
    sizes = [0, *(block.rows for block in chain.blocks)]
    heap: list[tuple[int, int, _Alive]] = [(0, 0, _Alive(frozenset(), frozenset(), 0))]
    seen: set[_Alive] = set()
    pushed = 0
    while heap:
        cost, _, alive = heappop(heap)
        if alive.blocks == {(0, chain.q)}:
            return cost
        if alive in seen:
            continue
        seen.add(alive)
        blocks_alive = sum(chain.nnz[b] for b in alive.blocks)
        for after, price, extra in _steps(chain, alive):
            states = after.stored | alive.stored | {alive.working, after.working}
            held = blocks_alive + (extra or 0) + sum(sizes[v] for v in states if v is not None)
            if limit is None or held <= limit or extra is None:
                pushed += 1
                heappush(heap, (cost + price, pushed, after))
    return None


def _evaluation(chain: Chain, p: int) -> int:
    """Price of evaluating an elemental: as given, else that of a tangent, of an adjoint, or of its entries."""
    given = chain.entries[p].get("advance"), chain.tangent[p], chain.adjoint[p], chain.nnz[p, p + 1]
    return next(price for price in given if price is not None)


def _steps(chain: Chain, alive: _Alive) -> Iterator[tuple[_Alive, int, int | None]]:
    """Each step from here: what is alive after it, its price, the elements it needs besides; None where it drops."""
    held, stored, working = alive
    used = {p for i, j in held for p in range(i, j)}
    for v in {0, *stored}:
        yield _Alive(held, stored, v), 0, None
    for v in stored:
        yield _Alive(held, stored - {v}, working), 0, None
    if working is not None:
        yield _Alive(held, stored, None), 0, None
        yield _Alive(held, stored | {working}, working), 0, None
        if working < chain.q - 1:
            yield _Alive(held, stored, working + 1), _evaluation(chain, working), 0
        if working not in used and working < chain.q:
            for blocks, price, extra in chain.with_elemental(held, working):
                yield _Alive(blocks, stored, working), price, extra
    for blocks, price, extra in chain.products(held):
        yield _Alive(blocks, stored, working), price, extra
