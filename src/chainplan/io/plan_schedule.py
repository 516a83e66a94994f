"""The form of the schedule in a plan file, and its reader; `plans.schedule.check_schedule` proves what it claims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainplan.errors.arguments import MAX_OPTION_COUNT
from chainplan.io.spec_values import TEXT_FORM, ListForm, RecordForm, WordForm, whole
from chainplan.plans.bound import Bound, Status
from chainplan.plans.schedule import Schedule, Task

_SCHEDULE_NUMBER_FORMS = {
    "machines": whole(1, MAX_OPTION_COUNT),
    "makespan": whole(0),
    "bound": whole(0),
    "one_machine": whole(0),
}
_SCHEDULE_STATUS_FORM = WordForm(Status.OPTIMAL.value, Status.FEASIBLE.value)
_TASK_FORM = RecordForm("a task", dict.fromkeys(Task._fields, whole(0)))
SCHEDULE_FORM = RecordForm(
    "a schedule",
    {**_SCHEDULE_NUMBER_FORMS, "status": _SCHEDULE_STATUS_FORM, "within": TEXT_FORM, "tasks": ListForm(_TASK_FORM)},
    {"bandwidth": whole(1)},
)
"""The form of what `Schedule.to_dict` writes."""


def read_schedule(raw: Mapping[str, Any]) -> Schedule:
    """Read a schedule that has the form `SCHEDULE_FORM`."""
    tasks = tuple(Task(**task) for task in raw["tasks"])
    return Schedule(
        machines=raw["machines"],
        makespan=raw["makespan"],
        lower_bound=Bound(raw["bound"], raw["within"]),
        status=Status(raw["status"]),
        one_machine=raw["one_machine"],
        tasks=tasks,
        bandwidth=raw.get("bandwidth"),
    )
