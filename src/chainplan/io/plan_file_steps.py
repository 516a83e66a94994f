"""The steps of a plan file: each as an object of what it decides and of the figures that follow from it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple

from chainplan.io.plan_file_fields import FIELDS, STEP_TYPES
from chainplan.plans.candidate import Candidate
from chainplan.plans.steps import ProductProgram, Step
from chainplan.plans.typed import Typed
from chainplan.problem.cost import FMA, CostModel

_STEP_WORDS = {kind: op for op, kind in STEP_TYPES.items()}


class StepList(NamedTuple):
    """The steps of a plan, of its set-up or of a program, with what follows from them; the first has the id `first`."""

    first: int
    steps: tuple[Step, ...]
    blocks: tuple[Typed, ...]
    fma: tuple[int, ...]
    prices: tuple[int, ...]
    cost: CostModel

    def documents(self) -> Iterator[dict[str, Any]]:
        """Write the steps."""
        for place, step in enumerate(self.steps):
            yield {"id": self.first + place, **step_words(step), **self.figures(place)}

    def figures(self, place: int) -> dict[str, Any]:
        """Return what a plan file says of a step beyond the decision that the step is."""
        typed, block = self.blocks[place], self.blocks[place].block
        second = None if typed.second is None else typed.second.block
        return {
            "rows": block.rows,
            **({"cols": block.cols} if second is None else {"cols": second.left, "right_cols": second.right}),
            "structure": block.structure.brief(block.rows, block.cols),
            "fma": self.fma[place],
            **({} if self.cost is FMA else {self.cost.unit: self.prices[place]}),
        }


def step_words(step: Step) -> dict[str, Any]:
    """Return the decision that a step is."""
    fields = {k: v.value if isinstance(v, Enum) else v for k, v in step._asdict().items()}
    return {"op": _STEP_WORDS[type(step)], **fields}


def listed(candidate: Candidate) -> StepList:
    """List the steps of a plan, or of its set-up where it has programs."""
    replayed = candidate.replay
    prices = candidate.priced.prices
    return StepList(0, candidate.plan.steps, replayed.blocks, replayed.prices, prices, candidate.cost)


def listed_programs(candidate: Candidate) -> Iterator[tuple[ProductProgram, StepList]]:
    """Yield the programs of a plan, each with its steps."""
    first = len(candidate.plan.steps)
    for replayed, priced in zip(candidate.replay.programs, candidate.priced.programs, strict=True):
        program = replayed.program
        prices = replayed.prices, priced.prices
        yield program, StepList(first, program.steps, replayed.blocks, *prices, candidate.cost)


def read_step(raw: dict[str, Any]) -> Step:
    """Make a step of what a plan file says."""
    op = raw["op"]
    return STEP_TYPES[op](*(field.value(raw[name]) for name, field in FIELDS[op].items()))
