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

where a single elemental may also be applied, or its second derivative may wait for the vectors. To cut the chain is
to keep the vertices between groups, and to split a group is to eliminate the others: the plans are those of elimination
(`plans.second_elimination`), and the program is exact because no block depends on how it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chainplan.plans.accumulations import cheapest_mode
from chainplan.plans.second_elimination import SecondElimination
from chainplan.plans.second_open import jacobian_price, open_price, second_price, waiting_price, weighting
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
        return self._eliminated(self._groups)

    def whole_order(self) -> list[str]:
        """Return the cheapest order in which all vertices are eliminated."""
        return self._eliminated([(0, self._end)] if self._end else [])

    def _eliminated(self, groups: Sequence[tuple[int, int]]) -> list[str]:
        order, todo = list[str](), list(groups)
        while todo:
            i, j = todo.pop()
            if j - i > 1:
                k = self._splits[i, j]
                order.append(self._chain[k].source)
                todo += [(i, k), (k, j)]
        return order[::-1]

    def _take(self, i: int) -> None:
        """Price a single elemental that is part of a larger group."""
        e, one = self._chain[i], self._own.get(self._chain[i].source)
        price = 0
        if (e.target, e.source) in self._open.applied:
            price += FMA.accumulate(e, cheapest_mode(e))
        self._second[i, i + 1] = None
        if one is not None:
            made = weighting(one)
            price += made.fma
            self._second[i, i + 1] = made.block
            self.counted = self.counted and made.counted
        self._jacobian[i, i + 1], self._prices[i, i + 1] = e.block, price

    def _fill(self, i: int, j: int) -> None:
        """Find the cheapest split of a part; ties go to the first one."""
        whole = j < self._end
        self._prices[i, j], self._splits[i, j] = min(
            (self._prices[i, k] + self._prices[k, j] + self._split(i, k, j, whole), k) for k in range(i + 1, j)
        )
        k = j - 1
        if whole:
            self._jacobian[i, j] = self._jacobian[k, j].times(self._jacobian[i, k])
            self.counted = self.counted and self._jacobian[i, j].structure.exact
        after, before = self._second[k, j], self._second[i, k]
        if after is not None:
            pushed = contraction(after, self._jacobian[i, k], Side.BOTH, True)
            self.counted = self.counted and pushed.counted
            before = pushed.block if before is None else before.plus(pushed.block)
        self._second[i, j] = before
        if before is not None:
            self._count(before)

    def _count(self, block: SecondBlock) -> None:
        self.counted = self.counted and block.exact

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
            price, i = min(((best[i][0] + self._group(i, j), -i) for i in starts), key=lambda pair: (pair[0], pair[1]))
            best.append((price, [*best[-i][1], (-i, j)]))
        return best[-1]

    def _group(self, i: int, j: int) -> int:
        """Return the price of a group, and of all products with it."""
        whole, second = j < self._end, self._second[i, j]
        if j - i > 1:
            price = self._prices[i, j] + (self._times * jacobian_price(self._jacobian[i, j]) if whole else 0)
            return price + (0 if second is None else self._times * second_price(second, False))
        e, price = self._chain[i], 0
        if whole:
            applied = self._open.applied.get((e.target, e.source))
            jacobian = self._times * jacobian_price(e.block)
            price += jacobian if applied is None else open_price(applied, self._times)
        return price + (waiting_price(self._own[e.source], self._times) if second is not None else 0)
