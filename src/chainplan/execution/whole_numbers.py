"""Steps on whole numbers: numpy wraps what does not fit, so that a step is done once more in floats to see that it did.

The step is run on absolute values in double precision: as long as the largest result is below what the dtype holds, no
sum of products on the way has left it. Where it is not, terms of either sign may still cancel. A wrapped number is off
by a multiple of 2^64 (of 2^bits), which the step in floats, whose rounding is far less than that, tells from none: the
decision is exact. Products of floats cost little beside those of whole numbers, for which there is no BLAS; a run on
floats does not come here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from chainplan.errors import ExecutionError
from chainplan.execution.lowering import Kernel, Run
from chainplan.plans.steps import Accumulate, Add, Multiply, Propagate, Step
from chainplan.values.jacobians import ByMatrix, is_sparse

WHOLE = "iu"
"""Kinds of dtype that are whole numbers."""
ROUNDING = 1e-9
"""By how much a sum of products in double precision is off at most, relative to the sum of absolute values."""


def whole(value: Any) -> bool:
    """Whether a held block is one of whole numbers."""
    return value is not None and value.dtype.kind in WHOLE


def guarded(position: int, kernel: Kernel, step: Step) -> Kernel:
    """The kernel of a step, which refuses a result of whole numbers that does not fit its dtype."""
    if not isinstance(step, Multiply | Add | Accumulate | Propagate):
        return kernel
    reads = tuple(set(step.operands()))
    applied = step.elemental if isinstance(step, Accumulate | Propagate) else None

    def run_it(run: Run) -> None:
        held = {arg: run.values[arg] for arg in reads}
        pair = run.applied.get(applied) if applied is not None else None
        kernel(run)
        made = run.values[position]
        if whole(made) and (applied is None or _known(pair)):
            _require_fit(position, kernel, step, made, held, {applied: pair})

    return run_it


def _known(pair: Any) -> bool:
    """Whether a pair of functions multiplies by an array that was given."""
    return pair is not None and all(isinstance(function, ByMatrix) for function in pair)


def _require_fit(position: int, kernel: Kernel, step: Step, made: Any, held: dict[int, Any], applied: Any) -> None:
    def in_floats(change: Callable[[Any], Any]) -> Any:
        """The result of the step on changed numbers."""
        run: Any = Run(0, {}, np.float64)
        run.values = {arg: None if value is None else change(_floats(value)) for arg, value in held.items()}
        for name, pair in applied.items():
            run.applied[name] = pair and tuple(replace(f, array=change(_floats(f.array))) for f in pair)
        kernel(run)
        return run.values[position]

    info = np.iinfo(made.dtype)
    most, half = _largest(in_floats(abs)), 2.0 ** (info.bits - 1)
    if info.min and most < half * (1 - ROUNDING):
        return
    found = in_floats(lambda array: array)
    if most * ROUNDING > half / 2 or _largest(found - _floats(made)) > half:
        raise ExecutionError(
            f"step {position} ({type(step).__name__.lower()}): a number of about {_largest(found):.3g} comes out; "
            f"{made.dtype} holds {info.min:,} to {info.max:,}. Pass the Jacobians as float64, or wrap=True for numbers "
            f"modulo 2^{info.bits}."
        )


def _largest(value: Any) -> float:
    """The largest absolute value."""
    return float(np.abs(value.data if is_sparse(value) else np.asarray(value)).max(initial=0))


def _floats(value: Any) -> Any:
    return value.astype(np.float64)
