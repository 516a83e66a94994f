"""The schedule of a plan file, read from parsed JSON; what it claims is proven by `schedule.check_schedule`."""

from __future__ import annotations

from typing import Any, Protocol

from chainplan.errors import SpecError
from chainplan.result import Status
from chainplan.schedule import Schedule, Task

_NUMBERS = ("machines", "makespan", "bound", "one_machine")
_WORDS = ("status", "within")


class Fields(Protocol):
    """Takes fields out of parsed JSON, or raises SpecError."""

    source: str

    def expect(self, value: Any, kind: type, where: str, what: str) -> Any: ...
    def field(self, raw: dict[str, Any], prefix: str, name: str, kind: type) -> Any: ...


def read_schedule(fields: Fields, raw: Any) -> Schedule:
    """A schedule of the form that `Schedule.to_dict` writes.

    Raises
    ------
    SpecError
        Where it does not have the form.
    """
    fields.expect(raw, dict, "schedule", "an object")
    _require_known(fields, raw, "schedule.", (*_NUMBERS, *_WORDS, "tasks"))
    machines, makespan, bound, one_machine = (fields.field(raw, "schedule.", name, int) for name in _NUMBERS)
    status, within = (fields.field(raw, "schedule.", name, str) for name in _WORDS)
    known = (Status.OPTIMAL.value, Status.FEASIBLE.value)
    if status not in known:
        text = f"schedule.status is '{status[:40]}'; expected {' or '.join(known)}."
        raise SpecError(f"{fields.source}: {text}")
    tasks = fields.field(raw, "schedule.", "tasks", list)
    read = tuple(_task(fields, task, f"schedule.tasks[{i}]") for i, task in enumerate(tasks))
    return Schedule(machines, makespan, bound, Status(status), within, one_machine, read)


def _task(fields: Fields, raw: Any, where: str) -> Task:
    fields.expect(raw, dict, where, "an object")
    _require_known(fields, raw, f"{where}.", Task._fields)
    return Task(*(fields.field(raw, f"{where}.", name, int) for name in Task._fields))


def _require_known(fields: Fields, raw: dict[str, Any], prefix: str, names: tuple[str, ...]) -> None:
    unknown = raw.keys() - {*names}
    if unknown:
        text = f"{prefix}{min(unknown)[:40]} is no field of a schedule; expected {', '.join(names)}."
        raise SpecError(f"{fields.source}: {text}")
