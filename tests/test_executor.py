"""The executor: kernels, matrix-free functions, dtypes, aliasing and what it refuses."""

from __future__ import annotations

import gc
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from chainplan._util.arrays import Array
from chainplan.errors import ExecutionError
from chainplan.execution.executor import execute
from chainplan.execution.program import _LOWERED_PLANS
from chainplan.kernels.products import product_kernel
from chainplan.planner import plan
from chainplan.plans.steps import Accumulate, Output, Plan, Propagate
from chainplan.problem.graph import Mode
from chainplan.problem.problem import Problem
from chainplan.structures import DENSE, DIAGONAL, STRUCTURE_NAMES, Banded, Block, Identity, Structure, from_spec
from chainplan.validation.reference import reference_jacobian
from chainplan.validation.validate import validate
from chainplan.values.draw import draw
from chainplan.values.jacobians import as_matrices
from chainplan.values.npz import load_npz
from tests.problems import chain_problem, random_problem
from tests.structures import fitting

SAMPLES = STRUCTURE_NAMES[:-1]
PAIR = ("x2", "x0")


def run(problem: Problem, values: dict[str, Any], **options: Any) -> Array:
    found = plan(problem).plan
    assert found is not None
    return next(iter(execute(found, values, **options).values()))


def drawn(word: str, rows: int, cols: int) -> Structure | None:
    """A structure of this name, None where none fits the shape; sparse enough to be held so at 12 x 12."""
    rng = random.Random(f"{word} {rows} {cols}")
    if word == "coo" and rows == cols == 12:
        return from_spec("coo", [[i, (5 * i + 1) % 12] for i in range(9)], (12, 12), Path())
    return fitting(rng, word, rows, cols)


@pytest.mark.parametrize("shape", [(12, 12, 12), (4, 12, 6)])
@pytest.mark.parametrize("left_word", SAMPLES)
@pytest.mark.parametrize("right_word", SAMPLES)
def test_every_pair_of_structures_multiplies(left_word: str, right_word: str, shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    left, right = drawn(left_word, m, k), drawn(right_word, k, n)
    if left is None or right is None:
        return
    problem = chain_problem([n, k, m], [right, left])
    values = draw(problem.graph, 0, np.int64)
    assert np.array_equal(run(problem, dict(values)), reference_jacobian(problem, values)[PAIR])
    whole = as_matrices(problem.graph.elementals, values)
    assert np.array_equal(run(problem, whole), reference_jacobian(problem, values)[PAIR])
    floats = draw(problem.graph, 0, np.float32)
    result = run(problem, dict(floats))
    assert result.dtype == (np.float32 if floats else np.float64)


@pytest.mark.parametrize("size", [12, 3])
@pytest.mark.parametrize("left_word", SAMPLES)
@pytest.mark.parametrize("right_word", SAMPLES)
def test_every_pair_of_structures_adds_up(left_word: str, right_word: str, size: int) -> None:
    from chainplan.problem.graph import Elemental, Graph

    left, right = drawn(left_word, size, size), drawn(right_word, size, size)
    assert left is not None
    assert right is not None
    parts = tuple(Elemental(n, "x", "y", Block(size, size, s)) for n, s in (("a", left), ("b", right)))
    problem = Problem(Graph({"x": size, "y": size}, ("x",), ("y",), parts))
    values = draw(problem.graph, 1, np.int64)
    assert np.array_equal(run(problem, dict(values)), reference_jacobian(problem, values)["y", "x"])


def test_compact_forms_and_their_misfits() -> None:
    stack = chain_problem([6, 4], [from_spec("block_diagonal", [2, 2, 3], (4, 6), Path())])
    shared = np.arange(6.0).reshape(2, 3)
    expected = np.kron(np.eye(2), shared)
    for given in (shared, shared[None], np.stack([shared, shared]), expected, csr_array(expected)):
        assert np.array_equal(run(stack, {"F1": given}), expected)
    layers = chain_problem([6, 4], [from_spec("kronecker", [[2, 3], 2], (4, 6), Path())])
    for given in (shared, shared[None], np.stack([shared, shared]), np.kron(shared, np.eye(2))):
        assert np.array_equal(run(layers, {"F1": given}), np.kron(shared, np.eye(2)))
    with pytest.raises(ExecutionError, match=r"\(2, 2\); expected \(4, 6\) or \(2, 2, 3\) or \(2, 3\)"):
        run(stack, {"F1": np.ones((2, 2))})
    with pytest.raises(ExecutionError, match="nonzeros outside"):
        run(stack, {"F1": np.ones((4, 6))})
    sign = chain_problem([2, 2], [from_spec("sign", None, (2, 2), Path())])
    with pytest.raises(ExecutionError, match="is not sign"):
        run(sign, {"F1": np.array([1.0, 2.0])})
    listed = chain_problem([3, 2], [from_spec("coo", [[1, 0], [0, 2], [1, 2]], (2, 3), Path())])
    assert np.array_equal(run(listed, {"F1": np.array([5, 6, 7])}), [[0, 0, 5], [6, 0, 7]])
    with pytest.raises(ExecutionError, match=r"shape \(2,\); expected \(2, 3\) or \(3,\)"):
        run(listed, {"F1": np.array([5, 6])})
    chosen = chain_problem([3, 2], [from_spec("selection", [2, 0], (2, 3), Path())])
    assert np.array_equal(run(chosen, {}), [[0, 0, 1], [1, 0, 0]])
    with pytest.raises(ExecutionError, match="relies on"):
        run(chosen, {"F1": np.array([[0, 0, 2], [1, 0, 0]])})


def test_inner_size_one_multiplies_by_broadcasting() -> None:
    assert product_kernel(Block(5, 1), Block(1, 5)) is np.multiply
    assert product_kernel(Block(5, 2), Block(2, 5)) is np.dot


@pytest.mark.parametrize("sizes", [(0, 3, 2), (3, 0, 2), (3, 2, 0), (0, 0, 0)])
def test_empty_blocks(sizes: tuple[int, ...]) -> None:
    problem = chain_problem(sizes)
    result = run(problem, dict(draw(problem.graph)))
    assert result.shape == (sizes[-1], sizes[0])
    assert not result.any()


def test_matrix_free_functions_see_blocks_of_vectors() -> None:
    rng = np.random.default_rng(0)
    matrices = {"F1": rng.random((3, 6)), "F2": rng.random((5, 3))}
    seen: list[tuple[str, tuple[int, ...]]] = []

    def pair(name: str) -> tuple[Any, Any]:
        def tangent(block: Array) -> Array:
            seen.append((f"tangent {name}", block.shape))
            return matrices[name] @ block

        def adjoint(block: Array) -> Array:
            seen.append((f"adjoint {name}", block.shape))
            return block @ matrices[name]

        return tangent, adjoint

    problem = chain_problem([6, 3, 5], prices=[(10, 10, 0), (10, 10, 0)])
    steps = (Accumulate("F1", Mode.ADJOINT), Propagate("F2", 0, Mode.TANGENT))
    forward = Plan(problem.graph, steps, (Output("x2", "x0", 1),))
    steps = (Accumulate("F2", Mode.TANGENT), Propagate("F1", 0, Mode.ADJOINT))
    reverse = Plan(problem.graph, steps, (Output("x2", "x0", 1),))
    for candidate in (forward, reverse):
        result = execute(candidate, {"F1": pair("F1"), "F2": pair("F2")})[PAIR]
        assert np.allclose(result, matrices["F2"] @ matrices["F1"])
    assert seen == [
        ("adjoint F1", (3, 3)),
        ("tangent F2", (3, 6)),
        ("tangent F2", (3, 3)),
        ("adjoint F1", (5, 3)),
    ]


def test_a_diagonal_stays_a_vector_when_asked() -> None:
    n = 200_000
    problem = chain_problem([n] * 4, [DIAGONAL, Identity(), DIAGONAL])
    values = {"F1": np.arange(n, dtype=float), "F3": np.full(n, 2.0)}
    assert np.array_equal(run(problem, values, dense=False), 2.0 * np.arange(n))


def test_the_result_is_never_the_array_that_was_given() -> None:
    for structures in ([DENSE, Identity()], [Identity(), DENSE]):
        problem = chain_problem([3, 3, 3], structures)
        values = draw(problem.graph)
        result = run(problem, dict(values))
        result[:] = -1
        assert all((given >= 0).all() for given in values.values())


def test_inputs_are_not_changed_by_absorption() -> None:
    for seed in range(200):
        problem = random_problem(seed)
        values = draw(problem.graph, seed, np.int64)
        before = {name: array.copy() for name, array in values.items()}
        found = plan(problem).plan
        assert found is not None
        execute(found, values)
        for name, value in values.items():
            assert abs(value - before[name]).sum() == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_validate_on_random_problems(dtype: Any) -> None:
    for seed in range(100):
        problem = random_problem(seed)
        result = plan(problem)
        assert result.plan is not None
        validation = validate(problem, result.plan, draw(problem.graph, seed, dtype))
        assert validation.valid, (seed, validation)


def test_a_long_chain_neither_overflows_nor_vanishes() -> None:
    problem = chain_problem([random.Random(0).randint(1, 9) for _ in range(2001)])
    result = plan(problem)
    assert result.plan is not None
    values = draw(problem.graph, 0, np.float32)
    block = next(iter(execute(result.plan, values).values()))
    assert 1e-4 < float(np.abs(block).max()) < 1e4
    assert validate(problem, result.plan, values).valid


def test_a_wrong_plan_does_not_validate() -> None:
    from chainplan.plans.steps import Add

    problem = chain_problem([2, 3, 4])
    result = plan(problem)
    assert result.plan is not None
    steps = (*result.plan.steps, Add(2, 2))
    doubled = Plan(problem.graph, steps, (Output("x2", "x0", 3),))
    for dtype in (np.int64, np.float64):
        validation = validate(problem, doubled, draw(problem.graph, 1, dtype))
        assert not validation.valid
        assert "NOT VALID: plan" in validation.verdict


def test_blocks_are_dropped_after_their_last_use() -> None:
    import tracemalloc

    n, q = 200, 30
    problem = chain_problem([n] * (q + 1))
    found = plan(problem).plan
    assert found is not None
    values = draw(problem.graph)
    execute(found, values)
    tracemalloc.start()
    execute(found, values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * n * n * 8


def test_a_lowered_plan_goes_with_its_plan() -> None:
    problem = chain_problem([2, 3, 4])
    found = plan(problem).plan
    assert found is not None
    execute(found, draw(problem.graph))
    assert found in _LOWERED_PLANS
    before = len(_LOWERED_PLANS)
    del found
    gc.collect()
    assert len(_LOWERED_PLANS) < before


REFUSED: dict[str, tuple[Problem, dict[Any, Any], str]] = {
    "missing": (chain_problem([2, 3]), {}, r"no Jacobian for 'F1'; expected an array of 3 x 2"),
    "unknown": (chain_problem([2, 3]), {"F1": np.ones((3, 2)), "G": 1}, r"'G' is no elemental of the plan"),
    "unknown, of several types": (chain_problem([2, 3]), {"F1": np.ones((3, 2)), 7: 1, "G": 1}, r"'7' is no elemental"),
    "shape": (chain_problem([2, 3]), {"F1": np.ones((2, 3))}, r"shape \(2, 3\); expected \(3, 2\): rows x columns"),
    "dtype": (chain_problem([2, 3]), {"F1": np.full((3, 2), "a")}, r"expected numbers"),
    "functions": (chain_problem([2, 3]), {"F1": (None, None)}, r"'F1' is explicit, but functions were given"),
    "not diagonal": (chain_problem([2, 2], [DIAGONAL]), {"F1": np.ones((2, 2))}, r"outside 'diagonal'"),
    "not identity": (chain_problem([2, 2], [Identity()]), {"F1": 2 * np.eye(2)}, r"is not identity"),
    "not banded": (chain_problem([3, 3], [Banded(0, 1)]), {"F1": np.ones((3, 3))}, r"nonzeros outside 'banded 0,1'"),
    "no functions": (chain_problem([2, 3], prices=[(1, 1, 0)]), {}, r"no functions for matrix-free 'F1'"),
    "no tangent": (chain_problem([2, 3], prices=[(1, None, 0)]), {"F1": (None, None)}, r"'F1' has no tangent function"),
    "bad tangent": (
        chain_problem([2, 3], prices=[(1, None, 0)]),
        {"F1": (lambda block: block, None)},
        r"the tangent of 'F1' returned shape \(2, 2\); expected \(3, 2\)",
    ),
    "neither": (chain_problem([2, 3], prices=[(1, 1, 0)]), {"F1": np.ones((2, 2))}, r"for matrix-free 'F1'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_unfit_jacobians_are_refused(case: str) -> None:
    problem, values, message = REFUSED[case]
    with pytest.raises(ExecutionError, match=message):
        run(problem, values)


def test_npz_round_trip_and_faults(tmp_path: Any) -> None:
    problem = chain_problem([2, 3, 3], [DENSE, DIAGONAL])
    path = str(tmp_path / "values.npz")
    values = draw(problem.graph)
    np.savez(path, **values)
    assert load_npz(path, problem).keys() == values.keys()
    np.savez(path, F1=values["F1"].T, F22=values["F2"])
    with pytest.raises(ExecutionError) as caught:
        load_npz(path, problem)
    text = str(caught.value)
    assert "Did you mean 'F2'?" in text
    assert "shape (2, 3); expected (3, 2)" in text
    assert "no Jacobian for 'F2'" in text


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04broken", b"text", None])
def test_a_broken_npz_is_refused(tmp_path: Any, content: bytes | None) -> None:
    path = tmp_path / "values.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ExecutionError, match=r"not a \.npz file of plain arrays"):
        load_npz(str(path), chain_problem([2, 3]))


def test_a_pickle_is_not_opened(tmp_path: Any) -> None:
    path = tmp_path / "values.npz"
    np.savez(path, F1=np.array([object()], dtype=object))
    with pytest.raises(ExecutionError, match=r"not a \.npz file of plain arrays"):
        load_npz(str(path), chain_problem([2, 3]))


def test_a_bare_array_is_no_npz(tmp_path: Any) -> None:
    path = tmp_path / "values.npy"
    np.save(path, np.ones((3, 2)))
    with pytest.raises(ExecutionError, match="one bare array"):
        load_npz(str(path), chain_problem([2, 3]))


@pytest.mark.parametrize("value", [np.nan, np.inf, True, "1"])
def test_npz_of_what_is_no_finite_number_is_refused(tmp_path: Any, value: Any) -> None:
    path = tmp_path / "values.npz"
    np.savez(path, F1=np.full((3, 2), value))
    with pytest.raises(ExecutionError, match=r"expected (finite )?numbers"):
        load_npz(str(path), chain_problem([2, 3]))


@pytest.mark.parametrize(
    ("dtypes", "common"),
    [(("f4", "i8"), "f8"), (("f4", "f4"), "f4"), (("i1", "u1"), "i8"), (("i8", "c8"), "c16")],
)
def test_npz_is_brought_to_one_dtype(tmp_path: Any, dtypes: tuple[str, str], common: str) -> None:
    path, problem = tmp_path / "values.npz", chain_problem([2, 3, 2])
    np.savez(path, F1=np.full((3, 2), 100, dtypes[0]), F2=np.full((2, 3), 100, dtypes[1]))
    loaded = load_npz(str(path), problem)
    assert {array.dtype for array in loaded.values()} == {np.dtype(common)}
    assert (run(problem, loaded) == 30_000).all()


def test_overflow_is_said(tmp_path: Any) -> None:
    problem = chain_problem([1, 1, 1])
    huge = {"F1": np.full((1, 1), 1e200), "F2": np.full((1, 1), 1e200)}
    found = plan(problem).plan
    assert found is not None
    with np.errstate(over="ignore", invalid="ignore"):
        verdict = validate(problem, found, huge)
    assert not verdict.valid
    assert "overflows" in verdict.verdict


def test_what_a_user_does_to_a_result_leaves_the_plan_as_it_is() -> None:
    n = 12
    pattern = [[i, (5 * i + 1) % n] for i in range(n)]
    problem = chain_problem([n, n], [from_spec("coo", pattern, (n, n), Path())])
    found = plan(problem).plan
    assert found is not None
    given = np.arange(n)
    for _ in range(2):
        result: Any = execute(found, {"F1": given}, dense=False)["x1", "x0"]
        assert result.sum() == given.sum()
        result.eliminate_zeros()
        result.data[:] = 0
    assert np.array_equal(given, np.arange(n))
    scaled = chain_problem([n, n, n], [from_spec("coo", pattern, (n, n), Path()), DIAGONAL])
    values: dict[str, Any] = {"F1": csr_array(draw(problem.graph)["F1"]), "F2": np.eye(n)[0]}
    entries = values["F1"].nnz
    best = plan(scaled).plan
    assert best is not None
    execute(best, values, dense=False)["x2", "x0"].eliminate_zeros()  # type: ignore[attr-defined]
    assert values["F1"].nnz == len(values["F1"].indices) == entries
    assert np.array_equal(np.sort(values["F1"].indices), np.arange(n))
    assert problem.graph.elementals[0].block.nnz == n


def test_the_reference_holds_large_elementals_sparse(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(40):
        problem = random_problem(seed)
        values = draw(problem.graph, seed, np.int64)
        for mode in Mode:
            written_out = reference_jacobian(problem, values, mode)
            with monkeypatch.context() as sparse:
                sparse.setattr("chainplan.validation.reference.MAX_DENSE_CELLS", 0)
                held_sparse = reference_jacobian(problem, values, mode)
            assert all(np.array_equal(held_sparse[pair], matrix) for pair, matrix in written_out.items()), seed
