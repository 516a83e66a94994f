"""Names the unit of an objective as reports write it."""

from __future__ import annotations

from chainplan.problem.problem import Problem


def in_fma(problem: Problem) -> bool:
    """Say whether the objective counts fma, so that its prices need no figure in fma beside them."""
    return problem.cost.unit == "fma"


def unit_text(problem: Problem) -> str:
    """Return the unit of the objective in short."""
    return problem.cost.short_unit
