"""The interval program of second-order bracketings with carried rows: the least price of all that is needed of a part.

`chainplan.plans.second_bracketings` has the notation. Of a part (i, j) its second derivative is needed, H(i, j) or,
weighted, W(i, j), and with it may be J(i, j), and the rows Y(i), given Y(j). For each of these eight needs the table
has the least price. A split at k costs, where H is needed,

    c(k) = price of H(k, j)[J(i, k), J(i, k)] + price of J(k, j) · H(i, k),    for dense blocks of n = size(x_i),
    p = size(x_k), m = size(x_j):  m·p²·n + m·p·n(n+1)/2 + m·p·n(n+1)/2,

where W is needed the price of W(k, j)[J(i, k), J(i, k)] alone, and the product J(k, j) · J(i, k) where J(i, j) is made.
What the split needs of its parts says `split_parts`: the parts pay it, and so

    price(i, j) = min over k of price(i, k) + price(k, j) + c(k) + product(k).

W(i, j) may also be formed as H(i, j) and multiplied by Y(j); Y(i) may be Y(j) · J(i, j) where J(i, j) is made. The
blocks do not depend on how they are made, as long as they are counted exactly, and every Jacobian and all rows are
needed at one place, so that the program is exact. The splits of one part are priced again where its choice is read, so
that no choices are kept.

`floor` is a bound on a wider class, in which Jacobians and rows are made in any order, from each other, and each once:
the last step of each Jacobian and of all rows that a split needs is a step of its own, which costs at least the
cheapest one that can be the last. Equal elementals are told apart, unless the table is to look for parts that repeat at
once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from itertools import product
from operator import add, itemgetter
from typing import NamedTuple

from chainplan.plans.second_bracketings import ChainPart, PartChoice
from chainplan.plans.second_free import SideBlocks, made_along
from chainplan.plans.second_links import ChainLink
from chainplan.plans.second_writer import FreeSecond, HeldJacobian, SecondWriter
from chainplan.problem.cost import CostModel
from chainplan.problem.graph import Mode
from chainplan.structures import Block, Dense
from chainplan.structures.second import SecondBlock, Side, contraction


class SplitPrice(NamedTuple):
    """What a split makes: H by two contractions, W by one, and J by a product."""

    formed: int
    weighted: int
    product: int


class _SplitPrices(NamedTuple):
    """The prices of what each split of a part makes, and of the parts themselves none."""

    formed: list[int]
    weighted: list[int]
    products: list[int]


class _PartPrices:
    """The least prices of all parts that are known, by what is needed besides: J counts 1, Y counts 2.

    Shorter parts are put before longer ones.
    """

    def __init__(self, size: int) -> None:
        self._from = [[list[int]() for _ in range(size)] for _ in range(4)]
        self._to = [[list[int]() for _ in range(size + 1)] for _ in range(4)]

    def put(self, i: int, j: int, need: int, price: int) -> None:
        self._from[need][i].append(price)
        self._to[need][j].append(price)

    def of(self, i: int, j: int, need: int) -> int:
        return self._from[need][i][j - i - 1]

    def near(self, i: int, j: int, need: int) -> list[int]:
        """Return the prices of the parts from x_i to each vertex before x_j."""
        return self._from[need][i][: j - i - 1]

    def far(self, i: int, j: int, need: int) -> list[int]:
        """Return the prices of the parts to x_j from each vertex behind x_i."""
        return self._to[need][j][: j - i - 1][::-1]


class SecondIntervalTable:
    """The prices of all parts of a chain, and the choices that have them.

    Parameters
    ----------
    links : Sequence[ChainLink]
        The links of the chain.
    cost : CostModel
        The prices of the steps.
    tick : Callable[[], None]
        What is called for every part; it may stop the search.
    floor : bool
        Whether to bound the wider class from below instead.
    kinds : Sequence[Hashable]
        Keys of the links, where equal ones are to share what they are made into: of two adjacent parts of equal keys
        one costs nothing, and no rows are carried, which would tell them apart. Without keys nothing is shared.
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
        self._links, self._cost, self._floor, self._kinds = links, cost, floor, list(kinds)
        self._sizes = [links[0].block.cols, *(link.block.rows for link in links)]
        self._dense = all(_is_dense(link) for link in links)
        self._bent = [t for t, link in enumerate(links) if link.second.nnz]
        self._counted = True
        self._jacobian: dict[tuple[int, int], Block] = {}
        self._second: dict[tuple[int, int], SecondBlock] = {}
        self._weighted: dict[tuple[int, int], SecondBlock] = {}
        self._weighing: dict[tuple[int, int], int] = {}
        self._prices = {False: _PartPrices(self.size), True: _PartPrices(self.size)}
        parts = [(i, i + length) for length in range(1, self.size + 1) for i in range(self.size - length + 1)]
        for part in parts:
            self._form(*part)
        for part in parts:
            tick()
            if not self._kinds:
                self._weigh(*part)
            self._fill(*part)

    @property
    def price(self) -> int:
        """The least price of the second derivative of the whole chain."""
        return self._prices[not self._kinds].of(0, self.size, 0)

    @property
    def exact(self) -> bool:
        """Whether the entries of all blocks, and the fma of all contractions, are counted exactly."""
        jacobians = all(block.structure.exact for block in self._jacobian.values())
        seconds = (*self._second.values(), *self._weighted.values())
        return self._counted and jacobians and all(second.exact for second in seconds)

    def choose(self, part: ChainPart) -> PartChoice:
        """Return the cheapest choice for a part; ties go to what is formed first, then to the first split."""
        if part.j - part.i == 1:
            return self._single(part)[1]
        return self._cheapest(part, self._splits(part.i, part.j))[1]

    def _form(self, i: int, j: int) -> None:
        """Work out the blocks of a part, by the split at its end."""
        if j - i == 1:
            self._jacobian[i, j], self._second[i, j] = self._links[i][:2]
            return
        k = j - 1
        self._jacobian[i, j] = self._jacobian[k, j].times(self._jacobian[i, k])
        after, before = self._second[k, j], self._second[i, k]
        pushed = contraction(after, self._jacobian[i, k], Side.BOTH, True).block
        self._second[i, j] = pushed.plus(contraction(before, self._jacobian[k, j], Side.ROWS, True).block)

    def _weigh(self, i: int, j: int) -> None:
        """Work out the weighted block of a part; that of a single matrix-free one is weighted where it is read."""
        if j == self.size:
            self._weighted[i, j] = self._second[i, j]
            return
        made, waits = contraction(self._second[i, j], self._rows(j), Side.ROWS, True), self._free(i, j) is not None
        self._weighted[i, j], self._weighing[i, j] = made.block, 0 if waits else made.fma
        self._counted = self._counted and (waits or made.counted)

    def _rows(self, j: int) -> Block:
        """Return the rows behind x_j."""
        return self._jacobian[j, self.size]

    def _free(self, i: int, j: int) -> FreeSecond | None:
        """Return the second derivative of a part that is one link with a matrix-free one, None for other parts."""
        return self._links[i].free if j - i == 1 else None

    def _fill(self, i: int, j: int) -> None:
        """Find the least prices of a part, by what is needed of it."""
        splits = self._splits(i, j)
        least = min(splits.products, default=self._links[i].price)
        for weighted, need in self._needs(j == self.size):
            whole, carried = (False, False) if self._floor else (bool(need & 1), need > 1)
            part = ChainPart(i, j, weighted, whole, carried)
            price, _ = self._single(part) if j - i == 1 else self._cheapest(part, splits)
            self._prices[weighted].put(i, j, need, price + (least if self._floor and need & 1 else 0))

    def _needs(self, last: bool) -> list[tuple[bool, int]]:
        """Return what may be needed of a part, given whether it is at the end: weighted or not, and what besides."""
        if self._kinds:
            return [(False, 0), (False, 1)]
        return [(True, 0), (True, 2)] if last else list(product((False, True), range(4)))

    def _single(self, part: ChainPart) -> tuple[int, PartChoice]:
        """Return the least price of what is needed of a single link, and the choice."""
        i, j, weighted, whole, carried = part
        link = self._links[i]
        if j == self.size:
            return (self._alone(link) if self.size == 1 else link.price * (whole or carried)), PartChoice(whole=whole)
        price = (self._weighing[i, j] if weighted else 0) + link.price * whole
        if not carried:
            return price, PartChoice(whole=whole)
        own = (0 if whole else link.price) + self._cost.multiply(self._rows(j), link.block)
        through = self._through(i)
        if through is None or own < through:
            return price + own, PartChoice(whole=True, through=False)
        return price + through, PartChoice(whole=whole)

    def _through(self, i: int) -> int | None:
        """Return the price of carrying rows through a link by a product or by adjoints, None where it has none."""
        e, rows = self._links[i].elemental, self._rows(i + 1)
        if e is None or e.explicit:
            return self._cost.multiply(rows, self._links[i].block)
        return None if e.adjoint is None else self._cost.propagate(e, rows, Mode.ADJOINT)

    def _cheapest(self, part: ChainPart, splits: _SplitPrices) -> tuple[int, PartChoice]:
        """Return the least price of what is needed of a part that may be split, and the choice."""
        i, j, weighted, whole, carried = part
        ways = []
        if weighted and j < self.size:
            formed = self._prices[False].of(i, j, whole + 2 * carried) + self._weighing[i, j]
            ways.append((formed, PartChoice(formed=True, whole=whole)))
        if carried and j < self.size:
            price, choice = self._best_split(part, PartChoice(whole=True, through=False), splits)
            ways.append((price + self._cost.multiply(self._rows(j), self._jacobian[i, j]), choice))
        ways.append(self._best_split(part, PartChoice(whole=whole), splits))
        return min(ways, key=itemgetter(0))

    def prices_of_splits(self, part: ChainPart, choice: PartChoice) -> dict[int, int]:
        """Return the least price of what is needed of a part by the vertex of its split; the rest is as in a choice."""
        price = 0
        if part.carried and not choice.through:
            price = self._cost.multiply(self._rows(part.j), self._jacobian[part.i, part.j])
        totals = self._totals(part, choice, self._splits(part.i, part.j))
        return {k: price + total for k, total in enumerate(totals, part.i + 1)}

    def _best_split(self, part: ChainPart, choice: PartChoice, splits: _SplitPrices) -> tuple[int, PartChoice]:
        """Return the least price of a part that is split where that is cheapest, and the choice."""
        totals = self._totals(part, choice, splits)
        price = min(totals)
        return price, choice._replace(k=part.i + 1 + totals.index(price))

    def _totals(self, part: ChainPart, choice: PartChoice, splits: _SplitPrices) -> list[int]:
        """Return the least price of a part by each split, but for rows that its own Jacobian carries."""
        i, j, weighted, _, carried = part
        through = carried and choice.through
        made = splits.weighted if weighted else splits.formed
        if choice.whole:
            made = list(map(add, made, splits.products))
        totals = list(map(add, made, map(add, *self._parts(part, choice.whole, through))))
        twin = (i + j) // 2
        if not weighted and not through and self._kinds and self._kinds[i:twin] == self._kinds[twin:j]:
            read = choice.whole or self._first_bent(i) < twin
            totals[twin - i - 1] = made[twin - i - 1] + self._prices[False].of(i, twin, read)
        return totals

    def _parts(self, part: ChainPart, whole: bool, through: bool) -> tuple[list[int], list[int]]:
        """Return the prices of both parts of each split; what is needed of them says `split_parts`."""
        i, j, weighted = part[:3]
        prices, carried = self._prices[weighted], 2 * through
        behind = max(0, self._last_bent(j) - i)
        near = prices.near(i, j, 1 + carried)[:behind] + prices.near(i, j, whole + carried)[behind:]
        straight = max(0, self._first_bent(i) - i)
        read = 1 + carried if not weighted else whole + (0 if self._floor else 2)
        far = prices.far(i, j, read)[straight:]
        if weighted and self._floor:
            far = list(map(add, far, self._least_rows[i + 1 + straight : j]))
        return near, prices.far(i, j, whole + carried)[:straight] + far

    def _first_bent(self, i: int) -> int:
        """Return the first link from x_i on that has a second derivative, one behind the chain where none has."""
        place = bisect_left(self._bent, i)
        return self._bent[place] if place < len(self._bent) else self.size

    def _last_bent(self, j: int) -> int:
        """Return the last link before x_j that has a second derivative, -1 where none has."""
        place = bisect_left(self._bent, j)
        return self._bent[place - 1] if place else -1

    @cached_property
    def _least_rows(self) -> list[int]:
        """The least price of the last step of the rows at each vertex, whatever they are made from."""
        least = []
        for k in range(self.size - 1):
            ways = [self._cost.multiply(self._rows(j), self._jacobian[k, j]) for j in range(k + 1, self.size)]
            through = self._through(k)
            least.append(min(ways if through is None else [*ways, through]))
        return [*least, self._links[-1].price]

    def _splits(self, i: int, j: int) -> _SplitPrices:
        """Return the prices of what each split of a part makes."""
        if j - i > 1 and self._dense:
            return self._dense_splits(i, j)
        prices = [self._split_price(i, k, j) for k in range(i + 1, j)]
        return _SplitPrices(*([price[at] for price in prices] for at in range(3)))

    def _dense_splits(self, i: int, j: int) -> _SplitPrices:
        """Return the prices of what each split makes where all blocks are dense, which needs no look at them."""
        n, m, rows, pairs = self._sizes[i], self._sizes[j], self._sizes[-1], self._sizes[i] * (self._sizes[i] + 1)
        middle = self._sizes[i + 1 : j]
        formed = [m * p * (p * n + pairs) for p in middle]
        weighted = [rows * p * (p * n + pairs // 2) for p in middle]
        if j == self.size and self._links[-1].elemental is None:
            formed[-1], weighted[-1] = m * middle[-1] * pairs // 2, 0
        return _SplitPrices(formed, weighted, [m * p * n for p in middle])

    def _split_price(self, i: int, k: int, j: int) -> SplitPrice:
        """Return the prices of what a split makes."""
        left, right, formed, weighted = self._jacobian[k, j], self._jacobian[i, k], 0, 0
        free, last = self._free(k, j), j == self.size
        if self._kinds or not last:
            formed = self._pushed(self._second[k, j], free, right, None)
            waits = self._free(i, k) is not None
            formed += self._applied(i, k, left) if waits else self._contracted(self._second[i, k], left, Side.ROWS)
        if not self._kinds:
            weighted = self._pushed(self._weighted[k, j], free, right, None if last else self._rows(j))
            weighted += self._applied(i, k, self._rows(k))
        return SplitPrice(formed, weighted, self._cost.multiply(left, right))

    def _pushed(self, second: SecondBlock, free: FreeSecond | None, by: Block, rows: Block | None) -> int:
        """Return the price of a second derivative with both column sides multiplied; one that waits takes rows too."""
        if free is None:
            return self._contracted(second, by, Side.BOTH)
        held = HeldJacobian(by)
        return self._made_along(free, SideBlocks(None if rows is None else HeldJacobian(rows), held, held))

    def _applied(self, i: int, k: int, rows: Block) -> int:
        """Return the price of the rows of a second derivative that waits, 0 for others."""
        free = self._free(i, k)
        return 0 if free is None else self._made_along(free, SideBlocks(rows=HeldJacobian(rows)))

    def _contracted(self, second: SecondBlock, by: Block, side: Side) -> int:
        made = contraction(second, by, side, True)
        self._counted = self._counted and made.counted
        return made.fma

    def _made_along(self, free: FreeSecond, blocks: SideBlocks) -> int:
        writer = SecondWriter()
        made_along(writer, free, blocks, free.ends)
        self._counted = self._counted and writer.counted
        return writer.price

    def _alone(self, link: ChainLink) -> int:
        """Return the price of the second derivative of a single link."""
        return 0 if link.free is None else self._made_along(link.free, SideBlocks())


def _is_dense(link: ChainLink) -> bool:
    """Whether both derivatives of a link are dense and given by their entries; weights bring no second one."""
    bent = link.elemental is None or (link.second.pattern is None and link.free is None)
    return bent and type(link.block.structure) is Dense
