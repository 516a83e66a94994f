"""Products, sums and transposes of held blocks of PyTorch: exact on integers, for every pair of forms."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product as pairs
from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[torch]'")

from chainplan.torch.forms import (  # noqa: E402
    TensorBlock,
    TensorDiagonal,
    TensorList,
    TensorMatrix,
    TensorParts,
    TensorSelection,
    TensorZero,
    entry_count,
    matrix,
    negated,
    transposed,
)
from chainplan.torch.indexing import added, padded, taken  # noqa: E402
from chainplan.torch.products import product, total  # noqa: E402

DRAW = np.random.default_rng(0)
LIKE = torch.zeros((), dtype=torch.float64)
INDICES = {
    "none": [],
    "one": [4],
    "all": range(12),
    "slice": range(1, 12, 2),
    "backwards": range(11, -1, -1),
    "each": np.repeat(np.arange(4), 3),
    "whole": np.tile(np.arange(3), 4),
    "turned": np.arange(12).reshape(3, 4).T.ravel(),
    "runs": [0, 1, 4, 5, 8, 9],
    "shuffled": DRAW.permutation(12),
    "drawn": DRAW.integers(0, 12, 12),
}


def numbers(*shape: int) -> Any:
    return torch.from_numpy(DRAW.integers(-9, 10, shape).astype(float))


def blocks(rows: int, cols: int) -> Iterator[TensorBlock]:
    """Yield blocks of all forms that have this shape."""
    yield TensorZero(rows, cols)
    yield TensorMatrix(numbers(rows, cols))
    index = DRAW.integers(0, cols, rows)
    yield TensorSelection(index, cols)
    yield TensorSelection(index, cols, numbers(rows))
    turned = DRAW.integers(0, rows, cols)
    yield TensorSelection(turned, rows, None, True, -1)
    yield TensorSelection(turned, rows, numbers(cols), True)
    some = 2 + rows * cols // 40
    yield TensorList(rows, cols, DRAW.integers(0, rows, some), DRAW.integers(0, cols, some), numbers(some))
    for count in (2, 4):
        if rows % count == 0 and cols % count == 0:
            for kronecker, alone in pairs((False, True), (False, True)):
                yield TensorParts(count, numbers(1 if alone else count, rows // count, cols // count), kronecker)
    if rows == cols:
        yield from (TensorDiagonal(rows), TensorDiagonal(rows, None, -1), TensorDiagonal(rows, numbers(rows)))
        yield TensorSelection(DRAW.permutation(rows), rows)


def dense(held: TensorBlock) -> Any:
    """Write a block out entry by entry, from the definition of its form."""
    whole = np.zeros((held.rows, held.cols))
    match held:
        case TensorMatrix(values):
            return values.numpy()
        case TensorDiagonal(_, vector, sign):
            np.fill_diagonal(whole, sign if vector is None else vector.numpy())
        case TensorSelection(index, _, values, turned, sign):
            for k, other in enumerate(index):
                whole[(other, k) if turned else (k, other)] = sign if values is None else float(values[k])
        case TensorList(_, _, i, j, values):
            np.add.at(whole, (i, j), values.numpy())
        case TensorParts(count, values, kronecker):
            for p, r, c in np.ndindex(count, *values.shape[1:]):
                own = float(values[p % len(values), r, c])
                at = (r * count + p, c * count + p) if kronecker else (p * values.shape[1] + r, p * values.shape[2] + c)
                whole[at] = own
    return whole


@pytest.mark.parametrize("shape", [(8, 8), (8, 4), (4, 12), (80, 80), (1, 8)])
def test_blocks_are_written_out(shape: tuple[int, int]) -> None:
    for held in blocks(*shape):
        want = dense(held)
        assert np.array_equal(matrix(held, LIKE).numpy(), want)
        assert np.array_equal(matrix(transposed(held), LIKE).numpy(), want.T)
        assert np.array_equal(matrix(negated(held), LIKE).numpy(), -want)
        assert entry_count(held) >= np.count_nonzero(want)


@pytest.mark.parametrize("shape", [(8, 8, 8), (8, 4, 12), (4, 16, 8), (48, 48, 48), (1, 8, 8), (8, 8, 1)])
def test_products_are_exact(shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    for left, right in pairs(blocks(m, k), list(blocks(k, n))):
        found = product(left, right, LIKE)
        assert (found.rows, found.cols) == (m, n)
        assert np.array_equal(matrix(found, LIKE).numpy(), dense(left) @ dense(right)), (left, right)


@pytest.mark.parametrize("shape", [(8, 8), (8, 4), (48, 48), (1, 8)])
def test_sums_are_exact(shape: tuple[int, int]) -> None:
    for left, right in pairs(blocks(*shape), list(blocks(*shape))):
        assert np.array_equal(matrix(total(left, right, LIKE), LIKE).numpy(), dense(left) + dense(right)), (left, right)


@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize("axis", [0, 1])
def test_entries_are_taken_and_added_up(name: str, axis: int) -> None:
    index = np.asarray(INDICES[name], np.int64)
    array = numbers(12, 12)
    assert np.array_equal(taken(array, index, axis).numpy(), np.take(array.numpy(), index, axis))
    holes = np.where(np.arange(len(index)) % 3 == 1, -1, index)
    want = np.where((holes < 0).reshape((-1, 1) if axis == 0 else (1, -1)), 0, np.take(array.numpy(), index, axis))
    assert np.array_equal(padded(array, holes, axis).numpy(), want)
    lines = numbers(len(index), 5) if axis == 0 else numbers(5, len(index))
    for height in (12, 200):
        want = np.zeros((height, 5) if axis == 0 else (5, height))
        np.add.at(want if axis == 0 else want.T, index, lines.numpy() if axis == 0 else lines.numpy().T)
        assert np.array_equal(added(lines, index, height, axis).numpy(), want)
