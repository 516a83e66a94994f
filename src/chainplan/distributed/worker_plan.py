"""A plan as workers have it: its steps, shapes and forms, but no lists of patterns.

Patterns are most of a large sparse plan, and a worker needs few of them: a product of sparse arrays takes its lists
from its operands. Those that a kernel reads besides travel to the tasks of its step alone, like blocks.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from weakref import WeakKeyDictionary

from chainplan.execution.filling import filler
from chainplan.execution.lowering import Lowering, ProductWay, product_way
from chainplan.execution.plan_run import PlanRun, StepKernel
from chainplan.kernels.storage import HeldValues, StorageForm
from chainplan.plans.candidate import Candidate
from chainplan.plans.liveness import evaluates
from chainplan.plans.replay import Replay
from chainplan.plans.steps import Decompress, Load, Multiply, Plan, Step
from chainplan.plans.typed import Compression, Typed
from chainplan.problem.graph import Graph
from chainplan.structures import Block
from chainplan.structures.absent_pattern import AbsentPattern, without_lists
from chainplan.structures.explicit import Explicit
from chainplan.values.jacobians import GivenJacobian


@dataclass(frozen=True, eq=False)
class WorkerPlan:
    """A plan without lists, what follows from it, and how its products are computed."""

    plan: Plan
    replayed: Replay
    ways: Mapping[int, ProductWay]

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the plan."""
        return self.plan.steps

    @property
    def graph(self) -> Graph:
        """The graph, with shapes and without lists."""
        return self.plan.graph

    def block(self, position: int) -> Block:
        """The block of a step, without its lists."""
        return self.replayed.blocks[position].block

    def kernel(self, position: int) -> StepKernel:
        """The kernel of a step, made once in this process.

        Raises
        ------
        PatternWanted
            Where it reads lists that are not at hand.
        """
        with _LOWERING_LOCK:
            if self not in _LOWERINGS:
                _LOWERINGS[self] = Lowering(self.plan, self.replayed, self.ways), {}
            lowering, kernels = _LOWERINGS[self]
            if position not in kernels:
                kernels[position] = lowering.kernel(position)
            return kernels[position]

    def fill(self, position: int, given: GivenJacobian, dtype: str) -> HeldValues:
        """What was given for a load, checked and in the form of its block; errors are also those of `kernel`."""
        step = self.steps[position]
        assert isinstance(step, Load), "only loads are given"
        take = filler(self.graph.declared[step.elemental], self.block(position))
        return take(given, PlanRun(0, {}, dtype))


_LOWERING_LOCK = Lock()
_LOWERINGS: WeakKeyDictionary[WorkerPlan, tuple[Lowering, dict[int, StepKernel]]] = WeakKeyDictionary()


class PlanPatterns:
    """The patterns of a plan that stay in the process that runs it, and which steps read their lists.

    Parameters
    ----------
    plan : Plan
        The plan.
    replayed : Replay
        What follows from it.
    """

    def __init__(self, plan: Plan, replayed: Replay) -> None:
        self._plan, self._listed = plan, dict[Hashable, Block]()
        steps = [(position, step) for position, step in enumerate(plan.steps) if isinstance(step, Multiply)]
        made = ((position, product_way(replayed, position, step)) for position, step in steps)
        ways = {position: way._replace(block=without_lists(way.block)) for position, way in made if way is not None}
        lean = replace(plan, graph=plan.graph.with_blocks(without_lists))
        blocks = tuple(map(_without_lists, replayed.blocks))
        self.placed = WorkerPlan(lean, Replay(blocks, (), 0, lean), ways)
        self._read = {
            position: tuple(map(self._noted, _read_lists(plan, position, replayed.blocks, ways)))
            for position in range(len(plan.steps))
        }

    def without_lists(self, candidate: Candidate) -> Candidate:
        """The same plan with its prices, and with blocks that hold no lists."""
        made = Candidate(self.placed.plan, candidate.cost)
        prices = candidate.priced.prices
        made.__dict__.update(replay=self.placed.replayed, priced=replace(self.placed.replayed, prices=prices))
        return made

    def read_by(self, steps: Sequence[int]) -> tuple[Hashable, ...]:
        """The marks of the patterns whose lists the kernels of some steps read."""
        return tuple(dict.fromkeys(mark for step in steps for mark in self._read[step]))

    def of_load(self, position: int) -> Hashable | None:
        """The mark of the pattern of a load, None where it has no lists."""
        step = self._plan.steps[position]
        assert isinstance(step, Load), "only loads are given"
        block = self._plan.graph.declared[step.elemental].block
        return self._noted(block) if isinstance(without_lists(block).structure, AbsentPattern) else None

    def lists(self, mark: Hashable) -> Explicit:
        """The pattern of a mark."""
        block = self._listed[mark]
        return Explicit(block.structure.pattern(block.rows, block.cols))

    def size(self, mark: Hashable) -> int:
        """The bytes of the lists of a pattern on their way, roughly."""
        block = self._listed[mark]
        return 8 * block.nnz + 4 * block.rows

    def nonzeros(self, mark: Hashable) -> int:
        """The number of entries of a pattern."""
        return self._listed[mark].nnz

    def _noted(self, block: Block) -> Hashable:
        """The mark of a listed block, which is remembered by it."""
        structure = without_lists(block).structure
        assert isinstance(structure, AbsentPattern), "asked of listed blocks"
        self._listed[structure.wanted] = block
        return structure.wanted


def _without_lists(typed: Typed) -> Typed:
    """The block of a step without its lists."""
    special = typed.special
    if isinstance(special, Compression):
        special = special._replace(whole=without_lists(special.whole))
    return typed._replace(block=without_lists(typed.block), special=special)


def _read_lists(plan: Plan, position: int, blocks: Sequence[Typed], ways: Mapping[int, ProductWay]) -> list[Block]:
    """The listed blocks whose lists the kernel of a step reads.

    They are blocks that pick, those that are decompressed, and those that a state gives values, which are checked.
    """
    read, step = list[Block](), plan.steps[position]
    if isinstance(step, Load) and evaluates(plan.steps):
        read = [plan.graph.declared[step.elemental].block]
    elif isinstance(step, Decompress):
        read = [blocks[position].block]
    elif isinstance(step, Multiply) and position in ways:
        left, right = blocks[step.left].block, blocks[step.right].block
        of_matrix = StorageForm.DENSE in ways[position].route[1:3]
        read = [block for block in (left, right) if of_matrix and block.structure.units is not None]
    return [block for block in read if isinstance(without_lists(block).structure, AbsentPattern)]
