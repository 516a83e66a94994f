"""Plans as functions: equal to the reference on blocks large enough to be held sparse, of every structure."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

import chainplan
from chainplan._util.arrays import Array
from chainplan.errors import ExecutionError
from chainplan.execution.prepared import prepare
from chainplan.execution.straight import straight
from chainplan.kernels.entry_lists import MAX_LISTED_PAIRS, product_of_lists
from chainplan.kernels.narrow_products import MAX_UNCOPIED_MULTIPLICATIONS, NarrowProduct, narrow_product
from chainplan.plans.steps import Plan
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem
from chainplan.structures import Block
from chainplan.validation.reference import reference_jacobian
from chainplan.values.draw import draw
from tests.structures import any_structure

FLOAT = np.dtype(float)


def structured_graph(seed: int) -> Problem:
    """A chain, in two of three cases with edges that skip some vertices, of any structures and some functions."""
    rng = random.Random(seed)
    count, size = rng.randint(2, 7), rng.choice((24, 30, 36))
    sizes = [size if rng.random() < 0.7 else rng.choice((1, 2, 12, 48)) for _ in range(count + 1)]
    edges = [(i, i + 1) for i in range(count)]
    for _ in range(seed % 3):
        start = rng.randrange(count)
        edges.append((start, rng.randint(start + 1, count)))
    elementals = []
    for number, (source, target) in enumerate(edges):
        rows, cols = sizes[target], sizes[source]
        structure = any_structure(rng, rows, cols)
        prices = rng.choice(((None, None), (None, None), (5, 5), (9, None), (None, 7)))
        elementals.append(Elemental(f"e{number}", f"x{source}", f"x{target}", Block(rows, cols, structure), *prices))
    vertices = {f"x{i}": size for i, size in enumerate(sizes)}
    return Problem(Graph(vertices, ("x0",), (f"x{count}",), tuple(elementals)))


def with_functions(problem: Problem, values: dict[str, Any]) -> dict[str, Any]:
    """Values in floats, with pairs of functions for what is matrix-free."""
    given = {name: value.astype(float) for name, value in values.items()}
    for e in problem.graph.elementals:
        if not e.explicit and e.name in given:
            matrix = given[e.name]
            matrix = matrix.toarray() if isinstance(matrix, csr_array) else matrix
            given[e.name] = (lambda v, m=matrix: m @ v), (lambda w, m=matrix: w @ m)
    return given


def planned(problem: Problem, solver: str) -> Plan | None:
    try:
        return chainplan.plan(problem, solver=solver, budget=0.2).plan
    except chainplan.ChainplanError:
        return None


@pytest.mark.parametrize("block", range(6))
def test_functions_of_plans_equal_the_reference(block: int) -> None:
    made = runs = 0
    for seed in range(10 * block, 10 * block + 10):
        problem = structured_graph(seed)
        values = [draw(problem.graph, seed + turn, np.int64) for turn in range(2)]
        for solver in ("auto", "reverse"):
            plan = planned(problem, solver)
            if plan is None:
                continue
            run, runs = prepare(plan), runs + 1
            made += straight(plan, FLOAT, None) is not None
            for drawn in (*values, values[0]):
                expected = reference_jacobian(problem, drawn)
                found = run(with_functions(problem, drawn))
                for pair, array in expected.items():
                    assert np.array_equal(found.get(pair, np.zeros(array.shape)), array), (seed, solver)
    assert made > 0.6 * runs


def test_functions_of_plans_take_sparse_arrays_and_diagonals_of_bands() -> None:
    spec = [
        {"name": "A", "shape": [40, 3]},
        {"name": "P", "shape": [40, 40], "structure": {"permutation": [(7 * i) % 40 for i in range(40)]}},
        {"name": "B", "shape": [40, 40], "structure": {"banded": [1, 0]}},
        {"name": "C", "shape": [2, 40]},
    ]
    plan = chainplan.plan(chainplan.from_spec({"chain": spec})).plan
    assert plan is not None
    run = prepare(plan)
    rng = np.random.default_rng(0)
    pick = np.eye(40)[[(7 * i) % 40 for i in range(40)]]
    for _ in range(3):
        A, C, band = (rng.integers(-3, 4, shape).astype(float) for shape in ((40, 3), (2, 40), (2, 40)))
        B = np.diag(band[0]) + np.diag(band[1, :-1], -1)
        for given in (band, B, csr_array(B)):
            assert np.array_equal(run({"A": A, "B": given, "C": C})["x4", "x0"], C @ B @ pick @ A)
        assert run._last is not None
    with pytest.raises(ExecutionError, match="outside 'banded 1,0'"):
        run({"A": A, "B": np.ones((40, 40)), "C": C})
    with pytest.raises(ExecutionError, match="no Jacobian for 'C'"):
        run({"A": A, "B": B})
    with pytest.raises(ExecutionError, match="'Q' is no elemental"):
        run({"A": A, "B": B, "C": C, "Q": C})


@pytest.mark.parametrize("solver", ["forward", "reverse"])
def test_matrices_meet_large_sparse_blocks_on_both_sides(solver: str) -> None:
    n = 400
    order = [(7 * i) % n for i in range(n)]
    spec = [
        {"name": "A", "shape": [n, 7]},
        {"name": "P", "shape": [n, n], "structure": {"permutation": order}},
        {"name": "B", "shape": [n, n], "structure": {"banded": [1, 2]}},
        {"name": "D", "shape": [n, n], "structure": "diagonal"},
        {"name": "S", "shape": [n, n], "structure": {"coo": [[i, (i * i) % n] for i in range(n)]}},
        {"name": "C", "shape": [9, n]},
    ]
    plan = chainplan.plan(chainplan.from_spec({"chain": spec}), solver=solver).plan
    assert plan is not None
    rng = np.random.default_rng(0)
    A, band, D, S, C = (rng.integers(-3, 4, shape).astype(float) for shape in ((n, 7), (4, n), (n,), (n,), (9, n)))
    B = sum(np.diag(band[2 - k, max(k, 0) : n + min(k, 0)], k) for k in (-1, 0, 1, 2))
    scatter = np.zeros((n, n))
    scatter[np.arange(n), np.arange(n) ** 2 % n] = S
    run = prepare(plan)
    for _ in range(2):
        found = run({"A": A, "B": band, "D": D, "S": S, "C": C})["x6", "x0"]
        assert np.array_equal(found, C @ scatter @ np.diag(D) @ B @ np.eye(n)[order] @ A)
    assert run._last is not None


def matrix_free_run() -> tuple[Any, Array, Array]:
    spec = [
        {"name": "A", "shape": [5, 3]},
        {"name": "f", "shape": [4, 5], "tangent": 1},
        {"name": "C", "shape": [2, 4]},
    ]
    plan = chainplan.plan(chainplan.from_spec({"chain": spec})).plan
    assert plan is not None
    rng = np.random.default_rng(3)
    return prepare(plan), rng.integers(-3, 4, (5, 3)).astype(float), rng.integers(-3, 4, (2, 4)).astype(float)


def test_functions_that_return_other_dtypes_lists_or_shapes() -> None:
    run, A, C = matrix_free_run()
    F = np.arange(20.0).reshape(4, 5) % 7
    expected = C @ F @ A
    for _ in range(2):
        assert np.array_equal(run({"A": A, "f": (lambda v: (F @ v).tolist(), None), "C": C})["x3", "x0"], expected)
        found = run({"A": A, "f": (lambda v: 1j * (F @ v), None), "C": C})["x3", "x0"]
        assert np.array_equal(found, 1j * expected)
    with pytest.raises(ExecutionError, match=r"the tangent of 'f' returned shape \(5, 3\)"):
        run({"A": A, "f": (lambda v: v, None), "C": C})
    with pytest.raises(ExecutionError, match="list with rows of several lengths"):
        run({"A": A, "f": (lambda v: [[1.0], [1.0, 2.0]], None), "C": C})


def test_an_exception_in_a_function_says_which_call_it_was() -> None:
    run, A, C = matrix_free_run()

    def broken(block: Array) -> Array:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        run({"A": A, "f": (broken, None), "C": C})
    assert "This was the tangent of 'f', called with a block of 5 x 3." in caught.value.__notes__[0]
    with pytest.raises(ValueError, match="read-only"):
        run({"A": A, "f": (lambda v: v.fill(0), None), "C": C})


def test_one_block_that_is_two_outputs_is_handed_over_twice() -> None:
    problem = chainplan.from_spec(
        {
            "dag": {
                "sizes": {"x": 3, "h": 3, "y": 2, "z": 2},
                "inputs": ["x"],
                "outputs": ["y", "z"],
                "jacobians": [
                    {"edge": ["x", "h"]},
                    {"edge": ["h", "y"]},
                    {"edge": ["y", "z"], "structure": "identity"},
                ],
            }
        }
    )
    plan = chainplan.plan(problem).plan
    assert plan is not None
    assert straight(plan, FLOAT, None) is not None
    h, y = np.eye(3) + 1.0, np.ones((2, 3))
    found = prepare(plan)({"h/x": h, "y/h": y})
    assert np.array_equal(found["y", "x"], y @ h)
    assert np.array_equal(found["z", "x"], y @ h)
    assert not np.shares_memory(found["y", "x"], found["z", "x"])


def test_sparse_factors_whose_pairs_would_take_too_much_memory_are_left_to_scipy() -> None:
    n = 1 + int(MAX_LISTED_PAIRS**0.5)
    column = csr_array(np.ones((n, 1)))
    assert product_of_lists(column, csr_array(np.ones((1, n))), False, False) is None
    assert product_of_lists(csr_array(np.ones((1, n))), column, False, False) is not None


@pytest.mark.parametrize("cols", [1, 2, 7, 16, 17])
def test_narrow_products_equal_whole_ones(cols: int) -> None:
    rows, inner = 301, 257
    left, right = Block(rows, inner), Block(inner, cols)
    product = narrow_product(left, right)
    assert (product is not None) == (1 < cols <= 16 and rows * inner * cols > MAX_UNCOPIED_MULTIPLICATIONS)
    kernel = NarrowProduct(left, right)
    rng = np.random.default_rng(cols)
    a = rng.integers(-5, 6, (rows, inner)).astype(float)
    b = rng.integers(-5, 6, (inner, cols)).astype(float)
    out = np.empty((rows, cols))
    for x, y in ((a, b), (np.asfortranarray(a), np.asfortranarray(b)), (a, b.astype(np.float32))):
        assert np.array_equal(kernel(x, y), a @ b)
        assert kernel(x, y, out) is out
        assert np.array_equal(out, a @ b)
