"""A plan lowered for the executor: the kernel of every step, chosen once from the structures of its operands.

A lowered plan is kept for as long as its plan lives, so that running the plan again chooses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from chainplan._util.gc_pause import uncollected
from chainplan.execution.filling import Filler, filler
from chainplan.execution.lowering import Lowering
from chainplan.execution.plan_run import StepKernel
from chainplan.execution.releasing import wide
from chainplan.plans.liveness import evaluates, last_uses
from chainplan.plans.replay import replay
from chainplan.plans.steps import Accumulate, Load, Plan, Propagate
from chainplan.problem.graph import Elemental
from chainplan.problem.second import SIDE_WORDS, second_name, side_name
from chainplan.structures import Block

LoadedStep = tuple[int, Elemental, Filler]
"""A load, its elemental, and what brings the values of the elemental into the form of its block."""
CodedStep = tuple[int, StepKernel, tuple[int, ...]]
"""A step, its kernel and the blocks that are dropped behind it."""


@dataclass(frozen=True)
class LoweredPlan:
    """A lowered plan: its loads, and all other steps in `code`. `prices` are in fma."""

    loads: tuple[LoadedStep, ...]
    applied: tuple[Elemental, ...]
    code: tuple[CodedStep, ...]
    blocks: tuple[Block, ...]
    prices: tuple[int, ...]
    names: frozenset[str]
    evaluates: bool
    wide: int


def lowered(plan: Plan) -> LoweredPlan:
    """The kernels of a plan, kept for as long as the plan lives."""
    program = _LOWERED_PLANS.get(plan)
    if program is None:
        with uncollected():
            program = _LOWERED_PLANS[plan] = _lower(plan)
    return program


_LOWERED_PLANS: WeakKeyDictionary[Plan, LoweredPlan] = WeakKeyDictionary()


def _lower(plan: Plan) -> LoweredPlan:
    """Choose the kernel of every step."""
    graph, own = plan.graph, evaluates(plan.steps)
    replayed = replay(plan)
    lowering = Lowering(plan, replayed)
    blocks, declared, kernel = lowering.blocks, graph.declared, lowering.kernel
    loads, code = list[LoadedStep](), list[CodedStep]()
    applied: dict[str, Elemental] = {}
    for position, (step, dropped) in enumerate(zip(plan.steps, _dropped(plan, own), strict=True)):
        if type(step) is Load and not own:
            e = declared[step.elemental]
            loads.append((position, e, filler(e, blocks[position])))
            continue
        if (type(step) is Accumulate or type(step) is Propagate) and not own:
            applied[step.elemental] = graph[step.elemental]
        code.append((position, kernel(position), dropped))
    for step in (step for product in plan.programs for step in product.steps):
        if isinstance(step, Accumulate | Propagate):
            applied[step.elemental] = graph[step.elemental]
    return LoweredPlan(
        tuple(loads),
        tuple(applied.values()),
        tuple(code),
        blocks,
        replayed.prices,
        _known_names(plan),
        own,
        wide(plan, blocks),
    )


def _known_names(plan: Plan) -> frozenset[str]:
    """Return all names under which the caller may give something."""
    names = plan.graph.declared
    if plan.second is None:
        systems = [e.implicit for e in plan.graph.elementals if e.implicit is not None]
        return frozenset((*names, *(block.name for system in systems for block in system.blocks)))
    ends = (*plan.graph.inputs, *plan.graph.outputs)
    sides = (side_name(vertex, side) for vertex in ends for side in SIDE_WORDS)
    seconds = map(second_name, (*names, *(one.name for one in plan.graph.mixed)))
    return frozenset((*names, *seconds, *sides))


def _dropped(plan: Plan, own: bool) -> list[tuple[int, ...]]:
    """For each step, the blocks that no later step reads; loads are kept unless the plan evaluates states."""
    dropped: list[tuple[int, ...]] = [()] * len(plan.steps)
    for position, last in enumerate(last_uses(plan)):
        if last < len(dropped) and (own or type(plan.steps[position]) is not Load):
            dropped[last] += (position,)
    return dropped
