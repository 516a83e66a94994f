"""Names the unit of an objective as reports write it."""

from __future__ import annotations

from chainplan.problem.problem import Problem


def timed(problem: Problem) -> bool:
    """Say whether the objective is a time rather than fma."""
    return problem.cost.unit != "fma"


def unit_text(problem: Problem) -> str:
    """Return the unit of the objective in short."""
    return "ns" if timed(problem) else "fma"
