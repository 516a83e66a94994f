"""`chainplan check PLAN`: prove a saved plan again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chainplan_cli.common import FILE, Report, progress_shown

if TYPE_CHECKING:
    from chainplan.problem import Problem
    from chainplan.schedule import Schedule

BUDGET = 10.0
"""Seconds for proving optimality again."""


@click.command()
@click.argument("plan", type=FILE)
def command(plan: str) -> int:
    """Prove that PLAN (made by 'chainplan plan --format json') computes the Jacobian and costs what it claims.

    Every path must be counted exactly once, every figure must follow from the steps, the limits must be kept. A claim
    of optimality is tested by planning again where an exact solver takes the problem.
    """
    from chainplan.errors import PlanError
    from chainplan.frontends.plan_file import verify
    from chainplan.frontends.table import read_plan
    from chainplan.planner import plan as plan_again
    from chainplan.replayer import replay
    from chainplan.result import Status
    from chainplan.summary import timed, unit_text

    saved = read_plan(plan)
    replayed = verify(saved)
    assert saved.plan is not None
    problem, unit = saved.problem, unit_text(saved.problem)
    price = replay(saved.plan, problem.cost).total
    model = f"{price:,} ns by '{problem.cost.objective}', " if timed(problem) else ""
    said = f"{plan}: right: {model}{replayed.total:,} fma, {replayed.adds:,} adds, peak {replayed.peak:,} elements"
    if saved.document["status"] == Status.OPTIMAL.value:
        with progress_shown() as report:
            again = plan_again(saved.problem, budget=BUDGET, progress=report)
        comparable = again.optimal_within == saved.document["optimal_within"]
        explicit = all(e.explicit for e in saved.problem.graph.useful)
        cheaper = again.price is not None and again.price < price
        if again.price is not None and cheaper and (comparable or explicit):
            raise PlanError(f"{plan}: claims to be optimal, but '{again.solver}' finds {again.price:,} {unit}.")
        said += f"; optimal: proven again within {again.within}" if comparable else "; optimality is not proven again"
    if saved.schedule is not None:
        with progress_shown() as report:
            said += f"; {_scheduled(plan, saved.problem, saved.schedule, report)}"
    click.echo(said)
    return 0


def _scheduled(plan: str, problem: Problem, schedule: Schedule, report: Report) -> str:
    """What to say of a schedule that has been checked; a claim of optimality is tested by planning again."""
    from chainplan.errors import PlanError
    from chainplan.planner import plan as plan_again
    from chainplan.summary import unit_text

    said = f"scheduled on {schedule.machines:,} machines in {schedule.makespan:,} {unit_text(problem)}"
    if not schedule.optimal or schedule.this_plan:
        return said
    again = plan_again(problem, budget=BUDGET, progress=report, machines=schedule.machines).schedule
    assert again is not None
    if again.makespan < schedule.makespan:
        text = f"schedule: claims to be optimal, but one of {again.makespan:,} {unit_text(problem)} is found."
        raise PlanError(f"{plan}: {text}")
    proven = again.optimal and again.within == schedule.within
    return said + (f", optimal: proven again within {again.within}" if proven else ", optimality is not proven again")
