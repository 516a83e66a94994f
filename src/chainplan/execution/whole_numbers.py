"""Guards steps on whole numbers: numpy wraps what does not fit, so each step runs once more in floats to detect that.

The second run takes absolute values in double precision. As long as its largest result is below what the dtype holds,
no sum of products on the way has left the dtype. Where it is not, terms of either sign may still cancel. A wrapped
number is off by a multiple of 2^bits, and the step in floats, whose rounding is far smaller, tells that from no error
at all, so the decision is exact. Products of floats cost little compared with those of whole numbers, for which there
is no BLAS; a run on floats is not guarded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeGuard

import numpy as np

from chainplan._util.arrays import Array
from chainplan.errors import ExecutionError
from chainplan.execution.plan_run import PlanRun, StepKernel
from chainplan.kernels.storage import HeldValues
from chainplan.plans.second_steps import ApplySecond, Given, LoadSecond
from chainplan.plans.state_steps import StateStep
from chainplan.plans.steps import Again, Application, Decompress, Direction, Load, Seed, Step, word_of
from chainplan.values.jacobians import MatrixFree, MatrixFunction, is_sparse
from chainplan.values.second_functions import SecondArrayFunction, SecondFunctions

WHOLE_NUMBER_KINDS = "iu"
"""Kinds of dtype that are whole numbers."""
ByArrays = tuple[MatrixFunction, MatrixFunction] | tuple[SecondArrayFunction, SecondArrayFunction]
"""A pair of functions that multiply by an array that was given."""
RELATIVE_ROUNDING = 1e-9
"""The largest error of a sum of products in double precision, relative to the sum of absolute values."""


def whole(value: HeldValues) -> bool:
    """Say whether a held block consists of whole numbers."""
    return value is not None and value.dtype.kind in WHOLE_NUMBER_KINDS


def guarded(position: int, kernel: StepKernel, step: Step) -> StepKernel:
    """Let the kernel of a step refuse a result of whole numbers that does not fit its dtype."""
    if isinstance(step, Load | LoadSecond | Given | Seed | Decompress | Again | Direction | StateStep):
        return kernel
    reads = tuple(set(step.operands()))

    def run_guarded(run: PlanRun) -> None:
        held = {arg: run.values[arg] for arg in reads}
        applied: dict[str, Any] = {}
        if isinstance(step, Application):
            applied[step.elemental] = run.applied.get(step.elemental)
        kernel(run)
        made = run.values[position]
        applied |= run.seconds if isinstance(step, ApplySecond) else {}
        if whole(made) and all(map(_known, applied.values())):
            _require_fit(position, kernel, step, made, held, applied)

    return run_guarded


def _known(pair: MatrixFree | SecondFunctions | None) -> TypeGuard[ByArrays]:
    """Say whether a matrix-free elemental, or its second derivative, was given as an array."""
    return pair is not None and all(isinstance(function, MatrixFunction | SecondArrayFunction) for function in pair)


def _require_fit(
    position: int,
    kernel: StepKernel,
    step: Step,
    made: HeldValues,
    held: dict[int, HeldValues],
    applied: dict[str, ByArrays],
) -> None:
    """Refuse the result of a step that has wrapped."""

    def in_floats(change: Callable[[Array], Array]) -> HeldValues:
        """Run the step on changed numbers in double precision."""
        run: Any = PlanRun(0, {}, np.float64)
        run.values = {arg: None if value is None else change(_floats(value)) for arg, value in held.items()}
        for name, pair in applied.items():
            run.applied[name] = run.seconds[name] = tuple(replace(f, array=change(_floats(f.array))) for f in pair)
        kernel(run)
        return run.values[position]

    info = np.iinfo(made.dtype)
    most, half = _largest(in_floats(abs)), 2.0 ** (info.bits - 1)
    if info.min and most < half * (1 - RELATIVE_ROUNDING):
        return
    unwrapped = in_floats(lambda array: array)
    if most * RELATIVE_ROUNDING > half / 2 or _largest(unwrapped - _floats(made)) > half:
        raise ExecutionError(
            f"step {position} ({word_of(type(step))}): a number of about {_largest(unwrapped):.3g} comes out; "
            f"{made.dtype} holds {info.min:,} to {info.max:,}. Pass the Jacobians as float64, or wrap=True for numbers "
            f"modulo 2^{info.bits}."
        )


def _largest(value: HeldValues) -> float:
    """Return the largest absolute value."""
    return float(np.abs(value.data if is_sparse(value) else np.asarray(value)).max(initial=0))


def _floats(value: HeldValues) -> HeldValues:
    return value.astype(np.float64)
