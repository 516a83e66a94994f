"""Interval dynamic programming on blocks, for any structures and any cost model.

The recurrence is that of `interval_prices`, but one split after the other instead of an anti-diagonal at once: each
price is asked of the cost model, which sees the two blocks. The block of an interval does not depend on how it is made
(the laws of structures), nor does its storage form (a function of the block), so one price per interval is enough.
"""

from __future__ import annotations

from chainplan.problem.cost import CostModel
from chainplan.problem.graph import Elemental, Mode
from chainplan.solvers.chain.compressed_intervals import SweepChoices
from chainplan.solvers.chain.derivation import (
    Derivation,
    ProductDerivation,
    PropagationDerivation,
    SweepDerivation,
    leaf_options,
)
from chainplan.structures import Block

PricedDerivation = tuple[int, Derivation]


class IntervalTable:
    """Price and derivation of every interval; O(q³) prices, O(q²) memory for q elementals."""

    def __init__(self, chain: tuple[Elemental, ...], cost: CostModel, sweeps: SweepChoices) -> None:
        self.chain, self.q, self._cost, self._sweeps = chain, len(chain), cost, sweeps
        self.blocks: dict[tuple[int, int], Block] = {}
        self._best: dict[tuple[int, int], PricedDerivation] = {}
        for i, e in enumerate(chain):
            self.blocks[i, i + 1] = e.block
            self._keep(i, i + 1, min(leaf_options(chain, i, cost), key=lambda option: option[0]))

    def price(self, i: int, j: int) -> int:
        """What the interval (i, j) costs."""
        return self._best[i, j][0]

    def product_price(self, i: int, j: int, mode: Mode) -> int:
        """What one product of the block of (i, j) with a column (tangent), or of a row with it (adjoint), costs."""
        block = self.blocks[i, j]
        if mode is Mode.TANGENT:
            return self._cost.multiply(block, Block(block.cols, 1))
        return self._cost.multiply(Block(1, block.rows), block)

    def derive(self, interval: tuple[int, int]) -> Derivation:
        """How the interval gets its price; ties go to tangent, adjoint, first split, sweep, in this order."""
        return self._best[interval][1]

    def fill(self, d: int) -> None:
        """Price all intervals of length d from the shorter ones."""
        for i in range(self.q - d + 1):
            j = i + d
            self.blocks[i, j] = self.chain[j - 1].block.times(self.blocks[i, j - 1])
            self._keep(i, j, min(self._choices(i, j), key=lambda choice: choice[0]))

    def _keep(self, i: int, j: int, choice: PricedDerivation) -> None:
        """Enter the best choice for an interval, or the compressed sweep that undercuts it."""
        sweep = self._sweeps.cheaper(i, j, choice[0])
        self._best[i, j] = choice if sweep is None else (sweep.price, SweepDerivation(sweep))

    def _choices(self, i: int, j: int) -> list[PricedDerivation]:
        """The last tangent, the first adjoint and the best split of an interval, in the order that breaks ties."""
        best, blocks, cost = self._best, self.blocks, self._cost
        whole = blocks[i, j]
        choices: list[PricedDerivation] = []
        first, last = self.chain[i], self.chain[j - 1]
        if last.tangent is not None:
            price = best[i, j - 1][0] + cost.propagate(last, blocks[i, j - 1], Mode.TANGENT)
            choices.append((price, PropagationDerivation(j - 1, Mode.TANGENT, (i, j - 1))))
        if first.adjoint is not None:
            price = best[i + 1, j][0] + cost.propagate(first, blocks[i + 1, j], Mode.ADJOINT)
            choices.append((price, PropagationDerivation(i, Mode.ADJOINT, (i + 1, j))))
        price, k = min(
            (best[i, k][0] + best[k, j][0] + cost.multiply(blocks[k, j], blocks[i, k], whole), k)
            for k in range(i + 1, j)
        )
        choices.append((price, ProductDerivation((k, j), (i, k))))
        return choices
