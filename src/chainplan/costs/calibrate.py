"""Measures the rates of this machine: it times about 64 calls per regime and fits rates by non-negative least squares.

The time of a call is the least of a few turns. Rows of the fit are weighted by 1 / time, so that relative residuals
count and small calls matter as much as large ones. (Absolute residuals, or a roofline, the maximum of two rates, were
measured to lead to worse orders than plain fma.) Each turn goes through all calls of a regime before the next turn
begins, so that a disturbance of the machine does not hit one call alone. So the operands of a call are no longer in the
caches, as the elementals of a plan are not. Products with a vector are the other way round: they repeat, with the same
blocks, and are timed behind a call of their own. A regime ends after its share of the time, with fewer turns if need
be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from chainplan.costs.sample_calls import REGIME_SAMPLES, RandomDraw, TimedCall
from chainplan.kernels.default_rates import FEMTOSECONDS_PER_NANOSECOND, REGIMES, VECTOR_REGIMES

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

POINTS_PER_REGIME = 64
"""Calls per regime that has more than one feature; others get a quarter of them."""
TURNS_PER_POINT = 5
"""Times that each call is timed, after the turn that warms up."""
MAX_CALIBRATION_SECONDS = 4.5
"""Seconds that all regimes may take together."""


@dataclass(frozen=True)
class RegimeFit:
    """The rates of a regime in femtoseconds, and how far the times of its calls are from them."""

    regime: str
    points: int
    rates: tuple[int, ...]
    residuals: tuple[float, ...]
    """For each call, its predicted time over its measured time, minus one."""

    @property
    def typical(self) -> float:
        """Root mean square of the residuals."""
        return float(np.sqrt(np.mean(np.square(self.residuals)))) if self.residuals else 0.0

    @property
    def worst(self) -> float:
        """The largest residual, of either sign."""
        return max(map(abs, self.residuals), default=0.0)


def measure(
    dtype: DTypeLike = "float64",
    seconds: float = MAX_CALIBRATION_SECONDS,
    points: int = POINTS_PER_REGIME,
    clock: Callable[[], float] = perf_counter,
    seed: int = 0,
) -> list[RegimeFit]:
    """Measure the rates of every regime on this machine, in the order of `REGIMES`.

    Parameters
    ----------
    dtype : DTypeLike
        The dtype of the values.
    seconds : float
        The time that all regimes may take together.
    points : int
        The number of calls per regime, of different sizes.
    clock : Callable[[], float]
        A function that returns seconds from an arbitrary start.
    seed : int
        The seed of the sizes and values.
    """
    draw = RandomDraw(Random(seed), np.random.default_rng(seed), np.dtype(dtype))
    fits, start = [], clock()
    for position, (regime, features) in enumerate(REGIMES.items()):
        count = points if len(features) > 1 else points // 4
        until = start + seconds * (position + 1) / len(REGIMES)
        samples = [REGIME_SAMPLES[regime](draw) for _ in range(count)]
        times = _times([sample.call for sample in samples], until, clock, warm=regime in VECTOR_REGIMES)
        fits.append(fit(regime, [sample.features for sample in samples], times))
    return fits


def fit(regime: str, features: Sequence[tuple[int, ...]], nanoseconds: Sequence[float]) -> RegimeFit:
    """Find the non-negative rates that minimise the sum of squares of the relative residuals."""
    from scipy.optimize import nnls

    times = np.maximum(np.array(nanoseconds), 1.0)
    matrix = np.array(features, float) / times[:, None]
    scale = np.maximum(np.abs(matrix).max(axis=0), 1e-300)
    scaled_rates, _ = nnls(matrix / scale, np.ones(len(times)))
    rates = tuple(round(rate * FEMTOSECONDS_PER_NANOSECOND) for rate in (scaled_rates / scale).tolist())
    residuals = matrix @ (np.array(rates) / FEMTOSECONDS_PER_NANOSECOND) - 1
    return RegimeFit(regime, len(times), rates, tuple(residuals.tolist()))


def _times(calls: Sequence[TimedCall], until: float, clock: Callable[[], float], warm: bool) -> list[float]:
    """Return the least nanoseconds of each call over all turns; the first turn warms up, a second always follows.

    Where calls are `warm`, each is timed behind a call of its own, with its operands in the caches of the processor.
    """
    best = [float("inf")] * len(calls)
    for turn in range(TURNS_PER_POINT + 1):
        for i, call in enumerate(calls):
            if turn > 1 and clock() > until:
                return best
            if warm:
                call()
            start = clock()
            call()
            if turn or clock() > until:
                best[i] = min(best[i], 1e9 * (clock() - start))
    return best
