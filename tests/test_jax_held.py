"""Products and sums of held blocks equal those of the matrices that they stand for, for every pair of forms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402

from chainplan.jax.forms import (  # noqa: E402
    HeldBlock,
    HeldDense,
    HeldDiagonal,
    HeldEqualParts,
    HeldExplicit,
    HeldSelection,
    HeldZero,
    matrix,
    negated,
    transposed,
)
from chainplan.jax.indexing import IndexArray, added, padded, taken  # noqa: E402
from chainplan.jax.products import product, total  # noqa: E402


def _numbers(*shape: int) -> Any:
    return jnp.asarray(np.random.default_rng(sum(shape)).integers(-5, 6, shape), jnp.float64)


EACH, WHOLE = np.repeat(np.arange(3), 2), np.tile(np.arange(3), 2)
TURN, SOME, AGAIN = np.array([2, 0, 1, 5, 4, 3]), np.array([4, 1, 2]), np.array([0, 0, 2, 1, 1, 1])
BLOCKS: dict[str, HeldBlock] = {
    "zero": HeldZero(6, 6),
    "flat zero": HeldZero(3, 6),
    "identity": HeldDiagonal(6),
    "negated": HeldDiagonal(6, None, -1),
    "diagonal": HeldDiagonal(6, _numbers(6)),
    "each": HeldSelection(EACH, 3),
    "whole": HeldSelection(WHOLE, 3),
    "valued": HeldSelection(AGAIN, 3, _numbers(6)),
    "permutation": HeldSelection(TURN, 6),
    "permuted columns": HeldSelection(TURN, 6, _numbers(6), True),
    "selection": HeldSelection(SOME, 6),
    "sums of neighbours": HeldSelection(EACH, 3, None, True),
    "sums": HeldSelection(WHOLE, 3, None, True),
    "uneven sums": HeldSelection(AGAIN, 3, None, True),
    "scatter": HeldSelection(SOME, 6, _numbers(3), True),
    "stack": HeldEqualParts(3, _numbers(3, 2, 2)),
    "equal blocks": HeldEqualParts(3, _numbers(1, 2, 2)),
    "wide stack": HeldEqualParts(3, _numbers(3, 1, 2)),
    "layers": HeldEqualParts(3, _numbers(3, 2, 2), True),
    "equal layers": HeldEqualParts(2, _numbers(1, 3, 3), True),
    "wide layers": HeldEqualParts(3, _numbers(3, 1, 2), True),
    "layers to cross": HeldEqualParts(2, _numbers(2, 2, 3), True),
    "blocks to cross": HeldEqualParts(3, _numbers(3, 2, 4)),
    "long layers to cross": HeldEqualParts(2, _numbers(1, 3, 3), True),
    "two blocks": HeldEqualParts(2, _numbers(2, 6, 3)),
    "crossed twice": HeldEqualParts(2, _numbers(2, 2, 6), True),
    "long blocks": HeldEqualParts(3, _numbers(3, 4, 2)),
    "listed": HeldExplicit(6, 6, np.array([0, 5, 2, 2]), np.array([1, 1, 3, 0]), _numbers(4)),
    "listed, wide": HeldExplicit(3, 6, np.array([2, 0, 1]), np.array([0, 1, 5]), _numbers(3)),
    "narrow": HeldExplicit(6, 6, np.repeat(np.arange(6), 2), np.tile([1, 4], 6), _numbers(12)),
    "one column": HeldExplicit(3, 6, np.arange(3), np.array([2, 2, 2]), _numbers(3)),
    "one row": HeldExplicit(6, 6, np.array([4, 4, 4]), np.array([5, 0, 2]), _numbers(3)),
    "known": HeldExplicit(6, 6, np.array([3, 1, 0]), np.array([3, 0, 5]), np.array([1.0, -1, 1])),
    "known column": HeldExplicit(3, 6, np.arange(3), np.array([5, 0, 2]), np.full(3, -1.0)),
    "negated selection": HeldSelection(SOME, 6, sign=-1),
    "negated sums": HeldSelection(AGAIN, 3, None, True, -1),
    "nothing": HeldExplicit(6, 6, np.arange(0), np.arange(0), np.zeros(0)),
    "a row of ones": HeldExplicit(1, 40, np.zeros(40, int), np.arange(40), np.ones(40)),
    "arrow": HeldExplicit(40, 40, np.r_[np.zeros(39, int), 1:40], np.r_[1:40, np.zeros(39, int)], _numbers(78)),
    "band": HeldExplicit(40, 40, np.r_[:40, :39, 1:40], np.r_[:40, 1:40, :39], _numbers(118)),
    "reversed": HeldSelection(np.arange(40)[::-1], 40, None, False, -1),
    "first copied": HeldSelection(np.maximum(np.arange(40) - 1, 0), 40),
    "sum into first": HeldSelection(np.minimum(np.arange(40) % 7, 5), 40, _numbers(40), True),
    "many": HeldDense(_numbers(40, 3)),
    "few rows": HeldSelection(np.array([7, 7, 2]), 40, _numbers(3), True),
    "few columns": HeldSelection(np.array([7, 9, 7]), 40),
    "matrix": HeldDense(_numbers(6, 6)),
    "wide": HeldDense(_numbers(3, 6)),
}


def _dense(held: HeldBlock) -> Any:
    found = matrix(held, np.float64)
    assert found.shape == (held.rows, held.cols)
    return found


def _together(make: Callable[[], list[Any]]) -> list[Any]:
    """What many small operations give, compiled as one program."""
    return [np.asarray(found) for found in jax.jit(make)()]


DENSE = dict(zip(BLOCKS, _together(lambda: [_dense(held) for held in BLOCKS.values()]), strict=True))


def _pairs(name: str) -> tuple[list[str], list[str]]:
    """The blocks that a block can be multiplied with, and those that can be added to it."""
    left = BLOCKS[name]
    factors = [other for other, right in BLOCKS.items() if left.cols == right.rows]
    return factors, [other for other, b in BLOCKS.items() if (left.rows, left.cols) == (b.rows, b.cols)]


def _require_all(found: list[Any], expected: list[Any]) -> None:
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("name", BLOCKS)
def test_one_block(name: str) -> None:
    held = BLOCKS[name]
    found = _together(lambda: [_dense(transposed(held)), _dense(negated(held))])
    _require_all(found, [DENSE[name].T, -DENSE[name]])


@pytest.mark.parametrize("name", BLOCKS)
def test_products(name: str) -> None:
    factors, _ = _pairs(name)
    found = _together(lambda: [_dense(product(BLOCKS[name], BLOCKS[other], np.float64)) for other in factors])
    _require_all(found, [DENSE[name] @ DENSE[other] for other in factors])


@pytest.mark.parametrize("name", BLOCKS)
def test_sums(name: str) -> None:
    _, terms = _pairs(name)
    found = _together(lambda: [_dense(total(BLOCKS[name], BLOCKS[other], np.float64)) for other in terms])
    _require_all(found, [DENSE[name] + DENSE[other] for other in terms])


NIGHTLY = pytest.mark.nightly


@pytest.mark.parametrize("gather", [pytest.param(0.1, marks=NIGHTLY), 1, pytest.param(1000, marks=NIGHTLY)])
def test_lists_and_matrices_of_any_sparsity(monkeypatch: pytest.MonkeyPatch, gather: float) -> None:
    """However large the choice between a list and a matrix is set, products and sums are the same."""
    monkeypatch.setattr("chainplan.jax.coo.MIN_LISTED_CELLS", 1)
    monkeypatch.setattr("chainplan.jax.coo.GATHER_FMA", gather)
    for name in BLOCKS:
        test_products(name)
        test_sums(name)


def _indices() -> list[list[int]]:
    regular = [
        [0, 1, 2, 3, 4, 5],
        [2, 3, 4],
        [0, 2, 4],
        [1, 1, 1],
        [1, 1, 3, 3],
        [0, 1, 0, 1],
        [0, 3, 1, 4, 2, 5],
        [4],
        [0, 1, 3, 4],
        [1, 2, 4, 5],
    ]
    odd = [
        [5, 4, 3],
        [0, 2, 1],
        [1, 1, 2],
        [0, 3, 1, 4],
        [0, 0, 1, 1, 0, 0],
        [1, 3, 2, 4],
        [2, 4, 3, 5],
        [0, 2, 0, 2],
        [2, 3, 4, 5, 0, 1],
    ]
    random = np.random.default_rng(0)
    return regular + odd + [random.integers(0, 6, random.integers(1, 9)).tolist() for _ in range(40)]


@pytest.mark.parametrize("index", _indices(), ids=str)
def test_taking_is_indexing(index: list[int]) -> None:
    array, at = np.arange(6 * 4).reshape(6, 4), np.array(index)
    assert np.array_equal(taken(jnp.asarray(array), at), array[at])
    assert np.array_equal(taken(jnp.asarray(array.T), at, 1), array.T[:, at])
    holes = np.where(np.arange(len(at)) % 3 == 1, -1, at)
    assert np.array_equal(padded(jnp.asarray(array), holes), np.where(holes[:, None] < 0, 0, array[holes]))
    summed = np.zeros((6, 4), int)
    np.add.at(summed, at, array[: len(at)] if len(at) <= 6 else array[at])
    assert np.array_equal(added(jnp.asarray(array[: len(at)] if len(at) <= 6 else array[at]), at, 6), summed)


def _bands() -> dict[str, IndexArray]:
    """Places of the diagonals of a band, one after the other, row by row; those of a ring; what is moved round."""
    rows = np.arange(10)[:, None]
    ring = (rows + np.array([-1, 0, 1])) % 10
    by_column: IndexArray = np.take_along_axis(rows + np.array([0, 10, 20]), np.argsort(ring, 1), 1)
    return {
        "band": (rows + np.array([3, 10, 19])).ravel(),
        "ring": by_column.ravel(),
        "broken off": by_column.ravel()[2:-2],
        "round": np.roll(np.arange(30), 5),
        "backwards": np.arange(30)[::-1].copy(),
        "mixed": np.random.default_rng(1).permutation(30),
    }


@pytest.mark.parametrize("name", _bands())
def test_slices_side_by_side(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainplan.jax.indexing.MIN_INTERLEAVED", 10)
    index, array = _bands()[name], np.random.default_rng(0).integers(-9, 9, 30)
    program = jax.make_jaxpr(partial(taken, index=index))(jnp.asarray(array))
    assert np.array_equal(jax.core.eval_jaxpr(program.jaxpr, program.consts, array)[0], array[index])
    largest = max((e.outvars[0].aval.size for e in program.eqns if e.primitive.name == "gather"), default=0)
    assert (largest > 7) == (name in ("backwards", "mixed"))


def test_regular_indices_are_not_gathered() -> None:
    for index in ([2, 3, 4], [0, 2, 4], [1, 1, 3, 3], [0, 1, 0, 1], [0, 3, 1, 4, 2, 5], [0, 1, 3, 4], [1, 2, 4, 5]):
        traced = jax.make_jaxpr(partial(taken, index=np.array(index)))(jnp.ones((6, 2)))
        assert "gather" not in str(traced)
    for index in ([0, -1, -1, 1, -1, -1], [-1, 0, 1, -1, 2, 3], [2, 3, -1, -1, 0, 1, -1, -1]):
        array = np.arange(1.0, 9).reshape(4, 2)
        traced = jax.make_jaxpr(partial(padded, index=np.array(index)))(array)
        assert "gather" not in str(traced) or index[0] == 2
        expected = np.where(np.array(index)[:, None] < 0, 0, array[np.array(index)])
        assert np.array_equal(padded(jnp.asarray(array), np.array(index)), expected)
