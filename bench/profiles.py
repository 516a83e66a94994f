"""Performance profiles: for each factor tau the share of instances on which a solver is within tau of the best.

Dolan & Moré, "Benchmarking optimization software with performance profiles", Mathematical Programming 91, 2002. The
best is the least value that any of the solvers has on the instance; a solver without a value there never comes within
reach of it, so what it was not run on counts against it.
"""

from __future__ import annotations

from collections.abc import Mapping

from bench.charts import Series

Values = Mapping[str, Mapping[str, float]]
"""By solver and instance: what is compared, positive, the less the better."""


def over_best(values: Values) -> dict[str, dict[str, float]]:
    """Each value over the least of its instance."""
    best: dict[str, float] = {}
    for found in values.values():
        for instance, value in found.items():
            best[instance] = min(value, best.get(instance, value))
    return {who: {i: 1.0 if v == best[i] else v / best[i] for i, v in found.items()} for who, found in values.items()}


def profiles(values: Values, longest: float | None = None) -> tuple[Series, ...]:
    """A curve per solver from tau = 1 to the greatest tau of any, or to `longest`; the points are its corners."""
    ratios = over_best(values)
    count = len({instance for found in ratios.values() for instance in found})
    greatest = max((tau for found in ratios.values() for tau in found.values()), default=1.0)
    end = greatest if longest is None else min(longest, greatest)
    return tuple(Series(who, _corners(sorted(found.values()), count, end)) for who, found in ratios.items())


def _corners(taus: list[float], count: int, end: float) -> tuple[tuple[float, float], ...]:
    shares = {1.0: 0.0}
    for position, tau in enumerate(taus):
        if tau <= end:
            shares[tau] = (position + 1) / count
    last = list(shares.values())[-1]
    return (*shares.items(), *(() if end in shares else ((end, last),)))
