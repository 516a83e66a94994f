"""Runs plans in numpy: each step is one kernel, chosen before the run by the structures of its operands.

A plan is lowered once into a list of functions, which is kept for as long as the plan lives, so that running it again
costs one Python call per step besides the BLAS call. Blocks are held as `kernels.storage` says and multiplied by the
kernels of `kernels.products`. A block is dropped after its last use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainplan._util.arrays import Array
from chainplan._util.task_threads import ranks, run_tasks
from chainplan.errors import ExecutionError
from chainplan.errors.arguments import mapping
from chainplan.execution.asked import FetchedJacobians, require_functions
from chainplan.execution.plan_run import PlanRun
from chainplan.execution.program import CodedStep, LoweredPlan, lowered
from chainplan.execution.releasing import released, released_second, require_narrow
from chainplan.execution.whole_numbers import WHOLE_NUMBER_KINDS, guarded
from chainplan.plans.replay import replay
from chainplan.plans.steps import Load, Plan, Planned, SecondOutput, plan_of
from chainplan.plans.typed import Typed
from chainplan.values.equal import with_equal
from chainplan.values.jacobians import GivenJacobian, common_dtype, matrix_free
from chainplan.values.primal import FixedJacobians, Primal
from chainplan.values.references import is_reference, samples
from chainplan.values.solves import with_solves
from chainplan.values.worker_module import WorkerModule

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


def execute(
    plan: Plan | Planned,
    jacobians: Mapping[str, GivenJacobian],
    *,
    dense: bool | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
    wrap: bool = False,
) -> dict[tuple[str, str], Array]:
    """Run a plan in this process; parameters, result and errors are those of `chainplan.execute`."""
    plan, dtype = understood(plan, dtype)
    require_jacobians(jacobians)
    return prepared(plan, jacobians, dense=dense, dtype=dtype, workers=workers, wrap=wrap)()


def second_derivatives(
    plan: Plan | Planned,
    jacobians: Mapping[str, GivenJacobian],
    *,
    dense: bool | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
    wrap: bool = False,
) -> dict[tuple[str, str, str], Array]:
    """Run a plan for second derivatives.

    Parameters
    ----------
    plan : Plan | Planned
        A plan that has passed `check`, or what holds one: a `Result`, a plan file that was read.
    jacobians : Mapping[str, GivenJacobian]
        The elemental Jacobians by name, as for `execute`, and beside them the second derivatives: that of 'F1' is
        called "F1''", and is an array of rows x cols x cols, symmetric in its columns but for rounding, or the vector
        of the entries of its pattern in order, such as the second derivatives of elementwise functions. One that is
        zero is left out. Weights of the output y are a row 'y:weights', directions at the input x are columns 'x:left'
        and 'x:right'.
    dense : bool | None
        Whether results are written out as arrays of three dimensions; otherwise those with few nonzeros stay sparse
        arrays of rows x (cols · cols). None writes out up to 4 GiB and refuses more.
    dtype : DTypeLike | None
        The dtype of seeds, as for `execute`.
    workers : int | None
        The number of threads, as for `execute`.
    wrap : bool
        Whether whole numbers that do not fit their dtype wrap; otherwise they are refused.

    Returns
    -------
    dict
        (output, input, input) -> second derivative of size(output) x size(input) x size(input): of one row with
        weights, and along directions with a column for each. One that is zero is left out. Those of `second-chain`
        without directions are symmetric to the bit where both inputs are the same.

    Raises
    ------
    ExecutionError
        If an array is missing, unknown, or of another shape or structure, or a second derivative is not symmetric.
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> import chainplan, numpy
    >>> problem = chainplan.from_spec({"chain": [2, 2, 1], "derivative": 2})
    >>> given = {"F1": numpy.eye(2), "F2": numpy.ones((1, 2)), "F1''": numpy.ones((2, 2, 2))}
    >>> second_derivatives(chainplan.plan(problem), given | {"F2''": numpy.ones((1, 2, 2))})["x2", "x0", "x0"]
    array([[[3., 3.],
            [3., 3.]]])
    """
    plan, dtype = understood(plan, dtype, second=True)
    require_jacobians(jacobians)
    require_workers(workers)
    started = _starting(plan, jacobians, _RunOptions(dense, dtype, workers, wrap))()
    _run_steps(plan, started, workers)
    blocks = {output.step: replayed.second for output, replayed in _ends(plan)}
    result = {}
    for *vertices, position in plan.second_outputs:
        end = blocks[position]
        assert end is not None, "replay refuses other outputs"
        output, left, right = vertices
        result[output, left, right] = released_second(started.run.values[position], end.block, dense)
    return result


def _ends(plan: Plan) -> list[tuple[SecondOutput, Typed]]:
    """Return the outputs of second order, each with what replay says of its step."""
    replayed = replay(plan)
    return [(output, replayed.blocks[output.step]) for output in plan.second_outputs]


def understood(
    plan: Plan | Planned, dtype: DTypeLike | None, products: bool = False, second: bool = False
) -> tuple[Plan, DTypeLike | None]:
    """Return the plan that `plan` is or holds, and the dtype of seeds, or refuse what is none of them.

    A plan for products with vectors is taken only where `products` says so, and one for second derivatives where
    `second` does.
    """
    plan = plan_of(plan)
    if (plan.second is not None) != second:
        found, call = ("the Jacobian", "execute") if second else ("second derivatives", "second_derivatives")
        expected = "second derivatives" if second else "the Jacobian"
        raise ExecutionError(f"plan: found one for {found}; expected one for {expected}. Call chainplan.{call}.")
    if plan.programs and not products:
        raise ExecutionError(
            "plan: found one for products with vectors, which forms no Jacobian; expected one with outputs. Call "
            "chainplan.operator(plan, jacobians), which multiplies, or plan without products."
        )
    return plan, None if dtype is None else common_dtype((), dtype)


def require_jacobians(jacobians: object) -> None:
    """Refuse Jacobians that are no mapping."""
    mapping("jacobians", jacobians, "elementals to arrays or functions", "{'F1': array, 'F2': (tangent, adjoint)}")


def prepared(
    plan: Plan,
    jacobians: Mapping[str, GivenJacobian],
    *,
    dense: bool | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
    wrap: bool = False,
) -> Callable[[], dict[tuple[str, str], Array]]:
    """Check the Jacobians and bring them into form, and return a function that runs the plan as often as it is called.

    Parameters, results and errors are those of `execute`.
    """
    require_workers(workers)
    options = _RunOptions(dense, dtype, workers, wrap)
    start = _starting(plan, jacobians, options)

    def run() -> dict[tuple[str, str], Array]:
        started = start()
        require_narrow(lowered(plan).wide, dense, started.run)
        _run_steps(plan, started, workers)
        return _outputs(plan, started, dense is not False)

    return run


def set_up(
    plan: Plan, jacobians: Mapping[str, GivenJacobian], dtype: DTypeLike | None = None, wrap: bool = False
) -> PlanRun:
    """Run the set-up of a plan for products, and return the run with the blocks and functions that its programs need.

    Errors are those of `execute`.
    """
    started = _starting(plan, jacobians, _RunOptions(None, dtype, None, wrap))()
    _run_steps(plan, started, None)
    if started.asked is not None:
        started.asked.keep()
    return started.run


class _RunOptions(NamedTuple):
    """The options of a run, as `execute` takes them."""

    dense: bool | None
    dtype: DTypeLike | None
    workers: int | None
    wrap: bool


class _StartedRun(NamedTuple):
    """A run before its first step: whether steps on whole numbers are guarded, and what asks for elementals."""

    run: PlanRun
    guard: bool
    asked: FetchedJacobians | None = None


def _starting(plan: Plan, jacobians: Mapping[str, GivenJacobian], options: _RunOptions) -> Callable[[], _StartedRun]:
    """Check the Jacobians and bring them into form, and return what starts a run."""
    program = lowered(plan)
    jacobians = jacobians if isinstance(jacobians, Primal) else _values(plan, jacobians)
    if program.evaluates:
        return _evaluating(plan, program, jacobians, options)
    if type(jacobians) is not dict:
        return lambda: _asking(plan, program, jacobians, options)
    if any(map(is_reference, jacobians.values())):
        options = options._replace(dtype=_dtype_with_references(jacobians, options.dtype))
        return lambda: _asking(plan, program, jacobians, options)
    run = taken(plan, jacobians, options.dtype)
    kinds = {value.dtype.kind for value in run.values if value is not None}
    guard = not options.wrap and not kinds.isdisjoint(WHOLE_NUMBER_KINDS)
    return lambda: _StartedRun(run, guard)


def _asking(
    plan: Plan, program: LoweredPlan, jacobians: Mapping[str, GivenJacobian], options: _RunOptions
) -> _StartedRun:
    """Start a run on a mapping that is asked for each elemental when its first step comes."""
    _require_known(program, jacobians)
    run = PlanRun(len(plan.steps), jacobians, options.dtype)
    run.asked = True
    return _StartedRun(run, not options.wrap, FetchedJacobians(plan, program, jacobians, run))


def _evaluating(
    plan: Plan, program: LoweredPlan, jacobians: Mapping[str, GivenJacobian], options: _RunOptions
) -> Callable[[], _StartedRun]:
    """Return what starts a plan that evaluates states, on a primal chain or on Jacobians that depend on no state."""
    primal = _primal_of(plan, program, jacobians)
    guard = not options.wrap and np.dtype(primal.dtype).kind in WHOLE_NUMBER_KINDS

    def start() -> _StartedRun:
        fresh = PlanRun(len(plan.steps), {}, options.dtype, primal)
        fresh.working = plan.graph.inputs[0]
        fresh.states[fresh.working] = primal.start()
        return _StartedRun(fresh, guard)

    return start


def _primal_of(plan: Plan, program: LoweredPlan, jacobians: Mapping[str, GivenJacobian]) -> Primal:
    """Return the primal chain of a plan that evaluates states, or Jacobians that depend on no state as one."""
    if isinstance(jacobians, Primal):
        return jacobians
    _require_known(program, jacobians)
    return FixedJacobians(plan.graph, jacobians)


def require_workers(workers: int | None) -> None:
    """Refuse a number of workers that is none."""
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise ExecutionError(f"workers: found {workers!r}; expected a whole number from 1. Pass workers=2, say.")


def _dtype_with_references(jacobians: Mapping[str, GivenJacobian], dtype: DTypeLike | None) -> DTypeLike:
    """Return the dtype of seeds, which files that are given have a say in before they are read."""
    given = jacobians.values()
    return common_dtype([*given, *samples(given)], dtype)


def _values(plan: Plan, jacobians: Mapping[str, GivenJacobian]) -> Mapping[str, GivenJacobian]:
    """Return Jacobians under the names of all elementals, with functions that solve for those of systems."""
    return with_solves(plan.graph, with_equal(plan.graph, jacobians))


def taken(
    plan: Plan, jacobians: Mapping[str, GivenJacobian], dtype: DTypeLike | None = None, references: bool = False
) -> PlanRun:
    """Start a run of a plan with all Jacobians in their places, checked and brought into form.

    Those that are given by reference stay references where `references` says so. Of a plan that evaluates states the
    run has the primal chain.

    Raises
    ------
    ExecutionError
        If a Jacobian is missing, unknown, or of another shape or structure.
    """
    program = lowered(plan)
    jacobians = jacobians if isinstance(jacobians, Primal) else _values(plan, jacobians)
    if program.evaluates:
        return PlanRun(len(plan.steps), {}, dtype, _primal_of(plan, program, jacobians))
    dtype = _dtype_with_references(jacobians, dtype) if references else dtype
    run = PlanRun(len(plan.steps), jacobians, dtype)
    _take(program, jacobians, run, references)
    return run


def _run_steps(plan: Plan, started: _StartedRun, workers: int | None) -> None:
    """Run all steps; afterwards the blocks of outputs, and those that programs read, are there."""
    program, (run, guard, asked) = lowered(plan), started
    values, code = run.values, program.code
    if guard:
        code = tuple((place, guarded(place, kernel, plan.steps[place]), ends) for place, kernel, ends in code)
    if workers is not None and not program.evaluates:
        _in_threads(plan, code, program.prices, run, workers, asked)
    else:
        for position, kernel, dropped in code:
            if asked is None:
                kernel(run)
            else:
                asked.step(position, kernel)
            for ended in dropped:
                values[ended] = None


def _outputs(plan: Plan, started: _StartedRun, dense: bool) -> dict[tuple[str, str], Array]:
    """Hand the outputs of a run over."""
    (run, _, asked), blocks = started, lowered(plan).blocks
    values, result = run.values, {}
    for output, source, position in plan.outputs:
        if asked is not None:
            asked.output(position)
        held = isinstance(plan.steps[position], Load) and asked is None
        value = released(values, position, blocks[position], dense, run, held)
        result[output, source] = value
        if not held:
            values[position] = None
    return result


def _in_threads(
    plan: Plan,
    code: Sequence[CodedStep],
    prices: Sequence[int],
    run: PlanRun,
    workers: int,
    asked: FetchedJacobians | None,
) -> None:
    """Run the steps on threads by critical-path rank; a block is dropped when the last of its readers is done."""
    place = {position: task for task, (position, _, _) in enumerate(code)}
    reads = [[arg for arg in set(plan.steps[position].operands()) if arg in place] for position, _, _ in code]
    readers = Counter(arg for some in reads for arg in some)
    ends = set(plan.ends)
    needs = [[place[arg] for arg in some] for some in reads]
    lock = Lock()
    if asked is None:
        run.dtype  # noqa: B018  (computed and cached before threads ask for it)

    def action(task: int) -> None:
        position, kernel, _ = code[task]
        if asked is None:
            kernel(run)
        else:
            asked.step(position, kernel)
        with lock:
            for arg in reads[task]:
                readers[arg] -= 1
                if not readers[arg] and arg not in ends:
                    run.values[arg] = None

    rank = ranks([prices[position] + 1 for position, _, _ in code], needs)
    run_tasks(action, needs, rank, workers)


def _require_known(program: LoweredPlan, jacobians: Mapping[str, GivenJacobian]) -> None:
    unknown = jacobians.keys() - program.names
    if unknown:
        known = ", ".join(sorted(program.names)[:8])
        raise ExecutionError(f"'{min(unknown, key=str)}' is no elemental of the plan; expected some of {known}.")


def _take(program: LoweredPlan, jacobians: Mapping[str, GivenJacobian], run: PlanRun, references: bool) -> None:
    """Check the Jacobians, put the arrays of explicit ones in their places, and keep the functions of the others."""
    _require_known(program, jacobians)
    values = run.values
    for position, e, fill in program.loads:
        value = jacobians.get(e.name)
        values[position] = value if references and is_reference(value) else fill(value, run)
    for e in program.applied:
        require_functions(e.name, jacobians)
        module = jacobians[e.name]
        if references and isinstance(module, WorkerModule):
            run.modules[e.name] = module
        else:
            run.applied[e.name] = matrix_free(e, module)
