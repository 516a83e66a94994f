"""The ways to compute a Jacobian: by a plan, or by one of JAX's modes, with all seeds at once or a chunk at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from chainplan.jax.bcoo import empty_block, full_block, sparse_block, without_zeros
from chainplan.jax.by_entries import entries_of, gathered, scalars_of
from chainplan.jax.call import FlatCall
from chainplan.jax.chunks import by_mode
from chainplan.jax.coloured import ColouredSweep, evaluated_by_colours
from chainplan.jax.emit import blocks_of, structures_of
from chainplan.jax.forms import HeldBlock, HeldExplicit, listed, matrix, transposed
from chainplan.jax.linearise import LinearisedFunction
from chainplan.jax.shared_blocks import shared_elementals
from chainplan.jax.symmetric import symmetrised, upper_mirrored
from chainplan.jax.trace import FunctionTrace, read
from chainplan.jax.types import Shaped, Tree
from chainplan.plans.candidate import Candidate
from chainplan.plans.steps import Plan

if TYPE_CHECKING:
    from jax.typing import DTypeLike

EvaluatedStrategy = tuple[list[list[Tree]], list[Array]]
"""The blocks by result and argument, in the shapes that JAX gives them, and the arrays computed beside the results."""


class JacobianStrategy(NamedTuple):
    """A way to compute a Jacobian: `name` is "plan", "coloured", "jacfwd" or "jacrev".

    "plan" without a candidate is a Jacobian of zeros. At most `chunk` seeds go through the program at a time, all of
    them where it is None. With `sparse` the blocks are sparse arrays. A Jacobian that is known to be `symmetric` is
    read off one triangle where its entries are listed.
    """

    name: str
    candidate: Candidate | None = None
    chunk: int | None = None
    sparse: bool = False
    symmetric: bool = False
    sweep: ColouredSweep | None = None
    """The products of a way that is "coloured", which only a sparse symmetric Jacobian has."""
    shared: tuple[bool, ...] = ()
    """Of each leaf of the call, and each constant of its trace, whether a plan takes it as common to a batch."""

    @property
    def plan(self) -> Plan | None:
        """The plan; None where there is none."""
        return None if self.candidate is None else self.candidate.plan


def evaluated(
    linearised: LinearisedFunction | None,
    call: FlatCall,
    way: JacobianStrategy,
    leaves: Sequence[Array],
    constants: Sequence[Array],
) -> EvaluatedStrategy:
    """Compute a Jacobian at a point in one of the ways; without a linearised function it is one of JAX's modes.

    `constants` are the values of what the trace reads beside its arguments.
    """
    if way.name != "plan":
        return evaluated_by_mode(call, None if linearised is None else linearised.trace, way, leaves, constants)
    assert linearised is not None, "a plan is for a linearised function"
    dtype = dtype_of(call)
    if linearised.apart is None:
        values = linearised.trace.values(leaves, constants)
        blocks = _by_plan(linearised, way, values, dtype, call.outs, leaves)
        return blocks, [read(values, atom) for atom in linearised.trace.results[len(call.outs) :]]
    ins, outs = entries_of(leaves), scalars_of(call.outs)
    values = linearised.apart.values([*ins, *constants])
    blocks = gathered(_by_plan(linearised, way, values, dtype, outs, ins), call.outs, leaves)
    return blocks, [read(values, atom) for atom in linearised.apart.results[len(outs) :]]


def _by_plan(
    linearised: LinearisedFunction,
    way: JacobianStrategy,
    values: dict[int, Array],
    dtype: DTypeLike,
    outs: Sequence[Shaped],
    ins: Sequence[Shaped],
) -> list[list[Tree]]:
    """Compute the blocks by a plan at the values of a trace, in the shapes of results and arguments."""
    held = {}
    if way.candidate is not None:
        shared = shared_elementals(linearised, way.shared) if way.shared else frozenset()
        held = blocks_of(linearised, way.candidate, values, dtype, way.chunk, shared)
    return written(held, way, linearised.outputs, linearised.inputs, dtype, outs, ins)


def written(
    held: Mapping[tuple[str, str], HeldBlock],
    way: JacobianStrategy,
    outputs: Sequence[str | None],
    inputs: Sequence[str | None],
    dtype: DTypeLike,
    outs: Sequence[Shaped],
    ins: Sequence[Shaped],
) -> list[list[Tree]]:
    """Write the held blocks of a plan out in the shapes of results and arguments.

    Where all are one symmetric matrix, blocks below the diagonal are read off those above it, and every block on it is
    symmetric to the bit.
    """
    counts = structures_of(way.candidate) if way.sparse and way.candidate is not None else {}

    def block_of(row: int, column: int) -> Tree:
        out, leaf = outs[row], ins[column]
        shape = (*out.shape, *leaf.shape)
        turned = way.symmetric and row > column
        first, second = (column, row) if turned else (row, column)
        key = outputs[first] or "", inputs[second] or ""
        block, counted = held.get(key), counts.get(key)
        if block is None:
            return empty_block(shape, leaf.dtype) if way.sparse else jnp.zeros(shape, leaf.dtype)
        if way.sparse:
            block = listed(without_zeros(block, counted), dtype)
        if turned:
            block = transposed(block)
        if way.symmetric and row == column:
            block = symmetrised(block, dtype)
        if way.sparse and isinstance(block, HeldExplicit):
            return sparse_block(block, out.shape, leaf.shape, leaf.dtype)
        return matrix(block, dtype).reshape(shape).astype(leaf.dtype)

    return [[block_of(row, column) for column in range(len(ins))] for row in range(len(outs))]


def evaluated_by_mode(
    call: FlatCall,
    trace: FunctionTrace | None,
    way: JacobianStrategy,
    leaves: Sequence[Array],
    constants: Sequence[Array],
) -> EvaluatedStrategy:
    """Compute a Jacobian at a point by one of JAX's modes or by products, of the function as it was traced."""
    if way.sweep is not None and trace is not None:
        return evaluated_by_colours(call, trace, way.sweep, leaves, constants)
    flat = call.flat if trace is None else trace.function(constants)

    def function(*values: Array) -> tuple[list[Array], list[Array]]:
        arrays = flat(*values)
        return arrays[: len(call.outs)], arrays[len(call.outs) :]

    if way.chunk is not None:
        blocks, beside = by_mode(function, leaves, way.name, way.chunk)
    else:
        mode = getattr(jax, way.name)(function, argnums=tuple(range(len(leaves))), has_aux=True)
        blocks, beside = mode(*leaves)
    blocks = mirrored_blocks(blocks, leaves) if way.symmetric else blocks
    typed = [[block.astype(leaf.dtype) for block, leaf in zip(row, leaves, strict=True)] for row in blocks]
    return [[full_block(block) for block in row] for row in typed] if way.sparse else typed, beside


def mirrored_blocks(blocks: Sequence[Sequence[Array]], leaves: Sequence[Array]) -> list[list[Array]]:
    """Read the blocks of a symmetric matrix, by argument and argument, off its upper triangle."""

    def block_of(row: int, column: int) -> Array:
        whole = blocks[min(row, column)][max(row, column)]
        square = whole.reshape(leaves[min(row, column)].size, leaves[max(row, column)].size)
        square = upper_mirrored(square) if row == column else square
        return (square.T if row > column else square).reshape(*leaves[row].shape, *leaves[column].shape)

    return [[block_of(row, column) for column in range(len(leaves))] for row in range(len(leaves))]


def seeds_of(call: FlatCall, mode: str) -> int:
    """Count the seeds that a mode sends: the entries of all arguments, or of all results."""
    return sum(prod(end.shape) for end in (call.leaves if mode == "jacfwd" else call.outs))


def dtype_of(call: FlatCall) -> DTypeLike:
    """Return the dtype of entries that no value decides."""
    return jnp.result_type(*call.leaves, *(out.dtype for out in call.outs)) if call.leaves else jnp.float32
