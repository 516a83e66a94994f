"""The unit that an objective counts in, in the words of a screen."""

from __future__ import annotations

from chainplan.problem.problem import Problem


def timed(problem: Problem) -> bool:
    """Whether the objective is a time rather than fma."""
    return problem.cost.unit != "fma"


def unit_text(problem: Problem) -> str:
    """The unit of the objective, short."""
    return "ns" if timed(problem) else "fma"
