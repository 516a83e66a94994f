"""Second derivatives of chains along directions: the interval program over splits and over where sides are taken along.

`chainplan.plans.second_sides` has the plans. For each part of the chain, each pair of sides that are along, and with or
without the Jacobian of the part, the table has the cheapest choice. Directions are carried from elemental to elemental
as far as some side is taken along, so the program runs twice for each side: once where it is taken along at the input
alone, and once where it may be taken along anywhere. The plans carry directions only as far as they need, and the
cheapest plan is taken, or a baseline where that costs less, because no table prices how far directions are carried.
This is no proof that no other costs less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

from chainplan.plans.candidate import Candidate
from chainplan.plans.second_free import SideBlocks, made_along
from chainplan.plans.second_links import ChainLink, bends, chain_links
from chainplan.plans.second_sides import (
    BASELINE_CHOICES,
    COLUMN_SIDES,
    OPEN,
    AlongSides,
    SidedChoice,
    SidedPart,
    free_link,
    needs,
    open_side,
    opened,
    sided_plan,
    taken_later,
)
from chainplan.plans.second_writer import FreeSecond, HeldJacobian, SecondWriter
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Graph
from chainplan.problem.second import SecondOrder
from chainplan.structures import Block, product_fma
from chainplan.structures.second import Contraction, SecondBlock, Side, contraction


def cheapest_sided(graph: Graph, asked: SecondOrder, tick: Callable[[], None]) -> Plan:
    """Return the cheapest plan of the baselines and of all tables; ties go to the first."""
    along = asked.left is not None, asked.right is not None
    plans = [sided_plan(graph, asked, choose) for choose in BASELINE_CHOICES.values()]
    for anywhere in product(*((False, True) if given else (False,) for given in along)):
        table = _SidedTable(chain_links(graph, asked), asked, anywhere, tick)
        plans.append(sided_plan(graph, asked, table.choices.__getitem__))
    return min(plans, key=lambda plan: Candidate(plan, FMA).price)


class _SidedTable:
    """The cheapest choice for each part of a chain, where sides are taken along at the input alone or `anywhere`."""

    def __init__(
        self, links: list[ChainLink], asked: SecondOrder, anywhere: tuple[bool, ...], tick: Callable[[], None]
    ) -> None:
        self._links, self._bends = links, bends(links)
        self._anywhere = dict(zip((Side.LEFT, Side.RIGHT), anywhere, strict=True))
        self._counts = {Side.LEFT: asked.left or 0, Side.RIGHT: asked.right or 0}
        self._states: list[AlongSides] = [
            (left, right)
            for left in ((False, True) if asked.left else (False,))
            for right in ((False, True) if asked.right else (False,))
        ]
        self._prices: dict[SidedPart, int] = {}
        self.choices: dict[SidedPart, SidedChoice] = {}
        self._jacobian: dict[tuple[int, int], Block] = {}
        self._second: dict[tuple[int, int, AlongSides], SecondBlock] = {}
        for length in range(1, len(links) + 1):
            for i in range(len(links) - length + 1):
                tick()
                self._fill(i, i + length)

    def _fill(self, i: int, j: int) -> None:
        if j - i == 1:
            self._jacobian[i, j] = self._links[i].block
        else:
            self._jacobian[i, j] = self._jacobian[j - 1, j].times(self._jacobian[i, j - 1])
        for along in self._states:
            self._second[i, j, along] = self._formed(i, j, along)
            for whole in (False, True):
                part = SidedPart(i, j, along, whole)
                if j - i == 1 and (along == OPEN or not self._links[i].second.nnz):
                    self._prices[part] = self._links[i].price if whole else 0
                    continue
                if (free := free_link(self._links, i, j)) is not None:
                    own = self._links[i].price if whole else 0
                    self._prices[part] = own + self._applied(free, None, *self._sides(i, along))
                    continue
                best = min(self._ways(part), key=lambda way: way[0], default=None)
                if best is not None:
                    self._prices[part], self.choices[part] = best

    def _ways(self, part: SidedPart) -> Iterator[tuple[int, SidedChoice]]:
        """Yield every choice for a part with its price."""
        i, j, along, _ = part
        for side in taken_later(OPEN, along):
            inner = part._replace(along=opened(along, side))
            if inner in self._prices and (i == 0 or self._anywhere[side]):
                second = self._second[i, j, inner.along]
                yield self._prices[inner] + self._taking(second, side, i).fma, SidedChoice(side)
        for k in range(i + 1, j):
            yield from self._splits(part, k)

    def _splits(self, part: SidedPart, k: int) -> Iterator[tuple[int, SidedChoice]]:
        """Yield the choices of a split at k with their prices."""
        i, j, along, whole = part
        before = self._second[i, k, OPEN]
        near, far = needs(part, k, self._bends(i, k), self._bends(k, j))
        left, right = self._jacobian[k, j], self._jacobian[i, k]
        price = self._behind(part, k, far)
        if price is None:
            return
        price += product_fma(left, right) if whole else 0
        free = free_link(self._links, i, k)
        if free is not None:
            if not i or all(self._anywhere[side] for side in taken_later(OPEN, along)):
                own = self._links[i].price if near else 0
                yield price + own + self._applied(free, left, *self._sides(i, along)), SidedChoice(None, k)
            return
        for early in self._states:
            later = taken_later(early, along)
            first = self._prices.get(SidedPart(i, k, early, near))
            fits = all(b <= a for b, a in zip(early, along, strict=True))
            if first is None or not fits or (i and not all(self._anywhere[side] for side in later)):
                continue
            made = contraction(self._second[i, k, early], left, Side.ROWS, early == OPEN)
            total = price + first + (made.fma if before.nnz else 0)
            for side in later if before.nnz else ():
                made = self._taking(made.block, side, i)
                total += made.fma
            yield total, SidedChoice(None, k, early)

    def _behind(self, part: SidedPart, k: int, far: bool) -> int | None:
        """Return the price of the later part of a split and of what multiplies it; None where there is no way."""
        i, j, along, _ = part
        right, last = self._jacobian[i, k], free_link(self._links, k, j)
        if last is not None:
            if not all(self._anywhere[side] for side in taken_later(OPEN, along)):
                return None
            by = HeldJacobian(right)
            columns = (by if block is None else block for block in self._sides(k, along))
            return (self._links[k].price if far else 0) + self._applied(last, None, *columns)
        price, sides, after = self._prices.get(SidedPart(k, j, along, far)), open_side(along), self._second[k, j, along]
        if price is not None and after.nnz and sides is not None:
            price += contraction(after, right, sides, along == OPEN).fma
        return price

    def _sides(self, i: int, along: AlongSides) -> list[HeldJacobian | None]:
        """Return the directions at x_i of the sides that are along, None for the open ones."""
        rows = self._links[i].block.cols
        return [
            HeldJacobian(Block(rows, self._counts[side])) if taken else None
            for side, taken in zip(COLUMN_SIDES, along, strict=True)
        ]

    def _applied(
        self, free: FreeSecond, rows: Block | None, left: HeldJacobian | None, right: HeldJacobian | None
    ) -> int:
        """Return the price of a matrix-free second derivative along blocks."""
        writer = SecondWriter()
        made_along(writer, free, SideBlocks(None if rows is None else HeldJacobian(rows), left, right), free.ends)
        return writer.price

    def _taking(self, second: SecondBlock, side: Side, i: int) -> Contraction:
        """Return what comes of taking a side along at x_i."""
        return contraction(second, Block(self._links[i].block.cols, self._counts[side]), side, False)

    def _formed(self, i: int, j: int, along: AlongSides) -> SecondBlock:
        """Work out the block of a part."""
        if j - i == 1:
            second = self._links[i].second
        else:
            after, before = self._second[j - 1, j, OPEN], self._second[i, j - 1, OPEN]
            if along == OPEN:
                pushed = contraction(after, self._jacobian[i, j - 1], Side.BOTH, True).block
                return pushed.plus(contraction(before, self._jacobian[j - 1, j], Side.ROWS, True).block)
            second = self._second[i, j, OPEN]
        for side in taken_later(OPEN, along):
            second = self._taking(second, side, i).block
        return second
