"""A plan lowered for the executor: the kernel of every step, chosen once from the structures of its operands.

A lowered plan is kept for as long as its plan lives, so that running the plan again chooses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from weakref import WeakKeyDictionary

from chainplan._util.gc_pause import uncollected
from chainplan.execution.lowering import Lowering, StepKernel
from chainplan.execution.releasing import wide
from chainplan.plans.liveness import evaluates, last_uses
from chainplan.plans.program_replay import replay_programs
from chainplan.plans.replay import Replay, replay
from chainplan.plans.steps import Accumulate, Load, Output, Plan, ProductProgram, Propagate
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Elemental
from chainplan.structures import Block, Dense

LoadedStep = tuple[int, Elemental, tuple[int, int] | None, Block]
"""A load, its elemental, the shape of the elemental where any array of that shape will do, and its block."""
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
            program = _LOWERED_PLANS[plan] = _lower(plan, replay(plan))
    return program


_LOWERED_PLANS: WeakKeyDictionary[Plan, LoweredPlan] = WeakKeyDictionary()


def lowered_program(plan: Plan, program: ProductProgram, vectors: int) -> LoweredPlan:
    """The kernels of a program of a plan for so many vectors at once; its steps have their numbers in the program.

    The steps of the set-up have none, because their values are there when the program runs; `blocks` are those of both.
    """
    setup = replay(plan)
    own = next(one for one in replay_programs(plan, setup.blocks, FMA, vectors) if one.program is program)
    whole = replace(plan, steps=(*plan.steps, *program.steps), programs=())
    made = replace(setup, blocks=(*setup.blocks, *own.blocks), prices=(*setup.prices, *own.prices), programs=())
    kept = tuple(Output("", "", result.step) for result in program.results)
    with uncollected():
        return _lower(replace(whole, outputs=kept), made, len(plan.steps))


def _lower(plan: Plan, replayed: Replay, first: int = 0) -> LoweredPlan:
    """Choose the kernel of every step from the position `first` on."""
    graph, own = plan.graph, evaluates(plan.steps)
    lowering = Lowering(plan, replayed)
    blocks, declared, kernel = lowering.blocks, graph.declared, lowering.kernel
    loads, code = list[LoadedStep](), list[CodedStep]()
    applied: dict[str, Elemental] = {}
    every = enumerate(zip(plan.steps, _dropped(plan, own, first), strict=True))
    for position, (step, dropped) in islice(every, first, None):
        if type(step) is Load and not own:
            e = declared[step.elemental]
            rows, cols, structure = e.block
            loads.append((position, e, (rows, cols) if type(structure) is Dense else None, blocks[position]))
            continue
        if (type(step) is Accumulate or type(step) is Propagate) and not own:
            applied[step.elemental] = graph[step.elemental]
        code.append((position, kernel(position), dropped))
    return LoweredPlan(
        tuple(loads),
        tuple(applied.values()),
        tuple(code),
        blocks,
        replayed.prices,
        frozenset(declared),
        own,
        wide(plan, blocks),
    )


def _dropped(plan: Plan, own: bool, first: int) -> list[tuple[int, ...]]:
    """For each step, the blocks that no later step reads, of those from the position `first` on.

    Loads are kept unless the plan evaluates states.
    """
    dropped: list[tuple[int, ...]] = [()] * len(plan.steps)
    for position, last in enumerate(last_uses(plan)):
        if first <= position and last < len(dropped) and (own or type(plan.steps[position]) is not Load):
            dropped[last] += (position,)
    return dropped
