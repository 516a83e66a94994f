"""A plan as JAX code: its steps run once on traced values, which leaves one program for XLA to compile.

Nothing here is specific to tracing; on plain arrays the same code computes the Jacobian step by step. The form of a
block (`forms`) follows from the forms of its factors, whatever structure the plan counts with. The block of an explicit
elemental, and the pair of functions of a matrix-free one, are made once and shared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from chainplan.colouring.recovery import alone, entries
from chainplan.jax.chunks import assembled, seeds
from chainplan.jax.coo import narrowed, widened
from chainplan.jax.edges import JaxEdge, JaxFunction
from chainplan.jax.forms import (
    HeldBlock,
    HeldDense,
    HeldDiagonal,
    HeldEqualParts,
    HeldExplicit,
    as_parts,
    is_known,
    matrix,
)
from chainplan.jax.indexing import taken
from chainplan.jax.linearise import LinearisedFunction
from chainplan.jax.selected import selected, without_the_rest
from chainplan.jax.shared_blocks import RunBlock, SharedBlock, shared_product, shared_total, written
from chainplan.jax.trace import TraceEquation, read
from chainplan.plans.candidate import Candidate
from chainplan.plans.kept_blocks import multiplying
from chainplan.plans.replay import Replay, colouring_of
from chainplan.plans.second_steps import ApplySecond, Contract, Exchange, Given, LoadSecond
from chainplan.plans.state_steps import Advance, Read, Restore, Store, Write
from chainplan.plans.steps import (
    Accumulate,
    Add,
    Again,
    Decompress,
    Direction,
    Interpreter,
    Load,
    Multiply,
    Plan,
    Propagate,
    Seed,
)
from chainplan.problem.graph import Mode
from chainplan.structures import Block

if TYPE_CHECKING:
    from jax.typing import DTypeLike

_STATES = "JAX evaluates the states; plans of its functions move none"
_SECONDS = "functions of JAX are planned for their Jacobians; second derivatives are Jacobians of gradients"


def blocks_of(
    linearised: LinearisedFunction,
    candidate: Candidate,
    values: dict[int, Array],
    dtype: DTypeLike,
    chunk: int | None = None,
    shared: frozenset[str] = frozenset(),
) -> dict[tuple[str, str], HeldBlock]:
    """Run a plan at a point.

    Parameters
    ----------
    values : dict[int, Array]
        The values of the trace, by number.
    dtype : DTypeLike
        The dtype of entries that no value decides.
    chunk : int | None
        The number of columns or rows to which a matrix-free elemental is applied at a time; None applies it to all at
        once.
    shared : frozenset[str]
        The elementals that all points of the batch around the run have in common.

    Returns
    -------
    dict
        (output, input) -> block, for every pair that a path connects.
    """
    made = TracedRun(linearised, candidate, values, dtype, chunk, shared).blocks()
    return {(output, source): made[position] for output, source, position in candidate.plan.outputs}


VectorProduct = Callable[[Mapping[str, Array]], dict[str, Array]]
"""From a vector at every vertex of one side to the product at every vertex of the other that a path leads to."""


def products_of(
    linearised: LinearisedFunction, candidate: Candidate, values: dict[int, Array], dtype: DTypeLike
) -> Callable[[Mode], VectorProduct]:
    """Run the set-up of a plan for products at a point, and return for each side what makes one of its products.

    Parameters are those of `blocks_of`.
    """
    run = TracedRun(linearised, Candidate(multiplying(candidate.plan), candidate.cost), values, dtype)
    run.blocks()
    return lambda mode: partial(run.product, mode)


def structures_of(candidate: Candidate) -> dict[tuple[str, str], Block]:
    """Return the blocks with which a plan counts, by (output, input), before they have values."""
    blocks = candidate.replay.blocks
    return {(output, source): blocks[position].block for output, source, position in candidate.plan.outputs}


class TracedRun(Interpreter[RunBlock]):
    """One run of a plan: the blocks made so far, and what steps need beside them."""

    def __init__(
        self,
        linearised: LinearisedFunction,
        candidate: Candidate,
        values: dict[int, Array],
        dtype: DTypeLike,
        chunk: int | None = None,
        shared: frozenset[str] = frozenset(),
    ) -> None:
        self._edges: dict[str, tuple[TraceEquation, JaxEdge]] = {
            name: (one.equation, edge) for one in linearised.found for name, _, _, edge in one.edges
        }
        self._firsts = {e.values for e in candidate.plan.graph.elementals}
        self._in_batch = shared
        self._candidate, self._plan = candidate, candidate.plan
        self._values, self._dtype, self._chunk = values, dtype, chunk
        self._made: list[RunBlock] = []
        self._vectors: Mapping[str, Array] = {}
        self._block = cache(self._computed)
        self._load = cache(self._loaded)
        self._selected = cache(lambda: selected(linearised.found, linearised.outputs, self._block))
        self._pair = cache(self._functions)

    def blocks(self) -> list[HeldBlock]:
        """Run all steps and return their blocks."""
        for step in self._plan.steps:
            self._made.append(step.accept(self))
        return [written(block, self._dtype) for block in self._made]

    def product(self, mode: Mode, vectors: Mapping[str, Array]) -> dict[str, Array]:
        """Run the program of a side behind the set-up, on a vector for each vertex where one comes in."""
        program = self._plan.program(mode)
        assert program is not None, "a plan has a program for the side of its products"
        self._vectors = vectors
        del self._made[len(self._plan.steps) :]
        for step in program.steps:
            self._made.append(step.accept(self))
        return {vertex: matrix(self._held(at), self._dtype).ravel() for vertex, at in program.results}

    def _held(self, step: int) -> HeldBlock:
        """Return the block of a step as one of a single point."""
        return written(self._made[step], self._dtype)

    def load(self, step: Load) -> RunBlock:
        held = self._load(step.elemental)
        alone = step.elemental in self._in_batch and held is self._block(step.elemental)
        return SharedBlock(held) if alone or (self._in_batch and is_known(held)) else held

    def accumulate(self, step: Accumulate) -> RunBlock:
        held = self._apply(step.elemental, None, step.mode)
        return SharedBlock(held) if step.elemental in self._in_batch else held

    def propagate(self, step: Propagate) -> HeldBlock:
        return self._propagated(step.elemental, self._held(step.arg), step.mode)

    def multiply(self, step: Multiply) -> RunBlock:
        block = shared_product(self._made[step.left], self._made[step.right], self._dtype)
        return block if step.onto is None else shared_total(self._made[step.onto], block, self._dtype)

    def add(self, step: Add) -> RunBlock:
        return shared_total(self._made[step.left], self._made[step.right], self._dtype)

    def seed(self, step: Seed) -> HeldBlock:
        colours = np.array(step.colours, np.int64)
        ones = colours[:, None] == np.arange(colours.max(initial=-1) + 1)
        return HeldDense(jnp.asarray(ones if step.mode is Mode.TANGENT else ones.T, self._dtype))

    def decompress(self, step: Decompress) -> HeldBlock:
        replayed, made = self._candidate.replay, self._made
        block = replayed.blocks[len(made)].block
        columns, rows = (
            None if at is None else matrix(self._held(at), self._dtype) for at in (step.tangent, step.adjoint)
        )
        return decompressed(block, step, self._plan, replayed, columns, rows)

    def again(self, step: Again) -> RunBlock:
        return self._made[step.arg]

    def direction(self, step: Direction) -> HeldBlock:
        vector = self._vectors[step.vertex]
        return HeldDense(vector[:, None] if step.mode is Mode.TANGENT else vector[None, :])

    def load_second(self, step: LoadSecond) -> HeldBlock:
        raise AssertionError(_SECONDS)

    def apply_second(self, step: ApplySecond) -> HeldBlock:
        raise AssertionError(_SECONDS)

    def given(self, step: Given) -> HeldBlock:
        raise AssertionError(_SECONDS)

    def contract(self, step: Contract) -> HeldBlock:
        raise AssertionError(_SECONDS)

    def exchange(self, step: Exchange) -> HeldBlock:
        raise AssertionError(_SECONDS)

    def advance(self, step: Advance) -> HeldBlock:
        raise AssertionError(_STATES)

    def store(self, step: Store) -> HeldBlock:
        raise AssertionError(_STATES)

    def restore(self, step: Restore) -> HeldBlock:
        raise AssertionError(_STATES)

    def write(self, step: Write) -> HeldBlock:
        raise AssertionError(_STATES)

    def read(self, step: Read) -> HeldBlock:
        raise AssertionError(_STATES)

    def _loaded(self, name: str) -> HeldBlock:
        """Compute the block of an explicit elemental; entries that no choice behind it takes are zero.

        A block that may stand at several places keeps all entries, because the choices behind these may differ.
        """
        held = self._block(name)
        if name not in self._edges or self._plan.graph[name].first in self._firsts:
            return held
        return without_the_rest(held, self._edges[name][0].name, self._selected().get(self._plan.graph[name].target))

    def _computed(self, name: str) -> HeldBlock:
        """Compute the block of an explicit elemental by its rule."""
        if name not in self._edges:
            return HeldDiagonal(self._plan.graph[name].block.rows)
        equation, edge = self._edges[name]
        assert edge.values is not None, "loaded elementals are explicit"
        return edge.values(self._operands(equation))

    def _propagated(self, name: str, arg: HeldBlock, mode: Mode) -> HeldBlock:
        """Apply an elemental to a held block."""
        by_blocks = None if self._chunk else self._apply_to_blocks(name, arg, mode)
        if by_blocks is not None:
            return by_blocks
        few = narrowed(arg) if mode is Mode.TANGENT else None
        if few is not None:
            columns = self._apply(name, matrix(few[0], self._dtype), Mode.TANGENT)
            return widened(columns, few[1], arg.cols, self._dtype)
        return self._apply(name, matrix(arg, self._dtype), mode)

    def _functions(self, name: str) -> tuple[JaxFunction, JaxFunction]:
        """Make the tangent and the adjoint of a matrix-free elemental."""
        equation, edge = self._edges[name]
        assert edge.functions is not None, "applied elementals are matrix-free"
        return edge.functions(self._operands(equation))

    def _operands(self, equation: TraceEquation) -> list[Array]:
        """Return the values of the operands of an equation, and those that it kept."""
        return [read(self._values, value) for value in (*equation.operands, *equation.kept)]

    def _apply_to_blocks(self, name: str, arg: HeldBlock, mode: Mode) -> HeldDense | None:
        """Apply an elemental to blocks along a diagonal, None where it is not made for them."""
        equation, edge = self._edges[name]
        blocks = as_parts(arg, HeldEqualParts(edge.block_count, jnp.zeros((1, 1, 1))), self._dtype)
        if edge.on_blocks is None or blocks is None:
            return None
        whole = jnp.broadcast_to(blocks, (edge.block_count, *blocks.shape[1:]))
        return HeldDense(edge.on_blocks(self._operands(equation))[0 if mode is Mode.TANGENT else 1](whole))

    def _apply(self, name: str, block: Array | None, mode: Mode) -> HeldDense:
        """Apply an elemental to a block, to the identity where there is none."""
        e, axis = self._plan.graph[name], 1 if mode is Mode.TANGENT else 0
        size = e.block.cols if mode is Mode.TANGENT else e.block.rows
        vectors = size if block is None else block.shape[axis]
        function = self._pair(name)[0 if mode is Mode.TANGENT else 1]

        def piece(start: Array | int, count: int) -> Array:
            if block is not None:
                return function(block if count == vectors else lax.dynamic_slice_in_dim(block, start, count, axis))
            some = seeds(start, count, size, self._dtype)
            return function(some.T if axis else some)

        return HeldDense(assembled(piece, vectors, self._chunk or vectors, axis))


def decompressed(
    block: Block, step: Decompress, plan: Plan, replayed: Replay, columns: Array | None, rows: Array | None
) -> HeldBlock:
    """Read every nonzero of a block off its compressed columns or rows, by its pattern (`colouring.recovery`)."""
    colouring = colouring_of(plan, replayed, step)
    i, j = entries(block.structure.pattern(block.rows, block.cols))
    assert columns is not None or rows is not None, "a block is compressed by columns or by rows"
    here = alone(i, colouring.columns[j]) if columns is not None else np.zeros(len(i), np.bool_)
    pieces = []
    if columns is not None:
        pieces.append(taken(columns.ravel(), i[here] * columns.shape[1] + colouring.columns[j[here]]))
    if rows is not None:
        pieces.append(taken(rows.ravel(), colouring.rows[i[~here]] * rows.shape[1] + j[~here]))
    order = np.argsort(~here, kind="stable") if columns is not None else np.arange(len(i))
    return HeldExplicit(block.rows, block.cols, i[order], j[order], jnp.concatenate(pieces))
