"""What a function of the suite `code` is: how it is called, at which points, and how it is stepped in time.

All are written in JAX, of one vector, as its users write them. CasADi and SymPy get them line by line as they were
traced, before any derivative is taken, so that all start from the same operations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainplan._util.arrays import Array

Vector = Any
"""A vector of JAX."""


@dataclass(frozen=True)
class CodeFunction:
    """A function of a vector of `n` entries, and the range in which each entry of a point lies."""

    name: str
    source: str
    n: int
    call: Callable[[Vector], Vector]
    low: Array
    high: Array

    def points(self, count: int, seed: int = 0) -> Array:
        """Return random points, as count x n."""
        return np.random.default_rng(seed).uniform(self.low, self.high, (count, self.n))


def function(
    name: str, source: str, n: int, call: Callable[[Vector], Vector], low: Any = 0.2, high: Any = 0.9
) -> CodeFunction:
    """Make a function; a range that is one number is that of all entries."""
    return CodeFunction(name, source, n, call, np.broadcast_to(low, (n,)), np.broadcast_to(high, (n,)))


def runge_kutta(rate: Callable[[Vector, Vector], Vector], states: int, step: float) -> Callable[[Vector], Vector]:
    """Return a step of the classical method of order four, of states and controls in one vector."""

    def stepped(z: Vector) -> Vector:
        x, u = z[:states], z[states:]
        k1 = rate(x, u)
        k2 = rate(x + step / 2 * k1, u)
        k3 = rate(x + step / 2 * k2, u)
        k4 = rate(x + step * k3, u)
        return x + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    return stepped


def of_one_vector(rate: Callable[[Vector, Vector], Vector], states: int) -> Callable[[Vector], Vector]:
    """Return a rate as a function of states and controls in one vector."""
    return lambda z: rate(z[:states], z[states:])
