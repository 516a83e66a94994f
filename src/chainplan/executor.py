"""Runs plans in numpy: each step one kernel, chosen before the run from the structures of its operands.

A plan is lowered once into a list of closures and kept for as long as the plan lives, so that running it again costs
one Python call per step beside the BLAS call itself. Blocks are held as `kernels.forms` says and multiplied by the
kernels of `kernels.products`. A block is dropped after its last use.

A plan that evaluates states runs on a `primal.Primal`: a step that linearises an elemental has its Jacobian made at the
working state, and the functions of a matrix-free one, with their tape, are dropped behind the step. States are dropped
where `states.spans` says that they end, so that what is held is what `replay` counts. What a kernel takes besides is
bounded: identities are handed to matrix-free elementals a few rows or columns at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
from chainplan.primal import Fixed, Primal
from chainplan.replayer import colouring_of, replay
from chainplan.states import spans
from chainplan.steps import (
    Accumulate,
    Add,
    Advance,
    Decompress,
    Load,
    Multiply,
    Plan,
    Propagate,
    Restore,
    Seed,
    Step,
    Store,
    evaluates,
    last_uses,
)
from chainplan.structures import Block, Dense


SEEDED = 4096
"""Entries of the identity that a matrix-free elemental is handed at a time where states are evaluated."""


class _Run:
    """One run: the blocks held so far, by step, and what the matrix-free steps need."""

    def __init__(self, steps: int, given: Mapping[str, Given], dtype: Any, primal: Primal | None = None) -> None:
        self.values: list[Any] = [None] * steps
        self.states: dict[str, Any] = {}
        self.working = ""
        self.primal = primal
        self.applied: dict[str, MatrixFree] = {}
        self._given, self._wanted = given, dtype

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Of seeds and of unit blocks that must be written out."""
        if self.primal is not None and self._wanted is None:
            own: np.dtype[Any] = self.primal.dtype
            return own
        return common_dtype(() if self.primal is not None else self._given.values(), self._wanted)

    @property
    def lineariser(self) -> Primal:
        """What states are evaluated on."""
        assert self.primal is not None
        return self.primal


_Kernel = Callable[[_Run], None]


@dataclass(frozen=True)
class _Program:
    """A lowered plan. `loads`: step, elemental, its shape where any array of it will do, and its block."""

    loads: tuple[tuple[int, Elemental, tuple[int, int] | None, Block], ...]
    applied: tuple[Elemental, ...]
    code: tuple[tuple[_Kernel, tuple[int, ...]], ...]
    blocks: tuple[Block, ...]
    names: frozenset[str]
    evaluates: bool


def execute(
    plan: Plan,
    jacobians: Mapping[str, Given],
    *,
    dense: bool = True,
    dtype: Any = None,
) -> dict[tuple[str, str], Array]:
    """Run a plan.

    Parameters
    ----------
    plan : a plan that has passed `check`.
    jacobians : by elemental name, or, for a plan that evaluates states, a `primal.Primal`. An explicit elemental is an array of rows x cols, of numpy or scipy.sparse, or the
        compact form of its structure: the diagonal, the one number of a scaled identity, an array of b x r x c for
        block_diagonal or of r x c for kronecker, the nonzeros of a listed pattern row by row. What a structure says
        all of may be left out. A matrix-free one is a pair (tangent, adjoint) of functions: tangent maps a block of
        cols x c to F'·block of rows x c, adjoint a block of r x rows to block·F' of r x cols; a mode that the plan
        does not use may be None. An array is taken for such a pair too.
    dense : whether the result is written out as matrices; otherwise as `kernels.forms` holds it: a diagonal as a
        vector, a block-diagonal one as an array of b x r x c, a sparse one as an array of scipy.sparse.
    dtype : of the seeds of matrix-free elementals; by default that of the arrays given, float64 where there is none.

    Returns
    -------
    dict
        (output, input) -> Jacobian of size(output) x size(input), for every pair that a path connects.

    Raises
    ------
    ExecutionError
        If a Jacobian is missing, unknown, of another shape or structure, or a function returns another shape.
    """
    return prepared(plan, jacobians, dense=dense, dtype=dtype)()


def prepared(
    plan: Plan, jacobians: Mapping[str, Given], *, dense: bool = True, dtype: Any = None
) -> Callable[[], dict[tuple[str, str], Array]]:
    """A run of a plan, ready to go as often as wanted: the Jacobians are checked and brought into form here.

    Parameters, results and errors are those of `execute`.
    """
    program = _PROGRAMS.get(plan)
    if program is None:
        program = _PROGRAMS[plan] = _lower(plan)
    if program.evaluates:
        return _evaluating(plan, program, jacobians, dense, dtype)
    run = _Run(len(plan.steps), jacobians, dtype)
    _take(program, jacobians, run)
    given = {id(value) for value in jacobians.values()}
    return lambda: _executed(plan, program, run, given, dense)


def _evaluating(
    plan: Plan, program: _Program, jacobians: Mapping[str, Given], dense: bool, dtype: Any
) -> Callable[[], dict[tuple[str, str], Array]]:
    """A run of a plan that evaluates states, on what it can be evaluated on or on Jacobians that depend on none."""
    if isinstance(jacobians, Primal):
        primal, given = jacobians, set[int]()
    else:
        _require_known(program, jacobians)
        primal, given = Fixed(plan.graph, jacobians), {id(value) for value in jacobians.values()}

    def run() -> dict[tuple[str, str], Array]:
        fresh = _Run(len(plan.steps), {}, dtype, primal)
        fresh.working = plan.graph.inputs[0]
        fresh.states[fresh.working] = primal.start()
        return _executed(plan, program, fresh, given, dense)

    return run


def _executed(plan: Plan, program: _Program, run: _Run, given: set[int], dense: bool) -> dict[tuple[str, str], Array]:
    values = run.values
    for kernel, dropped in program.code:
        kernel(run)
        for position in dropped:
            values[position] = None
    result = {}
    for output, source, position in plan.outputs:
        block = program.blocks[position]
        value = as_matrix(values[position], block, run.dtype) if dense else _kept(values[position], block, run)
        loaded = isinstance(plan.steps[position], Load)
        shared = id(value) in given or loaded or is_sparse(value)  # sparse arrays share indices with plans and factors
        result[output, source] = value.copy() if shared else value
    return result


_PROGRAMS: WeakKeyDictionary[Plan, _Program] = WeakKeyDictionary()


def _take(program: _Program, jacobians: Mapping[str, Given], run: _Run) -> None:
    """Put the arrays of explicit elementals in their places and keep the functions of matrix-free ones, checked."""
    _require_known(program, jacobians)
    values = run.values
    for position, e, shape, block in program.loads:
        value = jacobians.get(e.name)
        plain = type(value) is np.ndarray and value.shape == shape and value.dtype.kind in "fiuc"
        values[position] = value if plain else _loaded(e, value, block, run)
    for e in program.applied:
        if e.name not in jacobians:
            raise ExecutionError(f"no functions for matrix-free '{e.name}'; expected a pair (tangent, adjoint).")
        run.applied[e.name] = matrix_free(e, jacobians[e.name])


def _require_known(program: _Program, jacobians: Mapping[str, Given]) -> None:
    unknown = jacobians.keys() - program.names
    if unknown:
        known = ", ".join(sorted(program.names)[:8])
        raise ExecutionError(f"'{min(unknown)}' is no elemental of the plan; expected some of {known}.")


def _loaded(e: Elemental, value: Given, block: Block, run: _Run) -> Any:
    """What was given for an elemental, as the block that the plan counts with is held."""
    held = known(e.block, run.dtype) if value is None and given_away(e.block) else stored(e, value)
    return as_form(held, e.block, form(block), block, run.dtype)


def _lower(plan: Plan) -> _Program:
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
        code.append((_kernel(position, step, plan, blocks), tuple(dropped[position])))
    if own:
        kernels = _stepwise([kernel for kernel, _ in code], plan)
        code = [(kernel, drop) for kernel, (_, drop) in zip(kernels, code, strict=True)]
    names = frozenset(e.name for e in graph.elementals)
    return _Program(tuple(loads), tuple(applied.values()), tuple(code), blocks, names, own)


def _kernel(position: int, step: Step, plan: Plan, blocks: Sequence[Block]) -> _Kernel:
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
        case Load(name):
            return _load(position, graph.declared[name], blocks[position])
        case Advance(name):
            return _advance(graph[name])
        case Restore(vertex):
            return _restore(vertex)
        case Store():
            return _store
    raise AssertionError(step)


def _stepwise(kernels: Sequence[_Kernel], plan: Plan) -> list[_Kernel]:
    """The kernels of a plan that evaluates states: matrix-free steps linearise first, and states are dropped behind."""
    ending: list[list[str]] = [[] for _ in plan.steps]
    for span in spans(plan):
        ending[span.last].append(span.vertex)
    found = []
    for kernel, step, ends in zip(kernels, plan.steps, ending, strict=True):
        if isinstance(step, Accumulate | Propagate):
            kernel = _linearised(kernel, plan.graph[step.elemental])
        found.append(_then_drop(kernel, tuple(ends)) if ends else kernel)
    return found


def _linearised(kernel: _Kernel, e: Elemental) -> _Kernel:
    def run_it(run: _Run) -> None:
        given = run.lineariser.linearise(e.name, run.states[run.working])
        if given is None:
            raise ExecutionError(f"no functions for matrix-free '{e.name}'; expected a pair (tangent, adjoint).")
        run.applied[e.name] = matrix_free(e, given)
        del given
        kernel(run)
        del run.applied[e.name]

    return run_it


def _then_drop(kernel: _Kernel, vertices: tuple[str, ...]) -> _Kernel:
    def run_it(run: _Run) -> None:
        kernel(run)
        for vertex in vertices:
            del run.states[vertex]

    return run_it


def _load(position: int, e: Elemental, block: Block) -> _Kernel:
    def kernel(run: _Run) -> None:
        value = run.lineariser.linearise(e.name, run.states[run.working])
        run.values[position] = _loaded(e, value, block, run)

    return kernel


def _advance(e: Elemental) -> _Kernel:
    def kernel(run: _Run) -> None:
        run.states[e.target] = run.lineariser.advance(e.name, run.states[run.working])
        run.working = e.target

    return kernel


def _restore(vertex: str) -> _Kernel:
    def kernel(run: _Run) -> None:
        run.working = vertex

    return kernel


def _store(run: _Run) -> None:
    """Nothing is copied: the state stays where it is until its last use."""


def _multiply(position: int, left: int, right: int, blocks: Sequence[Block]) -> _Kernel:
    product = _product(blocks[left], blocks[right], blocks[position])

    def kernel(run: _Run) -> None:
        values = run.values
        values[position] = product(values[left], values[right])

    return kernel


def _product(left: Block, right: Block, result: Block) -> Callable[[Any, Any], Any]:
    """The kernel of a product; one of a compressed factor is a matrix, whatever its pattern could be."""
    kernel, pattern = product_kernel(left, right), left.times(right)
    if form(pattern) is form(result):
        return kernel
    return lambda a, b: as_matrix(kernel(a, b), pattern, np.result_type(*(x for x in (a, b) if x is not None)))


def _multiply_onto(position: int, left: int, right: int, onto: int, blocks: Sequence[Block]) -> _Kernel:
    product, block = product_kernel(blocks[left], blocks[right]), blocks[left].times(blocks[right])
    total = sum_kernel(block, blocks[onto])
    in_place = product in FRESH and form(block) is form(blocks[onto]) is Form.MATRIX

    def kernel(run: _Run) -> None:
        values = run.values
        value = product(values[left], values[right])
        if in_place and value.dtype == values[onto].dtype:
            value += values[onto]
            values[position] = value
        else:
            values[position] = total(value, values[onto], run.dtype)

    return kernel


def _add(position: int, left: int, right: int, blocks: Sequence[Block]) -> _Kernel:
    total = sum_kernel(blocks[left], blocks[right])

    def kernel(run: _Run) -> None:
        run.values[position] = total(run.values[left], run.values[right], run.dtype)

    return kernel


def _accumulate(position: int, e: Elemental, mode: Mode) -> _Kernel:
    size = e.block.cols if mode is Mode.TANGENT else e.block.rows
    part = max(1, SEEDED // max(1, size))

    def kernel(run: _Run) -> None:
        function = _applied(run, e, mode)
        if run.primal is None or part >= size:
            value = function(np.eye(size, dtype=run.dtype))
        else:
            value = _in_parts(function, e, mode, part, run.dtype)
        run.values[position] = _shaped(value, e, mode, e.block)

    return kernel


def _in_parts(function: Callable[[Array], Array], e: Elemental, mode: Mode, part: int, dtype: Any) -> Array:
    """A function of the identity, which is handed over a few columns (tangent) or rows (adjoint) at a time."""
    rows, cols = e.block.rows, e.block.cols
    result: Array | None = None
    for first in range(0, cols if mode is Mode.TANGENT else rows, part):
        count = min(part, (cols if mode is Mode.TANGENT else rows) - first)
        if mode is Mode.TANGENT:
            lines = np.asarray(function(np.eye(cols, count, -first, dtype=dtype)))
        else:
            lines = np.asarray(function(np.eye(count, rows, first, dtype=dtype)))
        lines = _shaped_as(lines, e, mode, (rows, count) if mode is Mode.TANGENT else (count, cols))
        if result is None:
            result = np.empty((rows, cols), lines.dtype)
        (result[:, first : first + count] if mode is Mode.TANGENT else result[first : first + count])[...] = lines
    assert result is not None
    return result


def _propagate(position: int, e: Elemental, arg: int, mode: Mode, blocks: Sequence[Block]) -> _Kernel:
    block, result = blocks[arg], blocks[position]  # a compressed result is a matrix, whatever its pattern could be

    def kernel(run: _Run) -> None:
        value = _applied(run, e, mode)(as_matrix(run.values[arg], block, run.dtype))
        run.values[position] = _shaped(value, e, mode, result)

    return kernel


def _seed(position: int, step: Seed, block: Block) -> _Kernel:
    """A matrix of zeros and ones: one in the colour of every column (row) that has one."""
    colours = np.array(step.colours, np.intp)
    lines = np.flatnonzero(colours >= 0)
    place = (lines, colours[lines]) if step.mode is Mode.TANGENT else (colours[lines], lines)

    def kernel(run: _Run) -> None:
        seed: Array = np.zeros((block.rows, block.cols), run.dtype)
        seed[place] = 1
        run.values[position] = seed

    return kernel


def _decompress(position: int, step: Decompress, plan: Plan, block: Block) -> _Kernel:
    pattern = block.structure.pattern(block.rows, block.cols)
    colouring = colouring_of(plan, replay(plan), step)

    def kernel(run: _Run) -> None:
        columns, rows = (None if arg is None else run.values[arg] for arg in (step.tangent, step.adjoint))
        run.values[position] = from_sparse(decompress(pattern, colouring, columns, rows), block)

    return kernel


def _applied(run: _Run, e: Elemental, mode: Mode) -> Callable[[Array], Array]:
    pair = run.applied.get(e.name)
    function = None if pair is None else pair[0 if mode is Mode.TANGENT else 1]
    if function is None:
        raise ExecutionError(f"'{e.name}' has no {mode.value} function; the plan applies one. Pass (tangent, adjoint).")
    return function


def _shaped(value: Any, e: Elemental, mode: Mode, block: Block) -> Any:
    """A function's result as the block is held, refused where it has another shape."""
    return from_matrix(_shaped_as(np.asarray(value), e, mode, (block.rows, block.cols)), block)


def _shaped_as(value: Array, e: Elemental, mode: Mode, shape: tuple[int, int]) -> Array:
    if value.shape != shape:
        raise ExecutionError(f"the {mode.value} of '{e.name}' returned shape {value.shape}; expected {shape}.")
    return value


def _kept(value: Any, block: Block, run: _Run) -> Any:
    """A held block as it is, written out where its structure said the values."""
    if value is not None:
        return value
    zero = block.structure.name == "zero"
    return as_matrix(value, block, run.dtype) if zero else diagonal(value, block, run.dtype)
