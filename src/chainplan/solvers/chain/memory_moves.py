"""The moves that a chain under a memory limit is made of, and what a plan with a given move needs at least.

Whether a plan keeps a limit depends on the order of all its steps. But each step must keep it by itself, and so must
the other steps of any plan that holds the move; this rules out most moves before the search begins. The same two passes
over the intervals, with prices instead of elements, give the least cost of finishing the Jacobian from an interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from chainplan.plans.compressed_sweep import CompressedSweep
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.solvers.chain.compressed_intervals import peak
from chainplan.solvers.chain.derivation import ChainInterval, blocks_of, leaf_options
from chainplan.solvers.search.search import Search
from chainplan.structures import Block


class IntervalMove(NamedTuple):
    """A step, or a compressed sweep, that makes an interval from others while `hill` elements are alive."""

    made: ChainInterval
    args: tuple[ChainInterval, ...]
    mode: Mode | None
    hill: int
    price: int
    sweep: CompressedSweep | None = None


IntervalMoves = dict[ChainInterval, list[IntervalMove]]


class MoveTable:
    """The moves into each interval, shorter intervals first, and the floor of each move: no plan with it needs less.

    `sweeps` gives the compressed sweeps of an interval.
    """

    def __init__(self, graph: Graph, search: Search, sweeps: Callable[[int, int], list[CompressedSweep]]) -> None:
        chain = graph.chain
        self.whole = (0, len(chain))
        blocks = blocks_of(chain)
        nnz = {interval: block.nnz for interval, block in blocks.items()}
        self.nnz = nnz
        self.moves: IntervalMoves = {}
        for interval in sorted(blocks, key=lambda interval: (interval[1] - interval[0], interval)):
            self.moves[interval] = _moves(chain, blocks, nnz, interval)
            for sweep in sweeps(*interval):
                self.moves[interval].append(IntervalMove(interval, (), None, peak(graph, sweep), sweep.price, sweep))
            search.tick()
        inside = _inside(self.moves, max, _hill)
        outside = _outside(self.moves, max, _hill, inside, self.whole)
        self.floors = {
            interval: [max((outside[interval], m.hill, *[inside[a] for a in m.args])) for m in moves]
            for interval, moves in self.moves.items()
            if interval in outside
        }

    def no_better(self, other: MoveTable) -> bool:
        """Whether for each sweep of this table the other has one that costs and holds no more."""
        return all(
            any(one.price <= move.price and one.hill <= move.hill for one in other.moves[interval] if one.sweep)
            for interval, moves in self.moves.items()
            for move in moves
            if move.sweep
        )

    def within(self, limit: int | None) -> IntervalMoves:
        """The moves whose floor keeps the limit; a plan under the limit has no others."""
        kept: IntervalMoves = {}
        for interval, floors in self.floors.items():
            moves = [
                m for m, floor in zip(self.moves[interval], floors, strict=True) if limit is None or floor <= limit
            ]
            if moves:
                kept[interval] = moves
        return kept

    def above(self, limit: int | None) -> set[int]:
        """The floors above a limit."""
        return {f for floors in self.floors.values() for f in floors if limit is not None and f > limit}


def prices_ahead(moves: IntervalMoves, whole: ChainInterval, watch: Callable[[], None]) -> dict[ChainInterval, int]:
    """For each interval the least price of the moves that lead from it to the whole chain."""
    watch()
    inside = _inside(moves, sum, _price)
    watch()
    return _outside(moves, sum, _price, inside, whole)


def _moves(
    chain: tuple[Elemental, ...],
    blocks: dict[ChainInterval, Block],
    nnz: dict[ChainInterval, int],
    interval: ChainInterval,
) -> list[IntervalMove]:
    """All steps that make an interval: leaves of a single elemental; else a tangent, an adjoint, products by split."""
    i, j = interval
    first, last, size = chain[i], chain[j - 1], nnz[interval]
    if j - i == 1:
        return [
            IntervalMove(interval, (), leaf.mode, size + _tape(first, leaf.mode), price)
            for price, leaf in leaf_options(chain, i)
        ]
    moves = []
    for e, mode, arg in ((last, Mode.TANGENT, (i, j - 1)), (first, Mode.ADJOINT, (i + 1, j))):
        if e.per_vector(mode) is not None:
            hill = nnz[arg] + size + _tape(e, mode)
            moves.append(IntervalMove(interval, (arg,), mode, hill, FMA.propagate(e, blocks[arg], mode)))
    for k in range(i + 1, j):
        left, right = (k, j), (i, k)
        price = FMA.multiply(blocks[left], blocks[right])
        moves.append(IntervalMove(interval, (left, right), None, nnz[left] + nnz[right] + size, price))
    return moves


def _tape(e: Elemental, mode: Mode | None) -> int:
    return e.tape if mode is Mode.ADJOINT else 0


def _hill(move: IntervalMove) -> int:
    return move.hill


def _price(move: IntervalMove) -> int:
    return move.price


def _inside(
    moves: IntervalMoves, join: Callable[[Iterable[int]], int], weight: Callable[[IntervalMove], int]
) -> dict[ChainInterval, int]:
    """The least sum (or maximum) of weights of the moves that make each interval."""
    inside: dict[ChainInterval, int] = {}
    for interval, options in moves.items():
        inside[interval] = min(join((weight(m), *[inside[a] for a in m.args])) for m in options)
    return inside


def _outside(
    moves: IntervalMoves,
    join: Callable[[Iterable[int]], int],
    weight: Callable[[IntervalMove], int],
    inside: dict[ChainInterval, int],
    whole: ChainInterval,
) -> dict[ChainInterval, int]:
    """The least sum (or maximum) of weights of the moves that lead from each interval to the whole chain."""
    outside = {whole: 0}
    for interval in reversed(moves):
        if interval not in outside:
            continue
        for move in moves[interval]:
            base = join((outside[interval], weight(move)))
            for arg in move.args:
                ahead = join((base, *[inside[other] for other in move.args if other != arg]))
                if arg not in outside or ahead < outside[arg]:
                    outside[arg] = ahead
    return outside
