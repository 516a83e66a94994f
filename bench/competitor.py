"""What takes part in a benchmark: something that turns the sizes of a chain into an order of multiplying it.

The clock runs from the list of sizes to the order in the competitor's own form, so that everyone pays for building the
input it needs. The cost is derived afterwards, by `bench.costs`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from time import perf_counter
from typing import Any


@dataclass(frozen=True)
class Order:
    """An order found: its cost in multiplications and the seconds that the search took."""

    cost: int
    seconds: float


@dataclass(frozen=True)
class Competitor(ABC):
    """One way of ordering a chain.

    `longest` is the largest number of factors it is asked to order: about what it does in a minute. `seeds` are the
    seeds it is run with; one that draws no random numbers has a single seed and ignores it.
    """

    name: str
    longest: int | None = None
    seeds: tuple[int, ...] = (0,)
    module: str = "chainplan"

    @abstractmethod
    def search(self, sizes: Sequence[int], seed: int) -> Any:
        """Find an order; this is what is timed."""

    @abstractmethod
    def price(self, sizes: Sequence[int], found: Any) -> int:
        """Cost of what `search` found."""

    def order(self, sizes: Sequence[int], seed: int = 0) -> Order:
        """Order a chain."""
        start = perf_counter()
        found = self.search(sizes, seed)
        seconds = perf_counter() - start
        return Order(self.price(sizes, found), seconds)

    def absent(self, n: int) -> str | None:
        """Why it does not run on a chain of n factors, or None where it does."""
        if find_spec(self.module) is None:
            return f"{self.module} is not installed"
        if self.longest is not None and n > self.longest:
            return f"limit n <= {self.longest}"
        return None
