"""Targets that behave and targets that do not, in a file of their own that the processes which measure load quickly."""

from __future__ import annotations

import os
from collections.abc import Iterator

from bench.targets.target import Effort, Figure


def two(effort: Effort) -> Iterator[Figure]:
    """A figure that is small enough, and one that is not large enough."""
    yield Figure("a time", 2, 3, "s")
    yield Figure("a share", 0.5, 0.75, "share", at_least=True, samples=effort.samples)


def wrong(effort: Effort) -> Iterator[Figure]:
    """A figure, then an error."""
    yield Figure("before", 1.0)
    raise ValueError("no such thing")


def dies(effort: Effort) -> Iterator[Figure]:
    """A figure, then the end of the process."""
    yield Figure("before", 1.0)
    os._exit(3)


def endless(effort: Effort) -> Iterator[Figure]:
    """A figure named after what the compiled core is switched to, then nothing more."""
    yield Figure(os.environ.get("CHAINPLAN_COMPILED", "on"), 1.0)
    while True:
        pass
