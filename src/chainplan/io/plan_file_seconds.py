"""The second derivatives of a plan file: which step holds each block of them.

The steps are those of the file, of both orders in one list. A file has the field `second_outputs` exactly where its
problem asks for second derivatives; a block that is zero is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainplan.plans.steps import Plan, SecondOutput
from chainplan.problem.problem import Problem


def seconds_document(problem: Problem, plan: Plan | None) -> dict[str, Any]:
    """Write what a plan file says of second derivatives; nothing where none are asked for."""
    if problem.second is None:
        return {}
    ends = () if plan is None else plan.second_outputs
    return {
        "second_outputs": [{"output": one.output, "left": one.left, "right": one.right, "id": one.step} for one in ends]
    }


def read_seconds(root: Mapping[str, Any]) -> tuple[SecondOutput, ...]:
    """Return the outputs of second order of a plan file."""
    return tuple(
        SecondOutput(raw["output"], raw["left"], raw["right"], raw["id"]) for raw in root.get("second_outputs", ())
    )
