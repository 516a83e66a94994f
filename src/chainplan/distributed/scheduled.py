"""Says on which machine a schedule has each step of a plan run, and refuses the schedule of another plan.

Times of a schedule are in the unit of its objective, and workers are not as fast as planned. So a schedule decides
where a step runs and which of two goes first there, not when.
"""

from __future__ import annotations

from collections.abc import Mapping

from chainplan.errors import ExecutionError, PlanError
from chainplan.errors.arguments import refuse
from chainplan.plans.liveness import evaluates
from chainplan.plans.replay import replay
from chainplan.plans.schedule import Schedule, Task, check_machines, check_precedence
from chainplan.plans.steps import Load, Plan


def scheduled_tasks(plan: Plan, schedule: object) -> Mapping[int, Task]:
    """Return the tasks of a schedule by the steps of the plan.

    Raises
    ------
    ExecutionError
        Where the schedule is not one of the plan.
    ArgumentError
        Where it is no schedule.
    """
    if not isinstance(schedule, Schedule):
        raise refuse("schedule", schedule, "a schedule", "Pass result.schedule of plan(..., machines=2), say.")
    if evaluates(plan.steps):
        raise _foreign("a plan that evaluates its states one after the other", "none for it")
    of_plan = [not isinstance(step, Load) for step in plan.steps]
    tasks: dict[int, Task] = {}
    for task in schedule.tasks:
        if not 0 <= task.id < len(of_plan) or not of_plan[task.id]:
            raise _foreign(f"step {task.id}, which the plan does not have or loads")
        if task.id in tasks:
            raise _foreign(f"step {task.id} twice")
        if not 0 <= task.machine < schedule.machines:
            raise _foreign(f"machine {task.machine} of {schedule.machines}")
        tasks[task.id] = task
    for position, fma in enumerate(replay(plan).prices):
        if fma and position not in tasks:
            raise _foreign(f"no step {position}, which costs {fma:,} fma")
    try:
        check_precedence(plan, tasks)
        check_machines(schedule)
    except PlanError as error:
        raise _foreign(str(error).removeprefix("schedule.").removesuffix(".")) from None
    return tasks


def require_enough(schedule: Schedule, workers: int | None) -> None:
    """Refuse a schedule of more machines than there are workers; None where nobody knows how many.

    Raises
    ------
    ExecutionError
        Where a machine would have no worker.
    """
    if workers is not None and workers < schedule.machines:
        raise ExecutionError(
            f"schedule: found {schedule.machines} machines and {workers} workers; expected a worker for each machine. "
            f"Start more workers, or plan with machines={workers}."
        )


def _foreign(found: str, expected: str = "the schedule of this plan") -> ExecutionError:
    return ExecutionError(
        f"schedule: found {found}; expected {expected}. Pass result.schedule of the result that has the plan."
    )
