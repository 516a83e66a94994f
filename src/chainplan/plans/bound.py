"""What is proven of a plan: the outcome of the search that made it.

It stands below results and schedules, which both say how good they are.
"""

from __future__ import annotations

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
