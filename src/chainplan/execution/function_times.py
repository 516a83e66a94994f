"""Times the functions of matrix-free elementals where they are available, instead of pricing all of them by one rate.

For the same fma one function solves with factors, another calls ten sparse kernels, and a third only picks entries, so
no rate per fma fits them all. But the time of each is close to a time per call plus a time per vector, which two
measurements determine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter

import numpy as np

from chainplan._util.arrays import Array, ArrayFunction
from chainplan.costs.timed import TimedCost
from chainplan.kernels.default_rates import FEMTOSECONDS_PER_NANOSECOND, RegimeRates
from chainplan.kernels.dispatch import WorkPart
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.values.jacobians import GivenJacobian, matrix_free

MAX_MEASURING_SECONDS = 1.0
"""Seconds that all measurements may take together; functions that get no turn keep the rate of the model."""
MAX_MEASURED_VECTORS = 64
"""Vectors of the larger of the two calls."""
MAX_MEASURED_ENTRIES = 2_000_000
"""Entries of the argument of the larger of the two calls."""
CALLS_PER_MEASUREMENT = 4
"""Calls of a measurement, of which the first warms up and the fastest counts."""


@dataclass(frozen=True)
class MeasuredCost(TimedCost):
    """A time model with some measured functions: (elemental, mode, femtoseconds per call, femtoseconds per vector)."""

    functions: tuple[tuple[str, Mode, int, int], ...] = ()

    @cached_property
    def rates(self) -> RegimeRates:
        return {**dict(self.table), "measured": (1,)}

    @cached_property
    def _times(self) -> dict[tuple[str, Mode], tuple[int, int]]:
        return {(name, mode): (call, vector) for name, mode, call, vector in self.functions}

    def called(self, elemental: Elemental, vectors: int, mode: Mode) -> WorkPart:
        known = self._times.get((elemental.name, mode))
        if known is None:
            return super().called(elemental, vectors, mode)
        return "measured", (known[0] + vectors * known[1],)


def measured(
    model: TimedCost, graph: Graph, jacobians: Mapping[str, GivenJacobian], clock: Callable[[], float] = perf_counter
) -> MeasuredCost:
    """Return the model with the measured times of the functions of a linearisation, as far as time allows."""
    times: list[tuple[str, Mode, int, int]] = []
    end = clock() + MAX_MEASURING_SECONDS
    for e in graph.useful:
        pair = None if e.explicit or e.name not in jacobians else matrix_free(e, jacobians[e.name])
        for mode, function in zip(Mode, pair or (), strict=False):
            if function is not None and e.per_vector(mode) is not None and clock() < end:
                times.append((e.name, mode, *_measure(function, e, mode, clock)))
    return MeasuredCost("measured", model.table, tuple(times))


def _measure(function: ArrayFunction, e: Elemental, mode: Mode, clock: Callable[[], float]) -> tuple[int, int]:
    """Measure the femtoseconds of a call, and of each vector in it."""
    size = e.block.cols if mode is Mode.TANGENT else e.block.rows
    many = max(2, min(MAX_MEASURED_VECTORS, MAX_MEASURED_ENTRIES // max(1, size)))
    one, several = (_least(function, _vectors(size, count, mode), clock) for count in (1, many))
    vector = max(0.0, (several - one) / (many - 1))
    scale = 1e9 * FEMTOSECONDS_PER_NANOSECOND
    return round(scale * max(0.0, one - vector)), round(scale * vector)


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
