"""The schedule of a plan file: its form, and how it is read; what it claims is proven by `schedule.check_schedule`."""

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
"""What `Schedule.to_dict` writes."""


def read_schedule(raw: Mapping[str, Any]) -> Schedule:
    """A schedule that has the form."""
    tasks = tuple(Task(**task) for task in raw["tasks"])
    return Schedule(
        machines=raw["machines"],
        makespan=raw["makespan"],
        lower_bound=Bound(raw["bound"], raw["within"]),
        status=Status(raw["status"]),
        one_machine=raw["one_machine"],
        tasks=tasks,
    )
