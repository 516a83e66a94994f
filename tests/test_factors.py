"""Factors of linear systems: solutions against exact rationals, counts against elimination by hand, and singularity."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest
from scipy.sparse import csr_array, eye_array, random_array

from chainplan._util.arrays import Array
from chainplan.kernels.factors import LuFactors, SingularError
from chainplan.structures.factor_counts import FactorCounts, full_counts, pattern_counts
from tests.oracles.rational_solve import rational_solve

SIZES = [1, 2, 5, 60]


def drawn(size: int, seed: int = 0) -> Array:
    """Draw a matrix of whole numbers with few entries beside a strong diagonal, rows exchanged."""
    rng = np.random.default_rng(seed)
    entries = rng.integers(-4, 5, (size, size)) * (rng.random((size, size)) < 0.05)
    return np.asarray((entries + 40 * np.eye(size, dtype=int))[rng.permutation(size)])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sparse", [False, True])
def test_solutions_are_those_of_exact_elimination(size: int, sparse: bool) -> None:
    matrix, columns = drawn(size), np.random.default_rng(1).integers(-9, 10, (size, 3))
    factors = LuFactors(csr_array(matrix) if sparse else matrix)
    exact = rational_solve(matrix.tolist(), columns.tolist())
    assert np.allclose(factors.solve(columns), np.array(exact, float), rtol=1e-12, atol=1e-14)
    transposed = rational_solve(matrix.T.tolist(), columns.tolist())
    assert np.allclose(factors.solve_left(columns.T), np.array(transposed, float).T, rtol=1e-12, atol=1e-14)
    assert np.allclose(factors.solve(1j * columns), 1j * np.array(exact, float), rtol=1e-12, atol=1e-14)


def test_full_matrices_are_counted_like_elimination_by_hand() -> None:
    for n in range(8):
        rows = range(n)
        factor = sum(1 + n - k - 1 for k in rows for _ in range(k + 1, n))
        assert full_counts(n) == FactorCounts(factor, sum(1 for _ in rows for _ in rows))


def test_bands_and_diagonals_fill_nothing_in() -> None:
    n = 80
    band = eye_array(n) + eye_array(n, k=1) + eye_array(n, k=-1)
    assert pattern_counts(csr_array(eye_array(n))) == FactorCounts(0, n)
    counts = pattern_counts(csr_array(band))
    assert counts is not None
    assert counts.factor <= 2.1 * n
    assert counts.solve <= 3.1 * n


def test_a_pattern_is_counted_as_its_values_are() -> None:
    rng = np.random.default_rng(3)
    matrix = csr_array(random_array((120, 120), density=0.02, rng=rng) + 5 * eye_array(120))
    assert pattern_counts(matrix) == LuFactors(matrix).counts


def test_a_pattern_that_is_always_singular_has_no_counts() -> None:
    assert pattern_counts(csr_array(np.array([[1, 1, 1], [1, 0, 0], [1, 0, 0]]))) is None


@pytest.mark.parametrize("size", [2, 5, 20, 100])
def test_what_is_singular_to_rounding_is_refused(size: int) -> None:
    rng = np.random.default_rng(size)
    for _ in range(20):
        matrix = rng.random((size, size))
        matrix[:, -1] = matrix[:, :-1] @ rng.random(size - 1)
        with pytest.raises(SingularError):
            LuFactors(matrix)


def test_a_sparse_matrix_that_is_singular_to_rounding_is_refused() -> None:
    rng = np.random.default_rng(0)
    dense = random_array((80, 80), density=0.02, rng=rng).toarray() + np.eye(80)
    dense[:, 7] = dense[:, 11] * 0.3 + dense[:, 12] * 0.7
    with pytest.raises(SingularError):
        LuFactors(csr_array(dense))


def test_units_are_not_taken_for_singular() -> None:
    rng = np.random.default_rng(5)
    rows, columns = 10.0 ** rng.integers(-30, 30, 9), 10.0 ** rng.integers(-30, 30, 9)
    regular = rng.random((9, 9)) + 3 * np.eye(9)
    assert LuFactors(rows[:, None] * regular * columns).rcond > 1e-3


def test_factors_go_to_other_processes() -> None:
    factors = LuFactors(csr_array(drawn(60)))
    there = pickle.loads(pickle.dumps(factors))
    assert (there.solve(np.ones((60, 1))) == factors.solve(np.ones((60, 1)))).all()


def test_the_oracle_solves_exactly() -> None:
    assert rational_solve([[2, 1], [1, 3]], [[1], [0]]) == [[Fraction(3, 5)], [Fraction(-1, 5)]]
