"""Plans for second derivatives of chains along directions: U'·H·V, H·v and their like, without forming H.

Let y(i) be the directions carried on to x_i, one elemental after the other. The terms of the part from x_i to x_j make
a block X(i, j) whose column sides are either *open*, at x_i, or *along* the directions, where they have one column for
each. A side that is along stays so, so that parts add up without being contracted on it again:

    X(i, j) = X(k, j), its open sides contracted with J(i, k),  +  J(k, j) · X(i, k).

A side is taken along at x_i by a contraction with y(i): of X(i, j) as a whole, or of J(k, j) · X(i, k), behind the
product with its rows, which is cheap where few rows are left. With both sides open this is a second-order bracketing
(`second_bracketings`). With one side along and splits behind the first elemental it is forward over reverse, the
second-order adjoint (Griewank & Walther, *Evaluating Derivatives*, section 5.1); with both along and splits before the
last it is forward over forward.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

from chainplan.plans.recorder import Recorder
from chainplan.plans.second_free import SideBlocks, made_along
from chainplan.plans.second_links import ChainLink, bends, chain_links, link_jacobian, own_second
from chainplan.plans.second_writer import FreeSecond, HeldJacobian, HeldSecond, SecondWriter
from chainplan.plans.steps import Plan, SecondOutput
from chainplan.problem.graph import Graph
from chainplan.problem.second import SecondOrder
from chainplan.structures import Block
from chainplan.structures.second import Side

AlongSides = tuple[bool, bool]
"""Whether the left and the right column side of a block are along the directions."""
OPEN: AlongSides = (False, False)
COLUMN_SIDES = (Side.LEFT, Side.RIGHT)


class SidedPart(NamedTuple):
    """A part of a chain, from x_i to x_j, the sides of its block, and whether its Jacobian is needed besides."""

    i: int
    j: int
    along: AlongSides
    whole: bool


class SidedChoice(NamedTuple):
    """How a block is made: by taking one `side` along, or by a split at `k`.

    At a split J(k, j) is multiplied onto X(i, k) while its sides are as in `early`; the others are taken along then.
    """

    side: Side | None = None
    k: int = 0
    early: AlongSides = OPEN


Choose = Callable[[SidedPart], SidedChoice]
"""The choice for each part of a chain."""


def _forward(part: SidedPart) -> SidedChoice:
    if part.j - part.i == 1:
        return SidedChoice(last_side(part.along))
    return SidedChoice(None, part.j - 1, part.along)


def _reverse(part: SidedPart) -> SidedChoice:
    if part.j - part.i == 1:
        return SidedChoice(last_side(part.along))
    return SidedChoice(None, part.i + 1, OPEN)


BASELINE_CHOICES: dict[str, Choose] = {"forward": _forward, "reverse": _reverse}
"""Forward over forward, and forward over reverse."""


def last_side(along: AlongSides) -> Side:
    """Return a side that is along, the left one where both are."""
    return Side.LEFT if along[0] else Side.RIGHT


def opened(along: AlongSides, side: Side) -> AlongSides:
    """Return the sides with one of them open again."""
    left, right = along
    return (False, right) if side is Side.LEFT else (left, False)


def taken_later(early: AlongSides, along: AlongSides) -> list[Side]:
    """Return the sides that are along, but are not yet in `early`; the right one comes first."""
    later = (side for side, before, after in zip(COLUMN_SIDES, early, along, strict=True) if after and not before)
    return list(later)[::-1]


def open_side(along: AlongSides) -> Side | None:
    """Return which column sides are open, None where both are along."""
    left, right = along
    return {(False, False): Side.BOTH, (True, False): Side.RIGHT, (False, True): Side.LEFT}.get((left, right))


def free_link(links: Sequence[ChainLink], i: int, j: int) -> FreeSecond | None:
    """Return the second derivative of a part that is one elemental with a matrix-free one, None for other parts."""
    return links[i].free if j - i == 1 else None


def needs(part: SidedPart, k: int, before: bool, after: bool) -> tuple[bool, bool]:
    """Say whether a split needs the Jacobians of both parts, given whether they have second derivatives."""
    return part.whole or (after and open_side(part.along) is not None), part.whole or before


def sided_plan(graph: Graph, asked: SecondOrder, choose: Choose) -> Plan:
    """Write the plan that the choices describe."""
    writer = _SidedWriter(graph, asked, choose)
    along = asked.left is not None, asked.right is not None
    held = writer.made(SidedPart(0, len(writer.links), along, whole=False))
    ends = graph.outputs[0], graph.inputs[0], graph.inputs[0]
    outputs = () if held is None else (SecondOutput(*ends, held.handle),)
    return writer.recorder.plan((), second_outputs=outputs, second=asked)


_Writing = Generator[SidedPart, "HeldSecond | None", "HeldSecond | None"]
"""The writing of a block: it asks for the blocks of other parts, is sent them, and returns its own."""


class _SidedWriter:
    """Writes the blocks of parts, and the Jacobians and directions that they need when they need them.

    Parts are nested as deeply as a chain is long, so that the walks keep their own stacks. A matrix-free second
    derivative is written where the part of it is read, so that its calls take along what multiplies it there.
    """

    def __init__(self, graph: Graph, asked: SecondOrder, choose: Choose) -> None:
        self.recorder = Recorder(graph)
        self._writer = SecondWriter(self.recorder)
        self.links: list[ChainLink] = chain_links(graph, asked)
        self._graph, self._choose, self._bends = graph, choose, bends(self.links)
        self._counts = {Side.LEFT: asked.left or 0, Side.RIGHT: asked.right or 0}
        self._splits: dict[tuple[int, int], int] = {}
        self._jacobians: dict[tuple[int, int], HeldJacobian] = {}
        self._directions: dict[tuple[Side, int], HeldJacobian] = {}

    def made(self, part: SidedPart) -> HeldSecond | None:
        """Write the block of a part; None where it is zero."""
        begun = [self._writing(part)]
        held: HeldSecond | None = None
        while begun:
            try:
                begun.append(self._writing(begun[-1].send(held)))
                held = None
            except StopIteration as ended:
                held = ended.value
                begun.pop()
        return held

    def _writing(self, part: SidedPart) -> _Writing:
        i, j, along, whole = part
        if not self._bends(i, j) and not (whole and j - i > 1):
            return None
        if (free := free_link(self.links, i, j)) is not None:
            return made_along(self._writer, free, SideBlocks(None, *self._sides(i, along)), free.ends)
        if j - i == 1 and along == OPEN:
            held = own_second(self._writer, self.links[i])
            assert isinstance(held, HeldSecond), "matrix-free ones have been written"
            return held
        choice = self._choose(part)
        if choice.side is not None:
            inner = yield part._replace(along=opened(along, choice.side))
            return None if inner is None else self._taken(inner, choice.side, i)
        return (yield from self._joined(part, choice))

    def _joined(self, part: SidedPart, choice: SidedChoice) -> _Writing:
        """Write the block of a part by a split."""
        i, j, along, _ = part
        k, early = choice.k, choice.early
        self._splits[i, j] = k
        near, far = needs(part, k, self._bends(i, k), self._bends(k, j))
        last, first = free_link(self.links, k, j), free_link(self.links, i, k)
        total = None if last else (yield SidedPart(k, j, along, far))
        before = None if first else (yield SidedPart(i, k, early, near))
        sides = open_side(along)
        if last is not None:
            by = None if sides is None else self._jacobian(i, k)
            columns = (by if block is None else block for block in self._sides(k, along))
            total = made_along(self._writer, last, SideBlocks(None, *columns), last.ends)
        elif total is not None and sides is not None:
            total = self._contract(total, self._jacobian(i, k), sides, along == OPEN)
        if first is not None:
            blocks = SideBlocks(self._jacobian(k, j), *self._sides(i, along))
            fresh = made_along(self._writer, first, blocks, first.ends)
            return fresh if total is None else self._writer.total_second(total, fresh)
        if before is None:
            return total
        later = taken_later(early, along)
        made = self._contract(before, self._jacobian(k, j), Side.ROWS, early == OPEN, None if later else total)
        for side in later:
            made = self._taken(made, side, i, total if side is later[-1] else None)
        return made

    def _sides(self, i: int, along: AlongSides) -> list[HeldJacobian | None]:
        """Return the directions at x_i of the sides that are along, None for the open ones."""
        return [self._direction(side, i) if taken else None for side, taken in zip(COLUMN_SIDES, along, strict=True)]

    def _contract(
        self, block: HeldSecond, by: HeldJacobian, side: Side, symmetric: bool, onto: HeldSecond | None = None
    ) -> HeldSecond:
        return self._writer.contract(block, by, side, block[:2], symmetric, onto)

    def _taken(self, block: HeldSecond, side: Side, i: int, onto: HeldSecond | None = None) -> HeldSecond:
        return self._contract(block, self._direction(side, i), side, False, onto)

    def _direction(self, side: Side, i: int) -> HeldJacobian:
        """Write the directions of a side at x_i."""
        for at in range(i + 1):
            if (side, at) not in self._directions:
                self._directions[side, at] = self._carried(side, at)
        return self._directions[side, i]

    def _carried(self, side: Side, at: int) -> HeldJacobian:
        if at == 0:
            block = Block(self.links[0].block.cols, self._counts[side])
            return self._writer.given(self._graph.inputs[0], side, block)
        e, before = self.links[at - 1].elemental, self._directions[side, at - 1]
        if e is not None and e.tangent is not None:
            return self._writer.tangent(e, before, None)
        return self._writer.multiply(self._jacobian(at - 1, at), before)

    def _jacobian(self, i: int, j: int) -> HeldJacobian:
        """Write the Jacobian of a part, and those that it is the product of before it."""
        todo, made = [(i, j)], self._jacobians
        while todo:
            at = first, last = todo[-1]
            if at not in made and last - first == 1:
                made[at] = link_jacobian(self._writer, self.links[first], self._graph.outputs[0])
            elif at not in made:
                k = self._splits[at]
                lacking = [part for part in ((first, k), (k, last)) if part not in made]
                todo += lacking
                if lacking:
                    continue
                made[at] = self._writer.multiply(made[k, last], made[first, k])
            todo.pop()
        return made[i, j]
