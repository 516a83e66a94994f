"""Times functions and kernels where the values are there, instead of pricing all of them by the rates of a table.

For the same fma one function solves with factors, another calls ten sparse kernels, and a third only picks entries, so
no rate per fma fits them all. The time of each grows with the number of vectors, often faster once they leave a cache,
so it is measured at several widths and taken as straight in between. Products of matrices run at rates that depend on
their shapes and on what ran before: those of a plan are timed within its own runs (`step_times`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from time import perf_counter

import numpy as np

from chainplan._util.arrays import Array, ArrayFunction
from chainplan.costs.timed import TimedCost
from chainplan.kernels.default_rates import FEMTOSECONDS_PER_NANOSECOND, RegimeRates
from chainplan.kernels.dispatch import WorkPart
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.structures import Block
from chainplan.values.jacobians import GivenJacobian, matrix_free

MAX_MEASURING_SECONDS = 1.0
"""Seconds that all measurements may take together; functions that get no turn keep the rate of the model."""
MEASURED_WIDTHS = (1, 8, 64)
"""Vectors of the calls that are timed."""
MAX_MEASURED_ENTRIES = 2_000_000
"""Entries of the argument of the largest call that is timed."""
CALLS_PER_MEASUREMENT = 4
"""Calls of a measurement, of which the first warms up and the fastest counts."""

WidthTimes = tuple[tuple[int, int], ...]
"""Numbers of vectors, increasing, with the femtoseconds of a call on so many; more vectors take no less."""


@dataclass(frozen=True)
class MeasuredCost(TimedCost):
    """A time model with some measured functions, each with its times, and products of blocks with femtoseconds."""

    functions: tuple[tuple[str, Mode, WidthTimes], ...] = ()
    products: tuple[tuple[Block, Block, int], ...] = ()

    @cached_property
    def rates(self) -> RegimeRates:
        return {**dict(self.table), "measured": (1,)}

    @cached_property
    def _times(self) -> dict[tuple[str, Mode], WidthTimes]:
        return {(name, mode): times for name, mode, times in self.functions}

    @cached_property
    def _products(self) -> dict[tuple[Hashable, Hashable], int]:
        scale = FEMTOSECONDS_PER_NANOSECOND
        return {(left.mark, right.mark): round(time / scale) for left, right, time in self.products}

    def called(self, elemental: Elemental, vectors: int, mode: Mode) -> WorkPart:
        known = self._times.get((elemental.name, mode))
        if known is None:
            return super().called(elemental, vectors, mode)
        return "measured", (at_width(known, vectors),)

    def multiply(self, left: Block, right: Block, result: Block | None = None) -> int:
        known = self._products.get((left.mark, right.mark)) if self.products else None
        return super().multiply(left, right, result) if known is None else known


def at_width(times: WidthTimes, vectors: int) -> int:
    """Return the femtoseconds of a call on some vectors, on the straight line between the measured ones around it.

    Beyond the last one the line goes on, and a single one is taken to grow in proportion.
    """
    place = bisect_left(times, (vectors, 0))
    if place < len(times) and (times[place][0] == vectors or place == 0):
        return times[place][1]
    if len(times) == 1:
        return times[0][1] * vectors // times[0][0]
    (before, low), (after, high) = times[place - 1 : place + 1] if place < len(times) else times[-2:]
    return low + (high - low) * (vectors - before) // (after - before)


def width_times(times: Mapping[int, int]) -> WidthTimes:
    """Return times by numbers of vectors in order; one that is less than that of fewer vectors takes its place."""
    widths = sorted(times)
    return tuple(zip(widths, accumulate((times[width] for width in widths), max), strict=True))


def measured(
    model: TimedCost, graph: Graph, jacobians: Mapping[str, GivenJacobian], clock: Callable[[], float] = perf_counter
) -> MeasuredCost:
    """Return the model with the measured times of the functions of a linearisation, as far as time allows."""
    times: list[tuple[str, Mode, WidthTimes]] = []
    end = clock() + MAX_MEASURING_SECONDS
    for e in graph.useful:
        pair = None if e.explicit or e.name not in jacobians else matrix_free(e, jacobians[e.name])
        for mode, function in zip(Mode, pair or (), strict=False):
            if function is not None and e.per_vector(mode) is not None and clock() < end:
                times.append((e.name, mode, _measure(function, e, mode, clock, end)))
    return MeasuredCost("measured", model.table, tuple(times))


def _measure(function: ArrayFunction, e: Elemental, mode: Mode, clock: Callable[[], float], end: float) -> WidthTimes:
    """Measure the femtoseconds of calls on several numbers of vectors, on one at least."""
    size = e.block.cols if mode is Mode.TANGENT else e.block.rows
    found = dict[int, int]()
    for width in MEASURED_WIDTHS:
        if not found or (width * size <= MAX_MEASURED_ENTRIES and clock() < end):
            seconds = _least(function, _vectors(size, width, mode), clock)
            found[width] = round(1e9 * FEMTOSECONDS_PER_NANOSECOND * seconds)
    return width_times(found)


def _least(function: ArrayFunction, block: Array, clock: Callable[[], float]) -> float:
    """Return the seconds of the fastest call, without the first."""
    times = []
    for _ in range(CALLS_PER_MEASUREMENT):
        start = clock()
        function(block)
        times.append(clock() - start)
    return min(times[1:])


def _vectors(size: int, count: int, mode: Mode) -> Array:
    """Make columns for a tangent, or rows for an adjoint, without zeros that a function could skip."""
    ones = np.ones((size, count) if mode is Mode.TANGENT else (count, size))
    return ones / (1 + np.arange(ones.size).reshape(ones.shape))
