"""Times several calls in turns, so that a disturbance of the machine does not hit one of them alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

MIN_TURNS, MAX_TURNS = 5, 50
"""The number of turns is at least LEAST, unless a call takes long, and at most MOST."""
SECONDS_FOR_FEWEST_TURNS = 0.1
"""Seconds spent on a call after which it gets no more than LEAST turns."""
SECONDS_FOR_ONE_TURN = 3.0
"""Seconds spent on a call after which it gets no further turn at all."""


@dataclass(frozen=True)
class TurnSeconds:
    """The seconds of each turn of a call."""

    seconds: tuple[float, ...]

    @property
    def least(self) -> float:
        """The seconds of the fastest turn, because every disturbance makes a call slower."""
        return min(self.seconds)


def in_turns(
    calls: Mapping[str, Callable[[], object]], clock: Callable[[], float] = perf_counter
) -> dict[str, TurnSeconds]:
    """Time each call in turn until all have had enough turns; each gets at least one, and should be warm already."""
    measured: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(MAX_TURNS):
        for name, call in calls.items():
            spent = sum(measured[name])
            if not turn or spent < (SECONDS_FOR_ONE_TURN if turn < MIN_TURNS else SECONDS_FOR_FEWEST_TURNS):
                start = clock()
                call()
                measured[name].append(clock() - start)
    return {name: TurnSeconds(tuple(seconds)) for name, seconds in measured.items()}
