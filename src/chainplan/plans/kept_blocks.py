"""Programs that only multiply what the set-up of a plan keeps: what a product needs beside its vectors is made once.

A program may hold steps that do not depend on its vectors, such as loads; these move into the set-up. A plan that forms
the Jacobian gets programs that multiply its blocks.
"""

from __future__ import annotations

from dataclasses import replace
from weakref import WeakKeyDictionary

from chainplan.plans.product_orders import through_blocks
from chainplan.plans.recorder import Recorder
from chainplan.plans.second_programs import multiplied
from chainplan.plans.steps import Direction, Plan, ProductProgram, ProgramResult, Step
from chainplan.problem.graph import Mode


def multiplying(plan: Plan) -> Plan:
    """Return the plan with programs of steps that all depend on vectors; the same one for as long as the plan lives."""
    found = _MULTIPLYING.get(plan)
    if found is None:
        found = _MULTIPLYING[plan] = _kept(plan) if plan.programs else _formed(plan)
    return found


_MULTIPLYING: WeakKeyDictionary[Plan, Plan] = WeakKeyDictionary()


def _formed(plan: Plan) -> Plan:
    """Give a plan that forms the derivative the programs that multiply its blocks; its outputs are then kept blocks."""
    if plan.second is not None:
        return multiplied(plan, 0)
    programs = []
    for mode in Mode:
        recorder = Recorder(plan.graph, first=len(plan.steps))
        programs.append(recorder.program(mode, 0, through_blocks(recorder, mode, plan.outputs)))
    return replace(plan, outputs=(), programs=tuple(programs))


def _kept(plan: Plan) -> Plan:
    """Move the steps of programs that do not depend on vectors into the set-up, equal ones once."""
    first = len(plan.steps)
    setup = list(plan.steps)
    known = {(type(step), step): position for position, step in enumerate(setup)}
    split = []
    for program in plan.programs:
        place = {position: position for position in range(first)}
        own: list[tuple[int, Step]] = []
        dependent = set[int]()
        for position, step in enumerate(program.steps, first):
            if isinstance(step, Direction) or not dependent.isdisjoint(step.operands()):
                dependent.add(position)
                own.append((position, step))
                continue
            moved = step.renumbered(place)
            key = type(moved), moved
            if key not in known:
                known[key] = len(setup)
                setup.append(moved)
            place[position] = known[key]
        split.append((program, own, place))
    programs = []
    for program, own, place in split:
        place.update((position, len(setup) + i) for i, (position, _) in enumerate(own))
        steps = tuple(step.renumbered(place) for _, step in own)
        results = tuple(ProgramResult(vertex, place[step]) for vertex, step in program.results)
        programs.append(ProductProgram(program.mode, program.times, steps, results, program.second))
    return replace(plan, steps=tuple(setup), programs=tuple(programs))
