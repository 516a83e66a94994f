"""What renderers of schedules share: they ask for the schedule of a result, and for the names of its steps."""

from __future__ import annotations

from chainplan.errors import PlanError
from chainplan.plans.result import Result
from chainplan.plans.schedule import Schedule
from chainplan.plans.steps import Plan
from chainplan.report.words.steps import step_cells


def scheduled(result: Result) -> tuple[Plan, Schedule]:
    """Return the plan of a result and its schedule.

    Raises
    ------
    PlanError
        If the result has no schedule.
    """
    if result.plan is None or result.schedule is None:
        raise PlanError(
            "schedule: found none in this result; expected one to draw. Plan for a number of machines: plan(problem, "
            "machines=2), --machines 2."
        )
    return result.plan, result.schedule


def step_name(result: Result, position: int) -> str:
    """Name a step in words, with the ends of its block."""
    assert result.plan is not None
    assert result.replay is not None
    typed = result.replay.blocks[position]
    leads = f"{typed.source} -> {typed.target}".replace("\0", "")
    return f"#{position} {' '.join(step_cells(result.plan.steps[position]))}: {leads}"
