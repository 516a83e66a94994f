"""A problem with sentences on the file that it was read from, for what a format states and a problem does not hold."""

from __future__ import annotations

from dataclasses import dataclass, fields

from chainplan.problem.problem import Problem


@dataclass(frozen=True)
class NotedProblem(Problem):
    """A problem, and what reports say of the file behind it; `of_model` where that is a trained model."""

    notes: tuple[str, ...] = ()
    of_model: bool = False


def noted(problem: Problem, notes: tuple[str, ...], of_model: bool = False) -> Problem:
    """Return a problem with notes, or as it is where nothing is to be said."""
    if not notes and not of_model:
        return problem
    given = {field.name: getattr(problem, field.name) for field in fields(Problem)}
    return NotedProblem(**given, notes=notes, of_model=of_model)
