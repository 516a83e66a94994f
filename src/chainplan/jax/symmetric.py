"""Symmetric blocks: products of which half is computed, and results that equal their transposes to the bit.

A product of matrices that is symmetric on paper is not symmetric in floating point, because a library may add the terms
of mirror images in another order. One triangle is therefore read off the other. Moving a triangle takes longer than
a few multiply-adds per entry; where the inner side is short, AᵀA is added up term by term instead, which is symmetric
as it stands, and where it is long, one quarter of the product is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
from jax import Array, lax

from chainplan.jax.coo import list_product
from chainplan.jax.forms import HeldBlock, HeldDense, HeldDiagonal, HeldZero, listed, mirrored
from chainplan.jax.products import matmul, product

if TYPE_CHECKING:
    from jax.typing import DTypeLike

MAX_SUMMED_INNER_SIZE = 32
"""The largest inner size of AᵀA that is added up term by term: no library is faster there."""
MIN_HALVED_SIZE, MIN_HALVED_INNER_SIZE = 64, 32
"""The least rows, and the least inner size, of a symmetric product of which a quarter is left out."""

MIN_SIDES = 4
"""Times the rows of a matrix that its columns are at least where a product with an identity takes hardly any time."""


def symmetric_product(left: HeldBlock, right: HeldBlock, dtype: DTypeLike, square: bool = False) -> HeldBlock:
    """Return left · right, which is known to be symmetric; `square` says that left is the transpose of right."""
    by_list = list_product(left, right, dtype, symmetric=True)
    if by_list is not None:
        return by_list
    if not isinstance(left, HeldDense) or not isinstance(right, HeldDense):
        return product(left, right, dtype)
    if square and 0 < right.rows <= MAX_SUMMED_INNER_SIZE:
        return HeldDense(_squared(right.values), symmetric=True)
    return HeldDense(_halved(left.values, right.values), symmetric=False)


def symmetrised(held: HeldBlock, dtype: DTypeLike) -> HeldBlock:
    """Return a block that is known to be symmetric with the entries below the diagonal read from above it."""
    match held:
        case HeldZero() | HeldDiagonal() | HeldDense(symmetric=True):
            return held
        case HeldDense(values):
            return HeldDense(upper_mirrored(values), symmetric=True)
    return mirrored(listed(held, dtype))


def upper_mirrored(values: Array) -> Array:
    """Return a matrix with the entries below the diagonal read from above it."""
    if len(values) <= 1:
        return values
    i, j = (lax.broadcasted_iota(jnp.int32, values.shape, axis) for axis in (0, 1))
    return jnp.where(i <= j, values, values.T)


def _squared(a: Array) -> Array:
    """Return aᵀ · a as a sum over the rows of a; terms of mirror images are the same numbers in the same order.

    Short rows are multiplied by an identity first. XLA does not look through a product of matrices; it would compute
    the entries of a anew for every entry of the result.
    """
    if MIN_SIDES * len(a) <= a.shape[1]:
        a = jnp.eye(len(a), dtype=a.dtype) @ a
    terms = [row[:, None] * row[None, :] for row in a]
    return sum(terms[1:], terms[0])


def _halved(left: Array, right: Array) -> Array:
    """Return left · right, the lower left quarter read off the upper right one."""
    n, inner = left.shape
    if n < MIN_HALVED_SIZE or inner < MIN_HALVED_INNER_SIZE:
        return matmul(left, right)
    half = n // 2
    across = left[:half] @ right[:, half:]
    above = jnp.concatenate([left[:half] @ right[:, :half], across], 1)
    return jnp.concatenate([above, jnp.concatenate([across.T, left[half:] @ right[:, half:]], 1)], 0)
