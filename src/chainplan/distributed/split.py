"""Splits the steps whose blocks do not fit into the memory of a worker, and refuses those that cannot be split.

left · right can be computed for some rows of the left operand at a time, for some columns of the right one, or for a
part of the inner dimension, whose products are added up. A tangent is split by columns, an adjoint by rows. Of the ways
that fit, the one that moves the fewest bytes is taken. Only matrices and sparse matrices are cut, because blocks in
other forms are small. The refusal comes before anything is computed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import NamedTuple, TypeVar

from chainplan.errors import ExecutionError
from chainplan.kernels.storage import StorageForm, form
from chainplan.plans.candidate import Candidate
from chainplan.plans.steps import Accumulate, Add, Again, Load, Multiply, Propagate, Step, word_of
from chainplan.problem.graph import Mode
from chainplan.structures import Block

WORKER_MEMORY_SHARE = 0.5
"""Share of a worker's memory that the blocks of one task may take; the rest is left to libraries and other tasks."""
SPARSE_INDEX_BYTES = 4
"""Bytes of the column of a nonzero in a sparse matrix."""
CUT_FORMS = (StorageForm.DENSE, StorageForm.SPARSE)
"""The forms of blocks that can be cut."""


class Axis(Enum):
    """The dimension along which a step is split: the rows or columns of its result, or the inner one of a product."""

    ROWS = 0
    COLS = 1
    INNER = 2


class StepSplit(NamedTuple):
    """The dimension along which a step is split, and into how many parts."""

    axis: Axis
    parts: int


class _SplitWay(NamedTuple):
    """A split that fits, with the bytes that it moves."""

    moved: int
    split: StepSplit


def slots(step: Step) -> tuple[int, ...]:
    """The operands of a step in the order of its fields; one that is read twice stands there twice."""
    match step:
        case Multiply(left, right, onto):
            return (left, right) if onto is None else (left, right, onto)
        case Add(left, right):
            return (left, right)
    return step.operands()


def cuts(step: Step, axis: Axis) -> tuple[Axis | None, ...] | None:
    """For each slot the axis along which it is cut with the step, None where it is needed whole.

    None in place of all where the step cannot be split so. What a product is added onto is not cut with the inner
    dimension, but added at the end.
    """
    match step, axis:
        case Multiply(), Axis.ROWS:
            return (axis, None, axis)[: len(slots(step))]
        case Multiply(), Axis.COLS:
            return (None, axis, axis)[: len(slots(step))]
        case Multiply(), Axis.INNER:
            return (Axis.COLS, Axis.ROWS)
        case ((Add() | Again()), (Axis.ROWS | Axis.COLS)):
            return (axis,) * len(slots(step))
        case ((Propagate(mode=Mode.ADJOINT) | Accumulate(mode=Mode.ADJOINT)), Axis.ROWS):
            return (axis,) * len(slots(step))
        case ((Propagate(mode=Mode.TANGENT) | Accumulate(mode=Mode.TANGENT)), Axis.COLS):
            return (axis,) * len(slots(step))
    return None


def ranges(size: int, parts: int) -> list[tuple[int, int]]:
    """Ranges of almost the same length."""
    return list(pairwise(size * i // parts for i in range(parts + 1)))


RangedPiece = TypeVar("RangedPiece")


def overlap(
    pieces: Sequence[tuple[int, int, RangedPiece]], start: int, stop: int
) -> tuple[tuple[tuple[int, int, RangedPiece], ...], tuple[tuple[int, int], ...]]:
    """The pieces that hold a range, and the part of the range that is in each, counted from its first line."""
    found = tuple(piece for piece in pieces if piece[0] < stop and piece[1] > start) or tuple(pieces[:1])
    return found, tuple((max(a, start) - a, min(b, stop) - a) for a, b, _ in found)


@dataclass(frozen=True)
class TaskRoom:
    """The bytes that the blocks of a task may take, None without a limit, and the bytes per element."""

    limit: int | None
    itemsize: int

    def splits(self, candidate: Candidate, whole: Collection[str] = ()) -> dict[int, StepSplit]:
        """How each step is split whose blocks do not fit.

        Parameters
        ----------
        candidate : Candidate
            The plan.
        whole : Collection[str]
            The matrix-free elementals that must not be split.

        Returns
        -------
        dict
            The splits by step.

        Raises
        ------
        ExecutionError
            Where a step cannot be made to fit.
        """
        if self.limit is None:
            return {}
        blocks = [typed.block for typed in candidate.replay.blocks]
        sizes = self._sizes(candidate)
        return {
            position: self._split(position, step, sizes, blocks, whole)
            for position, step in enumerate(candidate.plan.steps)
            if not isinstance(step, Load) and self._taken(position, step, sizes) > self.limit
        }

    def large(self, candidate: Candidate) -> frozenset[int]:
        """The steps whose blocks take so much memory that no other step should share their task."""
        if self.limit is None:
            return frozenset()
        sizes = self._sizes(candidate)
        steps = enumerate(candidate.plan.steps)
        return frozenset(position for position, step in steps if 4 * self._taken(position, step, sizes) > self.limit)

    def _sizes(self, candidate: Candidate) -> list[int]:
        """The bytes of the block of each step; a large pattern that was given is known better than a plan counts it."""
        own, steps = candidate.plan.graph.declared, candidate.plan.steps
        sizes = [self.bytes(typed.block) for typed in candidate.replay.blocks]
        return [
            min(size, self.bytes(own[step.elemental].block)) if isinstance(step, Load) else size
            for size, step in zip(sizes, steps, strict=True)
        ]

    def bytes(self, block: Block) -> int:
        """The bytes that a block takes in the form in which it is held."""
        kind = form(block)
        if kind is StorageForm.DENSE:
            return block.rows * block.cols * self.itemsize
        if kind is StorageForm.SPARSE:
            return block.nnz * (self.itemsize + SPARSE_INDEX_BYTES) + SPARSE_INDEX_BYTES * block.rows
        return block.nnz * self.itemsize

    def _taken(self, position: int, step: Step, sizes: list[int]) -> int:
        """The bytes of the result of a step and of all that it reads."""
        return sizes[position] + sum(sizes[arg] for arg in set(step.operands()))

    def _split(
        self, position: int, step: Step, sizes: list[int], blocks: list[Block], whole: Collection[str]
    ) -> StepSplit:
        """The split of a step that moves the fewest bytes."""
        axes = () if isinstance(step, Accumulate | Propagate) and step.elemental in whole else Axis
        ways = [way for axis in axes if (way := self._way(position, step, axis, sizes, blocks)) is not None]
        if ways:
            return min(ways, key=lambda way: (way.moved, way.split.axis.value)).split
        assert self.limit is not None, "asked only where there is a limit"
        raise ExecutionError(
            f"step {position} ({word_of(type(step))}): its blocks take {_shown(self._taken(position, step, sizes))}, "
            f"and it cannot be split to fit; a task may take {_shown(self.limit)}, {WORKER_MEMORY_SHARE:.0%} of the "
            "smallest worker. Use larger workers."
        )

    def _way(self, position: int, step: Step, axis: Axis, sizes: list[int], blocks: list[Block]) -> _SplitWay | None:
        """The split of a step along an axis, None where it does not fit."""
        cut, result = cuts(step, axis), blocks[position]
        if cut is None or not _cuttable(step, cut, [blocks[arg] for arg in slots(step)], result):
            return None
        assert self.limit is not None, "asked only where there is a limit"
        inner = axis is Axis.INNER
        along = list(zip(slots(step), cut, strict=False))
        whole = sum(sizes[arg] for arg in {arg for arg, by in along if by is None})
        parted = sum(sizes[arg] for arg, by in along if by is not None)
        if isinstance(step, Accumulate):
            parted += self.itemsize * (result.rows if axis is Axis.ROWS else result.cols) ** 2
        left = self.limit - whole - (sizes[position] if inner else 0)
        need = parted + (0 if inner else sizes[position])
        length = blocks[slots(step)[0]].cols if inner else (result.rows, result.cols)[axis.value]
        if left <= 0 or -(-need // left) > length or (inner and 3 * sizes[position] > self.limit):
            return None
        parts = -(-need // left)
        return _SplitWay(parted + parts * (whole + (sizes[position] if inner else 0)), StepSplit(axis, parts))


def line_axis(step: Accumulate | Propagate, blocks: Sequence[Block], position: int) -> Axis | None:
    """The axis along which a matrix-free elemental treats each line by itself; None where its blocks cannot be cut."""
    axis = Axis.COLS if step.mode is Mode.TANGENT else Axis.ROWS
    cut = cuts(step, axis)
    assert cut is not None, "columns of tangents and rows of adjoints"
    return axis if _cuttable(step, cut, [blocks[arg] for arg in slots(step)], blocks[position]) else None


def _cuttable(step: Step, cut: tuple[Axis | None, ...], read: list[Block], result: Block) -> bool:
    """Say whether blocks are held in forms that can be cut."""
    forms = [form(block) for block in read]
    if not isinstance(step, Multiply):
        return {*forms, form(result)} <= {StorageForm.DENSE}
    parted = [kind for kind, by in zip(forms, cut, strict=False) if by is not None]
    others = CUT_FORMS if StorageForm.SPARSE in parted or Axis.INNER.value == len(cut) else tuple(StorageForm)
    return {*parted, form(result)} <= set(CUT_FORMS) and set(forms[:2]) <= {*others, *parted}


def _shown(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
