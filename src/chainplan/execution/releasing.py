"""What a run hands over: outputs that are the caller's own, in a size that he knows of.

An output may be the very array that was given, a view of it, what a function keeps for itself, or the same as another
output; writing to it would then change what nobody expects to change. It is copied unless the run alone can reach it,
which the interpreter's own count of references says.
"""

from __future__ import annotations

from collections.abc import Sequence
from sys import getrefcount

import numpy as np

from chainplan.errors import ExecutionError
from chainplan.execution.lowering import Run
from chainplan.kernels.convert import as_matrix, diagonal
from chainplan.kernels.storage import Form, HeldValues, form
from chainplan.plans.steps import Plan
from chainplan.structures import Block
from chainplan.values.jacobians import is_sparse

WIDEST = 4 * 2**30
"""Bytes that outputs may take as matrices, where they are held in a smaller form, without being asked for."""


def require_narrow(entries: int, dense: bool | None, run: Run) -> None:
    """Refuse to write out as matrices what would take more than `WIDEST`, where nothing was said of it.

    Raises
    ------
    ExecutionError
        Saying what to pass.
    """
    if dense is None and entries * 16 > WIDEST and entries * run.dtype.itemsize > WIDEST:
        raise ExecutionError(
            f"dense: the Jacobian takes {entries * run.dtype.itemsize:,} bytes as matrices; expected at most "
            f"{WIDEST:,} where nothing is said. Pass dense=False to have it as the plan holds it, or dense=True to "
            "have it written out all the same."
        )


def wide(plan: Plan, blocks: Sequence[Block]) -> int:
    """Entries of the outputs that are held in a smaller form than a matrix, written out."""
    ends = (blocks[output.step] for output in plan.outputs)
    return sum(b.rows * b.cols for b in ends if form(b) is not Form.MATRIX)


def released(
    values: Sequence[HeldValues], position: int, block: Block, dense: bool, run: Run, held: bool
) -> HeldValues:
    """An output as the caller gets it: his own, which shares memory with nothing else that anyone can reach.

    What only `values` refers to is handed over as it is; `held` says that it is needed again.
    """
    value = values[position]
    if dense and form(block) is not Form.MATRIX:
        return as_matrix(value, block, run.dtype)
    if value is None:
        zero = block.structure.name == "zero"
        return as_matrix(value, block, run.dtype) if zero else diagonal(value, block, run.dtype)
    if is_sparse(value):
        return value.copy()  # its indices are those of a plan
    del value
    return np.array(values[position]) if held or not _alone(values, position) else values[position]


def _alone(values: Sequence[HeldValues], position: int) -> bool:
    """Whether an array, or what it is a view of, can be reached through nothing but `values`.

    There is then one reference to it beside that of the question.
    """
    if type(values[position]) is not np.ndarray or getrefcount(values[position]) > 2:
        return False
    if values[position].base is None:
        return bool(values[position].flags.owndata and values[position].flags.writeable)
    base = type(values[position].base) is np.ndarray and values[position].base.flags.owndata
    return bool(base and values[position].flags.writeable and getrefcount(values[position].base) <= 2)
