"""Which intervals of a chain are worth a compressed sweep, and what that costs.

An interval can be swept compressed where it has a matrix-free elemental and its pattern is known and not dense. Bounds
on the number of colours rule most of them out, against what the interval costs otherwise; only the rest is coloured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from chainplan.plans.compressed_sweep import (
    NEVER,
    Colours,
    InTime,
    Needs,
    Prices,
    Sweep,
    closer,
    compressed,
    compressible,
    per_vector,
    write_sweep,
)
from chainplan.plans.recorder import Recorder
from chainplan.plans.replay import replay
from chainplan.problem.cost import FMA, CostModel
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.structures import Block, Dense

ANY = NEVER
"""A price that every sweep with colours is below."""
CORNERS = 8
"""Pairs of tangents and adjoints of which each is looked at."""
LONGEST = 300
"""Elementals of the longest chain of which all intervals are looked at; of longer ones, the single elementals."""


class Choices(Protocol):
    """The compressed sweeps that a chain solver chooses from."""

    def of_length(self, d: int) -> tuple[int, ...]:
        """Where the intervals of length d begin that might be swept compressed."""
        ...

    def cheaper(self, i: int, j: int, below: int) -> Sweep | None:
        """The compressed sweep of an interval, None where there is none cheaper than `below`."""
        ...


class Sweeps:
    """The compressed sweeps of a chain: `cheaper` finds that of an interval, at the price of the colours found.

    Fewer colours may be possible than were found. Where that matters for a price asked for, the chain is not `proven`;
    a solver whose prices never fall when those of sweeps rise then has its lower bound from the sweeps `at_least`.
    """

    def __init__(self, chain: tuple[Elemental, ...], cost: CostModel, in_time: InTime = None) -> None:
        self._chain, self._cost, self._in_time = chain, cost, in_time
        self._blocks: dict[int, dict[int, Block]] = {}
        self._found: dict[tuple[int, int], Sweep] = {}
        self._open: set[tuple[int, int]] = set()
        """Intervals of which colours may be possible that are fewer than those found, and than what was asked."""
        self._closer: dict[tuple[int, int, int | None, int | None], Sweep] = {}
        self._sums = tuple(_running_sums(chain, mode) for mode in Mode)
        matrix_free = [0]
        for e in chain:
            matrix_free.append(matrix_free[-1] + (not e.explicit))
        self._whole = len(chain) <= LONGEST
        longest = len(chain) if self._whole else 1
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
            if matrix_free[j] > matrix_free[i] and compressible(block):
                self._blocks.setdefault(j - i, {})[i] = block

    @property
    def moves(self) -> str:
        """The moves within which an optimum over brackets and these sweeps holds."""
        return "bracketings and coloured sweeps" if self._blocks and self._whole else "bracketings"

    @property
    def any(self) -> bool:
        """Whether there may be a compressed sweep that is worth a thought."""
        return bool(self._blocks)

    def of_length(self, d: int) -> tuple[int, ...]:
        """Where the intervals of length d begin that might be swept compressed."""
        return tuple(self._blocks.get(d, ()))

    def cheaper(self, i: int, j: int, below: int) -> Sweep | None:
        """The compressed sweep of an interval, None where there is none cheaper than `below`."""
        block = self._blocks.get(j - i, {}).get(i)
        if block is None:
            return None
        sweep = self._found_for(i, j, self._prices(i, j), below)
        if sweep is None or sweep.least >= min(sweep.price, below):
            self._open.discard((i, j))
        else:
            self._open.add((i, j))
        if sweep is None:
            return None
        self._found[i, j] = sweep
        return sweep if sweep.price < below else None

    @property
    def proven(self) -> bool:
        """Whether no colours undercut the prices found, as far as they are below what was asked."""
        return not self._open

    def at_least(self) -> AtLeast:
        """The same sweeps at prices that no colours undercut, as far as they have been asked for."""
        return AtLeast(self._found)

    def every(self, i: int, j: int) -> list[Sweep]:
        """The sweeps found for an interval: the cheapest, and those of one mode alone, which may hold less."""
        if i not in self._blocks.get(j - i, {}):
            return []
        found = [self._found_for(i, j, prices, ANY) for prices in self._each(i, j)]
        return [sweep for sweep in found if sweep is not None]

    def fewest(self, i: int, j: int) -> list[Sweep]:
        """Sweeps of which one costs and holds no more than any that there is: the `fewest` of `every` one."""
        every = self.every(i, j)
        alone = every[1:] or every
        both = [sweep for sweep in fewest(every[0]) if all(sweep.colours[2:])] if every[1:] else []
        return [*both, *(one for sweep in alone for one in fewest(sweep))]

    def closer(self, sweeps: Iterable[Sweep]) -> bool:
        """Look once more, and harder, at the colours of some sweeps; whether that changed a price or a bound."""
        changed = False
        for sweep in sweeps if self._cost is FMA else ():
            i = self._chain.index(sweep.run[0])
            j = i + len(sweep.run)
            modes = [any(pair[side] for pair in sweep.needs) for side in (0, 1)]
            tangent, adjoint = (p if there else None for p, there in zip(self._prices(i, j), modes, strict=True))
            before = self._found_for(i, j, (tangent, adjoint), ANY)
            if before is not None and (i, j, tangent, adjoint) not in self._closer:
                found = closer(before, self._blocks[j - i][i], (tangent, adjoint))
                self._closer[i, j, tangent, adjoint] = found
                changed |= found != before
        return changed

    def _found_for(self, i: int, j: int, prices: Prices, below: int) -> Sweep | None:
        known = self._closer.get((i, j, *prices))
        return known or compressed(self._chain[i:j], self._blocks[j - i][i], self._cost, below, prices, self._in_time)

    def _each(self, i: int, j: int) -> list[Prices]:
        """The prices of both modes and of each alone, or of the one there is."""
        tangent, adjoint = self._prices(i, j)
        both: list[Prices] = [(tangent, adjoint)]
        return both if tangent is None or adjoint is None else [*both, (tangent, None), (None, adjoint)]

    def _prices(self, i: int, j: int) -> Prices:
        tangent, adjoint = (None if n[j] > n[i] else total[j] - total[i] for total, n in self._sums)
        return tangent, adjoint


class AtLeast:
    """Sweeps at prices that no colours undercut: for bounds, as there may be no such plan."""

    def __init__(self, found: dict[tuple[int, int], Sweep]) -> None:
        self._found = found
        self._starts: dict[int, list[int]] = {}
        for i, j in found:
            self._starts.setdefault(j - i, []).append(i)

    def of_length(self, d: int) -> tuple[int, ...]:
        return tuple(self._starts.get(d, ()))

    def cheaper(self, i: int, j: int, below: int) -> Sweep | None:
        sweep = self._found.get((i, j))
        return sweep._replace(price=sweep.least) if sweep is not None and sweep.least < below else None


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


def fewest(sweep: Sweep) -> Iterator[Sweep]:
    """Sweeps of as few colours as might be possible, of which one needs no more of either mode than any that is.

    They stand for prices and sizes alone: whether there are such colours is not known.
    """
    for pair in _corners(sweep.needs):
        swept = (n * (per_vector(sweep.run, mode) or 0) for n, mode in zip(pair, Mode, strict=True))
        yield sweep._replace(price=max(sweep.least, sum(swept)), colours=_so_many(sweep, pair))


def _corners(needs: Needs) -> Needs:
    """Few pairs that undercut all of these: those of one mode, and the others or their common corner."""
    both = [pair for pair in needs if all(pair)]
    if len(both) > CORNERS:
        both = [(min(c for c, _ in both), min(a for _, a in both))]
    return (*(pair for pair in needs if not all(pair)), *both)


def _so_many(sweep: Sweep, pair: tuple[int, int]) -> Colours:
    """Colours of so many tangents and adjoints, for counting alone."""
    columns, rows = sweep.run[0].block.cols, sweep.run[-1].block.rows
    tangents, adjoints = pair
    return Colours(
        tuple(min(k, tangents - 1) for k in range(columns)), tuple(min(k, adjoints - 1) for k in range(rows)), *pair
    )
