"""What is proven of a plan: the outcome of the search that made it, and a bound on all plans of a class.

They stand below results, schedules and searches, which all say how good a plan is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """Outcome of a search."""

    OPTIMAL = "optimal"
    """The plan is proven to be the cheapest of the class that `optimal_within` names (`chainplan.plans.classes`)."""
    FEASIBLE = "feasible"
    """The plan is right and keeps the limits; cheaper ones may exist."""
    INFEASIBLE = "infeasible"
    """It is proven that no plan keeps the limits."""
    BUDGET = "budget"
    """The search ended without a plan that keeps the limits, and without a proof that there is none."""


@dataclass(frozen=True)
class Bound:
    """A lower bound on all plans of the class `within` (`chainplan.plans.classes`), in the unit of what is bounded.

    Where no class is named, nothing is known, and the value is 0.
    """

    value: int = 0
    within: str | None = None

    def stronger(self, other: Bound) -> Bound:
        """The other bound where it says more, else this one."""
        return other if self.within is None or other.value > self.value else self

    def below(self, price: int) -> Bound:
        """What the bound says of a plan of this price: nothing where the plan costs less, which is of another class."""
        return self if self.within is not None and self.value <= price else NO_BOUND

    def status(self, price: int) -> Status:
        """Whether a plan of this price is proven to be optimal."""
        return Status.OPTIMAL if self.within is not None and self.value == price else Status.FEASIBLE


NO_BOUND = Bound()
"""Nothing is known of other plans."""
