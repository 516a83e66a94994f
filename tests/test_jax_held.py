"""Products and sums of held blocks equal those of the matrices that they stand for, for every pair of forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402

from chainplan.jax.held import Diagonal, Full, Held, Parts, Picked, Zero, matrix, negated, transposed  # noqa: E402
from chainplan.jax.products import product, total  # noqa: E402


def _numbers(*shape: int) -> Any:
    return jnp.asarray(np.random.default_rng(sum(shape)).integers(-5, 6, shape), jnp.float64)


EACH, WHOLE = np.repeat(np.arange(3), 2), np.tile(np.arange(3), 2)
TURN, SOME, AGAIN = np.array([2, 0, 1, 5, 4, 3]), np.array([4, 1, 2]), np.array([0, 0, 2, 1, 1, 1])
BLOCKS: dict[str, Held] = {
    "zero": Zero(6, 6),
    "flat zero": Zero(3, 6),
    "identity": Diagonal(6),
    "negated": Diagonal(6, None, -1),
    "diagonal": Diagonal(6, _numbers(6)),
    "each": Picked(EACH, 3),
    "whole": Picked(WHOLE, 3),
    "valued": Picked(AGAIN, 3, _numbers(6)),
    "permutation": Picked(TURN, 6),
    "permuted columns": Picked(TURN, 6, _numbers(6), True),
    "selection": Picked(SOME, 6),
    "sums of neighbours": Picked(EACH, 3, None, True),
    "sums": Picked(WHOLE, 3, None, True),
    "uneven sums": Picked(AGAIN, 3, None, True),
    "scatter": Picked(SOME, 6, _numbers(3), True),
    "stack": Parts(3, _numbers(3, 2, 2)),
    "equal blocks": Parts(3, _numbers(1, 2, 2)),
    "wide stack": Parts(3, _numbers(3, 1, 2)),
    "layers": Parts(3, _numbers(3, 2, 2), True),
    "equal layers": Parts(2, _numbers(1, 3, 3), True),
    "wide layers": Parts(3, _numbers(3, 1, 2), True),
    "matrix": Full(_numbers(6, 6)),
    "wide": Full(_numbers(3, 6)),
}


def _dense(held: Held) -> Any:
    found = np.asarray(matrix(held, np.float64))
    assert found.shape == (held.rows, held.cols)
    return found


@pytest.mark.parametrize("name", BLOCKS)
def test_one_block(name: str) -> None:
    held = BLOCKS[name]
    assert np.array_equal(_dense(transposed(held)), _dense(held).T)
    assert np.array_equal(_dense(negated(held)), -_dense(held))


@pytest.mark.parametrize("name", BLOCKS)
def test_products(name: str) -> None:
    left = BLOCKS[name]
    count = 0
    for right in BLOCKS.values():
        if left.cols == right.rows:
            count += 1
            assert np.array_equal(_dense(product(left, right, np.float64)), _dense(left) @ _dense(right))
    assert count


@pytest.mark.parametrize("name", BLOCKS)
def test_sums(name: str) -> None:
    left = BLOCKS[name]
    for right in BLOCKS.values():
        if (left.rows, left.cols) == (right.rows, right.cols):
            assert np.array_equal(_dense(total(left, right, np.float64)), _dense(left) + _dense(right))
