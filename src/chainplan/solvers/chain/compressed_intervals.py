"""Which intervals of a chain are worth a compressed sweep, and what each such sweep costs.

An interval can be swept compressed where it holds a matrix-free elemental and its pattern is known and not dense. For
most of these intervals a bound on the number of colours already shows that no sweep beats what the interval costs
otherwise; only the patterns of the others are coloured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from chainplan.plans.compressed_sweep import (
    UNREACHED_PRICE,
    CompressedSweep,
    closer,
    compressed,
    per_vector,
    write_sweep,
)
from chainplan.plans.recorder import Recorder
from chainplan.plans.replay import replay
from chainplan.plans.sweep_colours import SweepColours, SweepNeeds, VectorPrices, compressible
from chainplan.problem.cost import FMA, CostModel
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.solvers.search.search import Search
from chainplan.structures import Block, Dense

ABOVE_EVERY_SWEEP = UNREACHED_PRICE
"""A price that every sweep stays below: who passes it asks for a sweep whatever it costs."""
MAX_CORNERS = 8
"""Most pairs (tangents, adjoints) that are kept one by one; their common lower corner stands for more."""
MAX_SWEPT_CHAIN_LENGTH = 300
"""Elementals of the longest chain whose intervals are all considered; of longer chains only single elementals are."""


class SweepChoices(Protocol):
    """The compressed sweeps that a chain solver chooses from."""

    def of_length(self, d: int) -> tuple[int, ...]:
        """The starts of the intervals of length d that might be swept compressed."""
        ...

    def cheaper(self, i: int, j: int, below: int) -> CompressedSweep | None:
        """The cheapest known compressed sweep of an interval, None where it is not cheaper than `below`."""
        ...


class ChainSweeps:
    """The compressed sweeps of a chain, each priced by the colours that a heuristic gives its pattern.

    Fewer colours may be possible. Where they could change the answer to a call of `cheaper`, the chain is not `proven`.
    A solver whose prices never fall when those of sweeps rise then gets its lower bound from the sweeps `at_least`. All
    of this takes long on some chains, so that it ends with the search.
    """

    def __init__(self, chain: tuple[Elemental, ...], cost: CostModel, search: Search | None = None) -> None:
        self._chain, self._cost, self._search = chain, cost, search or Search()
        self._heuristics = 0
        self._blocks: dict[int, dict[int, Block]] = {}
        self._priced: dict[tuple[int, int], CompressedSweep] = {}
        """The sweep of each interval that `cheaper` was asked for."""
        self._open: set[tuple[int, int]] = set()
        """Intervals whose sweep could be cheaper with fewer colours, and cheap enough to change an answer."""
        self._closer: dict[tuple[int, int, int | None, int | None], CompressedSweep] = {}
        self._sums = tuple(_running_sums(chain, mode) for mode in Mode)
        matrix_free = [0]
        for e in chain:
            matrix_free.append(matrix_free[-1] + (not e.explicit))
        self._whole = len(chain) <= MAX_SWEPT_CHAIN_LENGTH
        longest = len(chain) if self._whole else 1
        listed = any(e.block.structure.name == "sparse" for e in chain)
        if matrix_free[-1]:
            for i in range(len(chain)):
                self._watch()
                self._extend(i, longest, matrix_free, listed)

    def _extend(self, i: int, longest: int, matrix_free: list[int], listed: bool) -> None:
        """Keep the compressible blocks of the intervals that begin at i.

        A dense block stays dense when it is extended, so the walk ends there, unless the chain has listed patterns.
        """
        block = self._chain[i].block
        for j in range(i + 1, min(i + longest, len(self._chain)) + 1):
            block = block if j == i + 1 else self._chain[j - 1].block.times(block)
            if isinstance(block.structure, Dense) and not listed:
                return
            if matrix_free[j] > matrix_free[i]:
                self._whole &= block.structure.exact
                if compressible(block):
                    self._blocks.setdefault(j - i, {})[i] = block

    def _watch(self) -> None:
        """Look at the limits of the search; a chain of one elemental always gets some colours."""
        if len(self._chain) > 1:
            self._search.watch()

    @property
    def moves(self) -> str:
        """The moves within which an optimum over bracketings and these sweeps is proven."""
        return "bracketings and coloured sweeps" if self._blocks and self._whole else "bracketings"

    @property
    def any(self) -> bool:
        """Whether some interval can be swept compressed."""
        return bool(self._blocks)

    def of_length(self, d: int) -> tuple[int, ...]:
        """The starts of the intervals of length d that might be swept compressed."""
        return tuple(self._blocks.get(d, ()))

    def cheaper(self, i: int, j: int, below: int) -> CompressedSweep | None:
        """The cheapest known compressed sweep of an interval, None where it is not cheaper than `below`."""
        block = self._blocks.get(j - i, {}).get(i)
        if block is None:
            return None
        sweep = self._find_sweep(i, j, self._prices(i, j), below)
        if sweep is None or sweep.least >= min(sweep.price, below):
            self._open.discard((i, j))
        else:
            self._open.add((i, j))
        if sweep is None:
            return None
        self._priced[i, j] = sweep
        return sweep if sweep.price < below else None

    @property
    def proven(self) -> bool:
        """Whether fewer colours could not have changed any answer of `cheaper`."""
        return not self._open

    def at_least(self) -> SweepBounds:
        """The sweeps that `cheaper` was asked for, at prices that no colours undercut."""
        return SweepBounds(self._priced)

    def every(self, i: int, j: int) -> list[CompressedSweep]:
        """The known sweeps of an interval: the cheapest, then those of one mode alone, which may hold less."""
        if i not in self._blocks.get(j - i, {}):
            return []
        sweeps = [self._find_sweep(i, j, prices, ABOVE_EVERY_SWEEP) for prices in self._prices_by_modes(i, j)]
        return [sweep for sweep in sweeps if sweep is not None]

    def fewest(self, i: int, j: int) -> list[CompressedSweep]:
        """Sweeps, possible or not, one of which costs and holds no more than any possible sweep of the interval."""
        every = self.every(i, j)
        alone = every[1:] or every
        both = [sweep for sweep in fewest(every[0]) if all(sweep.colours[2:])] if every[1:] else []
        return [*both, *(one for sweep in alone for one in fewest(sweep))]

    def closer(self, sweeps: Iterable[CompressedSweep]) -> bool:
        """Colour the patterns of some sweeps once more, with more effort; say whether a price or a bound changed."""
        changed = False
        for sweep in sweeps if self._cost is FMA else ():
            i = self._chain.index(sweep.run[0])
            j = i + len(sweep.run)
            modes = [any(pair[side] for pair in sweep.needs) for side in (0, 1)]
            tangent, adjoint = (p if there else None for p, there in zip(self._prices(i, j), modes, strict=True))
            before = self._find_sweep(i, j, (tangent, adjoint), ABOVE_EVERY_SWEEP)
            if before is not None and (i, j, tangent, adjoint) not in self._closer:
                after = closer(before, self._blocks[j - i][i], (tangent, adjoint))
                self._closer[i, j, tangent, adjoint] = after
                changed |= after != before
        return changed

    def _find_sweep(self, i: int, j: int, prices: VectorPrices, below: int) -> CompressedSweep | None:
        """The sweep of an interval at these prices per vector: from the closer look where there was one."""
        self._watch()
        block, in_time = self._blocks[j - i][i], self._going
        return self._closer.get((i, j, *prices)) or compressed(
            self._chain[i:j], block, self._cost, below, prices, in_time
        )

    def _going(self) -> bool:
        """Say whether a search for colours goes on: while there is time, for as many heuristics as nodes."""
        self._heuristics += 1
        most = self._search.nodes
        return self._search.in_time() and (most is None or self._heuristics <= most)

    def _prices_by_modes(self, i: int, j: int) -> list[VectorPrices]:
        """Prices per vector with both modes allowed, then with each alone; one pair where only one mode is possible."""
        tangent, adjoint = self._prices(i, j)
        both: list[VectorPrices] = [(tangent, adjoint)]
        return both if tangent is None or adjoint is None else [*both, (tangent, None), (None, adjoint)]

    def _prices(self, i: int, j: int) -> VectorPrices:
        """What one tangent and one adjoint of an interval cost, None for a mode that one of its elementals lacks."""
        tangent, adjoint = (None if n[j] > n[i] else total[j] - total[i] for total, n in self._sums)
        return tangent, adjoint


class SweepBounds:
    """Sweeps at prices that no colours undercut: they serve for bounds alone, as no plan may reach these prices."""

    def __init__(self, sweeps: dict[tuple[int, int], CompressedSweep]) -> None:
        self._sweeps = sweeps
        self._starts: dict[int, list[int]] = {}
        for i, j in sweeps:
            self._starts.setdefault(j - i, []).append(i)

    def of_length(self, d: int) -> tuple[int, ...]:
        """The starts of the intervals of length d that have a sweep."""
        return tuple(self._starts.get(d, ()))

    def cheaper(self, i: int, j: int, below: int) -> CompressedSweep | None:
        """The sweep of an interval at its least price, None where that is not below `below`."""
        sweep = self._sweeps.get((i, j))
        return sweep._replace(price=sweep.least) if sweep is not None and sweep.least < below else None


def _running_sums(chain: tuple[Elemental, ...], mode: Mode) -> tuple[list[int], list[int]]:
    """Two running sums over the elementals: what one vector costs in a mode, and how many elementals lack the mode."""
    totals, missing = [0], [0]
    for e in chain:
        price = per_vector((e,), mode)
        totals.append(totals[-1] + (price or 0))
        missing.append(missing[-1] + (price is None))
    return totals, missing


def peak(graph: Graph, sweep: CompressedSweep) -> int:
    """Most elements that are alive at once while a sweep is carried out by itself."""
    recorder = Recorder(graph)
    write_sweep(recorder, sweep)
    return replay(recorder.plan(())).peak


def fewest(sweep: CompressedSweep) -> Iterator[CompressedSweep]:
    """Sweeps of as few colours as might be possible: one of them has no more of either mode than any possible sweep.

    Only their prices and sizes mean anything, because it is not known whether such colours exist.
    """
    for pair in _lower_corners(sweep.needs):
        swept = (n * (per_vector(sweep.run, mode) or 0) for n, mode in zip(pair, Mode, strict=True))
        yield sweep._replace(price=max(sweep.least, sum(swept)), colours=_placeholder_colours(sweep, pair))


def _lower_corners(needs: SweepNeeds) -> SweepNeeds:
    """A few pairs below all of these: the pairs of one mode, and the mixed ones or, where many, their common corner."""
    both = [pair for pair in needs if all(pair)]
    if len(both) > MAX_CORNERS:
        both = [(min(c for c, _ in both), min(a for _, a in both))]
    return (*(pair for pair in needs if not all(pair)), *both)


def _placeholder_colours(sweep: CompressedSweep, pair: tuple[int, int]) -> SweepColours:
    """Colours of the right number of tangents and adjoints, which serve for counting and recover nothing."""
    columns, rows = sweep.run[0].block.cols, sweep.run[-1].block.rows
    tangents, adjoints = pair
    return SweepColours(
        tuple(min(k, tangents - 1) for k in range(columns)), tuple(min(k, adjoints - 1) for k in range(rows)), *pair
    )
