"""Sparse Hessians by products: tangents of the gradient along seeds of one colour each, all at once.

A product with the Hessian is a tangent of the gradient: forward over reverse (Griewank & Walther, Evaluating
Derivatives, 2008, section 5.3). The pattern of the Hessian is known before (`patterns`), and its columns are coloured
for direct recovery (`colouring.symmetric`), so that few products tell all entries and every entry is one number of one
product. What is read for an entry is read for its mirror image: the result is symmetric to the bit. This needs no
structure of the equations beyond the pattern, so that it serves functions that a plan cannot open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from chainplan.colouring.model import ColourArray
from chainplan.colouring.recovery import entries
from chainplan.colouring.symmetric import colour_symmetric, recovery_of
from chainplan.jax.bcoo import sparse_block
from chainplan.jax.call import FlatCall
from chainplan.jax.edges import is_float
from chainplan.jax.forms import HeldExplicit
from chainplan.jax.indexing import taken
from chainplan.jax.patterns import dependences
from chainplan.jax.trace import FunctionTrace
from chainplan.jax.types import Tree

MAX_HESSIAN_NONZEROS = 2_000_000
"""The most nonzeros of a pattern that is coloured."""
MAX_SEED_ENTRIES = 5_000_000
"""The most entries of the seeds, and so of the products."""
COLOURING_EFFORT = 0.05
"""The factor of the work of the improvement of a colouring."""


@dataclass(frozen=True, eq=False)
class ColouredSweep:
    """The places of the nonzeros of a Hessian, row by row, and the colour of each column.

    Nonzero k is entry `place[k]` of the products, laid out product by product.
    """

    rows: ColourArray
    columns: ColourArray
    place: ColourArray
    colours: ColourArray
    products: int

    @property
    def nbytes(self) -> int:
        """The bytes of all arrays."""
        return sum(array.nbytes for array in (self.rows, self.columns, self.place, self.colours))


def coloured_sweep(call: FlatCall, trace: FunctionTrace) -> ColouredSweep | None:
    """Find the products that tell the Hessian of which the call is the gradient.

    None where there is no zero to be used, where some argument holds no real numbers, or where all is too large.
    """
    if [a.shape for a in call.leaves] != [a.shape for a in call.outs] or not all(map(is_float, call.leaves)):
        return None
    pattern = dependences(trace, call.leaves, call.outs)
    if pattern is None or not 0 < pattern.nnz < min(prod(pattern.shape), MAX_HESSIAN_NONZEROS):
        return None
    pattern = pattern.multiply(pattern.T).tocsr()
    pattern.sort_indices()
    found = colour_symmetric(pattern, effort=COLOURING_EFFORT).colouring
    if found.products * pattern.shape[0] > MAX_SEED_ENTRIES:
        return None
    i, j = entries(pattern)
    row, colour = np.divmod(recovery_of(pattern, found).place, max(1, found.products))
    return ColouredSweep(i, j, colour * pattern.shape[0] + row, found.colours, found.products)


def evaluated_by_colours(
    call: FlatCall, trace: FunctionTrace, sweep: ColouredSweep, leaves: Sequence[Array], constants: Sequence[Array]
) -> tuple[list[list[Tree]], list[Array]]:
    """Compute the blocks of a Hessian by result and argument as sparse arrays, and the arrays beside the gradient."""
    flat, count = trace.function(constants), len(call.outs)
    sizes = [prod(a.shape) for a in leaves]
    cuts = np.cumsum([0, *sizes])

    def gradient(*values: Array) -> tuple[Array, list[Array]]:
        made = flat(*values)
        return jnp.concatenate([one.ravel() for one in made[:count]]), made[count:]

    def product(colour: Array) -> Array:
        seeds = (jnp.asarray(sweep.colours) == colour).astype(jnp.result_type(*leaves))
        parts = [
            seeds[a:b].reshape(leaf.shape).astype(leaf.dtype)
            for a, b, leaf in zip(cuts, cuts[1:], leaves, strict=False)
        ]
        return push(*parts)

    _, push, beside = jax.linearize(gradient, *leaves, has_aux=True)
    products = jax.vmap(product)(jnp.arange(sweep.products)).ravel()
    return [[_block(sweep, products, cuts, leaves, r, c) for c in range(count)] for r in range(count)], beside


def _block(
    sweep: ColouredSweep, products: Array, cuts: np.ndarray, leaves: Sequence[Array], row: int, column: int
) -> Tree:
    """Return the block of two arguments as a sparse array."""
    inside = (sweep.rows >= cuts[row]) & (sweep.rows < cuts[row + 1])
    inside &= (sweep.columns >= cuts[column]) & (sweep.columns < cuts[column + 1])
    i, j = sweep.rows[inside] - cuts[row], sweep.columns[inside] - cuts[column]
    held = HeldExplicit(prod(leaves[row].shape), prod(leaves[column].shape), i, j, taken(products, sweep.place[inside]))
    return sparse_block(held, leaves[row].shape, leaves[column].shape, leaves[column].dtype)
