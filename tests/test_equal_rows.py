"""Products of patterns whose neighbouring rows are equal, as blocks of unknowns have them, are exact."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from chainplan.structures import Block
from chainplan.structures import explicit as explicit_module
from chainplan.structures.csr import distinct_rows, pattern_product, row_groups
from chainplan.structures.explicit import Explicit


def _pattern(rng: np.random.Generator, rows: int, cols: int, repeated: bool) -> csr_array:
    cells = rng.random((rows, cols)) < rng.random()
    return csr_array((np.repeat(cells, rng.integers(1, 5, rows), axis=0) if repeated else cells).astype(np.float32))


@pytest.mark.parametrize("seed", range(100))
def test_a_product_of_grouped_rows_is_that_of_all_entries(seed: int) -> None:
    """Patterns may have empty rows, no entries, and rows of one length or of many."""
    rng = np.random.default_rng(seed)
    k, n, m = rng.integers(1, 10, 3).tolist()
    y = _pattern(rng, k, n, seed % 3 > 0)
    x = _pattern(rng, m, y.shape[0], seed % 2 > 0)
    made = pattern_product(distinct_rows(x), distinct_rows(y)).spread()
    assert made.has_sorted_indices
    assert np.array_equal(made.toarray() > 0, x.toarray() @ y.toarray() > 0)


def test_rows_are_numbered_by_runs_of_equal_ones() -> None:
    rows = [[1, 0, 1], [1, 0, 1], [1, 0, 1], [0, 1, 1], [0, 1, 1], [0, 0, 0], [0, 0, 0], [1, 1, 1]]
    groups = row_groups(csr_array(np.array(rows, np.float32)))
    assert groups is not None
    assert groups.tolist() == [0, 0, 0, 1, 1, 2, 2, 3]
    assert row_groups(csr_array(np.eye(4, dtype=np.float32))) is None
    assert row_groups(csr_array(np.zeros((4, 4), np.float32))) is None


def test_equal_rows_are_multiplied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full blocks of 4 x 4 take a sixteenth of the multiplications, and products know the rows that are equal."""
    monkeypatch.setattr(explicit_module, "_MIN_GROUPED_MULTIPLICATIONS", 0)
    size, rng = 4 * 600, np.random.default_rng(0)
    blocks = []
    for _ in range(3):
        cells = csr_array((np.ones(600, np.float32), rng.permutation(600), np.arange(601)), shape=(600, 600))
        whole = csr_array(np.ones((4, 4), np.float32))
        csr = csr_array(_kron(cells, whole))
        blocks.append(Block(size, size, Explicit(csr)))
    product = blocks[0].times(blocks[1])
    assert isinstance(product.structure, Explicit)
    assert "distinct" in product.structure.__dict__
    both = product.times(blocks[2])
    plain = blocks[0].structure.pattern(size, size) @ blocks[1].structure.pattern(size, size)
    plain = plain @ blocks[2].structure.pattern(size, size)
    assert ((both.structure.pattern(size, size) > 0) != (plain > 0)).nnz == 0


def _kron(left: csr_array, right: csr_array) -> csr_array:
    from scipy.sparse import kron

    made = csr_array(kron(left, right, format="csr"))
    made.sort_indices()
    return made
