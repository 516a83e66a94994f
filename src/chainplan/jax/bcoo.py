"""Sparse results: blocks as `jax.experimental.sparse.BCOO`, of which a program computes the values alone.

The indices are known while the function is traced. They are sorted and unique, and say so, because JAX's products of
sparse arrays are faster then. A block that is held as a matrix has the entries that its plan counts with; where that is
no pattern either, all of them.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.experimental.sparse import BCOO

from chainplan.colouring.recovery import entries
from chainplan.jax.forms import HeldBlock, HeldDense, HeldExplicit, in_order
from chainplan.jax.indexing import IndexArray, taken
from chainplan.structures import Block

if TYPE_CHECKING:
    from jax.typing import DTypeLike


def sparse_block(held: HeldExplicit, out: tuple[int, ...], leaf: tuple[int, ...], dtype: DTypeLike) -> BCOO:
    """Return a block of prod(out) x prod(leaf) as a sparse array of shape (*out, *leaf)."""
    block = in_order(held)
    places = np.concatenate([_unravelled(block.i, out), _unravelled(block.j, leaf)], 1)
    return _of(jnp.asarray(block.values, dtype), places, (*out, *leaf))


def full_block(values: Array) -> BCOO:
    """Return all entries of an array as a sparse array."""
    return _of(values.ravel(), _unravelled(np.arange(values.size), values.shape), values.shape)


def empty_block(shape: tuple[int, ...], dtype: DTypeLike) -> BCOO:
    """Return a block of zeros as a sparse array without entries."""
    return _of(jnp.zeros(0, dtype), np.zeros((0, len(shape)), np.int64), shape)


def _of(values: Array, places: IndexArray, shape: tuple[int, ...]) -> BCOO:
    wide = max(shape, default=0) > np.iinfo(np.int32).max
    indices = jnp.asarray(places if wide else places.astype(np.int32))
    return BCOO((values, indices), shape=shape, indices_sorted=True, unique_indices=True)


def _unravelled(index: IndexArray, shape: tuple[int, ...]) -> IndexArray:
    """Return the place of every entry of an array, a row each."""
    if not shape:
        return np.zeros((len(index), 0), np.int64)
    return np.stack(np.unravel_index(index, shape), 1) if prod(shape) else np.zeros((0, len(shape)), np.int64)


def without_zeros(held: HeldBlock, counted: Block | None) -> HeldBlock:
    """Leave out the entries of a matrix that its plan knows to be zero."""
    if not isinstance(held, HeldDense) or counted is None:
        return held
    if not counted.structure.exact or counted.nnz == held.rows * held.cols:
        return held
    i, j = entries(counted.structure.pattern(held.rows, held.cols))
    return HeldExplicit(held.rows, held.cols, i, j, taken(held.values.ravel(), i * held.cols + j))
