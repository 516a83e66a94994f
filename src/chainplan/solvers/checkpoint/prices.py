"""Sizes and prices of a chain as `nested` reads them, and bounds that no plan undercuts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from chainplan.plans.compressed_sweep import Sweep, write_sweep
from chainplan.plans.recorder import Recorder
from chainplan.plans.replay import replay
from chainplan.plans.steps import Propagate
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Graph, Mode
from chainplan.solvers.chain.compressed_intervals import Sweeps
from chainplan.solvers.chain.derivation import blocks_of, leaf_options
from chainplan.solvers.search.search import unwatched

Interval = tuple[int, int]
Triple = tuple[int, int, int]
"""(i, k, j): the product of (k, j) and (i, k)."""
Floors = dict[Interval | Triple, int]


class Leaf(NamedTuple):
    """One elemental by itself: its block in a mode or a compressed sweep, alive while the state is and afterwards."""

    price: int
    alone: int
    kept: int
    how: Mode | Sweep | None


class _Last(NamedTuple):
    """The last step that makes a block: its price, what it holds, and its operands."""

    price: int
    hill: int
    args: tuple[Interval, ...]


class Chain:
    """Sizes, blocks and prices of a chain, and bounds that no plan undercuts; `watch` is called often."""

    def __init__(self, graph: Graph, watch: Callable[[], None] = unwatched) -> None:
        self._watch = watch
        self.links = chain = graph.chain
        self.q = len(chain)
        self.n = [0, *(graph.sizes[e.target] for e in chain)]
        self.blocks = blocks_of(chain)
        self.nnz = {interval: block.nnz for interval, block in self.blocks.items()}
        self.beyond: dict[Interval, int] = {}
        """For each block, the least price of the steps that lead from it to the Jacobian; see `prices`."""
        self.evaluations = [0]
        for e in chain:
            self.evaluations.append(self.evaluations[-1] + FMA.advance(e))
        sweeps = Sweeps(chain, FMA)
        found, least = ([choose(i, i + 1) for i in range(self.q)] for choose in (sweeps.every, sweeps.fewest))
        self.leaves = [self._ways_to_have(graph, i, swept) for i, swept in enumerate(found)]
        """The ways found to have each elemental."""
        self.least_leaves = [self._ways_to_have(graph, i, swept) for i, swept in enumerate(least)]
        """The same with sweeps of as few colours as might be possible, at prices that none undercuts."""

    def _ways_to_have(self, graph: Graph, i: int, sweeps: Iterable[Sweep]) -> list[Leaf]:
        return [*self._plain(i), *(self._swept(graph, i, sweep) for sweep in sweeps)]

    def _plain(self, i: int) -> list[Leaf]:
        """The block of an elemental loaded, or accumulated in a mode."""
        e, found = self.links[i], []
        for price, leaf in leaf_options(self.links, i):
            hill = self.nnz[i, i + 1] + self.n[i] + (e.tape if leaf.mode is Mode.ADJOINT else 0)
            found.append(Leaf(price, hill, hill, leaf.mode))
        return found

    def _swept(self, graph: Graph, i: int, sweep: Sweep) -> Leaf:
        """The block of an elemental by a compressed sweep."""
        own, recorder = self.n[i], Recorder(graph)
        write_sweep(recorder, sweep)
        plan = recorder.plan(())
        alive = replay(plan).alive
        last = max(p for p, step in enumerate(plan.steps) if isinstance(step, Propagate))
        alone = max(held + (own if p <= last else 0) for p, held in enumerate(alive))
        return Leaf(sweep.price, alone, own + max(alive), sweep)

    @property
    def proven(self) -> bool:
        """Whether no colours make a sweep cheaper or let it hold less."""
        return all(
            any(all(x <= y for x, y in zip(one[:3], other[:3], strict=True)) for one in found)
            for found, others in zip(self.leaves, self.least_leaves, strict=True)
            for other in others
        )

    def evaluation(self, i: int, k: int) -> int:
        """Price of advancing from x_i to x_k."""
        return self.evaluations[k] - self.evaluations[i]

    def reaches(self) -> dict[tuple[int, int, bool], int]:
        """Most elements of states alive while x_i advances to x_k, with x_i kept to the end or not."""
        n, found = self.n, dict[tuple[int, int, bool], int]()
        for i in range(self.q):
            for kept in (True, False):
                most = 0
                for a in range(i, self.q):
                    most = max(most, n[a] + n[a + 1] + (n[i] if kept and a > i else 0))
                    found[i, a + 1, kept] = most
        return found

    def prices(self) -> Floors:
        """Prices that no plan undercuts: states are taken as given, but for one evaluation, and nothing is limited."""
        inside = {(i, i + 1): min(leaf.price for leaf in self.leaves[i]) for i in range(self.q)}
        base = self.evaluation(0, self.q - 1)
        floors = self._floors(sum, lambda way: way.price, inside, base)
        self.beyond = {interval: floors[interval] - inside[interval] - base for interval in self.blocks}
        return floors

    def hills(self) -> Floors:
        """Elements that no plan undercuts: what each step holds, with nothing else alive."""
        leaves = {(i, i + 1): min(leaf.alone for leaf in self.leaves[i]) for i in range(self.q)}
        evaluation = max((self.n[a] + self.n[a + 1] for a in range(self.q - 1)), default=0)
        return self._floors(max, lambda way: way.hill, leaves, evaluation)

    def _floors(
        self,
        join: Callable[[Iterable[int]], int],
        weight: Callable[[_Last], int],
        inside: dict[Interval, int],
        base: int,
    ) -> Floors:
        """The least sum (or maximum) of weights of a plan that holds a block, or makes a product."""
        q = self.q
        ways: dict[Interval, list[_Last]] = {}
        for d in range(2, q + 1):
            for i in range(q - d + 1):
                self._watch()
                found = ways[i, i + d] = list(self._ways(i, i + d))
                inside[i, i + d] = min(join((weight(way), *(inside[a] for a in way.args))) for way in found)
        outside, floors = {(0, q): base}, Floors()
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

    def _ways(self, i: int, j: int) -> Iterator[_Last]:
        """The last steps that make a block of several elementals."""
        first, last, nnz, blocks = self.links[i], self.links[j - 1], self.nnz, self.blocks
        if last.tangent is not None:
            arg = (i, j - 1)
            hill = self.n[j - 1] + nnz[arg] + nnz[i, j]
            yield _Last(FMA.propagate(last, blocks[arg], Mode.TANGENT), hill, (arg,))
        if first.adjoint is not None:
            arg = (i + 1, j)
            hill = self.n[i] + nnz[arg] + nnz[i, j] + first.tape
            yield _Last(FMA.propagate(first, blocks[arg], Mode.ADJOINT), hill, (arg,))
        for k in range(i + 1, j):
            hill = nnz[k, j] + nnz[i, k] + nnz[i, j]
            yield _Last(FMA.multiply(blocks[k, j], blocks[i, k]), hill, ((k, j), (i, k)))
