"""The elimination problem in the form that searches need: numbers, bit sets, and prices that depend on sets alone.

What remains after a *set* of vertices has been eliminated does not depend on the order. For a set C of intermediate
vertices still to be eliminated, with every other vertex kept, eliminating v last of C costs what the products of its
predecessors and successors through C cost. With dense blocks that is `d_v · w(P_C(v)) · w(S_C(v))`, where w is the
total size, P_C(v) are the vertices outside C that reach v through C, and S_C(v) those that v reaches through C. A
vertex that is an output and is read (`kept`) stays a target after its elimination, so it counts among the successors
although it lies in C. One elimination has the price of Griewank & Walther, *Evaluating Derivatives*, section 9.3, or
that of another cost model, which depends on the same neighbours (`edge_prices`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from chainplan.problem.cost import FMA, CostModel
from chainplan.problem.graph import Graph
from chainplan.solvers.elimination.edge_prices import FixedPrice
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.search.search import WorkWatcher, unwatched
from chainplan.structures import Block


class EliminationCore:
    """A linearised DAG as bit sets: bit i is the vertex of topological number i of a fresh `WorkGraph`."""

    def __init__(self, graph: Graph, cost: CostModel = FMA) -> None:
        work = WorkGraph(graph, None, cost)
        self.graph, self.dense, self.prices = graph, work.dense, work.prices
        self.work = work
        self.index: dict[str, int] = work.index
        self.size: list[int] = work.size
        self.succ: list[int] = [bits(out) for out in work.out]
        self.pred: list[int] = [bits(into) for into in work.into]
        self.middle: int = bits(work.middle)
        self.kept: int = bits(i for i in work.middle if work.kept[i])
        self.block: dict[tuple[int, int], Block] = {
            (p, v): edge.block for v, into in enumerate(work.into) for p, edge in into.items()
        }

    @property
    def fixed(self) -> int:
        """What every order pays besides: the accumulation of the matrix-free elementals, and what prices leave out."""
        return self._fixed.price

    @property
    def least_fixed(self) -> int:
        """A lower bound on the same, whatever the colours."""
        return self._fixed.least

    @cached_property
    def _fixed(self) -> FixedPrice:
        return self.work.fixed_price

    def weight(self, mask: int) -> int:
        """Total size of the vertices in a set."""
        return sum(self.size[i] for i in members(mask))

    def around(self, v: int, inside: int) -> tuple[int, int]:
        """P_C(v) and S_C(v) for C = `inside`: the ends of v once the rest of C has been eliminated."""
        sources = _reach(self.pred, v, inside) & ~inside
        targets = _reach(self.succ, v, inside)
        return sources, targets & (~inside | self.kept)

    def price_last(self, v: int, inside: int, look: WorkWatcher = unwatched) -> int:
        """The price of eliminating v when the rest of the set `inside`, which holds v, has been eliminated.

        `look` is told of the products of structured blocks that this takes.
        """
        sources, targets = self.around(v, inside)
        kept = bool(self.kept >> v & 1)
        if self.dense:
            return self.prices.weighed(self.size[v], self.weight(sources), self.weight(targets), kept)
        ins = self._paths_into(v, inside, look)
        outs = self._paths_out_of(v, inside, look)
        return self.prices.of_blocks([ins[p] for p in members(sources)], [outs[s] for s in members(targets)], kept)

    def _paths_into(self, v: int, inside: int, look: WorkWatcher) -> dict[int, Block]:
        """The block from each vertex to v, summed over the paths whose inner vertices lie in `inside`."""
        blocks: dict[int, Block] = {}
        through = _reach(self.pred, v, inside)
        for u in reversed(list(members(through))):
            block = self.block.get((u, v))
            for t in members(self.succ[u] & through & inside):
                look(self.work.effort)
                product = blocks[t].times(self.block[u, t])
                block = product if block is None else block.plus(product)
            assert block is not None
            blocks[u] = block
        return blocks

    def _paths_out_of(self, v: int, inside: int, look: WorkWatcher) -> dict[int, Block]:
        """The block from v to each vertex, summed over the paths whose inner vertices lie in `inside`."""
        blocks: dict[int, Block] = {}
        through = _reach(self.succ, v, inside)
        for u in members(through):
            block = self.block.get((v, u))
            for t in members(self.pred[u] & through & inside):
                look(self.work.effort)
                product = self.block[t, u].times(blocks[t])
                block = product if block is None else block.plus(product)
            assert block is not None
            blocks[u] = block
        return blocks

    def possible_neighbours(self, step: list[int], v: int) -> int:
        """The possible neighbours of v: the vertices that paths along `step` through intermediates join to it."""
        return _reach(step, v, self.middle)

    def components(self, mask: int) -> Iterator[int]:
        """The connected components of a set, where edges join vertices whatever their direction."""
        while mask:
            part, border = 0, mask & -mask
            while border:
                part |= border
                grown = 0
                for v in members(border):
                    grown |= self.succ[v] | self.pred[v]
                border = grown & mask & ~part
            yield part
            mask &= ~part

    def order_price(self, order: Sequence[int]) -> int:
        """The price of an order of elimination, without what every order pays."""
        return self.work.order_price(order)


def _reach(step: list[int], v: int, inside: int) -> int:
    """The vertices other than v that a path from v along `step` with inner vertices in `inside` reaches."""
    seen = border = step[v]
    while border := border & inside:
        grown = 0
        for u in members(border):
            grown |= step[u]
        border = grown & ~seen
        seen |= grown
    return seen


def bits(numbers: Iterable[int]) -> int:
    """A set of numbers as an int."""
    result = 0
    for i in numbers:
        result |= 1 << i
    return result


def members(mask: int) -> Iterator[int]:
    """The numbers in a set, in rising order."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
