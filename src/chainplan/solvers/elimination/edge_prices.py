"""What eliminating a vertex costs by any cost model, as a function of the edges that it has then, and of nothing else.

A product onto an edge that is there costs a sum too, so that a step costs less where it makes an edge. But every edge
that is made goes again, with the first of its ends that goes, or is part of the Jacobian. So each product is charged
with a sum, and each vertex is given back the sums of the edges that go with it: the total over all vertices differs
from what their steps cost by the same number for all orders, by `held` of the edges at the end less those at the start.
Where v has predecessors of total size a and successors of total size c, with dense blocks,

    fma:         d_v · a · c
    operations:  d_v · (2 · a · c - a - c + 1),

the second without `- a + 1` where v is an output, whose edges stay. The 1, which is the same for all orders too, keeps
prices from falling below 0. Both grow with a and with c, and so the bounds and the reductions that rest on this hold
for both. Because every fma is a multiplication at least, what all plans cost in fma is a bound on what they cost in
operations as well.

That the total is right needs that the entries of a sum are counted exactly, and for objectives in time that blocks are
dense; elsewhere it ranks orders, and plans are priced by replay as always. Griewank & Walther, *Evaluating
Derivatives*, 2nd edition, SIAM 2008, section 9.2, count the fma; the rest follows from what is said here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from chainplan.costs.operations import OPERATIONS_PER_FMA
from chainplan.plans.accumulations import accumulated
from chainplan.problem.cost import FMA, CostModel
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.structures import Block


class FixedPrice(NamedTuple):
    """What every order of elimination pays besides its prices, in the cheapest known way, and at least."""

    price: int
    least: int


def counts_fma(cost: CostModel) -> bool:
    """Whether every fma of a plan costs at least 1, so that bounds in fma hold."""
    return cost is FMA or cost.objective == "operations"


class EdgePrices:
    """The prices of eliminating a vertex by a cost model.

    `by_weight` says whether dense blocks are priced by the total sizes of the neighbours alone.
    """

    def __init__(self, cost: CostModel) -> None:
        self.cost = cost
        self.adds = cost is not FMA
        self.by_weight = counts_fma(cost)

    def weighed(self, size: int, into: int, out: int, kept: bool) -> int:
        """Price a vertex by the total sizes of its neighbours, where all blocks are dense."""
        price: int = self.by_product(size, into * out, into, out, kept)
        return price

    def by_product(self, size: int, product: Any, into: Any, out: Any, kept: bool) -> Any:
        """Price a vertex by these sizes and their product, which may be variables of a model."""
        if not self.adds:
            return size * product
        return size * (2 * product - out - (0 if kept else into - 1))

    def entries(self, size: int, fma: int, into: int, out: int, kept: bool) -> int:
        """Price a vertex by the fma of one of its entries, and by the entries beside it on both sides."""
        if not self.adds:
            return size * fma
        return size * (fma + into * out - out - (0 if kept else into - 1))

    def of_blocks(self, ins: Sequence[Block], outs: Sequence[Block], kept: bool) -> int:
        """Price a vertex by its blocks, in O(pairs)."""
        total = sum(self.pair(left, right) for left in outs for right in ins)
        return total - self.given_back(ins, outs, kept) if self.adds else total

    def pair(self, left: Block, right: Block) -> int:
        """Price a product together with the sum that absorbs it."""
        if not self.adds:
            return FMA.multiply(left, right)
        product = left.times(right)
        return self.cost.multiply(left, right, product) + self.cost.add(product, product)

    def given_back(self, ins: Sequence[Block], outs: Sequence[Block], kept: bool) -> int:
        """Price the sums that the edges of a vertex stand for, those that go with it."""
        return self.held(outs) + (0 if kept else self.held(ins)) - self.raised(outs[0].cols, kept)

    def raised(self, size: int, kept: bool) -> int:
        """The part of a price that keeps it from falling below 0."""
        return size if self.adds and self.by_weight and not kept else 0

    def held(self, blocks: Iterable[Block]) -> int:
        """Price a sum onto each of some blocks."""
        return sum(self.cost.add(block, block) for block in blocks)

    def merges(self, parts: Iterable[Sequence[Elemental]]) -> int:
        """Price the sums of parallel elementals."""
        total = 0
        for first, *others in parts:
            block = first.block
            for other in others:
                total += self.cost.add(block, other.block)
                block = block.plus(other.block)
        return total


def accumulation(graph: Graph, cost: CostModel = FMA) -> FixedPrice:
    """Price the accumulation of every useful matrix-free elemental; in time, by tangents or adjoints alone."""
    matrix_free = [e for e in graph.useful if not e.explicit]
    if counts_fma(cost):
        each = 1 if cost is FMA else OPERATIONS_PER_FMA
        found = [accumulated(e) for e in matrix_free]
        return FixedPrice(each * sum(one.price for one in found), each * sum(one.least for one in found))
    modes = [[mode for mode in Mode if e.per_vector(mode) is not None] for e in matrix_free]
    prices = (min(cost.accumulate(e, mode) for mode in known) for e, known in zip(matrix_free, modes, strict=True))
    return FixedPrice(sum(prices), 0)
