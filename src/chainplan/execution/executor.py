"""Runs plans in numpy: each step is one kernel, chosen before the run by the structures of its operands.

A plan is lowered once into a list of closures, which is kept for as long as the plan lives, so that running it again
costs one Python call per step besides the BLAS call. Blocks are held as `kernels.storage` says and multiplied by the
kernels of `kernels.products`. A block is dropped after its last use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from chainplan._util.arrays import Array
from chainplan._util.task_threads import ranks, run_tasks
from chainplan.errors import ExecutionError
from chainplan.errors.arguments import mapping
from chainplan.execution.asked import Asked, require_functions
from chainplan.execution.lowering import Kernel, Lowering, Run, placed
from chainplan.execution.releasing import released, require_narrow, wide
from chainplan.execution.whole_numbers import WHOLE, guarded, whole
from chainplan.plans.liveness import evaluates, last_uses
from chainplan.plans.replay import replay
from chainplan.plans.steps import Application, Load, Plan, Planned, plan_of
from chainplan.problem.graph import Elemental
from chainplan.structures import Block, Dense
from chainplan.values.jacobians import Given, common_dtype, matrix_free
from chainplan.values.primal import Fixed, Primal

if TYPE_CHECKING:
    from distributed import Client
    from numpy.typing import DTypeLike

Coded = tuple[int, Kernel, tuple[int, ...]]
"""A step, its kernel and the blocks that are dropped behind it."""


@dataclass(frozen=True)
class Program:
    """A lowered plan. `loads`: step, elemental, its shape where any array of it will do, and its block. `code`: all
    other steps with their kernels and the blocks that are dropped behind each."""

    loads: tuple[tuple[int, Elemental, tuple[int, int] | None, Block], ...]
    applied: tuple[Elemental, ...]
    code: tuple[Coded, ...]
    blocks: tuple[Block, ...]
    names: frozenset[str]
    evaluates: bool
    wide: int


def execute(
    plan: Plan | Planned,
    jacobians: Mapping[str, Given],
    *,
    dense: bool | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
    wrap: bool = False,
    backend: str = "numpy",
    scheduler: Client | str | None = None,
) -> dict[tuple[str, str], Array]:
    """Run a plan.

    Parameters
    ----------
    plan : Plan | Planned
        A plan that has passed `check`, or what holds one: a `Result`, a plan file that was read.
    jacobians : Mapping[str, Given]
        The elemental Jacobians by name. An explicit elemental is an array of rows x cols, of numpy or scipy.sparse, or
        the compact form of its structure: the diagonal, the one number of a scaled identity, an array of b x r x c for
        block_diagonal or of r x c for kronecker, the nonzeros of a listed pattern row by row. An elemental whose
        structure determines all values may be left out. A matrix-free elemental is a pair (tangent, adjoint) of
        functions: tangent maps a block of cols x c to F'·block of rows x c, adjoint a block of r x rows to block·F' of
        r x cols; a mode that the plan does not use may be None. An array may take the place of such a pair. Functions
        get arrays that they may not write to. What the caller holds himself, such as the arrays of a dict, is not part
        of the plan's peak, nor is the form into which it is brought. Any other mapping is asked for an elemental when
        the first step needs it, and its answer is dropped after the last such step: `numpy.load` of a file, or a class
        that reads or makes elementals on demand. The backend "dask" asks for all of them, to send them.
    dense : bool | None
        Whether the result is written out as matrices; otherwise it stays as `kernels.storage` holds it: a diagonal as a
        vector, a block-diagonal one as an array of b x r x c, a sparse one as a sparse array of scipy. None writes out
        up to 4 GiB and refuses more. In every form it shares no memory with anything that was given.
    dtype : DTypeLike | None
        The dtype of the seeds of matrix-free elementals; by default the common one of the given arrays (for a mapping
        that is no dict, of those it has given so far), else float64.
    workers : int | None
        The number of threads that run steps which do not wait for one another, each with one BLAS thread; the bits of
        the result do not depend on it. Functions of matrix-free elementals are then called from these threads, and more
        blocks may be alive than the plan's peak says. None runs step after step with BLAS as it is set. With the
        backend "dask" it is the number of processes of a local cluster.
    wrap : bool
        Whether whole numbers that do not fit their dtype wrap, modulo 2^64 for int64; otherwise they are refused.
    backend : str
        "numpy", or "dask": the steps are tasks of a cluster, blocks stay on its workers and only the outputs come back.
        Blocks of a lost worker are computed again; blocks that are too large for a worker are split by rows.
    scheduler : Client | str | None
        The cluster of the backend "dask": the address of a scheduler, or a `distributed.Client`; None starts a local
        one for this run, which needs `if __name__ == "__main__":` in a script.

    Returns
    -------
    dict
        (output, input) -> Jacobian of size(output) x size(input), for every pair that a path connects.

    Raises
    ------
    ExecutionError
        If a Jacobian is missing, unknown, or of another shape or structure, a function returns another shape, whole
        numbers leave their dtype, the result is larger than the caller allows, or a step fits no worker.
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> import chainplan
    >>> result = chainplan.plan(chainplan.chain([2, 3, 1]))
    >>> execute(result.plan, {"F1": np.ones((3, 2)), "F2": np.ones((1, 3))})["x2", "x0"]
    array([[3., 3.]])
    """
    plan = plan_of(plan)
    mapping("jacobians", jacobians, "elementals to arrays or functions", "{'F1': array, 'F2': (tangent, adjoint)}")
    dtype = None if dtype is None else common_dtype((), dtype)
    if backend == "dask":
        if evaluates(plan.steps):
            raise ExecutionError(
                "backend: found 'dask' for a plan that evaluates states, whose steps run in order; expected 'numpy'. "
                "Leave it out, or plan without limits.recompute."
            )
        from chainplan.distributed.execute import run_on_cluster

        _require_workers(workers)
        return run_on_cluster(
            plan, jacobians, dense=dense, dtype=dtype, workers=workers, scheduler=scheduler, wrap=wrap
        )
    if backend != "numpy":
        raise ExecutionError(f"backend: found '{backend}'; expected 'numpy' or 'dask'. Name one of them.")
    if scheduler is not None:
        raise ExecutionError(
            "scheduler: found one with the backend 'numpy'; expected it with 'dask'. Add backend='dask'."
        )
    return prepared(plan, jacobians, dense=dense, dtype=dtype, workers=workers, wrap=wrap)()


def prepared(
    plan: Plan,
    jacobians: Mapping[str, Given],
    *,
    dense: bool | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
    wrap: bool = False,
) -> Callable[[], dict[tuple[str, str], Array]]:
    """Check the Jacobians and bring them into form, and return a function that runs the plan as often as it is called.

    Parameters, results and errors are those of `execute`.
    """
    _require_workers(workers)
    program = lowered(plan)
    options = _Options(dense, dtype, workers, wrap)
    if program.evaluates:
        return _evaluating(plan, program, jacobians, options)
    if type(jacobians) is not dict:
        return lambda: _asking(plan, program, jacobians, options)
    run = taken(plan, jacobians, dtype)
    guard = not wrap and any(whole(run.values[load[0]]) for load in program.loads)
    return lambda: _executed(plan, program, run, options, guard)


class _Options(NamedTuple):
    """The options of a run, as `execute` takes them."""

    dense: bool | None
    dtype: DTypeLike | None
    workers: int | None
    wrap: bool


def _asking(
    plan: Plan, program: Program, jacobians: Mapping[str, Given], options: _Options
) -> dict[tuple[str, str], Array]:
    """Run a plan on a mapping that is asked for each elemental when its first step comes."""
    _require_known(program, jacobians)
    run = Run(len(plan.steps), jacobians, options.dtype)
    run.asked = True
    return _executed(plan, program, run, options, not options.wrap, Asked(plan, program, jacobians, run))


def _evaluating(
    plan: Plan, program: Program, jacobians: Mapping[str, Given], options: _Options
) -> Callable[[], dict[tuple[str, str], Array]]:
    """Return the run of a plan that evaluates states, on a primal chain or on Jacobians that depend on no state."""
    if isinstance(jacobians, Primal):
        primal = jacobians
    else:
        _require_known(program, jacobians)
        primal = Fixed(plan.graph, jacobians)
    serial = options._replace(workers=None)

    def run() -> dict[tuple[str, str], Array]:
        fresh = Run(len(plan.steps), {}, options.dtype, primal)
        fresh.working = plan.graph.inputs[0]
        fresh.states[fresh.working] = primal.start()
        return _executed(plan, program, fresh, serial, not options.wrap and np.dtype(primal.dtype).kind in WHOLE)

    return run


def _require_workers(workers: int | None) -> None:
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise ExecutionError(f"workers: found {workers!r}; expected a whole number from 1. Pass workers=2, say.")


def lowered(plan: Plan) -> Program:
    """Return the kernels of a plan, which are kept for as long as the plan lives."""
    program = _PROGRAMS.get(plan)
    if program is None:
        program = _PROGRAMS[plan] = _lower(plan)
    return program


def taken(plan: Plan, jacobians: Mapping[str, Given], dtype: DTypeLike | None = None) -> Run:
    """Start a run of a plan with all Jacobians in their places, checked and brought into form.

    Raises
    ------
    ExecutionError
        If a Jacobian is missing, unknown, or of another shape or structure.
    """
    run = Run(len(plan.steps), jacobians, dtype)
    _take(lowered(plan), jacobians, run)
    return run


def _executed(
    plan: Plan, program: Program, run: Run, options: _Options, guard: bool, asked: Asked | None = None
) -> dict[tuple[str, str], Array]:
    values = run.values
    require_narrow(program.wide, options.dense, run)
    code = program.code
    if guard:
        code = tuple((place, guarded(place, kernel, plan.steps[place]), ends) for place, kernel, ends in code)
    if options.workers is not None:
        _in_threads(plan, code, run, options.workers, asked)
    else:
        for position, kernel, dropped in code:
            if asked is None:
                kernel(run)
            else:
                asked.step(position, kernel)
            for ended in dropped:
                values[ended] = None
    result = {}
    for output, source, position in plan.outputs:
        if asked is not None:
            asked.output(position)
        held = isinstance(plan.steps[position], Load) and asked is None
        value = released(values, position, program.blocks[position], options.dense is not False, run, held)
        result[output, source] = value
        if not held:
            values[position] = None
    return result


def _in_threads(plan: Plan, code: Sequence[Coded], run: Run, workers: int, asked: Asked | None) -> None:
    """Run the steps on threads by critical-path rank; a block is dropped when the last of its readers is done."""
    place = {position: task for task, (position, _, _) in enumerate(code)}
    reads = [[arg for arg in set(plan.steps[position].operands()) if arg in place] for position, _, _ in code]
    readers = Counter(arg for some in reads for arg in some)
    ends = {output.step for output in plan.outputs}
    costs = replay(plan).prices
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

    rank = ranks([costs[position] + 1 for position, _, _ in code], needs)
    run_tasks(action, needs, rank, workers)


_PROGRAMS: WeakKeyDictionary[Plan, Program] = WeakKeyDictionary()


def _require_known(program: Program, jacobians: Mapping[str, Given]) -> None:
    unknown = jacobians.keys() - program.names
    if unknown:
        known = ", ".join(sorted(program.names)[:8])
        raise ExecutionError(f"'{min(unknown)}' is no elemental of the plan; expected some of {known}.")


def _take(program: Program, jacobians: Mapping[str, Given], run: Run) -> None:
    """Check the Jacobians, put the arrays of explicit ones in their places, and keep the functions of the others."""
    _require_known(program, jacobians)
    values = run.values
    for position, e, shape, block in program.loads:
        values[position] = placed(e, shape, block, jacobians.get(e.name), run)
    for e in program.applied:
        require_functions(e.name, jacobians)
        run.applied[e.name] = matrix_free(e, jacobians[e.name])


def _lower(plan: Plan) -> Program:
    """Choose the kernel of every step."""
    graph, own = plan.graph, evaluates(plan.steps)
    blocks = tuple(typed.block for typed in replay(plan).blocks)
    dropped: list[list[int]] = [[] for _ in plan.steps]
    for position, last in enumerate(last_uses(plan)):
        if last < len(plan.steps) and (own or not isinstance(plan.steps[position], Load)):
            dropped[last].append(position)
    loads, code, lowering = [], [], Lowering(plan, blocks)
    applied: dict[str, Elemental] = {}
    for position, step in enumerate(plan.steps):
        if isinstance(step, Load) and not own:
            e = graph.declared[step.elemental]
            dense = type(e.block.structure) is Dense
            loads.append((position, e, (e.block.rows, e.block.cols) if dense else None, blocks[position]))
            continue
        if isinstance(step, Application) and not own:
            applied[step.elemental] = graph[step.elemental]
        code.append((position, lowering.kernel(position), tuple(dropped[position])))
    names = frozenset(e.name for e in graph.elementals)
    return Program(tuple(loads), tuple(applied.values()), tuple(code), blocks, names, own, wide(plan, blocks))
