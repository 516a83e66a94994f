"""Prepared plans: results of `execute` to the bit, work arrays that nobody gets to see, values given in every form."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from scipy.linalg import solve_banded
from scipy.sparse import csr_array

import chainplan
from chainplan._util.arrays import Array
from chainplan.errors import ExecutionError
from chainplan.execution.prepared import PreparedPlan, prepare
from chainplan.kernels.convert import as_matrix
from chainplan.kernels.products import product_kernel
from chainplan.plans.steps import Plan
from chainplan.problem.problem import Problem
from chainplan.structures import Block
from chainplan.structures.explicit import Explicit
from chainplan.structures.unit_entries import UnitEntries
from chainplan.validation.reference import reference_jacobian
from chainplan.values.draw import draw
from tests.problems import random_problem

SEEDS = range(120)


def planned(problem: Problem, solver: str = "auto") -> Plan:
    found = chainplan.plan(problem, solver=solver).plan
    assert found is not None
    return found


def equal(found: dict[tuple[str, str], Array], expected: dict[tuple[str, str], Array]) -> bool:
    """Say whether results are the same; pairs that no path connects are left out or zero."""
    same = all(np.array_equal(found[pair], expected[pair]) for pair in found)
    return same and not any(expected[pair].any() for pair in expected.keys() - found.keys())


def in_floats(values: Any) -> dict[str, Any]:
    """Whole numbers as floats, so that no step is guarded and sums are exact all the same."""
    return {name: value if isinstance(value, tuple) else value.astype(float) for name, value in values.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_runs_equal_the_reference_on_changing_whole_numbers(seed: int) -> None:
    problem = random_problem(seed)
    run = prepare(planned(problem))
    for turn in range(3):
        values = draw(problem.graph, 10 * seed + turn, np.int64)
        expected = reference_jacobian(problem, values)
        assert equal(run(dict(values)), expected)
        assert equal(run(in_floats(values)), expected)


def chain_of_matrices(count: int) -> tuple[Plan, dict[str, Array]]:
    sizes = [7 + i % 3 for i in range(count + 1)]
    rng = np.random.default_rng(count)
    return planned(chainplan.chain(sizes)), {
        f"F{i + 1}": rng.integers(-2, 3, (sizes[i + 1], sizes[i])).astype(float) for i in range(count)
    }


def idle(run: PreparedPlan) -> list[list[Array]]:
    """Return the sets of work arrays that are kept for the dtype of the last run."""
    assert run._last is not None
    return run._last.idle


def test_long_chains_share_few_work_arrays() -> None:
    plan, values = chain_of_matrices(40)
    run = prepare(plan)
    expected = chainplan.execute(plan, values)
    for _ in range(3):
        assert equal(run(values), expected)
    (work,) = idle(run)
    assert 0 < len(work) < 10


def test_results_are_never_written_to_again() -> None:
    plan, values = chain_of_matrices(9)
    run = prepare(plan)
    first = run(values)
    kept = {pair: array.copy() for pair, array in first.items()}
    run({name: 3 * array for name, array in values.items()})
    assert equal(first, kept)
    assert not any(np.shares_memory(array, room) for array in first.values() for room in idle(run)[0])


def test_other_dtypes_get_other_work_arrays() -> None:
    plan, values = chain_of_matrices(6)
    run = prepare(plan)
    for dtype in (np.float32, np.float64, np.complex128, np.float32):
        given = {name: array.astype(dtype) for name, array in values.items()}
        found, expected = run(given), chainplan.execute(plan, given)
        assert equal(found, expected)
        assert {a.dtype for a in found.values()} == {np.dtype(dtype)}


def test_arrays_that_are_held_column_by_column() -> None:
    names = ["A", "B", "C", "D", "E"]
    spec = [{"name": name, "shape": [6, 6]} | ({"structure": "diagonal"} if name == "D" else {}) for name in names]
    run = prepare(planned(chainplan.from_spec({"chain": spec}), "reverse"))
    rng = np.random.default_rng(0)
    for order in "FCF":
        values = {name: np.asarray(rng.integers(-3, 4, (6, 6)), float, order=order) for name in "ABCE"}  # type: ignore[call-overload]
        diagonal = rng.integers(1, 4, 6).astype(float)
        expected = values["E"] * diagonal @ values["C"] @ values["B"] @ values["A"]
        assert np.array_equal(run(values | {"D": diagonal})["x5", "x0"], expected)


def test_functions_may_keep_what_they_get() -> None:
    problem = chainplan.from_spec(
        {
            "chain": [
                {"name": "A", "shape": [4, 4]},
                {"name": "B", "shape": [4, 4]},
                {"name": "model", "shape": [4, 4], "tangent": 1, "adjoint": 10**6},
                {"name": "C", "shape": [4, 4]},
                {"name": "D", "shape": [4, 4]},
            ]
        }
    )
    seen: list[Array] = []

    def model(block: Array) -> Array:
        seen.append(block)
        return block

    rng = np.random.default_rng(0)
    values = {name: rng.integers(-3, 4, (4, 4)).astype(float) for name in "ABCD"}
    run = prepare(planned(problem, "forward"))
    results = [run(values | {"model": (model, None)}) for _ in range(3)]
    kept = [block.copy() for block in seen]
    run({name: 5 * array for name, array in values.items()} | {"model": (lambda block: 0 * block, None)})
    assert all(np.array_equal(block, copy) for block, copy in zip(seen, kept, strict=True))
    assert np.array_equal(results[0]["x5", "x0"], values["D"] @ values["C"] @ values["B"] @ values["A"])


def test_runs_go_on_in_several_threads() -> None:
    plan, values = chain_of_matrices(12)
    run = prepare(plan)
    scaled = [{name: (k % 3) * array for name, array in values.items()} for k in range(40)]
    expected = [chainplan.execute(plan, given) for given in scaled]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(run, scaled))
    assert all(map(equal, found, expected))


def test_an_error_in_a_run_harms_no_later_one() -> None:
    plan, values = chain_of_matrices(5)
    run = prepare(plan)
    run(values)
    with pytest.raises(ExecutionError, match="'F3' has shape"):
        run(values | {"F3": np.ones((2, 2))})
    assert equal(run(values), chainplan.execute(plan, values))


BAND = {"banded": [2, 1]}


def band_run(shape: tuple[int, int]) -> tuple[PreparedPlan, Array]:
    m, n = shape
    problem = chainplan.from_spec(
        {"chain": [{"name": "B", "shape": [m, n], "structure": BAND}, {"name": "A", "shape": [3, m]}]}
    )
    rng = np.random.default_rng(m)
    i, j = np.indices((m, n))
    inside = (i - j <= 2) & (j - i <= 1)
    return prepare(planned(problem)), np.where(inside, rng.integers(1, 9, (m, n)), 0).astype(float)


@pytest.mark.parametrize("shape", [(60, 60), (60, 57), (55, 60), (5, 5)])
def test_a_band_may_be_given_as_its_diagonals(shape: tuple[int, int]) -> None:
    run, band = band_run(shape)
    m, n = shape
    left = np.random.default_rng(1).integers(-3, 4, (3, m)).astype(float)
    diagonals = np.full((4, n), np.nan)
    for i in range(m):
        for j in range(max(0, i - 2), min(n, i + 2)):
            diagonals[1 + i - j, j] = band[i, j]
    expected = left @ band
    for given in (diagonals, band, csr_array(band), diagonals):
        assert np.array_equal(run({"B": given, "A": left})["x2", "x0"], expected)
    assert np.array_equal(run({"B": 2 * diagonals, "A": left})["x2", "x0"], 2 * expected)


def test_diagonals_are_those_that_scipy_solves_with() -> None:
    run, band = band_run((40, 40))
    band += 50 * np.eye(40)
    diagonals = np.zeros((4, 40))
    for i in range(40):
        for j in range(max(0, i - 2), min(40, i + 2)):
            diagonals[1 + i - j, j] = band[i, j]
    left = np.ones((3, 40))
    product = run({"B": diagonals, "A": left})["x2", "x0"]
    assert np.allclose(solve_banded((2, 1), diagonals, np.ones(40)), np.linalg.solve(band, np.ones(40)))
    assert np.array_equal(product, left @ band)


def test_entries_outside_a_band_are_refused() -> None:
    run, band = band_run((60, 60))
    run({"B": band, "A": np.ones((3, 60))})
    band[0, 59] = 1
    for given in (band, csr_array(band)):
        with pytest.raises(ExecutionError, match="outside 'banded 2,1'"):
            run({"B": given, "A": np.ones((3, 60))})


def test_lists_that_were_compared_serve_other_values() -> None:
    run, band = band_run((60, 60))
    first = csr_array(band)
    left = np.ones((3, 60))
    for factor in (1.0, 2.0):
        given = csr_array((factor * first.data, first.indices, first.indptr), shape=first.shape)
        assert np.array_equal(run({"B": given, "A": left})["x2", "x0"], factor * (left @ band))


def test_plans_of_other_kinds_are_refused() -> None:
    problem = chainplan.from_spec({"chain": [30, 2, 30], "products": {"right": 5}})
    with pytest.raises(ExecutionError, match=r"Call chainplan\.operator"):
        prepare(planned(problem))
    with pytest.raises(chainplan.ChainplanError, match="jacobians"):
        prepare(planned(chainplan.chain([2, 2])))(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(40))
def test_partial_picks_and_sparse_blocks_multiply_as_matrices(seed: int) -> None:
    rng = np.random.default_rng(seed)
    m, n, lines = int(rng.integers(20, 60)), int(rng.integers(20, 60)), int(rng.integers(1, 5))
    count = int(rng.integers(0, min(m, n)))
    rows, cols = rng.permutation(m)[:count], rng.permutation(n)[:count]
    if unique := seed % 2:
        cols = rng.integers(0, n, count)
    csr = csr_array((np.ones(count, np.float32), (rows, cols)), shape=(m, n))
    picking = Block(m, n, Explicit(csr, UnitEntries(True, not unique, 1)))
    for block in (picking, picking.transpose(), Block(m, n, Explicit(csr))):
        values = block.structure.pattern(block.rows, block.cols).astype(float)
        left = rng.integers(-5, 6, (lines, block.rows)).astype(float)
        right = rng.integers(-5, 6, (block.cols, lines)).astype(float)
        for dtype in (np.float64, np.int64, np.float32):
            a, b = left.astype(dtype), right.astype(dtype)
            dense_left, dense_right = Block(*a.shape), Block(*b.shape)
            found = product_kernel(dense_left, block)(a, values)
            assert np.array_equal(as_matrix(found, dense_left.times(block), dtype), a @ values.toarray())
            found = product_kernel(block, dense_right)(values, b)
            assert np.array_equal(as_matrix(found, block.times(dense_right), dtype), values.toarray() @ b)
