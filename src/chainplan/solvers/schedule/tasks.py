"""The tasks that the plans of a chain are made of: for every interval, the ways to make it and how long each takes.

The interval (i, j) is the block of x_j with respect to x_i, as in `solvers.chain.derivation`. A plan is a tree of
intervals; each interval occurs at most once in it and is made by one step. What a step costs does not depend on how its
operands are made, so these options are all that bracketing and scheduling together need to know. Coloured sweeps are
not among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from chainplan.problem.cost import CostModel
from chainplan.problem.graph import Elemental, Mode
from chainplan.solvers.chain.derivation import (
    ChainInterval,
    Derivation,
    ProductDerivation,
    PropagationDerivation,
    leaf_options,
)
from chainplan.structures import Block


class IntervalOption(NamedTuple):
    """One way to make an interval, which takes `duration` once the intervals in `reads` are made."""

    duration: int
    reads: tuple[ChainInterval, ...]
    derivation: Derivation


class ChainTasks:
    """The ways to make each interval of a chain of q elementals, `options[i, j]`; there are O(q³) of them in all."""

    def __init__(self, chain: tuple[Elemental, ...], cost: CostModel) -> None:
        self.chain, self.q = chain, len(chain)
        self.root: ChainInterval = (0, self.q)
        self._cost = cost
        self._blocks: dict[ChainInterval, Block] = {}
        self.options: dict[ChainInterval, list[IntervalOption]] = {}
        for i, e in enumerate(chain):
            self._blocks[i, i + 1] = e.block
            price, leaf = min(leaf_options(chain, i, cost), key=lambda option: option[0])
            self.options[i, i + 1] = [IntervalOption(price, (), leaf)]
        for d in range(2, self.q + 1):
            for i in range(self.q - d + 1):
                j = i + d
                self._blocks[i, j] = chain[j - 1].block.times(self._blocks[i, j - 1])
                self.options[i, j] = list(self._ways(i, j))

    def _ways(self, i: int, j: int) -> Iterator[IntervalOption]:
        """The ways to make an interval in the order that breaks ties: tangent, adjoint, products by split."""
        blocks, cost, first, last = self._blocks, self._cost, self.chain[i], self.chain[j - 1]
        for e, mode, arg in ((last, Mode.TANGENT, (i, j - 1)), (first, Mode.ADJOINT, (i + 1, j))):
            if e.per_vector(mode) is not None:
                position = j - 1 if mode is Mode.TANGENT else i
                yield IntervalOption(
                    cost.propagate(e, blocks[arg], mode), (arg,), PropagationDerivation(position, mode, arg)
                )
        for k in range(i + 1, j):
            left, right = (k, j), (i, k)
            price = cost.multiply(blocks[left], blocks[right], blocks[i, j])
            yield IntervalOption(price, (left, right), ProductDerivation(left, right))

    @property
    def horizon(self) -> int:
        """An upper bound on the makespan of every plan: at most 2q - 1 steps of the longest duration in turn."""
        return (2 * self.q - 1) * max(o.duration for options in self.options.values() for o in options)

    @property
    def width(self) -> int:
        """The most machines that are ever busy at once: the most disjoint intervals that each take time to make."""
        before, width = 0, 0
        for i in range(self.q):
            alone = width + (self.options[i, i + 1][0].duration > 0)
            before, width = width, max(alone, before + 1 if i else alone)
        return max(width, 1)


ChainTree = dict[ChainInterval, IntervalOption]
"""A plan of a chain: how each of its intervals is made."""

TreePlaces = dict[ChainInterval, tuple[int, int]]
"""Machine and start of the step that makes each interval of a tree."""
