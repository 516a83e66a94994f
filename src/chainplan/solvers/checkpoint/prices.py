"""Sizes and prices of a chain as `grammar` reads them, and lower bounds on plans that hold a block or make a product.

The bounds rule out most blocks before any front is made, which is what makes the exact fronts affordable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from chainplan.plans.compressed_sweep import CompressedSweep, write_sweep
from chainplan.plans.recorder import Recorder
from chainplan.plans.replay import replay
from chainplan.plans.steps import Propagate
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Graph, Mode
from chainplan.solvers.chain.compressed_intervals import ChainSweeps
from chainplan.solvers.chain.derivation import ChainInterval, blocks_of, leaf_options
from chainplan.solvers.search.search import Search

ChainTriple = tuple[int, int, int]
"""(i, k, j): the product of (k, j) and (i, k)."""
MemoryFloors = dict[ChainInterval | ChainTriple, int]
"""A lower bound for all plans that hold a block, or make a product."""


class PricedElemental(NamedTuple):
    """A way to make the block of one elemental: loaded (None), accumulated in a mode, or by a compressed sweep.

    `alone` is the most elements alive where the state is freed after its last use, `kept` where it is kept to the end.
    """

    price: int
    alone: int
    kept: int
    how: Mode | CompressedSweep | None


class _LastStep(NamedTuple):
    """A step that makes a block: its price, the elements alive during it, and its operands."""

    price: int
    hill: int
    args: tuple[ChainInterval, ...]


class PricedChain:
    """Sizes, blocks and prices of a chain, and bounds on its plans in O(q³), all of which ends with the search."""

    def __init__(self, graph: Graph, search: Search) -> None:
        self._watch = search.watch
        self.links = chain = graph.chain
        self.q = len(chain)
        self.n = [0, *(graph.sizes[e.target] for e in chain)]
        self.blocks = blocks_of(chain)
        self.nnz = {interval: block.nnz for interval, block in self.blocks.items()}
        self.beyond: dict[ChainInterval, int] = {}
        """For each block, the least price of the steps that lead from it to the Jacobian; see `prices`."""
        self.evaluations = [0]
        for e in chain:
            self.evaluations.append(self.evaluations[-1] + FMA.advance(e))
        sweeps = ChainSweeps(chain, FMA, search)
        known, least = ([choose(i, i + 1) for i in range(self.q)] for choose in (sweeps.every, sweeps.fewest))
        self.leaves = [self._leaves_of(graph, i, swept) for i, swept in enumerate(known)]
        """The known ways to make the block of each elemental."""
        self.least_leaves = [self._leaves_of(graph, i, swept) for i, swept in enumerate(least)]
        """The same with sweeps of as few colours as might be possible, at prices that no colours undercut."""

    def _leaves_of(self, graph: Graph, i: int, sweeps: Iterable[CompressedSweep]) -> list[PricedElemental]:
        """The block of an elemental loaded or accumulated, then by each of some compressed sweeps."""
        return [*self._plain(i), *(self._swept(graph, i, sweep) for sweep in sweeps)]

    def _plain(self, i: int) -> list[PricedElemental]:
        """The block of an elemental loaded, or accumulated in each of its modes."""
        e, leaves = self.links[i], []
        for price, leaf in leaf_options(self.links, i):
            hill = self.nnz[i, i + 1] + self.n[i] + (e.tape if leaf.mode is Mode.ADJOINT else 0)
            leaves.append(PricedElemental(price, hill, hill, leaf.mode))
        return leaves

    def _swept(self, graph: Graph, i: int, sweep: CompressedSweep) -> PricedElemental:
        """The block of an elemental by a compressed sweep."""
        own, recorder = self.n[i], Recorder(graph)
        write_sweep(recorder, sweep)
        plan = recorder.plan(())
        alive = replay(plan).alive
        last = max(p for p, step in enumerate(plan.steps) if isinstance(step, Propagate))
        alone = max(held + (own if p <= last else 0) for p, held in enumerate(alive))
        return PricedElemental(sweep.price, alone, own + max(alive), sweep)

    @property
    def proven(self) -> bool:
        """Whether no colours make a sweep cheaper or let it hold less than the known sweeps."""
        return all(
            any(all(x <= y for x, y in zip(leaf[:3], least[:3], strict=True)) for leaf in leaves)
            for leaves, least_leaves in zip(self.leaves, self.least_leaves, strict=True)
            for least in least_leaves
        )

    def evaluation(self, i: int, k: int) -> int:
        """Price of advancing from x_i to x_k."""
        return self.evaluations[k] - self.evaluations[i]

    def reaches(self) -> dict[tuple[int, int, bool], int]:
        """The most elements of states alive while x_i advances to x_k, by (i, k, whether x_i is kept to the end)."""
        n, result = self.n, dict[tuple[int, int, bool], int]()
        for i in range(self.q):
            for kept in (True, False):
                most = 0
                for a in range(i, self.q):
                    most = max(most, n[a] + n[a + 1] + (n[i] if kept and a > i else 0))
                    result[i, a + 1, kept] = most
        return result

    def prices(self) -> MemoryFloors:
        """Lower bounds on the price: memory is not limited, and each state is evaluated once."""
        inside = {(i, i + 1): min(leaf.price for leaf in self.leaves[i]) for i in range(self.q)}
        base = self.evaluation(0, self.q - 1)
        floors = self._floors(sum, lambda way: way.price, inside, base)
        self.beyond = {interval: floors[interval] - inside[interval] - base for interval in self.blocks}
        return floors

    def hills(self) -> MemoryFloors:
        """Lower bounds on memory: the elements that each step holds by itself."""
        leaves = {(i, i + 1): min(leaf.alone for leaf in self.leaves[i]) for i in range(self.q)}
        evaluation = max((self.n[a] + self.n[a + 1] for a in range(self.q - 1)), default=0)
        return self._floors(max, lambda way: way.hill, leaves, evaluation)

    def _floors(
        self,
        join: Callable[[Iterable[int]], int],
        weight: Callable[[_LastStep], int],
        inside: dict[ChainInterval, int],
        base: int,
    ) -> MemoryFloors:
        """The least sum (or maximum) of weights of a plan that holds a block, or makes a product, in O(q³)."""
        q = self.q
        ways: dict[ChainInterval, list[_LastStep]] = {}
        for d in range(2, q + 1):
            for i in range(q - d + 1):
                self._watch()
                options = ways[i, i + d] = list(self._ways(i, i + d))
                inside[i, i + d] = min(join((weight(way), *(inside[a] for a in way.args))) for way in options)
        outside, floors = {(0, q): base}, MemoryFloors()
        for interval in sorted(self.blocks, key=lambda interval: interval[0] - interval[1]):
            self._watch()
            floors[interval] = join((inside[interval], outside[interval]))
            for way in ways.get(interval, ()):
                above = outside[interval], weight(way)
                if len(way.args) == 2:
                    floors[interval[0], way.args[0][0], interval[1]] = join((*above, *(inside[a] for a in way.args)))
                for arg in way.args:
                    reached = join((*above, *(inside[other] for other in way.args if other != arg)))
                    outside[arg] = min(outside.get(arg, reached), reached)
        return floors

    def _ways(self, i: int, j: int) -> Iterator[_LastStep]:
        """The steps that make a block of several elementals: a tangent, an adjoint, a product by split."""
        first, last, nnz, blocks = self.links[i], self.links[j - 1], self.nnz, self.blocks
        if last.tangent is not None:
            arg = (i, j - 1)
            hill = self.n[j - 1] + nnz[arg] + nnz[i, j]
            yield _LastStep(FMA.propagate(last, blocks[arg], Mode.TANGENT), hill, (arg,))
        if first.adjoint is not None:
            arg = (i + 1, j)
            hill = self.n[i] + nnz[arg] + nnz[i, j] + first.tape
            yield _LastStep(FMA.propagate(first, blocks[arg], Mode.ADJOINT), hill, (arg,))
        for k in range(i + 1, j):
            hill = nnz[k, j] + nnz[i, k] + nnz[i, j]
            yield _LastStep(FMA.multiply(blocks[k, j], blocks[i, k]), hill, ((k, j), (i, k)))
