"""JSON: the plan file, one line per step, so that two plans can be compared line by line."""

from __future__ import annotations

import json
from typing import Any

from chainplan.frontends.plan_file import document
from chainplan.result import Result


def render(result: Result) -> str:
    """The plan file of a result, with a final newline."""
    lines = []
    for name, value in document(result).items():
        if name in ("steps", "outputs") and value:
            entries = ",\n  ".join(_line(entry) for entry in value)
            lines.append(f"{_line(name)}: [\n  {entries}\n ]")
        else:
            lines.append(f"{_line(name)}: {_line(value)}")
    return "{" + ",\n ".join(lines) + "}\n"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
