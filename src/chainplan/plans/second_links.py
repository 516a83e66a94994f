"""The links of a chain of which the second derivative is asked for: its elementals, and the weights behind them.

A row of weights is the Jacobian of one more elemental, behind the last one, which has no second derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

from chainplan.plans.accumulations import cheapest_mode
from chainplan.plans.second_writer import FreeSecond, HeldJacobian, HeldSecond, SecondWriter
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.mixed_second import OwnSecond
from chainplan.problem.second import ElementalSecond, SecondOrder
from chainplan.structures import Block
from chainplan.structures.second import SecondBlock, Side


class ChainLink(NamedTuple):
    """A part of a chain that is not split: an elemental, or the row of weights behind the last one."""

    block: Block
    second: SecondBlock
    elemental: Elemental | None
    own: OwnSecond | None = None

    @property
    def free(self) -> FreeSecond | None:
        """The second derivative where it is matrix-free and not zero."""
        e, own = self.elemental, self.own
        if e is None or own is None or own.explicit or not own.block.nnz:
            return None
        return FreeSecond(e.name, own, (own.left, own.right))

    @property
    def price(self) -> int:
        """The fma of the Jacobian, which only a matrix-free elemental has."""
        e = self.elemental
        return 0 if e is None or e.explicit else FMA.accumulate(e, cheapest_mode(e))


def chain_links(graph: Graph, asked: SecondOrder) -> list[ChainLink]:
    """Return the links of a chain: with weights, that of the weights comes last and has no second derivative."""
    links = []
    for e in graph.chain:
        own = graph.own_second(e.name)
        assert own is not None, "an elemental has a second derivative, if only a zero one"
        links.append(ChainLink(e.block, own.block, e, own))
    if asked.weights:
        rows = links[-1].block.rows
        nothing = ElementalSecond("zero").block(1, rows)
        links.append(ChainLink(Block(1, rows), nothing, None))
    return links


def bends(links: Sequence[ChainLink]) -> Callable[[int, int], bool]:
    """Return what says whether some link from x_i to x_j has a second derivative.

    If so, a plan has terms of H(i, j), though all of them may be zero because the Jacobian of another link is: it is
    checked that a plan counts every term of every elemental.
    """
    count = list(accumulate((bool(link.second.nnz) for link in links), initial=0))
    return lambda i, j: count[i] < count[j]


def own_second(writer: SecondWriter, link: ChainLink) -> HeldSecond | FreeSecond:
    """Load the second derivative of a link, unless it is matrix-free."""
    assert link.elemental is not None, "weights have no second derivative"
    assert link.own is not None, "an elemental has one"
    return writer.own_second(link.elemental.name, link.own)


def link_jacobian(writer: SecondWriter, link: ChainLink, output: str) -> HeldJacobian:
    """Write the Jacobian of a link."""
    return writer.given(output, Side.ROWS, link.block) if link.elemental is None else writer.loaded(link.elemental)
