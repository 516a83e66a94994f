"""What runs on the workers: groups of steps, pieces of steps, and what brings their operands into form.

A task is an object that is called with the plan, the dtype of seeds, whether whole numbers wrap, and its operands. Each
step is lowered once in each process. Patterns whose lists a task reads come among its operands, and are at hand while
it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import lru_cache, partial
from pickle import loads

import numpy as np

from chainplan.distributed.split import Axis
from chainplan.distributed.step_seconds import StepNotes, taken_notes, timed_step
from chainplan.distributed.worker_plan import WorkerPlan
from chainplan.errors import ExecutionError
from chainplan.execution.lowering import applied_function
from chainplan.execution.plan_run import PlanRun, StepKernel
from chainplan.execution.whole_numbers import guarded
from chainplan.kernels.products import product_kernel
from chainplan.kernels.sparse_products import matrix_sparse
from chainplan.kernels.storage import HeldValues, StorageForm, form
from chainplan.plans.steps import Accumulate, Add, Again, Load, Multiply, Propagate, Step
from chainplan.problem.graph import Mode
from chainplan.structures import DENSE, Block
from chainplan.structures.absent_pattern import at_hand
from chainplan.structures.explicit import Explicit
from chainplan.values.jacobians import called, is_sparse, stored_part
from chainplan.values.worker_module import WorkerModule

TaskOperand = HeldValues
"""What a task is called with besides the plan: blocks, and functions of elementals."""
WorkerTask = Callable[..., HeldValues]
"""What a worker does: a function of the plan, the dtype of seeds, whether whole numbers wrap, and operands."""


PLACED_PLANS: dict[str, WorkerPlan] = {}
"""The plans of this process by their tokens."""
MAX_KEPT_FUNCTIONS = 64
"""Elementals whose functions a process keeps, because a module may take long to build."""


def run_placed(token: str, call: WorkerTask, *given: TaskOperand) -> TaskOperand:
    """Run a task on the plan of a token.

    Raises
    ------
    ExecutionError
        Where the plan was taken back, so that a block of it cannot be computed again.
    """
    plan = PLACED_PLANS.get(token)
    if plan is None:
        raise plan_missing()
    return with_patterns(call, plan, given)


def with_patterns(call: WorkerTask, plan: WorkerPlan, given: Sequence[TaskOperand]) -> TaskOperand:
    """Run a task with the patterns among its operands at hand."""
    patterns = {value.mark: value.pattern for value in given if isinstance(value, SentPattern)}
    if not patterns:
        return call(plan, *given)
    with at_hand(patterns):
        return call(plan, *(value for value in given if not isinstance(value, SentPattern)))


def notes_of(token: str) -> StepNotes:
    """Take what was noted of the plan of a token in this process."""
    return taken_notes(PLACED_PLANS.get(token))


def plan_missing() -> ExecutionError:
    """What is said where a plan was taken back."""
    return ExecutionError("a worker has no plan; expected one that is not closed. Prepare or run the plan again.")


@dataclass(frozen=True)
class SentPattern:
    """A pattern whose lists a task reads, by its mark."""

    mark: Hashable
    pattern: Explicit


@dataclass(frozen=True)
class PickledObject:
    """Functions or a primal chain on their way to a worker, which unpickles them once; `what` they are, in words."""

    what: str
    pickled: bytes

    def load(self) -> HeldValues:
        """Unpickle them. A module that was built stays in this process until no plan is placed here.

        Raises
        ------
        ExecutionError
            Where the worker lacks what they need.
        """
        if self.pickled in _MODULES:
            return _MODULES[self.pickled]
        try:
            found = _unpickled(self.pickled)
        except Exception as error:
            raise ExecutionError(
                f"{self.what} cannot be loaded on a worker: {type(error).__name__}: {error}; expected modules that "
                "every worker can import. Install them there, or send them by client.upload_file(PATH)."
            ) from error
        return _MODULES.setdefault(self.pickled, copy(found)) if isinstance(found, WorkerModule) else found


_MODULES: dict[bytes, WorkerModule] = {}


def withdraw_plan(token: str) -> None:
    """Drop a plan of this process, and with the last one all modules that were built."""
    PLACED_PLANS.pop(token, None)
    if not PLACED_PLANS:
        _MODULES.clear()


@lru_cache(maxsize=MAX_KEPT_FUNCTIONS)
def _unpickled(pickled: bytes) -> HeldValues:
    """Unpickle something, once in a process."""
    return loads(pickled)


@dataclass(frozen=True)
class PickledLoader:
    """A loader on its way to a worker."""

    name: str
    pickled: bytes

    def __call__(self) -> HeldValues:
        """Unpickle the loader, and call it."""
        return loads(self.pickled)()


@dataclass(frozen=True)
class ReferencedPart:
    """A file that was given for a load, or some rows or columns of it; the task that reads it opens it."""

    position: int
    path: str
    axis: Axis | None = None
    start: int = 0
    stop: int = 0

    def fetch(self, plan: WorkerPlan, dtype: str) -> HeldValues:
        """Return the values, checked and in the form of their block."""
        if self.axis is None:
            return PlaceTask(self.position)(plan, dtype, False, self.path)
        step, part = plan.steps[self.position], slice(self.start, self.stop)
        assert isinstance(step, Load), "only loads are given"
        rows, cols = (part, slice(None)) if self.axis is Axis.ROWS else (slice(None), part)
        return stored_part(plan.graph.declared[step.elemental], self.path, rows, cols)


@dataclass(frozen=True)
class PlaceTask:
    """What was given for a load, by a future or a loader, checked and in the form of its block."""

    position: int

    def __call__(self, plan: WorkerPlan, dtype: str, wrap: bool, given: TaskOperand) -> HeldValues:
        return plan.fill(self.position, given, dtype)


@dataclass(frozen=True)
class GroupTask:
    """The steps of a group; its operands are functions by `names` and then the blocks of `reads`."""

    steps: tuple[int, ...]
    reads: tuple[int, ...]
    names: tuple[str, ...]

    def __call__(self, plan: WorkerPlan, dtype: str, wrap: bool, *given: TaskOperand) -> HeldValues:
        given = _fetched(plan, dtype, given)
        run = _run_of(len(plan.steps), dtype, self.names, given)
        for read, value in zip(self.reads, given[len(self.names) :], strict=True):
            run.values[read] = value
        last = {arg: step for step in self.steps for arg in plan.steps[step].operands()}
        for step in self.steps:
            kernel = plan.kernel(step)
            with timed_step(plan, step):
                (kernel if wrap else guarded(step, kernel, plan.steps[step]))(run)
            for arg in set(plan.steps[step].operands()):
                if last[arg] == step:
                    run.values[arg] = None
        return run.values[self.steps[-1]]


@dataclass(frozen=True)
class PieceTask:
    """Some rows or columns of the result of a step, or its product over a part of the inner dimension: such a share."""

    position: int
    axis: Axis
    start: int
    stop: int
    names: tuple[str, ...]
    share: float

    def __call__(self, plan: WorkerPlan, dtype: str, wrap: bool, *given: TaskOperand) -> HeldValues:
        step, given = plan.steps[self.position], _fetched(plan, dtype, given)
        run = _run_of(len(plan.steps), dtype, self.names, given)
        local = _local(step, self.axis)
        run.values += reversed(given[len(self.names) :])
        kernel = self._kernel(plan, step)
        with timed_step(plan, self.position, self.share):
            (kernel if wrap else guarded(self.position, kernel, local))(run)
        return run.values[self.position]

    def _kernel(self, plan: WorkerPlan, step: Step) -> StepKernel:
        """The kernel that makes the piece."""
        if isinstance(step, Multiply):
            factors = plan.block(step.left), plan.block(step.right)
            onto = step.onto is not None and self.axis is not Axis.INNER
            return partial(_multiply_piece, self.position, factors, form(plan.block(self.position)), onto)
        if isinstance(step, Propagate):
            return partial(_propagate_piece, self.position, plan, step)
        if isinstance(step, Accumulate):
            return partial(_accumulate_piece, self.position, plan, step, (self.start, self.stop))
        return partial(_add_piece, self.position) if isinstance(step, Add) else partial(_same_piece, self.position)


@dataclass(frozen=True)
class SumTask:
    """The sum of two products over parts of the inner dimension, or of such a sum and what it is added onto."""

    position: int

    def __call__(self, plan: WorkerPlan, dtype: str, wrap: bool, left: HeldValues, right: HeldValues) -> HeldValues:
        run = PlanRun(len(plan.steps) + 2, {}, np.dtype(dtype))
        run.values[-1], run.values[-2] = _fetched(plan, dtype, (left, right))
        kernel = partial(_add_piece, self.position)
        (kernel if wrap else guarded(self.position, kernel, Add(-1, -2)))(run)
        return run.values[self.position]


@dataclass(frozen=True)
class CutTask:
    """A range of rows or columns, (start, stop) of each piece, of pieces that lie beside each other along `joined`."""

    axis: Axis
    joined: Axis
    cuts: tuple[tuple[int, int], ...]

    def __call__(self, plan: WorkerPlan, dtype: str, wrap: bool, *pieces: HeldValues) -> HeldValues:
        pieces = _fetched(plan, dtype, pieces)
        parts = [cut(piece, self.axis, *ends) for ends, piece in zip(self.cuts, pieces, strict=True)]
        return joined(parts, self.joined)


@dataclass(frozen=True)
class SameTask:
    """What was given, where it is an output."""

    def __call__(self, plan: WorkerPlan, dtype: str, wrap: bool, value: HeldValues) -> HeldValues:
        return _fetched(plan, dtype, (value,))[0]


def cut(value: HeldValues, axis: Axis, start: int, stop: int) -> HeldValues:
    """Return some rows or columns of a matrix or a sparse matrix."""
    return value[start:stop] if axis is Axis.ROWS else value[:, start:stop]


def joined(parts: Sequence[HeldValues], axis: Axis) -> HeldValues:
    """Return pieces as one matrix or sparse matrix."""
    if len(parts) == 1:
        return parts[0]
    if is_sparse(parts[0]):
        from scipy.sparse import hstack, vstack

        return (vstack if axis is Axis.ROWS else hstack)(parts, format="csr")
    return np.concatenate(parts, axis=axis.value)


def _fetched(plan: WorkerPlan, dtype: str, given: Sequence[TaskOperand]) -> tuple[TaskOperand, ...]:
    """Operands, with those that are given by reference fetched."""
    return tuple(value.fetch(plan, dtype) if isinstance(value, ReferencedPart) else value for value in given)


def _run_of(steps: int, dtype: str, names: Sequence[str], given: Sequence[TaskOperand]) -> PlanRun:
    """A run that has the functions of some elementals, which stand first among what is given."""
    run = PlanRun(steps, {}, np.dtype(dtype))
    for name, pair in zip(names, given, strict=False):
        found = pair.load() if isinstance(pair, PickledObject) else pair
        run.applied[name] = found.pair(name) if isinstance(found, WorkerModule) else found
    return run


def _local(step: Step, axis: Axis) -> Step:
    """The step with its operands numbered -1, -2, -3 in the order of its slots, as a piece holds them."""
    match step:
        case Multiply(_, _, onto):
            return Multiply(-1, -2, None if onto is None or axis is Axis.INNER else -3)
        case Add():
            return Add(-1, -2)
        case Propagate(elemental, _, mode):
            return Propagate(elemental, -1, mode)
        case Again():
            return step._replace(arg=-1)
    return step


def _multiply_piece(position: int, factors: tuple[Block, Block], wanted: StorageForm, onto: bool, run: PlanRun) -> None:
    """Multiply pieces of two blocks, which are held as the blocks are."""
    a, b = run.values[-1], run.values[-2]
    made: HeldValues
    matrices = {form(block) for block in factors} <= {StorageForm.DENSE, StorageForm.SPARSE}
    if matrices and is_sparse(b) and not is_sparse(a):
        made = matrix_sparse(a, b)
    elif matrices:
        made = a @ b if is_sparse(a) else np.dot(a, b)
    else:
        left, right = (
            Block(v.shape[0], v.shape[1], DENSE) if form(f) is StorageForm.DENSE else f
            for v, f in zip((a, b), factors, strict=True)
        )
        made = product_kernel(left, right)(a, b)
    if is_sparse(made) and wanted is StorageForm.DENSE:
        made = made.toarray()
    elif not is_sparse(made) and wanted is StorageForm.SPARSE:
        from scipy.sparse import csr_array

        made = csr_array(made)
    run.values[position] = made + run.values[-3] if onto else made


def _propagate_piece(position: int, plan: WorkerPlan, step: Propagate, run: PlanRun) -> None:
    e = plan.graph[step.elemental]
    run.values[position] = called(e, step.mode, applied_function(run, e, step.mode), run.values[-1])


def _accumulate_piece(position: int, plan: WorkerPlan, step: Accumulate, part: tuple[int, int], run: PlanRun) -> None:
    """Apply a matrix-free elemental to some columns or rows of the identity."""
    e, (start, stop) = plan.graph[step.elemental], part
    tangent = step.mode is Mode.TANGENT
    seed = np.zeros((e.block.cols if tangent else e.block.rows, stop - start), run.dtype)
    seed[np.arange(start, stop), np.arange(stop - start)] = 1
    run.values[position] = called(e, step.mode, applied_function(run, e, step.mode), seed if tangent else seed.T)


def _add_piece(position: int, run: PlanRun) -> None:
    run.values[position] = run.values[-1] + run.values[-2]


def _same_piece(position: int, run: PlanRun) -> None:
    run.values[position] = run.values[-1]
