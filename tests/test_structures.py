"""The laws of structures: what the exact solvers rest on."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainplan.structures import (
    DENSE,
    DIAGONAL,
    STRUCTURES,
    Banded,
    Block,
    Identity,
    NegatedIdentity,
    Structure,
    Zero,
    product,
    product_fma,
    sum_adds,
    total,
)
from chainplan.structures.banded import band_products_fma
from tests.problems import random_structure

widths = st.integers(0, 5)
structures = st.one_of(
    st.sampled_from([DENSE, DIAGONAL, Identity(), NegatedIdentity(), Zero()]), st.builds(Banded, widths, widths)
)
sizes = st.integers(0, 7)


def pattern(block: Block) -> np.ndarray:
    """Where a block may be nonzero, from the definition."""
    cells = [[block.structure.holds(i, j) for j in range(block.cols)] for i in range(block.rows)]
    return np.array(cells, dtype=bool).reshape(block.rows, block.cols)


def blocks_of(seed: int, *shape: int) -> list[Block]:
    """Random blocks of shape[1] x shape[0], shape[2] x shape[1], ... with structures that fit."""
    rng = random.Random(seed)
    return [Block(m, n, random_structure(rng, m, n)) for n, m in itertools.pairwise(shape)]


def test_every_structure_of_the_table_is_drawn_by_the_tests() -> None:
    rng = random.Random(0)
    assert {type(random_structure(rng, 3, 3)) for _ in range(500)} == set(STRUCTURES)


@given(structures, structures, structures)
def test_product_is_associative(a: Structure, b: Structure, c: Structure) -> None:
    assert product(product(a, b), c) == product(a, product(b, c))


@given(structures, structures, structures)
def test_product_distributes_over_sums(a: Structure, b: Structure, c: Structure) -> None:
    assert product(total(a, b), c) == total(product(a, c), product(b, c))
    assert product(c, total(a, b)) == total(product(c, a), product(c, b))


@given(structures, structures)
def test_sum_is_commutative_and_zero_is_neutral(a: Structure, b: Structure) -> None:
    assert total(a, b) == total(b, a)
    assert total(a, Zero()) == a


@given(structures, structures)
def test_transpose_reverses_the_product(a: Structure, b: Structure) -> None:
    assert product(a, b).transpose() == product(b.transpose(), a.transpose())
    assert a.transpose().transpose() == a


@given(structures, sizes, sizes)
def test_counts_agree_with_the_pattern(structure: Structure, rows: int, cols: int) -> None:
    if structure.misfit(rows, cols):
        return
    block = Block(rows, cols, structure)
    cells = pattern(block)
    assert block.nnz == cells.sum()
    assert listed(structure.column_counts(rows, cols)) == cells.sum(axis=0).tolist()
    assert listed(structure.row_counts(rows, cols)) == cells.sum(axis=1).tolist()
    assert (pattern(block.transpose()) == cells.T).all()


def listed(counts: tuple[tuple[int, int, int], ...]) -> list[int]:
    return [first + slope * t for length, first, slope in counts for t in range(length)]


@given(st.integers(0, 10**9), sizes, sizes, sizes)
def test_product_fma_is_the_triple_loop_count(seed: int, n: int, k: int, m: int) -> None:
    right, left = blocks_of(seed, n, k, m)
    a, b = pattern(left), pattern(right)
    loops = sum(int(a[i, t] and b[t, j]) for i in range(m) for t in range(k) for j in range(n))
    assert product_fma(left, right) == (0 if left.structure.unit or right.structure.unit else loops)


@given(st.integers(0, 10**9), sizes, sizes, sizes)
def test_product_pattern_is_covered_and_exact_for_squares(seed: int, n: int, k: int, m: int) -> None:
    right, left = blocks_of(seed, n, k, m)
    truth = (pattern(left).astype(int) @ pattern(right).astype(int)) > 0
    covered = pattern(left.times(right))
    assert (truth <= covered).all()
    if n == k == m:
        assert (truth == covered).all()


@given(st.integers(0, 10**9), sizes, sizes)
def test_sum_pattern_is_covered_and_adds_are_the_overlap(seed: int, n: int, m: int) -> None:
    left, right = blocks_of(seed, n, m)[0], blocks_of(seed + 1, n, m)[0]
    a, b, both = pattern(left), pattern(right), pattern(left.plus(right))
    assert ((a | b) <= both).all()
    if (both == (a | b)).all():
        assert sum_adds(left, right) == (a & b).sum()


def test_band_of_a_trillion_is_counted_exactly() -> None:
    n = 10**12
    assert Block(n, n, Banded(1, 1)).nnz == 3 * n - 2
    assert product_fma(Block(n, n, Banded(1, 1)), Block(n, n, Banded(1, 1))) == 9 * n - 10
    assert product_fma(Block(n, n), Block(n, n)) == n**3


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda s: s.name)
def test_spec_form_is_read_back(structure: type[Structure]) -> None:
    sample = structure.from_spec([2, 3] if structure is Banded else None)
    form = sample.to_spec()
    argument = form[structure.name] if isinstance(form, dict) else None
    assert structure.from_spec(argument) == sample
    with pytest.raises(ValueError):
        structure.from_spec("nonsense")


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 7), min_size=1))
def test_band_products_at_once_are_those_one_by_one(cases: list[tuple[int, ...]]) -> None:
    m, k, n, *widths_ = np.array(cases).T
    at_once = band_products_fma((m, k, n), (widths_[0], widths_[1]), (widths_[2], widths_[3]))
    one_by_one = [product_fma(Block(m, k, Banded(a, b)), Block(k, n, Banded(c, d))) for m, k, n, a, b, c, d in cases]
    assert at_once.tolist() == one_by_one
