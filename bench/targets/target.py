"""What a target is: a name and a function that measures it, which yields one figure or several beside their goals.

The function is given an `Effort`, and asks it for every size and every time limit; so the same function measures a
target at its full size and, for a moment, at a small one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """How much is measured: the sample of a proof rate, and the shares of sizes and of seconds that are taken."""

    samples: int = 3
    size: float = 1.0
    seconds: float = 1.0

    @property
    def full(self) -> bool:
        """Whether sizes and seconds are those of the goals, so that figures can be judged by them."""
        return self.size == self.seconds == 1

    def sized(self, n: int, least: int = 4) -> int:
        """A number of vertices, factors, rows or steps in place of n."""
        return n if self.size == 1 else max(min(n, least), round(n * self.size))

    def within(self, seconds: float) -> float:
        """A time limit in place of so many seconds."""
        return seconds * self.seconds


@dataclass(frozen=True)
class Figure:
    """One thing measured: in words what, the figure, and the goal, which is the least or the most it is to be.

    A goal of None means that the figure is for information. `samples` is how many instances the figure is of. Where
    there is no figure, `status` says why.
    """

    measured: str
    figure: float | None = None
    goal: float | None = None
    unit: str = ""
    at_least: bool = False
    samples: int = 1
    note: str = ""
    status: str = "ok"

    @property
    def reached(self) -> str:
        """Whether the goal is reached: yes, no, or nothing where there is no figure or no goal."""
        if self.figure is None or self.goal is None:
            return ""
        return "yes" if (self.figure >= self.goal if self.at_least else self.figure <= self.goal) else "no"


Measure = Callable[[Effort], Iterator[Figure]]


@dataclass(frozen=True)
class Target:
    """A target by name, the part of the report it stands in, and how it is measured.

    `limit` are the seconds, at full effort, after which the process that measures it is stopped. `compiled` says
    whether the compiled core may be used.
    """

    name: str
    part: str
    measure: Measure
    limit: float = 120.0
    compiled: bool = True
