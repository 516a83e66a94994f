"""Runs plans in numpy: each step one kernel, chosen before the run from the structures of its operands.

A plan is lowered once into a list of closures and kept for as long as the plan lives, so that running it again costs
one Python call per step beside the BLAS call itself. Blocks are held as `kernels.forms` says and multiplied by the
kernels of `kernels.products`. A block is dropped after its last use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from chainplan.arguments import mapping
from chainplan.errors import ExecutionError
from chainplan.graph import Elemental
from chainplan.jacobians import Given, is_sparse, matrix_free
from chainplan.kernels.convert import Array, as_matrix, diagonal
from chainplan.primal import Fixed, Primal
from chainplan.replayer import replay
from chainplan.step_kernels import Kernel, Run, kernel_of, loaded, stepwise
from chainplan.steps import Accumulate, Load, Plan, Planned, Propagate, evaluates, last_uses, operands, plan_of
from chainplan.structures import Block, Dense
from chainplan.threads import ranks, run_tasks


@dataclass(frozen=True)
class Program:
    """A lowered plan. `loads`: step, elemental, its shape where any array of it will do, and its block. `code`: all
    other steps with their kernels and the blocks that are dropped behind each."""

    loads: tuple[tuple[int, Elemental, tuple[int, int] | None, Block], ...]
    applied: tuple[Elemental, ...]
    code: tuple[tuple[int, Kernel, tuple[int, ...]], ...]
    blocks: tuple[Block, ...]
    names: frozenset[str]
    evaluates: bool


def execute(
    plan: Plan | Planned,
    jacobians: Mapping[str, Given],
    *,
    dense: bool = True,
    dtype: Any = None,
    workers: int | None = None,
    backend: str = "numpy",
    scheduler: Any = None,
) -> dict[tuple[str, str], Array]:
    """Run a plan.

    Parameters
    ----------
    plan : Plan | Planned
        A plan that has passed `check`, or what holds one: a `Result`, a plan file that was read.
    jacobians : Mapping[str, Given]
        The elemental Jacobians by name. An explicit elemental is an array of rows x cols, of numpy or scipy.sparse, or
        the compact form of its structure: the diagonal, the one number of a scaled identity, an array of b x r x c for
        block_diagonal or of r x c for kronecker, the nonzeros of a listed pattern row by row. What a structure says all
        of may be left out. A matrix-free one is a pair (tangent, adjoint) of functions: tangent maps a block of cols x
        c to F'·block of rows x c, adjoint a block of r x rows to block·F' of r x cols; a mode that the plan does not
        use may be None. An array is taken for such a pair too.
    dense : bool
        Whether the result is written out as matrices; otherwise as `kernels.forms` holds it: a diagonal as a vector, a
        block-diagonal one as an array of b x r x c, a sparse one as an array of scipy.sparse.
    dtype : Any
        The dtype of the seeds of matrix-free elementals; by default that of the arrays given, else float64.
    workers : int | None
        The number of threads that run steps which do not wait for one another, each with one BLAS thread; the bits of
        the result do not depend on it. Functions of matrix-free elementals are then called from these threads, and more
        blocks may be alive than the plan's peak says. None runs step after step with BLAS as it is set. With the
        backend "dask" it is the number of processes of a local cluster.
    backend : str
        "numpy", or "dask": the steps are tasks of a cluster, blocks stay on its workers and only the outputs come back.
        What a lost worker held is computed again; blocks that are too large for a worker are split by rows.
    scheduler : Any
        The cluster of the backend "dask": the address of a scheduler, or a `distributed.Client`; None starts a local
        one for this run, which needs `if __name__ == "__main__":` in a script.

    Returns
    -------
    dict
        (output, input) -> Jacobian of size(output) x size(input), for every pair that a path connects.

    Raises
    ------
    ExecutionError
        If a Jacobian is missing, unknown, of another shape or structure, a function returns another shape, or a step
        fits no worker.

    Examples
    --------
    >>> import chainplan
    >>> result = chainplan.plan(chainplan.chain([2, 3, 1]))
    >>> execute(result.plan, {"F1": np.ones((3, 2)), "F2": np.ones((1, 3))})["x2", "x0"]
    array([[3., 3.]])
    """
    plan = plan_of(plan)
    mapping("jacobians", jacobians, "elementals to arrays or functions", "{'F1': array, 'F2': (tangent, adjoint)}")
    if backend == "dask":
        if evaluates(plan.steps):
            raise ExecutionError(
                "backend: found 'dask' for a plan that evaluates states, whose steps run in order; expected 'numpy'. "
                "Leave it out, or plan without limits.recompute."
            )
        from chainplan.cluster.run import run_on_cluster

        _require_workers(workers)
        return run_on_cluster(plan, jacobians, dense=dense, dtype=dtype, workers=workers, scheduler=scheduler)
    if backend != "numpy":
        raise ExecutionError(f"backend: found '{backend}'; expected 'numpy' or 'dask'. Name one of them.")
    if scheduler is not None:
        raise ExecutionError(
            "scheduler: found one with the backend 'numpy'; expected it with 'dask'. Add backend='dask'."
        )
    return prepared(plan, jacobians, dense=dense, dtype=dtype, workers=workers)()


def prepared(
    plan: Plan,
    jacobians: Mapping[str, Given],
    *,
    dense: bool = True,
    dtype: Any = None,
    workers: int | None = None,
) -> Callable[[], dict[tuple[str, str], Array]]:
    """A run of a plan, ready to go as often as wanted: the Jacobians are checked and brought into form here.

    Parameters, results and errors are those of `execute`.
    """
    _require_workers(workers)
    program = lowered(plan)
    if program.evaluates:
        return _evaluating(plan, program, jacobians, dense, dtype)
    run = taken(plan, jacobians, dtype)
    given = {id(value) for value in jacobians.values()}
    return lambda: _executed(plan, program, run, given, dense, workers)


def _evaluating(
    plan: Plan, program: Program, jacobians: Mapping[str, Given], dense: bool, dtype: Any
) -> Callable[[], dict[tuple[str, str], Array]]:
    """A run of a plan that evaluates states, on what it can be evaluated on or on Jacobians that depend on none."""
    if isinstance(jacobians, Primal):
        primal, given = jacobians, set[int]()
    else:
        _require_known(program, jacobians)
        primal, given = Fixed(plan.graph, jacobians), {id(value) for value in jacobians.values()}

    def run() -> dict[tuple[str, str], Array]:
        fresh = Run(len(plan.steps), {}, dtype, primal)
        fresh.working = plan.graph.inputs[0]
        fresh.states[fresh.working] = primal.start()
        return _executed(plan, program, fresh, given, dense, None)

    return run


def _require_workers(workers: int | None) -> None:
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise ExecutionError(f"workers: found {workers!r}; expected a whole number from 1. Pass workers=2, say.")


def lowered(plan: Plan) -> Program:
    """The kernels of a plan, kept for as long as the plan lives."""
    program = _PROGRAMS.get(plan)
    if program is None:
        program = _PROGRAMS[plan] = _lower(plan)
    return program


def taken(plan: Plan, jacobians: Mapping[str, Given], dtype: Any = None) -> Run:
    """A run of a plan with the Jacobians in their places, checked and in form.

    Raises
    ------
    ExecutionError
        If a Jacobian is missing, unknown, or of another shape or structure.
    """
    run = Run(len(plan.steps), jacobians, dtype)
    _take(lowered(plan), jacobians, run)
    return run


def _executed(
    plan: Plan, program: Program, run: Run, given: set[int], dense: bool, workers: int | None
) -> dict[tuple[str, str], Array]:
    values = run.values
    if workers is None:
        for _, kernel, dropped in program.code:
            kernel(run)
            for position in dropped:
                values[position] = None
    else:
        _in_threads(plan, program, run, workers)
    result = {}
    for output, source, position in plan.outputs:
        block = program.blocks[position]
        value = as_matrix(values[position], block, run.dtype) if dense else kept(values[position], block, run)
        from_load = isinstance(plan.steps[position], Load)
        shared = id(value) in given or from_load or is_sparse(value)  # sparse arrays share indices with plans
        result[output, source] = value.copy() if shared else value
    return result


def _in_threads(plan: Plan, program: Program, run: Run, workers: int) -> None:
    """Run the steps on threads by critical-path rank; a block is dropped when the last of its readers is done."""
    place = {position: task for task, (position, _, _) in enumerate(program.code)}
    reads = [[arg for arg in set(operands(plan.steps[position])) if arg in place] for position, _, _ in program.code]
    readers = Counter(arg for some in reads for arg in some)
    ends = {output.step for output in plan.outputs}
    costs = replay(plan).prices
    needs = [[place[arg] for arg in some] for some in reads]
    lock = Lock()
    run.dtype  # noqa: B018  (known before threads ask for it)

    def action(task: int) -> None:
        program.code[task][1](run)
        with lock:
            for arg in reads[task]:
                readers[arg] -= 1
                if not readers[arg] and arg not in ends:
                    run.values[arg] = None

    rank = ranks([costs[position] + 1 for position, _, _ in program.code], needs)
    run_tasks(action, needs, rank, workers)


_PROGRAMS: WeakKeyDictionary[Plan, Program] = WeakKeyDictionary()


def _require_known(program: Program, jacobians: Mapping[str, Given]) -> None:
    unknown = jacobians.keys() - program.names
    if unknown:
        known = ", ".join(sorted(program.names)[:8])
        raise ExecutionError(f"'{min(unknown)}' is no elemental of the plan; expected some of {known}.")


def _take(program: Program, jacobians: Mapping[str, Given], run: Run) -> None:
    """Put the arrays of explicit elementals in their places and keep the functions of matrix-free ones, checked."""
    _require_known(program, jacobians)
    values = run.values
    for position, e, shape, block in program.loads:
        value = jacobians.get(e.name)
        plain = type(value) is np.ndarray and value.shape == shape and value.dtype.kind in "fiuc"
        values[position] = value if plain else loaded(e, value, block, run)
    for e in program.applied:
        if e.name not in jacobians:
            raise ExecutionError(f"no functions for matrix-free '{e.name}'; expected a pair (tangent, adjoint).")
        run.applied[e.name] = matrix_free(e, jacobians[e.name])


def _lower(plan: Plan) -> Program:
    """Choose the kernel of every step."""
    graph, own = plan.graph, evaluates(plan.steps)
    blocks = tuple(typed.block for typed in replay(plan).blocks)
    dropped: list[list[int]] = [[] for _ in plan.steps]
    for position, last in enumerate(last_uses(plan)):
        if last < len(plan.steps) and (own or not isinstance(plan.steps[position], Load)):
            dropped[last].append(position)
    loads, code = [], []
    applied: dict[str, Elemental] = {}
    for position, step in enumerate(plan.steps):
        if isinstance(step, Load) and not own:
            e = graph.declared[step.elemental]
            dense = type(e.block.structure) is Dense
            loads.append((position, e, (e.block.rows, e.block.cols) if dense else None, blocks[position]))
            continue
        if isinstance(step, Accumulate | Propagate) and not own:
            applied[step.elemental] = graph[step.elemental]
        code.append((position, kernel_of(position, step, plan, blocks), tuple(dropped[position])))
    if own:
        kernels = stepwise([kernel for _, kernel, _ in code], plan)
        code = [(position, kernel, drop) for kernel, (position, _, drop) in zip(kernels, code, strict=True)]
    names = frozenset(e.name for e in graph.elementals)
    return Program(tuple(loads), tuple(applied.values()), tuple(code), blocks, names, own)


def kept(value: Any, block: Block, run: Run) -> Any:
    """A held block as it is, written out where its structure said the values."""
    if value is not None:
        return value
    zero = block.structure.name == "zero"
    return as_matrix(value, block, run.dtype) if zero else diagonal(value, block, run.dtype)
