"""The interval program of second-order bracketings: the least price of each interval, with and without its Jacobian.

For an interval (i, j) let T(i, j) be the least price of H(i, j) together with J(i, j), and S(i, j) that of H(i, j)
alone (`chainplan.plans.second_bracketings` has the notation). A split at k costs two contractions

    c(k) = price of H(k, j)[J(i, k), J(i, k)] + price of J(k, j) · H(i, k),    for dense blocks of n = size(x_i),
    p = size(x_k), m = size(x_j):  m·p²·n + m·p·n(n+1)/2 + m·p·n(n+1)/2

and, where J(i, j) is made as well, the product J(k, j) · J(i, k). As the parts of a split have all that the next one
reads,

    T(i, j) = min over k of T(i, k) + T(k, j) + c(k) + product(k),    S(i, j) = the same without the product.

A part needs no Jacobian where nothing reads it, because no elemental of the other part has a second derivative. The
blocks of an interval do not depend on how they are made, as long as they are counted exactly, and so the program is
exact.

`floor` is a bound on a wider class, in which the Jacobians are made in any order, from each other, and each is made
once: the last product of each Jacobian that a split needs is a step of its own, which costs at least the cheapest
product of any split. Equal elementals are told apart, unless the table is to look for parts that repeat at once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from chainplan.plans.second_bracketings import ChainLink, bends
from chainplan.plans.second_free import SideBlocks, made_along
from chainplan.plans.second_writer import HeldJacobian, SecondWriter
from chainplan.problem.cost import CostModel
from chainplan.structures import Block, Dense
from chainplan.structures.second import SecondBlock, Side, contraction


class SecondIntervalTable:
    """The prices of all intervals of a chain, and the splits that have them.

    Parameters
    ----------
    links : Sequence[ChainLink]
        The links of the chain.
    cost : CostModel
        The prices of the steps.
    tick : Callable[[], None]
        What is called for every interval; it may stop the search.
    floor : bool
        Whether to bound the wider class from below instead.
    kinds : Sequence[Hashable]
        Keys of the links, where equal ones are to share what they are made into: of two adjacent parts of equal keys
        one costs nothing. Without keys nothing is shared.
    """

    def __init__(
        self,
        links: Sequence[ChainLink],
        cost: CostModel,
        tick: Callable[[], None],
        floor: bool = False,
        kinds: Sequence[Hashable] = (),
    ) -> None:
        self.size = len(links)
        self._cost, self._floor, self._bends = cost, floor, bends(links)
        self._jacobian: dict[tuple[int, int], Block] = {}
        self._second: dict[tuple[int, int], SecondBlock] = {}
        self._counted, self._kinds = True, list(kinds)
        self._free = [link.free for link in links]
        self._prices: dict[tuple[int, int], tuple[int, int]] = {}
        self._splits: dict[tuple[int, int, bool], int] = {}
        for i, link in enumerate(links):
            self._jacobian[i, i + 1], self._second[i, i + 1] = link.block, link.second
            self._prices[i, i + 1] = self._alone(link) if self.size == 1 else 0, link.price
        for length in range(2, self.size + 1):
            for i in range(self.size - length + 1):
                tick()
                self._fill(i, i + length)

    @property
    def price(self) -> int:
        """The least price of the second derivative of the whole chain."""
        return self._prices[0, self.size][0]

    @property
    def exact(self) -> bool:
        """Whether the entries of all blocks, and the fma of all contractions, are counted exactly."""
        jacobians = all(block.structure.exact for block in self._jacobian.values())
        return self._counted and jacobians and all(second.exact for second in self._second.values())

    def splitter(self) -> Callable[[int, int], int]:
        """Return the split of each interval of the cheapest bracketing."""
        needed: dict[tuple[int, int], bool] = {(0, self.size): False}
        todo = [(0, self.size)]
        splits: dict[tuple[int, int], int] = {}
        while todo:
            i, j = todo.pop()
            if j - i == 1:
                continue
            whole = needed[i, j]
            k = splits[i, j] = self._splits[i, j, whole]
            needed[i, k], needed[k, j] = self._reads(i, k, j, whole)
            if self._alike(i, k, j):
                needed[i, k] = needed[k, j] = needed[i, k] or needed[k, j]
            todo += [(i, k), (k, j)]
        return lambda i, j: splits[i, j]

    def _reads(self, i: int, k: int, j: int, whole: bool) -> tuple[bool, bool]:
        """Say whether the Jacobians of both parts are read."""
        return whole or self._bends(k, j), whole or self._bends(i, k)

    def _alike(self, i: int, k: int, j: int) -> bool:
        """Say whether both parts of a split are equal, and equal parts are made once."""
        return bool(self._kinds) and self._kinds[i:k] == self._kinds[k:j]

    def _fill(self, i: int, j: int) -> None:
        """Find the cheapest splits of an interval; ties go to the first one."""
        best: list[tuple[int, int] | None] = [None, None]
        least = None
        for k in range(i + 1, j):
            contracted, product = self._split_prices(i, k, j)
            least = product if least is None else min(least, product)
            for whole in (False, True):
                near, far = self._reads(i, k, j, whole and not self._floor)
                parts = (
                    self._prices[i, k][near or far]
                    if self._alike(i, k, j)
                    else self._prices[i, k][near] + self._prices[k, j][far]
                )
                price = parts + contracted
                if whole and not self._floor:
                    price += product
                if best[whole] is None or price < best[whole][0]:  # type: ignore[index]
                    best[whole] = price, k
        alone, together = best
        assert alone is not None, "an interval has a split"
        assert together is not None
        assert least is not None
        self._splits[i, j, False], self._splits[i, j, True] = alone[1], together[1]
        self._prices[i, j] = alone[0], together[0] + (least if self._floor else 0)
        self._form(i, j)

    def _form(self, i: int, j: int) -> None:
        """Work out the blocks of an interval, by the split at its end."""
        k = j - 1
        self._jacobian[i, j] = self._jacobian[k, j].times(self._jacobian[i, k])
        after, before = self._second[k, j], self._second[i, k]
        pushed = contraction(after, self._jacobian[i, k], Side.BOTH, True).block
        self._second[i, j] = pushed.plus(contraction(before, self._jacobian[k, j], Side.ROWS, True).block)

    def _split_prices(self, i: int, k: int, j: int) -> tuple[int, int]:
        """Return the prices of both contractions and of the product of a split."""
        left, right = self._jacobian[k, j], self._jacobian[i, k]
        after, before = self._second[k, j], self._second[i, k]
        product = self._cost.multiply(left, right)
        explicit = not (j - k == 1 and self._free[k]) and not (k - i == 1 and self._free[i])
        dense = type(left.structure) is type(right.structure) is Dense
        if explicit and dense and after.pattern is before.pattern is None:
            m, p, n = left.rows, left.cols, right.cols
            return m * p * (p * n + n * (n + 1)), product
        price = 0
        for at, second, by, side in ((k, after, right, Side.BOTH), (i, before, left, Side.ROWS)):
            free = self._free[at] if (at, at + 1) in ((k, j), (i, k)) else None
            if free is None:
                made = contraction(second, by, side, True)
                price, counted = price + made.fma, made.counted
            else:
                writer, held = SecondWriter(), HeldJacobian(by)
                blocks = SideBlocks(rows=held) if side is Side.ROWS else SideBlocks(left=held, right=held)
                made_along(writer, free, blocks, free.ends)
                price, counted = price + writer.price, writer.counted
            self._counted = self._counted and counted
        return price, product

    def _alone(self, link: ChainLink) -> int:
        """Return the price of the second derivative of a single link."""
        writer = SecondWriter()
        if link.free is not None:
            made_along(writer, link.free, SideBlocks(), link.free.ends)
        self._counted = self._counted and writer.counted
        return writer.price
