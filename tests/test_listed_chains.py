"""Chains of listed patterns are planned with few patterns alive, and by the multiplications that are made."""

from __future__ import annotations

from weakref import WeakValueDictionary

import numpy as np
import pytest
from scipy.sparse import csr_array

from chainplan.planner import plan
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem
from chainplan.solvers.chain import listed_products
from chainplan.solvers.chain.compressed_intervals import ChainSweeps
from chainplan.solvers.chain.interval_prices import FmaTable, filled
from chainplan.solvers.chain.interval_table import IntervalTable
from chainplan.solvers.search.search import Search
from chainplan.structures import Banded, csr, explicit, resolve
from chainplan.structures.explicit import Explicit, multiplications_made, overfull
from chainplan.structures.unit_entries import UnitEntries
from tests.problems import chain_problem

SIZE = 2400
"""Lines of blocks whose pattern does not fit by its size alone."""


def full_blocks(q: int, seed: int, even: bool = True) -> Problem:
    """A chain of patterns of full blocks of 4 x 4; where they are uneven, some rows of blocks have no block."""
    rng = np.random.default_rng(seed)
    structures = []
    for _ in range(q):
        places = np.stack([np.arange(SIZE // 4), rng.permutation(SIZE // 4)])[
            :, : None if even else -rng.integers(9, 99)
        ]
        rows, cols = (4 * place[:, None] + np.arange(4) for place in places)
        row, col = np.repeat(rows, 4, axis=1).ravel(), np.tile(cols, 4).ravel()
        pattern = csr_array((np.ones(len(row), np.float32), (row, col)), shape=(SIZE, SIZE))
        pattern.sort_indices()
        structures.append(Explicit(pattern))
    return chain_problem([SIZE] * (q + 1), structures)


@pytest.mark.parametrize("even", [True, False])
def test_prices_do_not_depend_on_how_many_counts_may_be_kept(even: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = full_blocks(8, 1, even)
    chain, sweeps = problem.graph.chain, ChainSweeps(problem.graph.chain, FMA)
    monkeypatch.setattr(listed_products, "MAX_COUNT_BYTES", 0)
    table, single = filled(problem, sweeps, Search()), IntervalTable(chain, FMA, sweeps)
    assert isinstance(table, FmaTable)
    for d in range(2, len(chain) + 1):
        single.fill(d)
    for i in range(len(chain)):
        for j in range(i + 1, len(chain) + 1):
            assert table.price(i, j) == single.price(i, j)
            assert j == i + 1 or table.derive((i, j)) == single.derive((i, j))


def test_one_pattern_of_an_interval_is_alive_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of twelve elementals, 66 intervals have a product; beside what is given, a product and its factor are alive."""
    alive, most, problem = WeakValueDictionary[int, Explicit](), 0, full_blocks(12, 2, even=False)
    made = Explicit.__init__

    def counted(self: Explicit, pattern: csr_array, units: UnitEntries | None = None) -> None:
        nonlocal most
        made(self, pattern, units)
        alive[id(self)] = self
        most = max(most, len(alive))

    monkeypatch.setattr(explicit, "MAX_ENTRY_BYTES", 0)
    monkeypatch.setattr(Explicit, "__init__", counted)
    assert problem.graph.exact
    filled(problem, ChainSweeps(problem.graph.chain, FMA), Search())
    assert 2 <= most <= 4


def test_rows_that_are_multiplied_once_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry by entry, 28 products of 4 x 4 blocks would take 16 times as many multiplications as are made."""
    monkeypatch.setattr(explicit, "_MIN_GROUPED_MULTIPLICATIONS", 0)
    monkeypatch.setattr(resolve, "MAX_PATTERN_MULTIPLICATIONS", 28 * SIZE)
    problem = full_blocks(8, 3)
    assert all(isinstance(e.block.structure, Explicit) for e in problem.graph.chain)
    assert plan(problem).bound == 7 * 16 * SIZE
    monkeypatch.setattr(resolve, "MAX_PATTERN_MULTIPLICATIONS", 28 * SIZE - 1)
    assert not any(isinstance(e.block.structure, Explicit) for e in full_blocks(8, 3).graph.chain)


@pytest.mark.parametrize("seed", range(60))
def test_what_a_product_takes_is_known_before_it_is_made(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explicit, "_MIN_GROUPED_MULTIPLICATIONS", 0)
    monkeypatch.setattr(csr, "_STRIP_MULTIPLICATIONS", 5)
    rng = np.random.default_rng(seed)
    (m, k, n), times = rng.integers(1, 12, 3).tolist(), 1 + seed % 3
    y = np.repeat(rng.random((k, n)) < 1.5 * rng.random(), times, axis=0)
    x = np.repeat(rng.random((m, k * times)) < 1.5 * rng.random(), times, axis=0)
    left, right = (Explicit(csr_array(cells.astype(np.float32))) for cells in (x, y))
    whole = x.astype(int) @ y.astype(int) > 0
    for most in range(whole.size + 1):
        assert overfull(left, right, most) == (whole.sum() > most and not whole.all())
    assert multiplications_made(left, right) <= int((x.sum(axis=0) * y.sum(axis=1)).sum())


def test_equal_counts_are_kept_once_in_the_narrowest_type() -> None:
    band = Banded(1, 2)
    listed = Explicit(band.pattern(SIZE, SIZE))
    problem = chain_problem([SIZE] * 9, [listed] * 8)
    products = listed_products.ListedProducts(problem.graph.chain, np.int64, True, False, lambda: None)
    assert len(products._vectors) == 16
    assert {vector.dtype for vector in products._vectors} == {np.dtype(np.uint8)}
