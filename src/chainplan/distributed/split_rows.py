"""Splits the blocks that do not fit into the memory of a worker by rows, and refuses steps that cannot be split.

left · right can be computed for some rows of the left operand at a time, and so can an adjoint of a block. The right
operand is needed whole. Only matrices are split, because blocks in other forms are small. The refusal comes before
anything is computed.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainplan.errors import ExecutionError
from chainplan.kernels.storage import StorageForm, form
from chainplan.plans.candidate import Candidate
from chainplan.plans.steps import Again, Load, Multiply, Plan, Propagate, Step, word_of
from chainplan.problem.graph import Mode
from chainplan.structures import Block

WORKER_MEMORY_SHARE = 0.5
"""Share of a worker's memory that the blocks of one task may take; the rest is left to libraries and other tasks."""


@dataclass(frozen=True)
class TaskRoom:
    """The bytes that the blocks of a task may take, None without a limit, and the bytes per element."""

    limit: int | None
    itemsize: int

    def parts(self, candidate: Candidate) -> dict[int, int]:
        """The number of parts, by rows, into which the result of each step that does not fit is split.

        Raises
        ------
        ExecutionError
            Where a step cannot be made to fit.
        """
        if self.limit is None:
            return {}
        plan, blocks = candidate.plan, [typed.block for typed in candidate.replay.blocks]
        sizes = [self.bytes(block) for block in blocks]
        split: dict[int, int] = {}
        for position, step in enumerate(plan.steps):
            if isinstance(step, Load):
                if sizes[position] > self.limit:
                    split[position] = self._split(plan, position, (), sizes, blocks)
                continue
            args = set(step.operands())
            if sizes[position] + sum(sizes[arg] for arg in args) > self.limit:
                split[position] = self._split(plan, position, rowwise(step), sizes, blocks)
        return split

    def large(self, candidate: Candidate) -> frozenset[int]:
        """The steps whose blocks take so much memory that no other step should share their task."""
        if self.limit is None:
            return frozenset()
        plan, sizes = candidate.plan, [self.bytes(typed.block) for typed in candidate.replay.blocks]
        takes = [
            size + sum(sizes[arg] for arg in step.operands()) for size, step in zip(sizes, plan.steps, strict=True)
        ]
        return frozenset(position for position, size in enumerate(takes) if 4 * size > self.limit)

    def bytes(self, block: Block) -> int:
        """The bytes that a block takes in the form in which it is held."""
        return (block.rows * block.cols if form(block) is StorageForm.DENSE else block.nnz) * self.itemsize

    def _split(
        self, plan: Plan, position: int, along: tuple[int, ...] | None, sizes: list[int], blocks: list[Block]
    ) -> int:
        """The number of parts of a step whose operands `along` can be split by rows with it; None where none can be."""
        assert self.limit is not None, "asked only where there is a limit"
        step = plan.steps[position]
        whole = [] if along is None else [sizes[arg] for arg in set(step.operands()) if arg not in along]
        parted = [] if along is None else [position, *along]
        left = self.limit - sum(whole)
        rows = blocks[position].rows
        matrices = all(form(blocks[arg]) is StorageForm.DENSE for arg in parted)
        need = sum(sizes[arg] for arg in parted)
        if along is not None and matrices and left > 0 and -(-need // left) <= rows:
            return -(-need // left)
        total = sizes[position] + sum(sizes[arg] for arg in set(step.operands()))
        raise ExecutionError(
            f"step {position} ({word_of(type(step))}): its blocks take {_shown(total)}, and it cannot be split "
            f"to fit; a task may take {_shown(self.limit)}, {WORKER_MEMORY_SHARE:.0%} of the smallest worker. "
            "Use larger workers."
        )


def rowwise(step: Step) -> tuple[int, ...] | None:
    """The operands of which a step needs only the rows that it makes; None where its result cannot be split."""
    match step:
        case Multiply(left, _, onto):
            return (left,) if onto is None else (left, onto)
        case Propagate(_, arg, Mode.ADJOINT) | Again(arg):
            return (arg,)
    return None


def _shown(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
