"""How long what a plan makes is needed: blocks, the tapes of matrix-free elementals; and whether it evaluates states.

The states themselves are in `states`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chainplan.plans.steps import Application, Move, Plan, Step
from chainplan.problem.graph import Mode


def last_uses(plan: Plan) -> list[int]:
    """For each step the last step that reads its block: itself where none does, len(steps) for an output."""
    last = list(range(len(plan.steps)))
    for position, step in enumerate(plan.steps):
        for operand in step.operands():
            last[operand] = position
    for output in plan.outputs:
        last[output.step] = len(plan.steps)
    return last


def evaluates(steps: Sequence[Step]) -> bool:
    """Whether states are evaluated by the steps rather than given."""
    return any(isinstance(step, Move) for step in steps)


def tape_spans(steps: Sequence[Step]) -> Iterator[tuple[str, int, int]]:
    """For each elemental whose adjoint is used: (name, first, last) of the steps that need its tape.

    Where states are evaluated every adjoint step records a tape of its own; where they are given, one serves from the
    first adjoint step of an elemental to the last.
    """
    adjoint = [
        (step.elemental, position)
        for position, step in enumerate(steps)
        if isinstance(step, Application) and step.mode is Mode.ADJOINT
    ]
    if evaluates(steps):
        return ((name, position, position) for name, position in adjoint)
    first, last = dict(reversed(adjoint)), dict(adjoint)
    return ((name, first[name], last[name]) for name in last)
