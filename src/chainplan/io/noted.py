"""A problem with sentences on the file that it was read from, for what a format states and a problem does not hold."""

from __future__ import annotations

from dataclasses import dataclass, fields

from chainplan.problem.problem import Problem


@dataclass(frozen=True)
class NotedProblem(Problem):
    """A problem, and what reports say of the file behind it."""

    notes: tuple[str, ...] = ()


def noted(problem: Problem, notes: tuple[str, ...]) -> Problem:
    """Return a problem with notes, or as it is where there are none."""
    if not notes:
        return problem
    return NotedProblem(**{field.name: getattr(problem, field.name) for field in fields(Problem)}, notes=notes)
