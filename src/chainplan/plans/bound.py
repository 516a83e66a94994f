"""The status of a plan, which says what the search has proven, and the lower bound on all plans of a class.

Both stand below results, schedules and searches, because all of these say how good a plan is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """The outcome of a search.

    Examples
    --------
    >>> import chainplan
    >>> chainplan.plan(chainplan.chain([2, 3, 4])).status
    <Status.OPTIMAL: 'optimal'>
    """

    OPTIMAL = "optimal"
    """The plan is proven to be the cheapest of the class in `optimal_within` (`chainplan.plans.classes`)."""
    FEASIBLE = "feasible"
    """The plan is right and keeps the limits; cheaper ones may exist."""
    INFEASIBLE = "infeasible"
    """It is proven that no plan keeps the limits."""
    BUDGET = "budget"
    """The search ended without a plan that keeps the limits, and without a proof that there is none."""


AFTER_ACCUMULATION = " after accumulation"
"""What the name of a class ends with where every matrix-free elemental is accumulated first."""


@dataclass(frozen=True)
class Bound:
    """A lower bound on all plans of the class `within` (`chainplan.plans.classes`), in the unit of what is bounded.

    A bound without a class says nothing, and its value is 0. One that is `sure` holds although some nonzeros are only
    counted from above; any other holds where all counts are exact.
    """

    value: int = 0
    within: str | None = None
    sure: bool = False

    def stronger(self, other: Bound) -> Bound:
        """Return the other bound where it says more, else this one."""
        return other if self.within is None or other.value > self.value else self

    def below(self, price: int) -> Bound:
        """Return the bound as it holds for a plan of this price; a cheaper plan is in another class, so none holds."""
        return self if self.within is not None and self.value <= price else NO_BOUND

    def counted(self, exact: bool) -> Bound:
        """Return the bound as it holds on a graph whose counts are exact or not."""
        return self if exact or self.sure else NO_BOUND

    def status(self, price: int) -> Status:
        """Return the status of a plan of this price, which is optimal where the price equals the bound.

        No plan is called the optimum of a class in which every matrix-free elemental is accumulated first: plans that
        propagate blocks through them may cost less, and are the ones to compare with.
        """
        proven = self.within is not None and self.value == price and not self.within.endswith(AFTER_ACCUMULATION)
        return Status.OPTIMAL if proven else Status.FEASIBLE


NO_BOUND = Bound()
"""The bound where nothing is known about other plans."""
