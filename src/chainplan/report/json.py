"""JSON: the plan file, one line per step and task, so that two plans can be compared line by line."""

from __future__ import annotations

import json
from collections.abc import Iterable

from chainplan.io.plan_file import document
from chainplan.plans.result import Result


def render(result: Result) -> str:
    """Write the plan file of a result, with a final newline."""
    lines = []
    for name, value in document(result).items():
        if name in ("steps", "outputs") and value:
            lines.append(f"{_line(name)}: {_list(value)}")
        elif name == "programs":
            lines.append(f"{_line(name)}: {{{_programs(value)}}}")
        elif name == "schedule":
            head = _line({k: v for k, v in value.items() if k != "tasks"})
            lines.append(f'{_line(name)}: {head[:-1]}, "tasks": {_list(value["tasks"])}}}')
        else:
            lines.append(f"{_line(name)}: {_line(value)}")
    return "{" + ",\n ".join(lines) + "}\n"


def _programs(programs: dict[str, dict[str, list[object]]]) -> str:
    """Write the programs with one line per step and result."""
    return ", ".join(
        f"{_line(side)}: {{" + ", ".join(f"{_line(name)}: {_list(parts)}" for name, parts in program.items()) + "}"
        for side, program in programs.items()
    )


def _list(entries: Iterable[object]) -> str:
    """Write a list with one line per entry."""
    lines = ",\n  ".join(map(_line, entries))
    return f"[\n  {lines}\n ]"


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
