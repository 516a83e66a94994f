"""Times of several calls, in turns, so that a disturbance of the machine does not hit one of them alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

LEAST, MOST = 5, 50
"""Turns: so many unless a call takes long, and no more."""
FILLED = 0.1
"""Seconds of a call after which no turn is added to the least number."""
LONG = 3.0
"""Seconds of a call after which it has no further turn at all."""


@dataclass(frozen=True)
class Turns:
    """The seconds of each turn of a call."""

    seconds: tuple[float, ...]

    @property
    def least(self) -> float:
        """The fastest turn: everything that disturbs makes a call slower."""
        return min(self.seconds)


def in_turns(calls: Mapping[str, Callable[[], object]], clock: Callable[[], float] = perf_counter) -> dict[str, Turns]:
    """Call each in turn until all have had enough; every one is called once at least, and should be warm."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(MOST):
        for name, call in calls.items():
            spent = sum(found[name])
            if not turn or spent < (LONG if turn < LEAST else FILLED):
                start = clock()
                call()
                found[name].append(clock() - start)
    return {name: Turns(tuple(seconds)) for name, seconds in found.items()}
