"""What follows from the programs of a plan: what each step makes and costs, and how many elements are alive at it.

A program begins with the blocks that the set-up keeps. These live through every program, whichever of them reads them,
because products of both sides may be asked for in any order; so do the tapes of all elementals that some program
applies as adjoints. A load in a program is alive there alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from chainplan.errors import PlanError
from chainplan.errors.arguments import describe
from chainplan.plans.liveness import evaluates, last_uses, tape_spans
from chainplan.plans.second_steps import SecondStep
from chainplan.plans.steps import (
    PROGRAM_STEP_KINDS,
    STEP_KINDS,
    Again,
    Application,
    Load,
    Plan,
    ProductProgram,
    word_of,
)
from chainplan.plans.typed import SIDE_ENDS, VECTOR_SIDE, Broken, Typed, Typing
from chainplan.problem.cost import CostModel
from chainplan.problem.graph import Mode
from chainplan.structures.second import Side


@dataclass(frozen=True)
class ProgramReplay:
    """What follows from a program: the block, the price and the elements alive for each of its own steps, and adds."""

    program: ProductProgram
    blocks: tuple[Typed, ...]
    prices: tuple[int, ...]
    adds: int
    alive: tuple[int, ...]

    @property
    def price(self) -> int:
        """The price of one product."""
        return sum(self.prices)

    @property
    def total(self) -> int:
        """The price of all products for which the plan is priced."""
        return self.program.times * self.price


class ProductPrices(NamedTuple):
    """What a plan for products costs: its set-up once, and one product on each side, None where it has no program."""

    setup: int
    per_right: int | None
    per_left: int | None


def replay_programs(plan: Plan, made: Sequence[Typed], cost: CostModel) -> tuple[ProgramReplay, ...]:
    """Replay the programs of a plan whose set-up has made these blocks.

    Raises
    ------
    PlanError
        Where a step breaks a rule of the plan language, or a result is none; the message names program and step.
    """
    if not plan.programs:
        return ()
    linearising = any(isinstance(step, Load | Application) for program in plan.programs for step in program.steps)
    if linearising and evaluates(plan.steps):
        raise PlanError(
            "programs: found elementals in them behind a set-up that moves states; expected states that are given. "
            "Plan again."
        )
    if any(program.second != (plan.second is not None) for program in plan.programs):
        raise PlanError("programs: found products of another derivative than the plan's; expected its own. Plan again.")
    if len({program.mode for program in plan.programs}) < len(plan.programs):
        raise PlanError("programs: found two of one side; expected at most one for each. Plan again.")
    every = tuple(_typed(plan, program, made, cost) for program in plan.programs)
    return tuple(_alive(plan, replayed, made) for replayed in every)


def kept_elements(plan: Plan, made: Sequence[Typed]) -> int:
    """Count the elements of blocks, tapes and factors that live from the set-up through every program."""
    tapes = plan.graph.factor_elements + sum(plan.graph[name].tape for name in kept_tapes(plan))
    return tapes + sum(
        typed.block.nnz
        for step, typed, last in zip(plan.steps, made, last_uses(plan), strict=True)
        if last == len(plan.steps) and not isinstance(step, Again)
    )


def kept_tapes(plan: Plan) -> set[str]:
    """Return the elementals whose tapes live through every program."""
    return {name for program in plan.programs for name, _, _ in tape_spans(program.steps)}


def _typed(plan: Plan, program: ProductProgram, made: Sequence[Typed], cost: CostModel) -> ProgramReplay:
    """Type the steps of a program, and check its results."""
    typing = Typing(plan.graph, (*plan.steps, *program.steps), cost, program.mode, plan.second)
    typing.made.extend(made)
    prices, adds = list[int](), 0
    for position, step in enumerate(program.steps, len(plan.steps)):
        where = f"program {program.name}, step {position}"
        if type(step) not in PROGRAM_STEP_KINDS or (isinstance(step, SecondStep) and not program.second):
            found = f"a {word_of(type(step))}" if type(step) in STEP_KINDS else describe(step)
            raise PlanError(f"{where}: found {found}; expected a step that multiplies or adds blocks and vectors.")
        try:
            typed, price, added = step.accept(typing)
        except Broken as broken:
            raise PlanError(f"{where}: {broken}") from None
        typing.made.append(typed)
        prices.append(price)
        adds += added
    _check_results(plan, program, typing.made)
    return ProgramReplay(program, tuple(typing.made[len(plan.steps) :]), tuple(prices), adds, ())


def _check_results(plan: Plan, program: ProductProgram, made: Sequence[Typed]) -> None:
    """Refuse results at vertices of the wrong side, that stand twice, or whose step holds something else."""
    at_outputs = program.mode is Mode.TANGENT and not program.second
    ends = plan.graph.outputs if at_outputs else plan.graph.inputs
    seen = set[str]()
    for vertex, step in program.results:
        where = f"program {program.name}, result '{vertex}'"
        if vertex not in ends or vertex in seen:
            what = "listed twice" if vertex in seen else f"no {'output' if at_outputs else 'input'} of the problem"
            raise PlanError(f"{where}: it is {what}; expected each once. Plan again.")
        seen.add(vertex)
        if not 0 <= step < len(made):
            raise PlanError(f"{where}: step {step} does not exist; expected 0 to {len(made) - 1}.")
        held = made[step]
        far = weighted_end(plan) if program.second else VECTOR_SIDE
        place = (vertex, far) if at_outputs else (far, vertex)
        if (held.target, held.source) != place or held.special != "vector":
            raise PlanError(f"{where}: step {step} does not hold the product there; expected {program.name}.")


def weighted_end(plan: Plan) -> str:
    """Return where the one row of a second derivative is that vectors are multiplied by: at its weights or output."""
    weighted = plan.second is not None and plan.second.weights
    return SIDE_ENDS[Side.ROWS] if weighted else plan.graph.outputs[0]


def _alive(plan: Plan, replayed: ProgramReplay, made: Sequence[Typed]) -> ProgramReplay:
    """Count the elements alive at each step of a program."""
    first, steps = len(plan.steps), replayed.program.steps
    last = list(range(len(steps)))
    for position, step in enumerate(steps):
        for operand in step.operands():
            if operand >= first:
                last[operand - first] = position
    for result in replayed.program.results:
        if result.step >= first:
            last[result.step - first] = len(steps)
    for position in reversed(range(len(steps))):
        step = steps[position]
        if isinstance(step, Again) and step.arg >= first:
            last[step.arg - first] = max(last[step.arg - first], last[position])
    change = [0] * (len(steps) + 2)
    change[0] = kept_elements(plan, made)
    for position, end in enumerate(last):
        size = 0 if isinstance(steps[position], Again) else replayed.blocks[position].block.nnz
        change[position] += size
        change[end + 1] -= size
    alive = tuple(accumulate(change[: len(steps)]))
    return ProgramReplay(replayed.program, replayed.blocks, replayed.prices, replayed.adds, alive)
