"""Lowers each step of a plan to a function that runs it, chosen by the structures of its operands.

Blocks are held as `kernels.storage` says and multiplied by the kernels of `kernels.products`.

Where a plan evaluates states, a step that linearises an elemental makes its Jacobian at the working state
(`state_lowering`). Whatever a kernel needs besides what it holds is bounded (`chunked_apply`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainplan._util.arrays import Array
from chainplan._util.byte_cache import kept
from chainplan.colouring import Colouring, decompress
from chainplan.errors import ExecutionError
from chainplan.execution import second_lowering, state_lowering
from chainplan.execution.chunked_apply import (
    MAX_SEEDED_ENTRIES,
    LinesFunction,
    applied,
    at_once,
    block_lines,
    identity_lines,
)
from chainplan.execution.plan_run import PlanRun, StepKernel
from chainplan.kernels.convert import as_matrix, from_matrix, from_sparse
from chainplan.kernels.dispatch import ProductRoute, route
from chainplan.kernels.products import ValuesProduct, makes_anew, product_kernel, routed_kernel, sum_kernel
from chainplan.kernels.storage import HeldValues, StorageForm, form
from chainplan.plans.liveness import evaluates
from chainplan.plans.replay import Replay, SeededColours, colouring_from, sides_of
from chainplan.plans.second_steps import ApplySecond, Contract, Exchange, Given, LoadSecond
from chainplan.plans.state_steps import Advance, Read, Restore, Store, Write
from chainplan.plans.states import StateSpan, spans
from chainplan.plans.steps import (
    Accumulate,
    Add,
    Again,
    Application,
    Decompress,
    Direction,
    Interpreter,
    Load,
    Multiply,
    Plan,
    Propagate,
    Seed,
)
from chainplan.problem.graph import Elemental, Mode
from chainplan.structures import Block, Dense
from chainplan.structures.second import SecondBlock
from chainplan.values.jacobians import called

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class Lowering(Interpreter[StepKernel]):
    """The interpreter that turns each step of a plan into its kernel; it loads only in plans that evaluate states.

    Parameters
    ----------
    plan : Plan
        The plan.
    replayed : Replay
        What follows from it.
    ways : Mapping[int, ProductWay] | None
        How products are computed, by their steps; None where the patterns of the plan are here and say it.
    """

    def __init__(self, plan: Plan, replayed: Replay, ways: Mapping[int, ProductWay] | None = None) -> None:
        self._plan, self._graph, self._replay, self._ways = plan, plan.graph, replayed, ways
        self.blocks = tuple(typed.block for typed in replayed.blocks)
        self._evaluates = evaluates(plan.steps)
        self._ending: dict[int, list[StateSpan]] = {}
        for span in spans(plan) if self._evaluates else ():
            self._ending.setdefault(span.last, []).append(span)
        self._position = 0

    def kernel(self, position: int) -> StepKernel:
        """Return the kernel of the step at a position, which also drops the states that end there."""
        self._position = position
        kernel = self._plan.steps[position].accept(self)
        ends = self._ending.get(position) if self._evaluates else None
        return state_lowering.then_drop(kernel, ends) if ends else kernel

    def load(self, step: Load) -> StepKernel:
        return state_lowering.load_at_state(
            self._position, self._graph.declared[step.elemental], self.blocks[self._position]
        )

    def accumulate(self, step: Accumulate) -> StepKernel:
        return self._applying(step, _accumulate(self._position, self._graph[step.elemental], step.mode))

    def propagate(self, step: Propagate) -> StepKernel:
        e = self._graph[step.elemental]
        return self._applying(step, _propagate(self._position, e, step.arg, step.mode, self.blocks))

    def multiply(self, step: Multiply) -> StepKernel:
        left, right, onto = step
        position, blocks = self._position, self.blocks
        way = product_way(self._replay, position, step) if self._ways is None else self._ways.get(position)
        if onto is None:
            return partial(
                multiply, _product(blocks[left], blocks[right], blocks[position], way), position, left, right
            )
        return _multiply_onto(position, left, right, onto, blocks, way)

    def add(self, step: Add) -> StepKernel:
        if self._replay.blocks[step.left].second is not None:
            return second_lowering.add_seconds(self._position, step.left, step.right, self._second(self._position))
        return _add(self._position, step.left, step.right, self.blocks)

    def seed(self, step: Seed) -> StepKernel:
        return _seed(self._position, step, self.blocks[self._position])

    def decompress(self, step: Decompress) -> StepKernel:
        sides = sides_of(self._plan, self._replay, step)
        return _decompress(self._position, step, sides, self.blocks[self._position])

    def again(self, step: Again) -> StepKernel:
        return partial(_again, self._position, step.arg)

    def direction(self, step: Direction) -> StepKernel:
        raise AssertionError("programs of products are lowered by vector_program")

    def load_second(self, step: LoadSecond) -> StepKernel:
        own = self._graph.own_second(step.elemental)
        assert own is not None, "replay refuses other names"
        return second_lowering.load_second(self._position, own)

    def apply_second(self, step: ApplySecond) -> StepKernel:
        own = self._graph.own_second(step.elemental)
        assert own is not None, "replay refuses other names"
        return second_lowering.apply_second(self._position, step, own, self._second(self._position), self.blocks)

    def exchange(self, step: Exchange) -> StepKernel:
        return second_lowering.exchange(self._position, step, self._second(step.second))

    def given(self, step: Given) -> StepKernel:
        return second_lowering.given_side(self._position, step, self.blocks[self._position])

    def contract(self, step: Contract) -> StepKernel:
        kinds = self._second(step.second), self._second(self._position)
        return second_lowering.contract(self._position, step, kinds, self.blocks[step.block])

    def _second(self, position: int) -> SecondBlock:
        end = self._replay.blocks[position].second
        assert end is not None, "replay refuses other operands"
        return end.block

    def advance(self, step: Advance) -> StepKernel:
        return state_lowering.advance(self._graph[step.elemental])

    def store(self, step: Store) -> StepKernel:
        return state_lowering.store

    def restore(self, step: Restore) -> StepKernel:
        return state_lowering.restore(step.vertex)

    def write(self, step: Write) -> StepKernel:
        return state_lowering.write(step.vertex)

    def read(self, step: Read) -> StepKernel:
        return state_lowering.read(step.vertex)

    def _applying(self, step: Application, kernel: StepKernel) -> StepKernel:
        """Let a kernel linearise the matrix-free elemental that it applies first, where states are evaluated."""
        return state_lowering.linearise_first(kernel, self._graph[step.elemental]) if self._evaluates else kernel


def multiply(product: ValuesProduct, position: int, left: int, right: int, run: PlanRun) -> None:
    """Multiply two blocks; a partial call of one function is made several times as fast as a closure is."""
    values = run.values
    values[position] = product(values[left], values[right])


def _again(position: int, arg: int, run: PlanRun) -> None:
    """Hold the same values at another step."""
    run.values[position] = run.values[arg]


class ProductWay(NamedTuple):
    """How a product is computed: by which route, and its block before it is added onto another."""

    route: ProductRoute
    block: Block


def product_way(replayed: Replay, position: int, step: Multiply) -> ProductWay | None:
    """Return how a product is computed; None for one of two matrices, which needs no choice.

    Where a factor is compressed, the product is multiplied by its pattern, although it counts as dense.
    """
    left, right, made = replayed.blocks[step.left].block, replayed.blocks[step.right].block, replayed.blocks[position]
    if type(left.structure) is type(right.structure) is Dense:
        return None
    block = made.block if made.special is None and step.onto is None else left.times(right)
    return ProductWay(route(left, right, block), block)


def _product(left: Block, right: Block, result: Block, way: ProductWay | None) -> ValuesProduct:
    """Return the kernel of a product; a compressed factor makes a matrix, whatever the pattern could be."""
    if way is None:
        return product_kernel(left, right, result)
    block, kernel = way.block, routed_kernel(way.route, left, right, way.block)
    if form(block) is form(result):
        return kernel
    return lambda a, b: as_matrix(kernel(a, b), block, np.result_type(*(x for x in (a, b) if x is not None)))


def _multiply_onto(
    position: int, left: int, right: int, onto: int, blocks: Sequence[Block], way: ProductWay | None
) -> StepKernel:
    block = Block(blocks[left].rows, blocks[right].cols) if way is None else way.block
    product = _product(blocks[left], blocks[right], block, way)
    total = sum_kernel(block, blocks[onto], blocks[position])
    in_place = makes_anew(product) and form(block) is form(blocks[onto]) is StorageForm.DENSE

    def kernel(run: PlanRun) -> None:
        values = run.values
        value = product(values[left], values[right])
        if in_place and value.dtype == values[onto].dtype:
            value += values[onto]
            values[position] = value
        else:
            values[position] = total(value, values[onto], run.dtype)

    return kernel


def _add(position: int, left: int, right: int, blocks: Sequence[Block]) -> StepKernel:
    total = sum_kernel(blocks[left], blocks[right], blocks[position])

    def kernel(run: PlanRun) -> None:
        run.values[position] = total(run.values[left], run.values[right], run.dtype)

    return kernel


def _accumulate(position: int, e: Elemental, mode: Mode) -> StepKernel:
    size = e.block.cols if mode is Mode.TANGENT else e.block.rows

    def kernel(run: PlanRun) -> None:
        function = applied_function(run, e, mode)
        most = at_once(size * size, e.block.rows * e.block.cols, run.primal is not None)
        if not most:
            value = called(e, mode, function, np.eye(size, dtype=run.dtype))
            run.values[position] = from_matrix(value, e.block)
        else:
            lines = identity_lines(size, mode, run.dtype)
            run.values[position] = _in_parts(function, lines, e, mode, e.block, run, most)

    return kernel


def _propagate(position: int, e: Elemental, arg: int, mode: Mode, blocks: Sequence[Block]) -> StepKernel:
    block, result = blocks[arg], blocks[position]  # a compressed result is held as a matrix, whatever its pattern
    whole = form(block) is form(result) is StorageForm.DENSE

    def kernel(run: PlanRun) -> None:
        function = applied_function(run, e, mode)
        if whole:
            run.values[position] = called(e, mode, function, np.asarray(run.values[arg]))
            return
        most = MAX_SEEDED_ENTRIES
        if run.primal is None:
            most = at_once(block.rows * block.cols, result.rows * result.cols, False)
        if not most:
            value = called(e, mode, function, as_matrix(run.values[arg], block, run.dtype))
            run.values[position] = from_matrix(value, result)
        else:
            lines = block_lines(run.values[arg], block, mode, run.dtype)
            run.values[position] = _in_parts(function, lines, e, mode, result, run, most)

    return kernel


def _in_parts(
    function: Callable[[Array], Array],
    lines: LinesFunction,
    e: Elemental,
    mode: Mode,
    result: Block,
    run: PlanRun,
    most: int,
) -> HeldValues:
    """Apply a function to a few lines at a time, and refuse results of another shape."""

    def checked(given: Array) -> Array:
        return called(e, mode, function, given)

    size = e.block.cols if mode is Mode.TANGENT else e.block.rows
    return applied(checked, lines, mode, size, result, run.dtype, most)


def _seed(position: int, step: Seed, block: Block) -> StepKernel:
    """Make a matrix of zeros, with a one in the colour of every column (tangent) or row (adjoint) that has a colour."""
    colours = np.array(step.colours, np.intp)
    lines = np.flatnonzero(colours >= 0)
    place = (lines, colours[lines]) if step.mode is Mode.TANGENT else (colours[lines], lines)

    def kernel(run: PlanRun) -> None:
        seed: Array = np.zeros((block.rows, block.cols), run.dtype)
        seed[place] = 1
        run.values[position] = seed

    return kernel


def _decompress(position: int, step: Decompress, sides: SeededColours, block: Block) -> StepKernel:
    token = object()

    def make() -> tuple[csr_array, Colouring]:
        return block.structure.pattern(block.rows, block.cols), colouring_from(sides, block)

    def kernel(run: PlanRun) -> None:
        pattern, colouring = kept(("decompress", token), make)
        columns, rows = (None if arg is None else run.values[arg] for arg in (step.tangent, step.adjoint))
        run.values[position] = from_sparse(decompress(pattern, colouring, columns, rows), block)

    return kernel


def applied_function(run: PlanRun, e: Elemental, mode: Mode) -> Callable[[Array], Array]:
    """Return the tangent or adjoint of a matrix-free elemental in a run."""
    pair = run.applied.get(e.name)
    function = None if pair is None else pair[0 if mode is Mode.TANGENT else 1]
    if function is None:
        raise ExecutionError(f"'{e.name}' has no {mode.value} function; the plan applies one. Pass (tangent, adjoint).")
    return function
