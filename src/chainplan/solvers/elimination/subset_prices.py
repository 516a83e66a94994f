"""Prices of structured blocks for every subset of a fragment: the blocks of paths are numbered, their products kept.

The blocks into v through a set E depend only on the members of E that reach v; the same holds on the way out. Few
different such sets occur, and few different blocks, so each product of two blocks is computed once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chainplan.solvers.elimination.edge_prices import EdgePrices
from chainplan.solvers.elimination.elimination_graph import WorkGraph
from chainplan.solvers.elimination.subset_neighbours import FragmentSides, through
from chainplan.structures import Block

if TYPE_CHECKING:
    from chainplan._util.arrays import Array


class PricedBlocks:
    """Blocks by number, with the products, sums and prices computed so far."""

    def __init__(self, prices: EdgePrices) -> None:
        self.prices = prices
        self.blocks: list[Block] = []
        self._number: dict[Block, int] = {}
        self._product: dict[tuple[int, int], int] = {}
        self._sum: dict[tuple[int, int], int] = {}
        self._price: dict[tuple[int, int], int] = {}

    def number(self, block: Block) -> int:
        """The number of a block, the same for equal ones."""
        number = self._number.get(block)
        if number is None:
            number = self._number[block] = len(self.blocks)
            self.blocks.append(block)
        return number

    def times(self, left: int, right: int) -> int:
        """The number of the block left · right."""
        product = self._product.get((left, right))
        if product is None:
            product = self._product[left, right] = self.number(self.blocks[left].times(self.blocks[right]))
        return product

    def plus(self, left: int, right: int) -> int:
        """The number of the block left + right."""
        total = self._sum.get((left, right))
        if total is None:
            total = self._sum[left, right] = self.number(self.blocks[left].plus(self.blocks[right]))
        return total

    def price(self, left: int, right: int) -> int:
        """The price of left · right."""
        price = self._price.get((left, right))
        if price is None:
            price = self._price[left, right] = self.prices.pair(self.blocks[left], self.blocks[right])
        return price

    def held(self, numbers: Counter[int]) -> int:
        """The price of a sum onto each of some blocks, which are counted."""
        return sum(count * self.prices.held((self.blocks[number],)) for number, count in numbers.items())


class StructuredFragment:
    """A fragment of a structured work graph: its edges by block number, and what its vertices cost."""

    def __init__(self, work: WorkGraph, local: Sequence[int]) -> None:
        self.work, self.local = work, local
        self.place = {v: i for i, v in enumerate(local)}
        self.blocks = PricedBlocks(work.prices)
        number = self.blocks.number
        self.into = [{p: number(edge.block) for p, edge in work.into[v].items()} for v in local]
        self.out = [{s: number(edge.block) for s, edge in work.out[v].items()} for v in local]
        self._ins: dict[tuple[int, int], Counter[int]] = {}
        self._outs: dict[tuple[int, int], Counter[int]] = {}
        self._known: dict[tuple[int, int, int], int] = {}

    def _paths_into(self, i: int, members: int) -> Counter[int]:
        """How many sources each block leads from into vertex i when `members`, which reach i, are gone."""
        blocks = dict(self.into[i])
        for j in reversed(range(i)):
            if members >> j & 1:
                onward = blocks.pop(self.local[j])
                for p, block in self.into[j].items():
                    product = self.blocks.times(onward, block)
                    blocks[p] = self.blocks.plus(product, blocks[p]) if p in blocks else product
        return Counter(blocks.values())

    def _paths_out_of(self, i: int, members: int) -> Counter[int]:
        """How many targets each block leads to out of vertex i when `members`, which i reaches, are gone."""
        blocks = dict(self.out[i])
        for j in range(i + 1, len(self.local)):
            if members >> j & 1:
                v = self.local[j]
                onward = blocks[v] if self.work.kept[v] else blocks.pop(v)
                for s, block in self.out[j].items():
                    product = self.blocks.times(block, onward)
                    blocks[s] = self.blocks.plus(product, blocks[s]) if s in blocks else product
        return Counter(blocks.values())

    def price(self, i: int, sources: int, targets: int) -> int:
        """The price of eliminating vertex i when the members that reach it, or that it reaches, are gone.

        Either set may hold i itself.
        """
        key = i, sources, targets
        total = self._known.get(key)
        if total is None:
            ins, outs = self._ins.get((i, sources)), self._outs.get((i, targets))
            if ins is None:
                ins = self._ins[i, sources] = self._paths_into(i, sources)
            if outs is None:
                outs = self._outs[i, targets] = self._paths_out_of(i, targets)
            price = self.blocks.price
            total = sum(n * m * price(left, right) for left, m in outs.items() for right, n in ins.items())
            if self.work.prices.adds:
                v = self.local[i]
                total -= self.blocks.held(outs) + (0 if self.work.kept[v] else self.blocks.held(ins))
                total += self.work.prices.raised(self.work.size[v], self.work.kept[v])
            self._known[key] = total
        return total


def structured_prices(work: WorkGraph, local: Sequence[int]) -> Array:
    """Row v, column E: what eliminating v costs when the set E of the fragment is gone."""
    import numpy as np

    k = len(local)
    fragment = StructuredFragment(work, local)
    sources = through(FragmentSides(work, local, work.into).near, range(k))
    targets = through(FragmentSides(work, local, work.out).near, range(k - 1, -1, -1))
    rows = [
        [0 if mask >> i & 1 else fragment.price(i, a, b) for mask, (a, b) in enumerate(zip(*pair, strict=True))]
        for i, pair in enumerate(zip(sources.tolist(), targets.tolist(), strict=True))
    ]
    return np.array(rows, np.int64 if max(map(max, rows)) < 1 << 44 else object)
