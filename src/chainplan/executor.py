"""Runs plans in numpy: each step one kernel, chosen before the run from the structures of its operands.

A plan is lowered once into a list of closures and kept for as long as the plan lives, so that running it again costs
one Python call per step beside the BLAS call itself. Blocks are held as `kernels.forms` says and multiplied by the
kernels of `kernels.products`. A block is dropped after its last use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from chainplan.colouring import decompress
from chainplan.errors import ExecutionError
from chainplan.graph import Elemental, Mode
from chainplan.jacobians import Given, MatrixFree, common_dtype, is_sparse, matrix_free, stored
from chainplan.kernels.convert import Array, as_form, as_matrix, diagonal, from_matrix, from_sparse, given_away, known
from chainplan.kernels.forms import Form, form
from chainplan.kernels.products import FRESH, product_kernel, sum_kernel
from chainplan.replayer import colouring_of, replay
from chainplan.steps import (
    Accumulate,
    Add,
    Decompress,
    Load,
    Multiply,
    Plan,
    Propagate,
    Seed,
    Step,
    last_uses,
    operands,
)
from chainplan.structures import Block, Dense
from chainplan.threads import ranks, run_tasks


class Run:
    """One run: the blocks held so far, by step, and what the matrix-free steps need."""

    def __init__(self, steps: int, given: Mapping[str, Given], dtype: Any) -> None:
        self.values: list[Any] = [None] * steps
        self.applied: dict[str, MatrixFree] = {}
        self._given, self._wanted = given, dtype

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Of seeds and of unit blocks that must be written out."""
        return common_dtype(self._given.values(), self._wanted)


Kernel = Callable[[Run], None]


@dataclass(frozen=True)
class Program:
    """A lowered plan. `loads`: step, elemental, its shape where any array of it will do, and its block. `code`: all
    other steps with their kernels and the blocks that are dropped behind each."""

    loads: tuple[tuple[int, Elemental, tuple[int, int] | None, Block], ...]
    applied: tuple[Elemental, ...]
    code: tuple[tuple[int, Kernel, tuple[int, ...]], ...]
    blocks: tuple[Block, ...]
    names: frozenset[str]


def execute(
    plan: Plan,
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
    plan : a plan that has passed `check`.
    jacobians : by elemental name. An explicit elemental is an array of rows x cols, of numpy or scipy.sparse, or the
        compact form of its structure: the diagonal, the one number of a scaled identity, an array of b x r x c for
        block_diagonal or of r x c for kronecker, the nonzeros of a listed pattern row by row. What a structure says
        all of may be left out. A matrix-free one is a pair (tangent, adjoint) of functions: tangent maps a block of
        cols x c to F'·block of rows x c, adjoint a block of r x rows to block·F' of r x cols; a mode that the plan
        does not use may be None. An array is taken for such a pair too.
    dense : whether the result is written out as matrices; otherwise as `kernels.forms` holds it: a diagonal as a
        vector, a block-diagonal one as an array of b x r x c, a sparse one as an array of scipy.sparse.
    dtype : of the seeds of matrix-free elementals; by default that of the arrays given, float64 where there is none.
    workers : threads that run steps which do not wait for one another, each with one BLAS thread; the bits of the
        result do not depend on how many. Functions of matrix-free elementals are then called from these threads, and
        more blocks may be alive than the plan's peak says. None runs step after step with BLAS as it is set. With the
        backend "dask" the processes of a local cluster.
    backend : "numpy", or "dask": the steps are tasks of a cluster, blocks stay on its workers and only the outputs come
        back. What a lost worker held is computed again; blocks that are too large for a worker are split by rows.
    scheduler : of the backend "dask": the address of a scheduler, or a `distributed.Client`; None starts a local
        cluster for this run, which needs `if __name__ == "__main__":` in a script.

    Returns
    -------
    dict
        (output, input) -> Jacobian of size(output) x size(input), for every pair that a path connects.

    Raises
    ------
    ExecutionError
        If a Jacobian is missing, unknown, of another shape or structure, a function returns another shape, or a step
        fits no worker.
    """
    if backend == "dask":
        from chainplan.cluster.run import run_on_cluster

        _require_workers(workers)
        return run_on_cluster(plan, jacobians, dense=dense, dtype=dtype, workers=workers, scheduler=scheduler)
    if backend != "numpy" or scheduler is not None:
        raise ExecutionError(f"backend: found '{backend}'; expected 'numpy', or 'dask', which alone has a scheduler.")
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
    program, run = lowered(plan), taken(plan, jacobians, dtype)
    given = {id(value) for value in jacobians.values()}
    return lambda: _executed(plan, program, run, given, dense, workers)


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
        shared = id(value) in given or is_sparse(value)  # sparse arrays share their indices with plans and factors
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


def _take(program: Program, jacobians: Mapping[str, Given], run: Run) -> None:
    """Put the arrays of explicit elementals in their places and keep the functions of matrix-free ones, checked."""
    unknown = jacobians.keys() - program.names
    if unknown:
        known = ", ".join(sorted(program.names)[:8])
        raise ExecutionError(f"'{min(unknown)}' is no elemental of the plan; expected some of {known}.")
    values = run.values
    for position, e, shape, block in program.loads:
        value = jacobians.get(e.name)
        plain = type(value) is np.ndarray and value.shape == shape and value.dtype.kind in "fiuc"
        values[position] = value if plain else _loaded(e, value, block, run)
    for e in program.applied:
        if e.name not in jacobians:
            raise ExecutionError(f"no functions for matrix-free '{e.name}'; expected a pair (tangent, adjoint).")
        run.applied[e.name] = matrix_free(e, jacobians[e.name])


def _loaded(e: Elemental, value: Given, block: Block, run: Run) -> Any:
    """What was given for an elemental, as the block that the plan counts with is held."""
    held = known(e.block, run.dtype) if value is None and given_away(e.block) else stored(e, value)
    return as_form(held, e.block, form(block), block, run.dtype)


def _lower(plan: Plan) -> Program:
    """Choose the kernel of every step."""
    graph = plan.graph
    blocks = tuple(typed.block for typed in replay(plan).blocks)
    dropped: list[list[int]] = [[] for _ in plan.steps]
    for position, last in enumerate(last_uses(plan)):
        if last < len(plan.steps) and not isinstance(plan.steps[position], Load):
            dropped[last].append(position)
    loads, code = [], []
    applied: dict[str, Elemental] = {}
    for position, step in enumerate(plan.steps):
        if isinstance(step, Load):
            e = graph.declared[step.elemental]
            dense = type(e.block.structure) is Dense
            loads.append((position, e, (e.block.rows, e.block.cols) if dense else None, blocks[position]))
            continue
        if isinstance(step, Accumulate | Propagate):
            applied[step.elemental] = graph[step.elemental]
        code.append((position, _kernel(position, step, plan, blocks), tuple(dropped[position])))
    names = frozenset(e.name for e in graph.elementals)
    return Program(tuple(loads), tuple(applied.values()), tuple(code), blocks, names)


def _kernel(position: int, step: Step, plan: Plan, blocks: Sequence[Block]) -> Kernel:
    graph = plan.graph
    match step:
        case Multiply(left, right, None):
            return _multiply(position, left, right, blocks)
        case Multiply(left, right, int(onto)):
            return _multiply_onto(position, left, right, onto, blocks)
        case Add(left, right):
            return _add(position, left, right, blocks)
        case Accumulate(name, mode):
            return _accumulate(position, graph[name], mode)
        case Propagate(name, arg, mode):
            return _propagate(position, graph[name], arg, mode, blocks)
        case Seed():
            return _seed(position, step, blocks[position])
        case Decompress():
            return _decompress(position, step, plan, blocks[position])
    raise AssertionError(step)


def _multiply(position: int, left: int, right: int, blocks: Sequence[Block]) -> Kernel:
    product = _product(blocks[left], blocks[right], blocks[position])

    def kernel(run: Run) -> None:
        values = run.values
        values[position] = product(values[left], values[right])

    return kernel


def _product(left: Block, right: Block, result: Block) -> Callable[[Any, Any], Any]:
    """The kernel of a product; one of a compressed factor is a matrix, whatever its pattern could be."""
    kernel, pattern = product_kernel(left, right), left.times(right)
    if form(pattern) is form(result):
        return kernel
    return lambda a, b: as_matrix(kernel(a, b), pattern, np.result_type(*(x for x in (a, b) if x is not None)))


def _multiply_onto(position: int, left: int, right: int, onto: int, blocks: Sequence[Block]) -> Kernel:
    product, block = product_kernel(blocks[left], blocks[right]), blocks[left].times(blocks[right])
    total = sum_kernel(block, blocks[onto])
    in_place = product in FRESH and form(block) is form(blocks[onto]) is Form.MATRIX

    def kernel(run: Run) -> None:
        values = run.values
        value = product(values[left], values[right])
        if in_place and value.dtype == values[onto].dtype:
            value += values[onto]
            values[position] = value
        else:
            values[position] = total(value, values[onto], run.dtype)

    return kernel


def _add(position: int, left: int, right: int, blocks: Sequence[Block]) -> Kernel:
    total = sum_kernel(blocks[left], blocks[right])

    def kernel(run: Run) -> None:
        run.values[position] = total(run.values[left], run.values[right], run.dtype)

    return kernel


def _accumulate(position: int, e: Elemental, mode: Mode) -> Kernel:
    size = e.block.cols if mode is Mode.TANGENT else e.block.rows

    def kernel(run: Run) -> None:
        value = _applied(run, e, mode)(np.eye(size, dtype=run.dtype))
        run.values[position] = _shaped(value, e, mode, e.block)

    return kernel


def _propagate(position: int, e: Elemental, arg: int, mode: Mode, blocks: Sequence[Block]) -> Kernel:
    block, result = blocks[arg], blocks[position]  # a compressed result is a matrix, whatever its pattern could be

    def kernel(run: Run) -> None:
        value = _applied(run, e, mode)(as_matrix(run.values[arg], block, run.dtype))
        run.values[position] = _shaped(value, e, mode, result)

    return kernel


def _seed(position: int, step: Seed, block: Block) -> Kernel:
    """A matrix of zeros and ones: one in the colour of every column (row) that has one."""
    colours = np.array(step.colours, np.intp)
    lines = np.flatnonzero(colours >= 0)
    place = (lines, colours[lines]) if step.mode is Mode.TANGENT else (colours[lines], lines)

    def kernel(run: Run) -> None:
        seed: Array = np.zeros((block.rows, block.cols), run.dtype)
        seed[place] = 1
        run.values[position] = seed

    return kernel


def _decompress(position: int, step: Decompress, plan: Plan, block: Block) -> Kernel:
    pattern = block.structure.pattern(block.rows, block.cols)
    colouring = colouring_of(plan, replay(plan), step)

    def kernel(run: Run) -> None:
        columns, rows = (None if arg is None else run.values[arg] for arg in (step.tangent, step.adjoint))
        run.values[position] = from_sparse(decompress(pattern, colouring, columns, rows), block)

    return kernel


def _applied(run: Run, e: Elemental, mode: Mode) -> Callable[[Array], Array]:
    pair = run.applied.get(e.name)
    function = None if pair is None else pair[0 if mode is Mode.TANGENT else 1]
    if function is None:
        raise ExecutionError(f"'{e.name}' has no {mode.value} function; the plan applies one. Pass (tangent, adjoint).")
    return function


def _shaped(value: Any, e: Elemental, mode: Mode, block: Block) -> Any:
    """A function's result as the block is held, refused where it has another shape."""
    value = np.asarray(value)
    if value.shape != (block.rows, block.cols):
        raise ExecutionError(
            f"the {mode.value} of '{e.name}' returned shape {value.shape}; expected ({block.rows}, {block.cols})."
        )
    return from_matrix(value, block)


def kept(value: Any, block: Block, run: Run) -> Any:
    """A held block as it is, written out where its structure said the values."""
    if value is not None:
        return value
    zero = block.structure.name == "zero"
    return as_matrix(value, block, run.dtype) if zero else diagonal(value, block, run.dtype)
