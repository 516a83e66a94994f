"""The form of the schedule in a plan file, and its reader; `plans.schedule.check_schedule` proves what it claims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainplan.errors.arguments import MOST
from chainplan.io.spec_values import TEXT, OneOf, Record, Rows, whole
from chainplan.plans.bound import Bound, Status
from chainplan.plans.schedule import Schedule, Task

_NUMBERS = {"machines": whole(1, MOST), "makespan": whole(0), "bound": whole(0), "one_machine": whole(0)}
_STATUS = OneOf(Status.OPTIMAL.value, Status.FEASIBLE.value)
_TASK = Record("a task", dict.fromkeys(Task._fields, whole(0)))
SCHEDULE = Record("a schedule", {**_NUMBERS, "status": _STATUS, "within": TEXT, "tasks": Rows(_TASK)})
"""The form of what `Schedule.to_dict` writes."""


def read_schedule(raw: Mapping[str, Any]) -> Schedule:
    """Read a schedule that has the form `SCHEDULE`."""
    tasks = tuple(Task(**task) for task in raw["tasks"])
    return Schedule(
        machines=raw["machines"],
        makespan=raw["makespan"],
        lower_bound=Bound(raw["bound"], raw["within"]),
        status=Status(raw["status"]),
        one_machine=raw["one_machine"],
        tasks=tasks,
    )
