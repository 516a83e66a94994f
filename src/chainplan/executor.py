"""Runs plans in numpy: each step one kernel, chosen before the run from the structures of its operands.

A plan is lowered once into a list of closures and kept for as long as the plan lives, so that running it again costs
one Python call per step beside the BLAS call itself. Blocks are held as their structure asks: dense and banded ones as
matrices, diagonal ones as vectors, unit and zero ones not at all. A block is dropped after its last use.

Products use `np.dot`; with inner size 1 `np.multiply`, because numpy's matmul leaves BLAS there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from chainplan.errors import ExecutionError
from chainplan.graph import Elemental, Graph, Mode
from chainplan.jacobians import SIGNS, Array, Given, MatrixFree, common_dtype, matrix_free, stored
from chainplan.replayer import replay
from chainplan.steps import Accumulate, Add, Load, Multiply, Plan, Propagate, Step, last_uses
from chainplan.structures import Block, Dense


class _Run:
    """One run: the blocks held so far, by step, and what the matrix-free steps need."""

    def __init__(self, steps: int, given: Mapping[str, Given], dtype: Any) -> None:
        self.values: list[Any] = [None] * steps
        self.applied: dict[str, MatrixFree] = {}
        self._given, self._wanted = given, dtype

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Of seeds and of unit blocks that must be written out."""
        return common_dtype(self._given.values(), self._wanted)


_Kernel = Callable[[_Run], None]


@dataclass(frozen=True)
class _Program:
    """A lowered plan. `loads`: step, elemental and, where any array of it will do, its shape."""

    loads: tuple[tuple[int, Elemental, tuple[int, int] | None], ...]
    applied: tuple[Elemental, ...]
    code: tuple[tuple[_Kernel, tuple[int, ...]], ...]
    blocks: tuple[Block, ...]
    names: frozenset[str]


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
    jacobians : by elemental name. An explicit elemental is an array of rows x cols; a diagonal one may be its diagonal,
        an identity, negated identity or zero may be left out. A matrix-free one is a pair (tangent, adjoint) of
        functions: tangent maps a block of cols x c to F'·block of rows x c, adjoint a block of r x rows to block·F' of
        r x cols; a mode that the plan does not use may be None. An array is taken for such a pair too.
    dense : whether diagonal blocks of the result are written out as matrices; otherwise they are vectors.
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
    program = _PROGRAMS.get(plan)
    if program is None:
        program = _PROGRAMS[plan] = _lower(plan)
    run = _Run(len(plan.steps), jacobians, dtype)
    _take(program, jacobians, run)
    values = run.values
    for kernel, dropped in program.code:
        kernel(run)
        for position in dropped:
            values[position] = None
    given = {id(value) for value in jacobians.values()}
    result = {}
    for output, source, position in plan.outputs:
        block = program.blocks[position]
        value = _as_dense(values[position], block, run) if dense else _kept(values[position], block, run)
        result[output, source] = value.copy() if id(value) in given else value
    return result


_PROGRAMS: WeakKeyDictionary[Plan, _Program] = WeakKeyDictionary()


def _take(program: _Program, jacobians: Mapping[str, Given], run: _Run) -> None:
    """Put the arrays of explicit elementals in their places and keep the functions of matrix-free ones, checked."""
    unknown = jacobians.keys() - program.names
    if unknown:
        known = ", ".join(sorted(program.names)[:8])
        raise ExecutionError(f"'{min(unknown)}' is no elemental of the plan; expected some of {known}.")
    values = run.values
    for position, e, shape in program.loads:
        value = jacobians.get(e.name)
        plain = type(value) is np.ndarray and value.shape == shape and value.dtype.kind in "fiuc"
        values[position] = value if plain else stored(e, value)
    for e in program.applied:
        if e.name not in jacobians:
            raise ExecutionError(f"no functions for matrix-free '{e.name}'; expected a pair (tangent, adjoint).")
        run.applied[e.name] = matrix_free(e, jacobians[e.name])


def _lower(plan: Plan) -> _Program:
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
            e = graph[step.elemental]
            dense = isinstance(e.block.structure, Dense)
            loads.append((position, e, (e.block.rows, e.block.cols) if dense else None))
            continue
        if isinstance(step, Accumulate | Propagate):
            applied[step.elemental] = graph[step.elemental]
        code.append((_kernel(position, step, graph, blocks), tuple(dropped[position])))
    names = frozenset(e.name for e in graph.elementals)
    return _Program(tuple(loads), tuple(applied.values()), tuple(code), blocks, names)


def _kernel(position: int, step: Step, graph: Graph, blocks: Sequence[Block]) -> _Kernel:
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
            return _propagate(position, graph[name], arg, mode, blocks[arg])
    raise AssertionError(step)


def _multiply(position: int, left: int, right: int, blocks: Sequence[Block]) -> _Kernel:
    product = product_kernel(blocks[left], blocks[right])

    def kernel(run: _Run) -> None:
        values = run.values
        values[position] = product(values[left], values[right])

    return kernel


def _multiply_onto(position: int, left: int, right: int, onto: int, blocks: Sequence[Block]) -> _Kernel:
    product, form = product_kernel(blocks[left], blocks[right]), blocks[left].times(blocks[right])
    total = _sum_kernel(form, blocks[onto])
    in_place = product in _FRESH and _held_as(form) == _held_as(blocks[onto]) == "matrix"

    def kernel(run: _Run) -> None:
        values = run.values
        value = product(values[left], values[right])
        if in_place and value.dtype == values[onto].dtype:
            value += values[onto]
            values[position] = value
        else:
            values[position] = total(value, values[onto], run)

    return kernel


def _add(position: int, left: int, right: int, blocks: Sequence[Block]) -> _Kernel:
    total = _sum_kernel(blocks[left], blocks[right])

    def kernel(run: _Run) -> None:
        run.values[position] = total(run.values[left], run.values[right], run)

    return kernel


def _accumulate(position: int, e: Elemental, mode: Mode) -> _Kernel:
    size = e.block.cols if mode is Mode.TANGENT else e.block.rows

    def kernel(run: _Run) -> None:
        value = _applied(run, e, mode)(np.eye(size, dtype=run.dtype))
        run.values[position] = _shaped(value, e, mode, e.block)

    return kernel


def _propagate(position: int, e: Elemental, arg: int, mode: Mode, block: Block) -> _Kernel:
    result = e.block.times(block) if mode is Mode.TANGENT else block.times(e.block)

    def kernel(run: _Run) -> None:
        value = _applied(run, e, mode)(_as_dense(run.values[arg], block, run))
        run.values[position] = _shaped(value, e, mode, result)

    return kernel


def _applied(run: _Run, e: Elemental, mode: Mode) -> Callable[[Array], Array]:
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
    held = _held_as(block)
    return np.diagonal(value).copy() if held == "vector" else None if held == "nothing" else value


def _held_as(block: Block) -> str:
    """How a block is held: as a matrix, as the vector of its diagonal, or as nothing where its structure says all."""
    return _HELD.get(block.structure.name, "matrix")


_HELD = {"diagonal": "vector", **dict.fromkeys(SIGNS, "nothing")}


def product_kernel(left: Block, right: Block) -> Callable[[Any, Any], Any]:
    """The function that multiplies two held blocks: the one place that chooses."""
    names = {left.structure.name, right.structure.name}
    forms = (_held_as(left), _held_as(right))
    if "zero" in names or forms == ("nothing", "nothing"):
        return _nothing
    if forms[0] == "nothing":
        return _take_right if left.structure.name == "identity" else _negate_right
    if forms[1] == "nothing":
        return _take_left if right.structure.name == "identity" else _negate_left
    if forms == ("matrix", "matrix"):
        return np.multiply if left.cols == 1 else np.dot
    return _scale_rows if forms == ("vector", "matrix") else np.multiply


def _nothing(left: Any, right: Any) -> Any:
    return None


def _take_right(left: Any, right: Any) -> Any:
    return right


def _take_left(left: Any, right: Any) -> Any:
    return left


def _negate_right(left: Any, right: Any) -> Any:
    return np.negative(right)


def _negate_left(left: Any, right: Any) -> Any:
    return np.negative(left)


def _scale_rows(left: Any, right: Any) -> Any:
    return left[:, None] * right


_FRESH = (np.dot, np.multiply, _scale_rows, _negate_left, _negate_right)
"""Kernels whose result is an array of its own, onto which another may be added in place."""


def _sum_kernel(left: Block, right: Block) -> Callable[[Any, Any, _Run], Any]:
    """The function that adds two held blocks."""
    result = left.plus(right)
    if _held_as(left) == _held_as(right) == _held_as(result) != "nothing":
        return lambda a, b, run: np.add(a, b)
    if right.structure.name == "zero":
        return lambda a, b, run: a
    if left.structure.name == "zero":
        return lambda a, b, run: b
    form = _as_vector if _held_as(result) == "vector" else _as_dense
    return lambda a, b, run: np.add(form(a, left, run), form(b, right, run))


def _as_vector(value: Any, block: Block, run: _Run) -> Array:
    """The diagonal of a diagonal, unit or zero block."""
    if value is not None:
        return np.asarray(value)
    sign = SIGNS[block.structure.name]
    return np.full(block.rows, sign, run.dtype)


def _as_dense(value: Any, block: Block, run: _Run) -> Array:
    """A held block as a matrix of rows x cols."""
    if value is not None and value.ndim == 2:
        return np.asarray(value)
    if block.structure.name == "zero":
        return np.zeros((block.rows, block.cols), run.dtype)
    return np.diag(_as_vector(value, block, run))


def _kept(value: Any, block: Block, run: _Run) -> Array:
    """A held block as a matrix, or as a vector where it is diagonal."""
    diagonal = block.structure.name in ("diagonal", "identity", "negated_identity")
    return _as_vector(value, block, run) if diagonal else _as_dense(value, block, run)
