"""What is left open of a weighted graph until a vertex is eliminated, or until the number of products is known.

A matrix-free elemental is accumulated where an elimination reads its Jacobian; else it may be applied to every vector
instead, by a tangent forward and by an adjoint backward. A second derivative is weighted where an elimination pushes
it on; else it may be multiplied by every vector before the weights (`second_weighted`): all of them waiting is reverse
over forward, where the tangents of a function are differentiated backward, and none of them forward over reverse. A
matrix-free one is formed with its weights, by second tangents or adjoints, or a second adjoint is applied to the
weights and to every vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from functools import reduce
from itertools import product
from typing import NamedTuple

from chainplan.plans.accumulations import cheapest_mode
from chainplan.plans.second_weighted import WaitingSecond
from chainplan.plans.second_writer import HeldJacobian, HeldSecond, SecondWriter
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Elemental, Mode
from chainplan.structures import Block
from chainplan.structures.second import SecondBlock, Side, contraction

MAX_CHOSEN_SECONDS = 5
"""Second derivatives by the same arguments up to which all choices of those that wait are compared."""

EdgePair = tuple[str, str]
"""The target and the source of a first-order edge."""


class OpenEdges(NamedTuple):
    """Matrix-free elementals by their edges, and second derivatives by their arguments."""

    applied: dict[EdgePair, list[Elemental]]
    waiting: dict[frozenset[str], list[WaitingSecond]]

    def copy(self) -> OpenEdges:
        """Return a copy that is closed on its own."""
        return OpenEdges(dict(self.applied), dict(self.waiting))

    def elementals_at(self, k: str) -> Iterator[tuple[EdgePair, list[Elemental]]]:
        """Take out the elementals at a vertex."""
        for pair in [pair for pair in self.applied if k in pair]:
            yield pair, self.applied.pop(pair)

    def seconds_at(self, k: str) -> Iterator[WaitingSecond]:
        """Take out the second derivatives by a vertex."""
        for key in [key for key in self.waiting if k in key]:
            yield from self.waiting.pop(key)


def open_price(elementals: Sequence[Elemental], times: int) -> int:
    """Return the price of the matrix-free elementals of an edge for so many products, where nothing else is on it."""
    accumulated = sum(FMA.accumulate(e, cheapest_mode(e)) for e in elementals)
    if is_applied(elementals, None, times):
        return times * sum(map(applied_price, elementals))
    return accumulated + times * jacobian_price(reduce(Block.plus, [e.block for e in elementals]))


def waiting_price(one: WaitingSecond, times: int) -> int:
    """Return the price of a second derivative for so many products, where no other has the same arguments."""
    made = weighting(one)
    at_once = made.fma + times * second_price(made.block, one.mixed)
    return min(at_once, times * late_price(one))


class OpenChoice(Enum):
    """What is decided of all that is open, where it is not decided by price.

    `FREE` is forward over reverse, `LATE` reverse over forward: nothing is formed that need not be. `FORMED` leaves
    nothing open.
    """

    FREE = "free"
    LATE = "late"
    FORMED = "formed"


def is_applied(
    elementals: Sequence[Elemental], formed: HeldJacobian | None, times: int, choice: OpenChoice | None = None
) -> bool:
    """Whether so many products apply the matrix-free elementals of an edge, beside a Jacobian that is formed."""
    if choice is OpenChoice.FORMED or any(e.tangent is None or e.adjoint is None for e in elementals):
        return False
    blocks = [e.block for e in elementals] + ([] if formed is None else [formed.block])
    more = jacobian_price(reduce(Block.plus, blocks)) - (0 if formed is None else jacobian_price(formed.block))
    accumulated = sum(FMA.accumulate(e, cheapest_mode(e)) for e in elementals)
    return choice is not None or times * sum(map(applied_price, elementals)) <= accumulated + times * more


def weighted_first(
    some: Sequence[WaitingSecond], held: HeldSecond | None, times: int, choice: OpenChoice | None
) -> Sequence[bool]:
    """Say which second derivatives by the same arguments are weighted once, as their sum, for so many products.

    Unless that is chosen, these are the cheapest, of a few choices where there are many. Those of one row by themselves
    need no weights.
    """
    if choice is not None:
        all_wait, free_wait = choice is OpenChoice.LATE, choice is not OpenChoice.FORMED
        return [_needs_nothing(one) or not (all_wait or (free_wait and one.free is not None)) for one in some]
    firsts: Sequence[Sequence[bool]] = list(product((False, True), repeat=len(some)))
    if len(some) > MAX_CHOSEN_SECONDS:
        gains = [times * late_price(one) > weighting(one).fma for one in some]
        firsts = [[False] * len(some), [True] * len(some), gains]
    firsts = [[first or _needs_nothing(one) for one, first in zip(some, each, strict=True)] for each in firsts]
    return min(firsts, key=lambda first: _price(some, first, held, times))


def _needs_nothing(one: WaitingSecond) -> bool:
    """Whether a second derivative has one row, and is there."""
    return one.row is None and one.free is None


def _price(some: Sequence[WaitingSecond], first: Sequence[bool], held: HeldSecond | None, times: int) -> int:
    """Return the price of weighting some second derivatives once, and of so many products with all of them."""
    price, blocks = 0, [] if held is None else [held.block]
    for one, is_first in zip(some, first, strict=True):
        if is_first:
            made = weighting(one)
            price += made.fma
            blocks.append(made.block if held is None or held.left == one.edge.left else made.block.exchanged())
        else:
            price += times * late_price(one)
    if blocks:
        price += times * second_price(reduce(SecondBlock.plus, blocks), some[0].mixed)
    return price


class WeightedBlock(NamedTuple):
    """A weighted block, its fma, and whether all of it is counted exactly."""

    block: SecondBlock
    fma: int
    counted: bool = True


def weighting(one: WaitingSecond) -> WeightedBlock:
    """Return what weighting a second derivative makes and costs."""
    if one.free is not None:
        counter = SecondWriter()
        made = one.weighted(counter).block
        return WeightedBlock(made, counter.price, counter.counted and made.exact)
    if one.row is None:
        return WeightedBlock(one.edge.block, 0, one.edge.block.exact)
    return WeightedBlock(*_contracted(one.edge.block, one.row.block, halved=not one.mixed))


def _contracted(second: SecondBlock, row: Block, halved: bool) -> tuple[SecondBlock, int, bool]:
    made = contraction(second, row, Side.ROWS, halved)
    return made.block, made.fma, made.counted and made.block.exact


def jacobian_price(block: Block) -> int:
    """Return the fma of a vector forward through a Jacobian, and of one backward."""
    return FMA.multiply(block, Block(block.cols, 1)) + FMA.multiply(Block(1, block.rows), block)


def applied_price(e: Elemental) -> int:
    """Return the fma of a tangent and of an adjoint of one vector."""
    tangent, adjoint = Block(e.block.cols, 1), Block(1, e.block.rows)
    return FMA.propagate(e, tangent, Mode.TANGENT) + FMA.propagate(e, adjoint, Mode.ADJOINT)


def second_price(block: SecondBlock, mixed: bool) -> int:
    """Return the fma of the product of a weighted block with a vector, on both sides where its arguments differ."""
    price = FMA.contract(block, Block(block.right, 1), Side.RIGHT, False)
    return price + (FMA.contract(block, Block(block.left, 1), Side.LEFT, False) if mixed else 0)


def late_price(one: WaitingSecond) -> int:
    """Return the fma of the product of a second derivative with a vector, and of its weights with what comes out."""
    edge, row = one.edge, one.row
    if one.free is not None:
        return one.free.own.adjoint or 0
    if row is None:
        return second_price(edge.block, one.mixed)
    price = second_price(edge.block, one.mixed) + FMA.multiply(row.block, Block(edge.block.rows, edge.block.left))
    return price + (FMA.multiply(row.block, Block(edge.block.rows, edge.block.right)) if one.mixed else 0)
