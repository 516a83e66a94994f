"""Chains under a memory limit straight from the definition: shortest paths over what is alive.

While a chain is worked out, the blocks alive are disjoint intervals of it, and what has been done so far is what they
hold. So every plan in every order of its steps, loads at any time included, is a path from nothing to the whole chain,
and there are few states: a Fibonacci number of them. Nothing is shared with the solvers.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush

from chainplan.compression import compressed, write_sweep
from chainplan.cost import FMA
from chainplan.graph import Elemental, Mode
from chainplan.problem import Problem
from chainplan.replayer import replay
from chainplan.steps import Recorder
from chainplan.structures import Block

State = frozenset[tuple[int, int]]


def pareto(problem: Problem) -> list[tuple[int, int]]:
    """All (peak, cost) that no plan beats in both, from the smallest peak to the smallest cost."""
    points: list[tuple[int, int]] = []
    found = cheapest(problem, None)
    while found is not None:
        points.insert(0, found)
        found = cheapest(problem, found[0] - 1)
    return points


def cheapest(problem: Problem, limit: int | None) -> tuple[int, int] | None:
    """Peak and cost of the cheapest plan under a limit, the least peak of those; None where there is none."""
    chain = problem.graph.chain
    blocks = _blocks(chain)
    sweeps = _sweeps(problem, blocks)
    goal = frozenset([(0, len(chain))])
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
        alive = sum(blocks[interval].nnz for interval in state)
        for after, price, extra in _steps(chain, blocks, sweeps, state):
            if limit is None or alive + extra <= limit:
                pushed += 1
                heappush(heap, (cost + price, max(peak, alive + extra), pushed, after))
    return None


def _blocks(chain: tuple[Elemental, ...]) -> dict[tuple[int, int], Block]:
    blocks = {(i, i + 1): e.block for i, e in enumerate(chain)}
    for d in range(2, len(chain) + 1):
        for i in range(len(chain) - d + 1):
            blocks[i, i + d] = blocks[i + 1, i + d].times(blocks[i, i + 1])
    return blocks


def _sweeps(problem: Problem, blocks: dict[tuple[int, int], Block]) -> dict[tuple[int, int], tuple[int, int]]:
    """Price and peak of the compressed sweep of every interval that has one."""
    found = {}
    for (i, j), block in blocks.items():
        sweep = compressed(problem.graph.chain[i:j], block, FMA, 10**30)
        if sweep is not None:
            recorder = Recorder(problem.graph)
            write_sweep(recorder, sweep)
            found[i, j] = sweep.price, replay(recorder.plan(())).peak
    return found


def _steps(
    chain: tuple[Elemental, ...],
    blocks: dict[tuple[int, int], Block],
    sweeps: dict[tuple[int, int], tuple[int, int]],
    state: State,
) -> Iterator[tuple[State, int, int]]:
    """Each step from a state: the state after it, its price, and the elements it needs beside those alive."""
    used = {p for i, j in state for p in range(i, j)}
    for (i, j), (price, hill) in sweeps.items():
        if used.isdisjoint(range(i, j)):
            yield state | {(i, j)}, price, hill
    for p, e in enumerate(chain):
        if p in used:
            continue
        own = (p, p + 1)
        if e.explicit:
            yield state | {own}, 0, blocks[own].nnz
        for mode in Mode:
            if e.per_vector(mode) is None:
                continue
            tape = e.tape if mode is Mode.ADJOINT else 0
            yield state | {own}, FMA.accumulate(e, mode), blocks[own].nnz + tape
            for i, j in state:
                if (mode is Mode.TANGENT and j == p) or (mode is Mode.ADJOINT and i == p + 1):
                    made = (min(i, p), max(j, p + 1))
                    price = FMA.propagate(e, blocks[i, j], mode)
                    yield (state - {(i, j)}) | {made}, price, blocks[made].nnz + tape
    for right in state:
        for left in state:
            if right[1] == left[0]:
                made = (right[0], left[1])
                yield (state - {left, right}) | {made}, FMA.multiply(blocks[left], blocks[right]), blocks[made].nnz
