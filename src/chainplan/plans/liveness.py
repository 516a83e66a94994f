"""Says how long a plan needs its blocks and the tapes of matrix-free elementals, and whether it evaluates states.

`states` says how long each state is alive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chainplan.plans.second_steps import ApplySecond
from chainplan.plans.state_steps import STATE_STEP_KINDS
from chainplan.plans.steps import APPLICATION_KINDS, Accumulate, Again, Plan, Propagate, Step
from chainplan.problem.graph import Mode


def last_uses(plan: Plan) -> list[int]:
    """Return, for each step, the last step that reads its block: itself where none does, len(steps) where it is kept.

    Kept are outputs, and what a program reads. A block that stands again elsewhere is read wherever it does.
    """
    last = list(range(len(plan.steps)))
    for position, step in enumerate(plan.steps):
        for operand in step.operands():
            last[operand] = position
    for end in plan.ends:
        last[end] = len(plan.steps)
    for position in kept(plan):
        last[position] = len(plan.steps)
    if Again in set(map(type, plan.steps)):
        for position in range(len(plan.steps) - 1, -1, -1):
            if isinstance(step := plan.steps[position], Again):
                last[step.arg] = max(last[step.arg], last[position])
    return last


def kept(plan: Plan) -> set[int]:
    """Return the steps of the set-up that some program reads."""
    read = (operand for program in plan.programs for step in program.steps for operand in step.operands())
    results = (result.step for program in plan.programs for result in program.results)
    return {position for position in (*read, *results) if position < len(plan.steps)}


def evaluates(steps: Sequence[Step]) -> bool:
    """Say whether the steps evaluate states, which are given otherwise."""
    return not STATE_STEP_KINDS.isdisjoint(map(type, steps))


def tape_spans(steps: Sequence[Step]) -> Iterator[tuple[str, int, int]]:
    """Yield (name, first, last) for each elemental whose adjoint is used: its tape is needed from first to last step.

    Where the plan evaluates states, every adjoint step records a tape of its own. Where states are given, one tape
    serves from the first adjoint step of an elemental to the last.
    """
    if not {ApplySecond, *APPLICATION_KINDS}.intersection(map(type, steps)):
        return iter(())
    adjoint = [
        (step.elemental, position)
        for position, step in enumerate(steps)
        if isinstance(step, Accumulate | Propagate | ApplySecond) and step.mode is Mode.ADJOINT
    ]
    if evaluates(steps):
        return ((name, position, position) for name, position in adjoint)
    first, last = dict(reversed(adjoint)), dict(adjoint)
    return ((name, first[name], last[name]) for name in last)
