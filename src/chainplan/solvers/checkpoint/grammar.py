"""Plans of a chain that evaluate its states: blocks extended to the left and to the right, with nested checkpoints.

Five tasks make the blocks (i, j) of a chain, each from a state x_i that it owns: the state is alive from the start of
the task to its last use there. `make` leaves a block; `make on` also leaves x_j, as the working state. `extend left`
makes (i, j) of the block (k, j); `extend right` and `extend right on` make it of (i, k) and own x_k instead.

    make (i, j)             one elemental: load, accumulate, or a compressed sweep
                            advance to x_k and keep it; make (k, j); back to x_i: extend (k, j) left
                            make on (i, k); extend (i, k) right
    make on (i, j)          one elemental, then advance
                            make on (i, k); extend (i, k) right on
                            from the input: make (i, j), back to the input, advance to x_j
                            from elsewhere: advance to x_j and keep it; back to x_i: make (i, j)
                            advance to x_k and keep it; make on (k, j); back to x_i: extend (k, j) left
    extend (k, j) left      one elemental: its adjoint of the block
                            make (i, k); multiply
                            advance to x_l and keep it; extend (k, j) left to l; back to x_i: extend (l, j) left
    extend (i, k) right     one elemental: its tangent of the block (and advance, before or after a product)
                            make (k, j), on if need be; multiply
                            extend (i, k) right on to l; extend (i, l) right

The third way of extending to the left is binomial checkpointing (`binomial`), generalised to states, tapes and blocks
of any sizes; a sweep of adjoints evaluates the states once for all rows of its block. The whole plan is the task
`make (0, q)`. What a task needs depends on its own parts alone, so the fronts of (memory, price) are exact: the memory
of a task is the most elements alive at any of its steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from chainplan.problem.cost import FMA
from chainplan.problem.graph import Mode
from chainplan.solvers.chain.derivation import ChainInterval
from chainplan.solvers.checkpoint.fronts import (
    CheckpointFront,
    FrontPoint,
    best,
    in_sequence,
    single_step,
    with_last_step,
)
from chainplan.solvers.checkpoint.prices import ChainTriple, PricedChain
from chainplan.solvers.search.search import Search


class TaskRule(NamedTuple):
    """How a task (i, j) is done: the word for it, the vertex k or l in between if any, and how a leaf is made."""

    kind: str
    start: int
    end: int
    middle: int = -1
    leaf: object = None


class TaskFronts:
    """The fronts of all tasks on the blocks and products that `wanted` admits, shorter blocks first.

    Parameters
    ----------
    limit : int | None
        Elements that no point exceeds.
    keep : Callable[[Iterable[FrontPoint]], CheckpointFront]
        Makes a front of points: `best`, or one that keeps fewer of them.
    most : Callable[[ChainInterval], int] | None
        The price above which a point of a block is of no use.
    """

    def __init__(
        self,
        chain: PricedChain,
        limit: int | None,
        wanted: Callable[[ChainInterval | ChainTriple], bool],
        search: Search,
        keep: Callable[[Iterable[FrontPoint]], CheckpointFront] = best,
        most: Callable[[ChainInterval], int] | None = None,
    ) -> None:
        self.chain, self.limit = chain, limit
        self.made: dict[ChainInterval, CheckpointFront] = {}
        self.made_on: dict[ChainInterval, CheckpointFront] = {}
        self.left: dict[ChainTriple, CheckpointFront] = {}
        self.right: dict[ChainTriple, CheckpointFront] = {}
        self.right_on: dict[ChainTriple, CheckpointFront] = {}
        self._reach, self._best, self._wanted, self._most = chain.reaches(), keep, wanted, most
        self._watch = search.watch
        for d in range(1, chain.q + 1):
            for i in range(chain.q - d + 1):
                if wanted((i, i + d)):
                    search.tick(None)
                    self._enter(i, i + d)

    @property
    def front(self) -> CheckpointFront:
        """The front of the whole chain."""
        return self.made.get((0, self.chain.q), [])

    def _enter(self, i: int, j: int) -> None:
        """Make the fronts of all tasks that leave the block (i, j)."""
        most = None if self._most is None else self._most((i, j))
        for k in range(i + 1, j):
            self._watch()
            self.left[i, k, j] = self._kept(self._ways_left(i, k, j), most)
        for k in range(j - 1, i, -1):
            self._watch()
            self.right[i, k, j] = self._kept(self._ways_right(i, k, j), most)
            self.right_on[i, k, j] = self._kept(self._ways_right_on(i, k, j), most)
        self.made[i, j] = self._kept(self._ways_make(i, j), most)
        if j < self.chain.q:
            self.made_on[i, j] = self._kept(self._ways_make_on(i, j), most)

    def _kept(self, points: Iterable[FrontPoint], most: int | None) -> CheckpointFront:
        """The front of some points, without those that cost more than `most`."""
        return self._best(points if most is None else (point for point in points if point[1] <= most))

    def _ways_make(self, i: int, j: int) -> Iterator[FrontPoint]:
        """The ways to make (i, j)."""
        chain, limit = self.chain, self.limit
        if j == i + 1:
            for leaf in chain.leaves[i]:
                yield from self._single(leaf.alone, leaf.price, TaskRule("leaf", i, j, leaf=leaf.how))
        for k in range(i + 1, j):
            held = chain.n[i], 0, self._reach[i, k, True]
            way, price = TaskRule("left first", i, j, k), chain.evaluation(i, k)
            yield from in_sequence(self.made.get((k, j), []), self.left[i, k, j], held, price, way, limit)
            way = TaskRule("right first", i, j, k)
            yield from in_sequence(self.made_on.get((i, k), []), self.right[i, k, j], (0, 0, 0), 0, way, limit)

    def _ways_make_on(self, i: int, j: int) -> Iterator[FrontPoint]:
        """The ways to make (i, j) and leave x_j."""
        chain, limit, own = self.chain, self.limit, self.chain.nnz[i, j]
        if j == i + 1:
            for leaf in chain.leaves[i]:
                hill = max(leaf.kept, own + chain.n[i] + chain.n[j])
                yield from self._single(
                    hill, leaf.price + chain.evaluation(i, j), TaskRule("leaf on", i, j, leaf=leaf.how)
                )
        for k in range(i + 1, j):
            way = TaskRule("right first on", i, j, k)
            yield from in_sequence(self.made_on.get((i, k), []), self.right_on[i, k, j], (0, 0, 0), 0, way, limit)
        if i == 0 and j > 1:
            least, price = own + self._reach[0, j, False], chain.evaluation(0, j)
            yield from with_last_step(self.made[0, j], 0, least, price, TaskRule("again", 0, j), limit)
        if i > 0 and j > i + 1:
            least, price = self._reach[i, j, True], chain.evaluation(i, j)
            yield from with_last_step(self.made[i, j], chain.n[j], least, price, TaskRule("ahead", i, j), limit)
        for k in range(i + 1, j):
            held, price = (chain.n[i], chain.n[j], self._reach[i, k, True]), chain.evaluation(i, k)
            way, first = TaskRule("on first", i, j, k), self.made_on.get((k, j), [])
            yield from in_sequence(first, self.left[i, k, j], held, price, way, limit)

    def _ways_left(self, i: int, k: int, j: int) -> Iterator[FrontPoint]:
        """The ways to extend (k, j) to (i, j)."""
        chain, limit, nnz = self.chain, self.limit, self.chain.nnz
        waiting, whole = nnz[k, j], nnz[i, j]
        e = chain.links[i]
        if k == i + 1 and e.adjoint is not None:
            price = FMA.propagate(e, chain.blocks[k, j], Mode.ADJOINT)
            yield from self._single(chain.n[i] + waiting + whole + e.tape, price, TaskRule("adjoint", i, j, k))
        if self._wanted((i, k, j)):
            price = FMA.multiply(chain.blocks[k, j], chain.blocks[i, k])
            least, way = waiting + nnz[i, k] + whole, TaskRule("times right", i, j, k)
            yield from with_last_step(self.made.get((i, k), []), waiting, least, price, way, limit)
        for middle in range(i + 1, k):
            held = chain.n[i], 0, waiting + self._reach[i, middle, True]
            price, way = chain.evaluation(i, middle), TaskRule("checkpoint", i, j, middle)
            first = self.left.get((middle, k, j), [])
            yield from in_sequence(first, self.left[i, middle, j], held, price, way, limit)

    def _ways_right(self, i: int, k: int, j: int) -> Iterator[FrontPoint]:
        """The ways to extend (i, k) to (i, j)."""
        chain, limit, nnz = self.chain, self.limit, self.chain.nnz
        waiting, whole = nnz[i, k], nnz[i, j]
        e = chain.links[j - 1]
        if k == j - 1 and e.tangent is not None:
            price = FMA.propagate(e, chain.blocks[i, k], Mode.TANGENT)
            yield from self._single(chain.n[k] + waiting + whole, price, TaskRule("tangent", i, j, k))
        if self._wanted((i, k, j)):
            price = FMA.multiply(chain.blocks[k, j], chain.blocks[i, k])
            least, way = waiting + nnz[k, j] + whole, TaskRule("times left", i, j, k)
            yield from with_last_step(self.made.get((k, j), []), waiting, least, price, way, limit)
        for middle in range(k + 1, j):
            way, first = TaskRule("onward", i, j, middle), self.right_on.get((i, k, middle), [])
            yield from in_sequence(first, self.right[i, middle, j], (0, 0, 0), 0, way, limit)

    def _ways_right_on(self, i: int, k: int, j: int) -> Iterator[FrontPoint]:
        """The ways to extend (i, k) to (i, j) and leave x_j."""
        chain, limit, nnz, n = self.chain, self.limit, self.chain.nnz, self.chain.n
        waiting, whole, step = nnz[i, k], nnz[i, j], self.chain.evaluation(k, j)
        e = chain.links[j - 1]
        multiplied = self._wanted((i, k, j))
        product = FMA.multiply(chain.blocks[k, j], chain.blocks[i, k]) if multiplied else 0
        if k == j - 1:
            behind = whole + n[k] + n[j]
            if e.tangent is not None:
                price = FMA.propagate(e, chain.blocks[i, k], Mode.TANGENT) + step
                yield from self._single(max(n[k] + waiting + whole, behind), price, TaskRule("tangent on", i, j, k))
            for leaf in chain.leaves[k] if multiplied else ():
                hill = max(waiting + leaf.kept, n[k] + waiting + nnz[k, j] + whole, behind)
                way = TaskRule("times leaf on", i, j, k, leaf.how)
                yield from self._single(hill, leaf.price + product + step, way)
        if multiplied:
            least, way = n[j] + waiting + nnz[k, j] + whole, TaskRule("times left on", i, j, k)
            yield from with_last_step(self.made_on.get((k, j), []), waiting, least, product, way, limit)
        for middle in range(k + 1, j):
            way, first = TaskRule("onward on", i, j, middle), self.right_on.get((i, k, middle), [])
            yield from in_sequence(first, self.right_on[i, middle, j], (0, 0, 0), 0, way, limit)

    def _single(self, hill: int, price: int, way: TaskRule) -> Iterator[FrontPoint]:
        """The point of a task that is a single step, if it keeps the limit."""
        if self.limit is None or hill <= self.limit:
            yield single_step(hill, price, way)
