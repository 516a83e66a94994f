"""Hands the outputs of a run over to the caller: as arrays of his own, and of no size that would surprise him.

An output may be an array that was given, a view of it, an array that a function keeps, or the same array as another
output; writing to it would then change something that nobody expects to change. So an output is copied unless only the
run can reach it, which the interpreter's count of references tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from sys import getrefcount

import numpy as np

from chainplan.errors import ExecutionError
from chainplan.execution.plan_run import PlanRun
from chainplan.kernels.convert import as_matrix, diagonal
from chainplan.kernels.storage import HeldValues, StorageForm, form
from chainplan.plans.steps import Plan
from chainplan.structures import Block, Shifts
from chainplan.structures.second import SecondBlock
from chainplan.values.jacobians import is_sparse
from chainplan.values.shifts_block import shifts_of_values

MAX_UNASKED_MATRIX_BYTES = 4 * 2**30
"""Bytes that outputs in a smaller form may take as matrices, unless the caller asks for matrices."""


def require_narrow(entries: int, dense: bool | None, run: PlanRun) -> None:
    """Refuse to write out matrices of more than `MAX_UNASKED_MATRIX_BYTES` bytes, unless the caller asked for them.

    Raises
    ------
    ExecutionError
        Where they are refused; the message says what to pass.
    """
    if (
        dense is None
        and entries * 16 > MAX_UNASKED_MATRIX_BYTES
        and entries * run.dtype.itemsize > MAX_UNASKED_MATRIX_BYTES
    ):
        raise ExecutionError(
            f"dense: the Jacobian takes {entries * run.dtype.itemsize:,} bytes as matrices; expected at most "
            f"{MAX_UNASKED_MATRIX_BYTES:,} where nothing is said. Pass dense=False to have it as the plan holds it, or "
            "dense=True to have it written out all the same."
        )


def wide(plan: Plan, blocks: Sequence[Block]) -> int:
    """Count the entries that outputs in a smaller form than a matrix have once they are written out."""
    ends = (blocks[output.step] for output in plan.outputs)
    return sum(b.rows * b.cols for b in ends if form(b) is not StorageForm.DENSE)


def released(
    values: Sequence[HeldValues], position: int, block: Block, dense: bool, run: PlanRun, held: bool
) -> HeldValues:
    """Return an output as the caller gets it: an array of his own, which shares memory with nothing in use elsewhere.

    An array that only `values` refers to is handed over without a copy, unless `held` says that it is needed again.
    """
    value = values[position]
    if dense and form(block) is not StorageForm.DENSE:
        return as_matrix(value, block, run.dtype)
    if value is None:
        zero = block.structure.name == "zero"
        return as_matrix(value, block, run.dtype) if zero else diagonal(value, block, run.dtype)
    if isinstance(block.structure, Shifts):
        return shifts_of_values(block.structure, value)
    if is_sparse(value):
        return value.copy()  # its index arrays belong to a plan
    del value
    return np.array(values[position]) if held or not _alone(values, position) else values[position]


def released_second(value: HeldValues, block: SecondBlock, dense: bool | None) -> HeldValues:
    """Return an output of second order as the caller gets it, an array of its own.

    Raises
    ------
    ExecutionError
        Where it would be written out as an array of more than `MAX_UNASKED_MATRIX_BYTES` bytes that nobody asked for.
    """
    if not is_sparse(value) or dense is False:
        return value.copy()
    needed = block.rows * block.left * block.right * value.dtype.itemsize
    if dense is None and needed > MAX_UNASKED_MATRIX_BYTES:
        raise ExecutionError(
            f"dense: the second derivative takes {needed:,} bytes as an array; expected at most "
            f"{MAX_UNASKED_MATRIX_BYTES:,} where nothing is said. Pass dense=False to have it as a sparse array of "
            "rows x (cols · cols), or dense=True to have it written out all the same."
        )
    return value.toarray().reshape(block[:3])


def _alone(values: Sequence[HeldValues], position: int) -> bool:
    """Say whether an array, or the array that it is a view of, can be reached through `values` alone.

    There is then one reference to it besides the one that this function makes.
    """
    if type(values[position]) is not np.ndarray or getrefcount(values[position]) > 2:
        return False
    if values[position].base is None:
        return bool(values[position].flags.owndata and values[position].flags.writeable)
    base = type(values[position].base) is np.ndarray and values[position].base.flags.owndata
    return bool(base and values[position].flags.writeable and getrefcount(values[position].base) <= 2)
