"""A plan lowered for the executor: the kernel of every step, chosen once from the structures of its operands.

A lowered plan is kept for as long as its plan lives, so that running the plan again chooses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from chainplan._util.gc_pause import uncollected
from chainplan.execution.lowering import Lowering, StepKernel
from chainplan.execution.releasing import wide
from chainplan.plans.liveness import evaluates, last_uses
from chainplan.plans.replay import replay
from chainplan.plans.steps import Accumulate, Load, Plan, Propagate
from chainplan.problem.graph import Elemental
from chainplan.structures import Block, Dense

CodedStep = tuple[int, StepKernel, tuple[int, ...]]
"""A step, its kernel and the blocks that are dropped behind it."""


@dataclass(frozen=True)
class LoweredPlan:
    """A lowered plan.

    `loads` holds the step, the elemental, its shape where any array of that shape will do, and its block. `code` holds
    all other steps with their kernels and the blocks that are dropped behind each. `prices` are in fma.
    """

    loads: tuple[tuple[int, Elemental, tuple[int, int] | None, Block], ...]
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
    blocks = tuple(typed.block for typed in replayed.blocks)
    dropped: dict[int, tuple[int, ...]] = {}
    for position, (step, last) in enumerate(zip(plan.steps, last_uses(plan), strict=True)):
        if (own or type(step) is not Load) and last < len(plan.steps):
            dropped[last] = (*dropped.get(last, ()), position)
    loads, code, lowering = [], [], Lowering(plan, replayed)
    applied: dict[str, Elemental] = {}
    for position, step in enumerate(plan.steps):
        if type(step) is Load and not own:
            e = graph.declared[step.elemental]
            dense = type(e.block.structure) is Dense
            loads.append((position, e, (e.block.rows, e.block.cols) if dense else None, blocks[position]))
            continue
        if isinstance(step, Accumulate | Propagate) and not own:
            applied[step.elemental] = graph[step.elemental]
        code.append((position, lowering.kernel(position), dropped.get(position, ())))
    names = frozenset(e.name for e in graph.elementals)
    return LoweredPlan(
        tuple(loads), tuple(applied.values()), tuple(code), blocks, replayed.prices, names, own, wide(plan, blocks)
    )
