"""What one sweep of adjoints over a chain holds and costs, elemental by elemental, in time linear in the chain.

The sweep makes the block of the last elemental and extends it to the left by one elemental at a time, so that every
block but those of single elementals is one (i, q). Long chains have room in their plans for few other blocks, and the
sweep leaves one question: which states are stored and which are evaluated again (`reversal_splits`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from chainplan.problem.cost import FMA
from chainplan.problem.graph import Graph, Mode
from chainplan.solvers.chain.derivation import leaf_options
from chainplan.solvers.search.search import unwatched
from chainplan.structures import Block


class ExtensionWay(NamedTuple):
    """A way to extend the block of the sweep by one elemental: its price, and the most elements alive meanwhile.

    They are those of blocks, tapes and the state before the elemental. `leaf` says how the block of the elemental is
    made that is then multiplied: (None,) if loaded, or its mode; it is None where an adjoint is applied.
    """

    price: int
    hill: int
    leaf: tuple[Mode | None] | None


@dataclass(frozen=True, eq=False)
class ReversalChain:
    """Prices and sizes of the sweep: of each elemental its evaluation, of each state and block its elements.

    `sizes` are those of the states x_0 ... x_q, of which the input takes none; `blocks` are (0, q) ... (q - 1, q);
    `ways` say how each elemental is taken. In a part of a chain, the block behind it is the last of `blocks`.
    """

    evaluations: tuple[int, ...]
    sizes: tuple[int, ...]
    blocks: tuple[Block, ...]
    ways: tuple[ExtensionWay, ...]

    def part(self, start: int, stop: int) -> ReversalChain:
        """The steps from `start` to before `stop`, beginning at a state that is kept and no longer counted."""
        first = self.ways[start]
        ways = (first._replace(hill=first.hill - self.sizes[start]), *self.ways[start + 1 : stop])
        sizes = (0, *self.sizes[start + 1 : stop + 1])
        return ReversalChain(self.evaluations[start:stop], sizes, self.blocks[start : stop + 1], ways)

    @property
    def sweep_price(self) -> int:
        """The price of the sweep without evaluations."""
        return sum(way.price for way in self.ways)


def reversal_chain(graph: Graph, memory: int | None, look: Callable[[], None] = unwatched) -> ReversalChain:
    """The sweep of a chain under a limit, from one product of structures per elemental; `look` is called for each.

    Each elemental is taken in the cheapest way that keeps the limit by itself, or where none does in the smallest.
    """
    chain = graph.chain
    sizes = (0, *(graph.sizes[e.target] for e in chain))
    blocks, ways = list[Block](), list[ExtensionWay]()
    priced: tuple[object, ...] = ()
    for i in range(len(chain) - 1, -1, -1):
        look()
        e, waiting = chain[i], blocks[-1] if blocks else None
        key = (waiting, e.block, e.tangent, e.adjoint, e.tape, sizes[i])
        if key != priced:
            priced = key
            whole = e.block if waiting is None else waiting.times(e.block)
            options = list(_ways(graph, i, waiting, whole, sizes[i]))
            kept = [way for way in options if memory is None or way.hill <= memory]
            way = min(kept, key=itemgetter(0, 1)) if kept else min(options, key=itemgetter(1))
        ways.append(way)
        blocks.append(whole)
    return ReversalChain(tuple(FMA.advance(e) for e in chain), sizes, tuple(blocks[::-1]), tuple(ways[::-1]))


def _ways(graph: Graph, i: int, waiting: Block | None, whole: Block, state: int) -> Iterator[ExtensionWay]:
    """The ways to take the elemental i: an adjoint of the block that waits, or a product with the elemental's block."""
    e = graph.chain[i]
    held = 0 if waiting is None else waiting.nnz
    if waiting is not None and e.adjoint is not None:
        price = FMA.propagate(e, waiting, Mode.ADJOINT)
        yield ExtensionWay(price, state + held + whole.nnz + e.tape, None)
    product = 0 if waiting is None else FMA.multiply(waiting, e.block)
    for price, leaf in leaf_options(graph.chain, i):
        hill = held + e.block.nnz + state + (e.tape if leaf.mode is Mode.ADJOINT else 0)
        if waiting is not None:
            hill = max(hill, held + e.block.nnz + whole.nnz)
        yield ExtensionWay(price + product, hill, (leaf.mode,))
