"""The interval program for products with the Hessian of a chain: where to cut it into groups, and how to form these.

For the part of a chain from x_i to x_j let W(i, j) be its second derivative, weighted by what is carried back to x_j.
A split at k gives

    W(i, j) = W(k, j)[J(i, k), J(i, k)] + W(i, k),    J(i, j) = J(k, j) · J(i, k).

What lies behind the last elemental with a second derivative is not looked at. J(i, j) is needed of all parts but those
that end there, so that the least price of all that is needed of a part is

    P(i, j) = min over k of P(i, k) + P(k, j) + push(k) + product(k),

without the product where J(i, j) is not needed. Every product goes forward and backward through the Jacobian of each
group, and once through its second derivative. So the cheapest cut is

    best(j) = min over i < j of best(i) + P(i, j) + times · (one product with the group),

where a single elemental may also be applied. The second derivative of the first elemental of a group is of one row at
x_i as it is, and may wait for the vectors; of such a group only what is pushed to x_i is formed. To cut the chain is
to keep the vertices between groups, and to split a group is to eliminate the others: the plans are those of elimination
(`plans.second_elimination`), and the program is exact because no block depends on how it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chainplan.plans.accumulations import cheapest_mode
from chainplan.plans.second_elimination import SecondElimination
from chainplan.plans.second_open import (
    jacobian_price,
    late_price,
    open_price,
    second_price,
    waiting_price,
    weighting,
)
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Graph
from chainplan.structures import Block, Dense
from chainplan.structures.second import SecondBlock, Side, contraction

MAX_HESSIAN_CHAIN = 200
"""Elementals of the longest chain whose groups are looked for among all."""


class HessianGroups:
    """The prices of all parts of a chain, and the cheapest cut into groups.

    Parameters
    ----------
    graph : Graph
        The chain.
    work : SecondElimination
        The same with weighted second derivatives, of which no vertex has been eliminated.
    times : int
        The number of products.
    tick : Callable[[], None]
        What is called for every part; it may stop the search.
    """

    def __init__(self, graph: Graph, work: SecondElimination, times: int, tick: Callable[[], None]) -> None:
        self._chain, self._open, self._times = graph.chain, work.open, times
        self._own = {edges[0].edge.left: edges[0] for edges in self._open.waiting.values()}
        bent = [i for i, e in enumerate(self._chain) if e.source in self._own]
        self._end = bent[-1] + 1 if bent else 0
        self.counted = work.counted
        self._jacobian: dict[tuple[int, int], Block] = {}
        self._second: dict[tuple[int, int], SecondBlock | None] = {}
        self._prices: dict[tuple[int, int], int] = {}
        self._splits: dict[tuple[int, int], int] = {}
        self._pushed: dict[tuple[int, int], SecondBlock | None] = {}
        self._open_prices: dict[tuple[int, int], int] = {}
        self._open_splits: dict[tuple[int, int], int] = {}
        for length in range(1, self._end + 1):
            for i in range(self._end - length + 1):
                tick()
                if length == 1:
                    self._take(i)
                else:
                    self._fill(i, i + length)
        self._price, self._groups = self._cut()
        self.price = work.price + self._price
        """The price of the set-up and of all products."""

    def order(self) -> list[str]:
        """Return the vertices that are eliminated, in order."""
        return self._eliminated([(i, j, self._group(i, j)[1]) for i, j in self._groups])

    def whole_order(self) -> list[str]:
        """Return the cheapest order in which all vertices are eliminated."""
        return self._eliminated([(0, self._end, False)] if self._end else [])

    def _eliminated(self, groups: Sequence[tuple[int, int, bool]]) -> list[str]:
        """Return the vertices inside of groups, in the order of their splits, given in which the first one waits."""
        order, todo = list[str](), list(groups)
        while todo:
            i, j, waits = todo.pop()
            if j - i > 1:
                k = (self._open_splits if waits else self._splits)[i, j]
                order.append(self._chain[k].source)
                todo += [(i, k, waits), (k, j, False)]
        return order[::-1]

    def _take(self, i: int) -> None:
        """Price a single elemental that is part of a larger group."""
        e, one = self._chain[i], self._own.get(self._chain[i].source)
        price = 0
        if (e.target, e.source) in self._open.applied:
            price += FMA.accumulate(e, cheapest_mode(e))
        self._open_prices[i, i + 1] = price
        self._second[i, i + 1] = self._pushed[i, i + 1] = None
        if one is not None:
            made = weighting(one)
            price += made.fma
            self._second[i, i + 1] = made.block
            self.counted = self.counted and made.counted
        self._jacobian[i, i + 1], self._prices[i, i + 1] = e.block, price

    def _fill(self, i: int, j: int) -> None:
        """Find the cheapest split of a part; ties go to the first one."""
        whole = j < self._end
        made = [(self._prices[k, j] + self._split(i, k, j, whole), k) for k in range(i + 1, j)]
        for prices, splits in ((self._prices, self._splits), (self._open_prices, self._open_splits)):
            prices[i, j], splits[i, j] = min((prices[i, k] + price, k) for price, k in made)
        k = j - 1
        if whole:
            self._jacobian[i, j] = self._jacobian[k, j].times(self._jacobian[i, k])
            self.counted = self.counted and self._jacobian[i, j].structure.exact
        after, pushed = self._second[k, j], None
        if after is not None:
            made_block = contraction(after, self._jacobian[i, k], Side.BOTH, True)
            self.counted = self.counted and made_block.counted
            pushed = made_block.block
        for blocks in (self._second, self._pushed):
            blocks[i, j] = total = _plus(blocks[i, k], pushed)
            self.counted = self.counted and (total is None or total.exact)

    def _split(self, i: int, k: int, j: int, whole: bool) -> int:
        """Return the price of what a split makes."""
        after, right = self._second[k, j], self._jacobian[i, k]
        price = FMA.multiply(self._jacobian[k, j], right) if whole else 0
        if after is None:
            return price
        if after.pattern is None and type(right.structure) is Dense:
            p, n = right.rows, right.cols
            return price + p * p * n + p * n * (n + 1) // 2
        pushed = contraction(after, right, Side.BOTH, True)
        self.counted = self.counted and pushed.counted
        return price + pushed.fma

    def _cut(self) -> tuple[int, list[tuple[int, int]]]:
        """Return the price of the cheapest cut and its groups; ties go to the shortest last group."""
        best: list[tuple[int, list[tuple[int, int]]]] = [(0, [])]
        for j in range(1, self._end + 1):
            starts = reversed(range(j))
            price, i = min((best[i][0] + self._group(i, j)[0], -i) for i in starts)
            best.append((price, [*best[-i][1], (-i, j)]))
        return best[-1]

    def _group(self, i: int, j: int) -> tuple[int, bool]:
        """Return the price of a group and of all products with it, and whether its first second derivative waits."""
        e, whole, second, times = self._chain[i], j < self._end, self._second[i, j], self._times
        if j - i == 1:
            price = 0
            if whole:
                applied = self._open.applied.get((e.target, e.source))
                price = times * jacobian_price(e.block) if applied is None else open_price(applied, times)
            return price + (waiting_price(self._own[e.source], times) if second is not None else 0), False
        price = times * jacobian_price(self._jacobian[i, j]) if whole else 0
        weighted = price + self._prices[i, j] + (0 if second is None else times * second_price(second, False))
        one, pushed = self._own.get(e.source), self._pushed[i, j]
        if one is None:
            return weighted, False
        late = late_price(one) + (0 if pushed is None else second_price(pushed, False))
        waiting = price + self._open_prices[i, j] + times * late
        return (waiting, True) if waiting < weighted else (weighted, False)


def _plus(one: SecondBlock | None, other: SecondBlock | None) -> SecondBlock | None:
    """Add two blocks, of which either may be zero."""
    if one is None or other is None:
        return other if one is None else one
    return one.plus(other)
