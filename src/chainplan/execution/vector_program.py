"""A program of products as a flat list of functions of vectors, bound to the blocks that a set-up has kept.

All is decided once for a plan. Vectors are columns on both sides: a row times a block is the transposed block times a
column, and kept blocks are transposed once. What is known to be zero, such as directions that are not asked for, leaves
no function behind, and what no wanted result needs is left out. What is left of a path is a plain sequence of
functions, each of which is a method of an array where the block is a matrix. Every run makes its own arrays, so that it
may go on in several threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import accumulate
from operator import attrgetter, itemgetter
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from chainplan._util.arrays import Array
from chainplan.errors import ExecutionError
from chainplan.execution.plan_run import PlanRun
from chainplan.execution.program import lowered
from chainplan.execution.second_kernels import exchanged
from chainplan.kernels.convert import as_matrix, as_sparse, transposed
from chainplan.kernels.dispatch import picks
from chainplan.kernels.products import product_kernel
from chainplan.kernels.storage import HeldValues, StorageForm, form
from chainplan.plans.replay import replay
from chainplan.plans.second_steps import ApplySecond, Contract
from chainplan.plans.steps import Add, Direction, Multiply, Plan, Propagate, Step
from chainplan.problem.graph import Elemental, Mode
from chainplan.problem.mixed_second import OwnSecond
from chainplan.structures import Block, Identity, NegatedIdentity, Zero
from chainplan.structures.second import SecondBlock, Side
from chainplan.values.jacobians import MatrixFunction, called
from chainplan.values.second_functions import second_called, second_functions

VectorFunction = Callable[[Array], Array]
"""A function of a vector, or of a matrix whose columns are vectors."""
MAX_KEPT_WIDTHS = 8
"""The numbers of columns for which the kernel of a stack is kept."""


class VectorCode(NamedTuple):
    """The functions of a program, to be bound; `results` numbers the vectors that are wanted, None for zeros.

    `starts` and `ends` are the sizes of the vectors that come in, and of those that are wanted.
    """

    code: tuple[_Instruction, ...]
    results: tuple[int | None, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]


class _Instruction(NamedTuple):
    """Apply what `bind` returns to vector `source`, and add vector `onto` where there is one; starts come first.

    `fresh` says that the result is an array that nothing else refers to.
    """

    bind: Callable[[PlanRun], VectorFunction]
    source: int
    onto: int | None
    fresh: bool


def vector_code(plan: Plan, mode: Mode, outputs: tuple[str, ...], inputs: tuple[str, ...], wide: bool) -> VectorCode:
    """Return the code of the program of a side, all of whose steps depend on its directions; it is kept with the plan.

    Parameters
    ----------
    plan : Plan
        The plan, which has that program.
    mode : Mode
        The side.
    outputs, inputs : tuple[str, ...]
        The vertices that are asked for. Their vectors stand one below the other in arguments and results.
    wide : bool
        Whether the argument is a matrix of columns instead of one vector.
    """
    kept = _VECTOR_CODES.setdefault(plan, {})
    key = mode, outputs, inputs, wide
    if key not in kept:
        starts, ends = (inputs, outputs) if mode is Mode.TANGENT else (outputs, inputs)
        kept[key] = _lowered(plan, mode, starts, ends, wide)
    return kept[key]


_VECTOR_CODES: WeakKeyDictionary[Plan, dict[object, VectorCode]] = WeakKeyDictionary()


def bound(code: VectorCode, run: PlanRun) -> VectorFunction:
    """Bind the code of a program to the blocks that the set-up has kept, and to the functions that were given.

    Raises
    ------
    ExecutionError
        Where the program applies an elemental in a mode for which it was given no function.
    """
    if len(code.starts) == len(code.ends) == 1 and code.results[0] is not None and _is_path(code.code):
        return _path_function(code.code, run)
    return _graph_function(code, run)


def _lowered(plan: Plan, mode: Mode, starts: Sequence[str], ends: Sequence[str], wide: bool) -> VectorCode:
    writer = _Writer(plan, mode, starts, wide)
    sizes = plan.graph.sizes
    code, results = _needed(writer.code, len(starts), writer.results(ends))
    return VectorCode(code, results, tuple(sizes[v] for v in starts), tuple(sizes[v] for v in ends))


class _Writer:
    """Writes the instructions of a program; vectors are numbered, the starts first, and None stands for zero.

    In programs of a second derivative columns become rows where they meet a second-order block, and rows go on by the
    blocks on the right of them. A matrix that a vector has made of a block of several rows is held row after row.
    """

    def __init__(self, plan: Plan, mode: Mode, starts: Sequence[str], wide: bool) -> None:
        replayed = replay(plan)
        program, own = next((p.program, p.blocks) for p in replayed.programs if p.program.mode is mode)
        self._program, self._graph, self._wide = program, plan.graph, wide
        self._kept, self._blocks = lowered(plan).blocks, [typed.block for typed in own]
        self._seconds = [typed.second.block if typed.second else None for typed in replayed.blocks]
        self._starts = {vertex: number for number, vertex in enumerate(starts)}
        self._made: dict[int, int | None] = {}
        self.code: list[_Instruction] = []
        for position, step in enumerate(program.steps, len(plan.steps)):
            self._made[position] = self._vector(step)

    def _vector(self, step: Step) -> int | None:
        """Return the vector that a step makes."""
        made = self._made
        match step:
            case Direction(vertex):
                return self._starts.get(vertex)
            case Multiply(left, right, onto):
                summand = None if onto is None else made[onto]
                if right in made:
                    return self._multiplied(left, right, True, summand)
                return self._multiplied(right, left, False, summand)
            case Contract(second, vector, side, _, onto):
                return self._contracted(second, made[vector], side, None if onto is None else made[onto])
            case ApplySecond():
                return self._applied_second(step, made[step.on_right or 0])
            case Propagate(name, arg, mode):
                return self._propagated(self._graph[name], mode, made[arg])
            case Add(left, right):
                return self._added(made[left], made[right])
        raise AssertionError(step)

    def results(self, ends: Sequence[str]) -> list[int | None]:
        """Return the vector of each of these vertices."""
        found = {result.vertex: self._made[result.step] for result in self._program.results}
        return [found.get(vertex) for vertex in ends]

    def _multiplied(self, kept: int, position: int, tangent: bool, onto: int | None) -> int | None:
        """Multiply a kept block by a vector on the right of it, as for tangents, or on the left."""
        block, vector = self._kept[kept], self._made[position]
        if vector is None or isinstance(block.structure, Zero):
            return onto
        if isinstance(block.structure, Identity):
            return self._added(vector, onto)
        columns = self._blocks[position - len(self._kept)].cols if tangent else 1
        if columns > 1:
            return self._write(partial(_times_columns, block, kept, columns), vector, onto)
        return self._write(_bind_block(block, kept, tangent, self._wide), vector, onto)

    def _contracted(self, kept: int, vector: int | None, side: Side, onto: int | None) -> int | None:
        block = self._seconds[kept]
        assert block is not None, "replay refuses other operands"
        if vector is None or not block.nnz:
            return onto
        return self._write(partial(_times_second, block, kept, side), vector, onto)

    def _applied_second(self, step: ApplySecond, vector: int | None) -> int | None:
        own = self._graph.own_second(step.elemental)
        assert own is not None, "replay refuses other names"
        if vector is None:
            return None
        row = None if step.on_rows is None else (self._kept[step.on_rows], step.on_rows)
        return self._write(partial(_second_applied, own, row, self._wide), vector, None, fresh=False)

    def _propagated(self, e: Elemental, mode: Mode, vector: int | None) -> int | None:
        if vector is None:
            return None
        return self._write(partial(_applied, e, mode, self._wide), vector, None, fresh=False)

    def _added(self, one: int | None, other: int | None) -> int | None:
        if one is None or other is None:
            return other if one is None else one
        return self._write(lambda run: _same, one, other)

    def _write(
        self, bind: Callable[[PlanRun], VectorFunction], source: int, onto: int | None, fresh: bool = True
    ) -> int:
        self.code.append(_Instruction(bind, source, onto, fresh))
        return len(self._starts) + len(self.code) - 1


def _same(x: Array) -> Array:
    return x


def _bind_block(block: Block, position: int, tangent: bool, wide: bool) -> Callable[[PlanRun], VectorFunction]:
    """Return what makes the function that multiplies a kept block, or its transpose, by vectors."""
    if tangent:
        by = _times(block, wide)
        return lambda run: by(run.values[position])
    by_transposed = _times(block.transpose(), wide)
    return lambda run: by_transposed(transposed(run.values[position], block))


def _times(block: Block, wide: bool) -> Callable[[HeldValues], VectorFunction]:
    """Return what makes of held values the function that multiplies them by vectors."""
    kind = form(block)
    if kind is StorageForm.DENSE:
        return attrgetter("dot")
    if kind is StorageForm.DIAGONAL and wide:
        return lambda value: partial(np.multiply, value[:, None])
    if kind in (StorageForm.DIAGONAL, StorageForm.SCALED_IDENTITY):
        return partial(partial, np.multiply)
    if isinstance(block.structure, NegatedIdentity):
        return lambda value: np.negative
    if kind is StorageForm.SPARSE:
        units = block.structure.units
        if picks(block) and units is not None and units.sign == 1:
            rows = itemgetter(block.structure.pattern(block.rows, block.cols).indices)
            return lambda value: rows
        return attrgetter("__matmul__")
    if kind is StorageForm.SHIFTS:
        return lambda value: as_sparse(value, block, None).__matmul__
    return _times_parts(block, wide)


def _times_second(block: SecondBlock, position: int, side: Side, run: PlanRun) -> VectorFunction:
    """Return the function that multiplies a column side of a kept second-order block by vectors."""
    value = run.values[position]
    if side is Side.LEFT:
        value, block = exchanged(value, block), block.exchanged()
    matrix = value.reshape((block.rows * block.left, block.right))
    return matrix.dot if isinstance(matrix, np.ndarray) else matrix.tocsr().__matmul__


def _second_applied(own: OwnSecond, row: tuple[Block, int] | None, wide: bool, run: PlanRun) -> VectorFunction:
    """Return the function that applies a second adjoint to a kept row and to vectors."""
    function = second_functions(own, run.given.get(own.given))[1]
    if function is None:
        raise ExecutionError(f"'{own.given}' has no second adjoint; this product applies one. Pass (tangent, adjoint).")
    weights = np.ones((1, 1), run.dtype) if row is None else as_matrix(run.values[row[1]], row[0], run.dtype)

    def times(x: Array) -> Array:
        return second_called(own, Mode.ADJOINT, function, np.broadcast_to(weights, (x.shape[1], weights.shape[1])), x).T

    return times if wide else lambda x: times(x[:, None])[:, 0]


def _times_columns(block: Block, position: int, columns: int, run: PlanRun) -> VectorFunction:
    """Return the function that multiplies a kept block by matrices, each of which is held row after row."""
    matrix = as_matrix(run.values[position], block, run.dtype)

    def times(x: Array) -> Array:
        made = matrix @ x.reshape(block.cols, -1)
        return made.reshape(block.rows * columns, *x.shape[1:])

    return times


def _times_parts(block: Block, wide: bool) -> Callable[[HeldValues], VectorFunction]:
    """Return what makes of a stack or of layers the function that multiplies them by vectors."""

    @lru_cache(MAX_KEPT_WIDTHS)
    def kernel(width: int) -> Callable[[Array, Array], Array]:
        return product_kernel(block, Block(block.cols, width))

    if wide:
        return lambda value: lambda x: kernel(x.shape[1])(value, x)
    by_vector = kernel(1)
    return lambda value: lambda x: by_vector(value, x).reshape(-1)


def _applied(e: Elemental, mode: Mode, wide: bool, run: PlanRun) -> VectorFunction:
    """Return the function that applies a matrix-free elemental, or its transpose, to vectors."""
    tangent = mode is Mode.TANGENT
    function = run.applied[e.name][0 if tangent else 1]
    if function is None:
        raise ExecutionError(
            f"'{e.name}' has no {mode.value} function; this product applies one. Pass (tangent, adjoint)."
        )
    if isinstance(function, MatrixFunction):
        array = function.array if tangent else function.array.T
        by_array: VectorFunction = array.dot if isinstance(array, np.ndarray) else array.__matmul__
        return by_array
    apply = partial(called, e, mode, function)
    if wide:
        return apply if tangent else lambda x: apply(x.T).T
    return (lambda x: apply(x[:, None])[:, 0]) if tangent else lambda x: apply(x[None])[0]


def _needed(
    code: Sequence[_Instruction], starts: int, results: Sequence[int | None]
) -> tuple[tuple[_Instruction, ...], tuple[int | None, ...]]:
    """Leave out the instructions that no result needs, and number the vectors of the others anew."""
    needed = set(results)
    for number in range(starts + len(code) - 1, starts - 1, -1):
        if number in needed:
            needed.update((code[number - starts].source, code[number - starts].onto))
    kept = [number for number in range(starts, starts + len(code)) if number in needed]
    new: dict[int | None, int] = {old: number for number, old in enumerate((*range(starts), *kept))}
    renumbered = tuple(
        one._replace(source=new[one.source], onto=new.get(one.onto)) for one in (code[old - starts] for old in kept)
    )
    return renumbered, tuple(new.get(number) for number in results)


def _is_path(code: Sequence[_Instruction]) -> bool:
    """Say whether every instruction takes the vector of the one before it alone."""
    return all(one.source == number and one.onto is None for number, one in enumerate(code))


def _path_function(code: Sequence[_Instruction], run: PlanRun) -> VectorFunction:
    """Return the functions of a path as one function."""
    functions = [one.bind(run) for one in code]
    if not code or not code[-1].fresh:
        functions.append(np.array)
    if len(functions) == 1:
        return functions[0]

    def along(x: Array) -> Array:
        for function in functions:
            x = function(x)
        return x

    return along


def _graph_function(code: VectorCode, run: PlanRun) -> VectorFunction:
    """Return the function of instructions that join and part."""
    first = len(code.starts)
    places, room = _placed(code.code, code.results, first)
    moves = [
        (one.bind(run), places[one.source], None if one.onto is None else places[one.onto], places[first + number])
        for number, one in enumerate(code.code)
    ]
    cuts = [slice(end - size, end) for size, end in zip(code.starts, accumulate(code.starts), strict=True)]
    finals = [None if number is None else places[number] for number in code.results]
    last = code.code[-1] if code.code and len(code.ends) == 1 else None
    alone = finals[0] if last is not None and (last.fresh or last.onto is not None) else None

    def through(x: Array) -> Array:
        values: list[Array] = [x[cut] for cut in cuts]
        values += [x] * (room - first)
        for function, source, onto, place in moves:
            made = function(values[source])
            values[place] = made if onto is None else made + values[onto]
        if alone is not None:
            return values[alone]
        pieces = [
            np.zeros((size, *x.shape[1:]), x.dtype) if place is None else values[place]
            for size, place in zip(code.ends, finals, strict=True)
        ]
        return np.concatenate(pieces)

    return through


def _placed(code: Sequence[_Instruction], results: Sequence[int | None], starts: int) -> tuple[dict[int, int], int]:
    """Give every vector a place, that of a vector which nobody reads any more where there is one; count the places."""
    last = {number: at for at, one in enumerate(code) for number in (one.source, one.onto) if number is not None}
    last.update((number, len(code)) for number in results if number is not None)
    places, free, room = {number: number for number in range(starts)}, list[int](), starts
    for at, one in enumerate(code):
        free += {places[number] for number in (one.source, one.onto) if number is not None and last[number] == at}
        if not free:
            free.append(room)
            room += 1
        places[starts + at] = free.pop()
    return places, room
