"""Which intervals of a chain are worth a compressed sweep, and what that costs.

An interval can be swept compressed where it has a matrix-free elemental and its pattern is known and not dense. Bounds
on the number of colours rule most of them out, against what the interval costs otherwise; only the rest is coloured.
"""

from __future__ import annotations

from chainplan.compression import Sweep, colourable, compressed, per_vector, write_sweep
from chainplan.cost import CostModel
from chainplan.graph import Elemental, Graph, Mode
from chainplan.replayer import replay
from chainplan.steps import Recorder
from chainplan.structures import Block, Dense

ANY = 10**80
"""A price that no sweep reaches."""
LONGEST = 300
"""Elementals of the longest chain of which all intervals are looked at; of longer ones, the single elementals."""


class Sweeps:
    """The compressed sweeps of a chain: `cheaper` finds that of an interval."""

    def __init__(self, chain: tuple[Elemental, ...], cost: CostModel) -> None:
        self._chain, self._cost = chain, cost
        self._blocks: dict[int, dict[int, Block]] = {}
        self._sums = tuple(_running_sums(chain, mode) for mode in Mode)
        matrix_free = [0]
        for e in chain:
            matrix_free.append(matrix_free[-1] + (not e.explicit))
        longest = len(chain) if len(chain) <= LONGEST else 1
        listed = any(e.block.structure.name == "sparse" for e in chain)
        if matrix_free[-1]:
            for i in range(len(chain)):
                self._extend(i, longest, matrix_free, listed)

    def _extend(self, i: int, longest: int, matrix_free: list[int], listed: bool) -> None:
        """Find the blocks of the intervals that begin at i; a dense one stays so but for listed patterns."""
        block = self._chain[i].block
        for j in range(i + 1, min(i + longest, len(self._chain)) + 1):
            block = block if j == i + 1 else self._chain[j - 1].block.times(block)
            if isinstance(block.structure, Dense) and not listed:
                return
            if matrix_free[j] > matrix_free[i] and colourable(block):
                self._blocks.setdefault(j - i, {})[i] = block

    @property
    def moves(self) -> str:
        """The moves within which an optimum over brackets and these sweeps holds."""
        return "bracketings and coloured sweeps" if self._blocks else "bracketings"

    def of_length(self, d: int) -> tuple[int, ...]:
        """Where the intervals of length d begin that might be swept compressed."""
        return tuple(self._blocks.get(d, ()))

    def cheaper(self, i: int, j: int, below: int) -> Sweep | None:
        """The compressed sweep of an interval, None where there is none cheaper than `below`."""
        block = self._blocks.get(j - i, {}).get(i)
        if block is None:
            return None
        tangent, adjoint = (None if n[j] > n[i] else total[j] - total[i] for total, n in self._sums)
        return compressed(self._chain[i:j], block, self._cost, below, (tangent, adjoint))


def _running_sums(chain: tuple[Elemental, ...], mode: Mode) -> tuple[list[int], list[int]]:
    """What one vector costs from the first elemental to before each, and how many there have no such mode."""
    totals, missing = [0], [0]
    for e in chain:
        price = per_vector((e,), mode)
        totals.append(totals[-1] + (price or 0))
        missing.append(missing[-1] + (price is None))
    return totals, missing


def peak(graph: Graph, sweep: Sweep) -> int:
    """Most elements alive while a sweep is made by itself."""
    recorder = Recorder(graph)
    write_sweep(recorder, sweep)
    return replay(recorder.plan(())).peak
