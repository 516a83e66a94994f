"""Total derivatives of block models: every kind of block, cycles, structures read off values, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array, eye_array
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import chainplan
from chainplan._util.arrays import Array
from chainplan.errors import ArgumentError, ExecutionError
from chainplan.models.accumulate import Accumulator, accumulate, accumulator
from chainplan.models.block_values import DiagonalBlock
from chainplan.models.recognised import structure_of_values
from chainplan.plans.steps import Propagate
from chainplan.problem.graph import Mode
from chainplan.values.shifts_block import ShiftsBlock
from tests.block_models import RandomModel

BATCHES = [(0, 60), *(pytest.param((a, a + 194), marks=pytest.mark.nightly) for a in range(60, 3164, 194))]


def agree(found: dict[Any, Array], expected: dict[Any, Array]) -> bool:
    """Say whether total derivatives are the same norm-wise; those that are left out are zero."""
    scale = max([1.0, *(float(np.abs(value).max()) for value in expected.values())])
    return found.keys() <= expected.keys() and all(
        float(np.abs(found.get(pair, 0) - value).max()) <= 1e-9 * scale for pair, value in expected.items()
    )


def planned(model: RandomModel) -> Accumulator | None:
    """Plan a model, or return None where it is refused because nothing connects its ends."""
    try:
        return accumulator(model.blocks, model.inputs, model.outputs, budget=0.1)
    except ArgumentError as error:
        if any(text in str(error) for text in ("no path", "which no block names")):
            return None
        raise


@pytest.mark.parametrize("seeds", BATCHES, ids=str)
def test_totals_equal_a_dense_solve(seeds: tuple[int, int]) -> None:
    cycles = unconnected = 0
    for seed in range(*seeds):
        model = RandomModel(seed, cyclic=seed % 2 == 1)
        if not model.solvable:
            continue
        if (total := planned(model)) is None:
            unconnected += 1
            continue
        cycles += any(name.startswith("solve") for name in total.result.problem.graph.named)
        assert agree(total(model.blocks), model.expected()), seed
        other = model.redrawn()
        if other.solvable:
            assert agree(total(other.blocks), other.expected()), seed
    assert cycles > (seeds[1] - seeds[0]) / 8
    assert unconnected < (seeds[1] - seeds[0]) / 2


STRUCTURES: list[tuple[Any, str]] = [
    (np.eye(4), "identity"),
    (-np.eye(4), "negated_identity"),
    (3 * np.eye(4), "scaled_identity"),
    (np.diag([1.0, 2, 3]), "diagonal"),
    (np.eye(6)[[2, 0, 1, 5, 4, 3]], "permutation 6"),
    (np.eye(6)[[2, 2, 1]], "selection 3"),
    (np.eye(6)[[2, 2, 1]].T, "scatter 3"),
    (np.diag(np.arange(1.0, 9)) + np.eye(8, k=1) - np.eye(8, k=-1), "banded 1,1"),
    (np.kron(np.eye(3), np.arange(1.0, 5).reshape(2, 2)), "block_diagonal 3"),
    (np.ones((3, 3)), "dense"),
    (np.zeros((3, 3)), "zero"),
    (csr_array(np.ones((3, 4))), "dense"),
    (np.where(np.add.outer(5 * np.arange(20), np.arange(20)) % 7 == 0, 2.0, 0), "sparse 57"),
    (eye_array(9), "identity"),
    (np.ones((1, 1)), "dense"),
]


@pytest.mark.parametrize(("value", "expected"), STRUCTURES, ids=[text for _, text in STRUCTURES])
def test_structures_are_read_off_values(value: Any, expected: str) -> None:
    assert repr(structure_of_values(value)) == expected


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize(("inputs", "outputs", "mode"), [(1, 40, Mode.TANGENT), (40, 1, Mode.ADJOINT)])
def test_cycles_are_solved_directly_or_by_adjoints(kind: str, inputs: int, outputs: int, mode: Mode) -> None:
    rng = np.random.default_rng(0)
    n = 60
    band = np.diag(rng.random(n)) + np.diag(rng.random(n - 1), 1)
    inner = band / 4 if kind == "sparse" else rng.random((n, n)) / n
    blocks = {
        ("a", "x"): rng.random((n, inputs)),
        ("a", "b"): inner,
        ("b", "a"): inner,
        ("y", "b"): rng.random((outputs, n)),
    }
    total = accumulator(blocks, ["x"], ["y"])
    plan = total.result.plan
    assert plan is not None
    modes = {s.mode for s in plan.steps if isinstance(s, Propagate) and s.elemental.startswith("solve")}
    assert modes == {mode}
    expected = blocks["y", "b"] @ np.linalg.solve(np.eye(n) - inner @ inner, inner @ blocks["a", "x"])
    assert np.allclose(total(blocks)["y", "x"], expected, rtol=1e-12)


@pytest.mark.parametrize("vertex", ["a", "b"])
def test_a_solver_may_be_given(vertex: str) -> None:
    rng = np.random.default_rng(3)
    inner = {("a", "b"): rng.random((4, 3)) / 9, ("b", "a"): rng.random((3, 4)) / 9}
    blocks = inner | {("a", "x"): rng.random((4, 2)), ("y", "b"): rng.random((9, 3))}
    matrix = np.eye(7)
    matrix[3:, :3] -= inner["a", "b"]
    matrix[:3, 3:] -= inner["b", "a"]
    called = []

    def solve(block: Array) -> Array:
        called.append(block.shape)
        return np.linalg.solve(matrix, block)

    def transposed(block: Array) -> Array:
        called.append(block.shape)
        return np.linalg.solve(matrix.T, block)

    found = accumulate(blocks, ["x"], ["y"], solvers={vertex: (solve, transposed)})
    assert called == [(7, 2)]
    assert agree(found, accumulate(blocks, ["x"], ["y"]))
    found = accumulate(blocks | {("a", "x"): rng.random((4, 9))}, ["x"], ["b"], solvers={vertex: (solve, transposed)})
    assert called[1:] == [(7, 3)]
    with pytest.raises(ArgumentError, match="'y', which is on no cycle"):
        accumulate(blocks, ["x"], ["y"], solvers={"y": (solve, transposed)})


def test_complex_blocks_on_a_cycle() -> None:
    rng = np.random.default_rng(1)
    for n in (5, 60):
        inner = 0.3 * np.diag(rng.random(n)) + (1j if n == 5 else 1) * 0.1 * np.eye(n, k=1)
        right = rng.random((n, 2)) + 1j * rng.random((n, 2))
        found = accumulate({("y", "x"): right, ("y", "y"): inner}, ["x"], ["y"])["y", "x"]
        assert np.allclose(found, np.linalg.solve(np.eye(n) - inner, right))


def test_what_no_path_needs_is_left_out() -> None:
    blocks = {("h", "x"): np.ones((2, 3)), ("y", "h"): np.ones((1, 2)), ("z", "h"): 1.0, ("h", "w"): np.ones((2, 2))}
    total = accumulator(blocks | {("w", "z"): 1.0}, ["x"], ["y"])
    assert len(total.result.problem.graph.elementals) == 5
    total = accumulator(blocks, ["x"], ["y"])
    assert set(total.result.problem.graph.named) == {"h/x", "y/h"}


def test_vertices_of_the_same_text_stay_apart() -> None:
    blocks = {(1, "x"): np.full((1, 1), 2.0), ("1", "x"): np.full((1, 1), 3.0), ("y", 1): 1.0, ("y", "1"): 10.0}
    assert accumulate(blocks, ["x"], ["y"]) == {("y", "x"): np.array([[32.0]])}


def test_a_complex_operator_is_applied_from_the_left() -> None:
    rng = np.random.default_rng(2)
    matrix = rng.standard_normal((5, 40)) + 1j * rng.standard_normal((5, 40))
    row = rng.standard_normal((1, 5)) + 1j
    blocks = {("h", "x"): aslinearoperator(matrix), ("y", "h"): row}
    total = accumulator(blocks, ["x"], ["y"])
    assert total.result.plan is not None
    assert [s.mode for s in total.result.plan.steps if isinstance(s, Propagate)] == [Mode.ADJOINT]
    assert np.allclose(total(blocks)["y", "x"], row @ matrix, rtol=1e-12)


def test_an_operator_without_an_adjoint_is_applied_forward() -> None:
    operator = LinearOperator((4, 3), matvec=lambda v: np.ones(4) * v.sum())
    blocks = {("h", "x"): operator, ("y", "h"): np.ones((1, 4))}
    assert np.array_equal(accumulate(blocks, ["x"], ["y"])["y", "x"], np.full((1, 3), 4.0))


ONE = np.ones((1, 1))
REFUSED: list[tuple[Any, Any, Any, str]] = [
    ({("y", "x"): np.ones(3)}, ["x"], ["y"], r"found a vector of 3; .* Write DiagonalBlock"),
    ({("y", "x"): "no"}, ["x"], ["y"], r"blocks\['y', 'x'\]: found an object of type str; expected an array"),
    ({("y", "x"): np.array([["a"]])}, ["x"], ["y"], "dtype <U1"),
    (
        {("h", "x"): np.ones((2, 3)), ("y", "h"): np.ones((1, 4))},
        ["x"],
        ["y"],
        r"found 4 columns; expected 2, the size",
    ),
    ({("y", "x"): (abs, None)}, ["x"], ["y"], "nothing says the size of 'y'"),
    ({("y", "x"): (None, None)}, ["x"], ["y"], "found no function"),
    (
        {("h", "x"): 2.0, ("y", "h"): ShiftsBlock({-1: 0.3})},
        ["x"],
        ["y"],
        r"\['y', 'h'\]: found shifts, and nothing says",
    ),
    ({("y", "x"): ONE, ("z", "w"): ONE}, ["x"], ["z"], "found no path from 'x' to 'z'"),
    ({("y", "x"): ONE}, ["x"], ["q"], "outputs: found 'q', which no block names"),
    ({("y", "x"): ONE}, ["x", "x"], ["y"], "twice"),
    ({("y", "x"): ONE}, ["x"], ["x"], "among inputs and outputs"),
    ({("y", "x"): ONE, ("x", "y"): ONE}, ["x"], ["y"], "ends at the input 'x'"),
    ({("y", "x"): ONE, ("y", "y"): ONE}, ["x"], ["y"], "found a singular system of 'y'"),
    ({"yx": ONE}, ["x"], ["y"], "found the key 'yx'"),
    ([1], ["x"], ["y"], "expected a mapping"),
    ({("y", "x"): ONE}, "x", ["y"], "expected a list of vertices"),
]


@pytest.mark.parametrize(("blocks", "inputs", "outputs", "message"), REFUSED, ids=[case[3][:30] for case in REFUSED])
def test_wrong_models_are_refused(blocks: Any, inputs: Any, outputs: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        accumulate(blocks, inputs, outputs)


def test_a_cycle_that_is_singular_to_rounding_is_refused() -> None:
    thirds = np.eye(3) - np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]])
    with pytest.raises(ArgumentError, match=r"singular system of 'y'.*reciprocal condition \d\.\de-1[78]"):
        accumulate({("y", "x"): np.ones((3, 1)), ("y", "y"): thirds}, ["x"], ["y"])


def test_units_do_not_make_a_cycle_singular() -> None:
    blocks = {("a", "x"): 1e9, ("a", "b"): 1e12, ("b", "a"): 5e-13}
    assert accumulate(blocks, ["x"], ["b"])["b", "x"] == pytest.approx(5e-4 / 0.5)


def test_a_large_singular_cycle_is_refused() -> None:
    with pytest.raises(ArgumentError, match="found a singular system"):
        accumulate({("y", "x"): np.ones((80, 1)), ("y", "y"): eye_array(80)}, ["x"], ["y"])


def test_values_of_another_structure_are_refused() -> None:
    total = accumulator({("y", "x"): np.diag([1.0, 2, 3])}, ["x"], ["y"])
    with pytest.raises(ExecutionError, match="'y/x' has nonzeros outside 'diagonal'"):
        total({("y", "x"): np.ones((3, 3))})
    with pytest.raises(ArgumentError, match=r"found no block \('y', 'x'\)"):
        total({})


def test_the_plan_of_a_model_is_checked() -> None:
    rng = np.random.default_rng(0)
    blocks = {("a", "x"): rng.random((5, 3)), ("b", "a"): rng.random((5, 5)) / 9, ("a", "b"): 0.5, ("y", "b"): 2.0}
    result = accumulator(blocks, ["x"], ["y"]).result
    assert result.plan is not None
    chainplan.check(result.plan)
    assert DiagonalBlock([1.0]).diagonal == [1.0]


CYCLE: dict[Any, Any] = {
    ("y", "x"): np.array([[1.0, 2], [3, 4]]),
    ("y", None): np.array([[0.25, 0.5], [0, 0.25]]),
    (None, "y"): np.array([[0.5, 0], [0.25, 0.25]]),
}


def test_a_vertex_may_be_named_none() -> None:
    made = accumulate(CYCLE, ["x"], [None])
    inverse = np.linalg.inv(np.eye(2) - CYCLE[None, "y"] @ CYCLE["y", None])
    np.testing.assert_allclose(made[None, "x"], inverse @ CYCLE[None, "y"] @ CYCLE["y", "x"], rtol=1e-13)


WRONG_IN_A_CYCLE = [
    (np.ones((3, 2)), ExecutionError, r"the block 'None/y' is an array of dtype float64 and shape \(3, 2\)"),
    (np.ones(2), ExecutionError, r"shape \(2,\); expected numbers of shape \(2, 2\)"),
    (csr_array((2, 3)), ExecutionError, r"shape \(2, 3\)"),
    (DiagonalBlock([1.0, 2, 3]), ExecutionError, r"shape \(3,\)"),
    (np.ones((2, 2), bool), ExecutionError, "dtype bool"),
    ("abc", ArgumentError, r"blocks\[None, 'y'\]: found an object of type str"),
    (None, ArgumentError, r"blocks\[None, 'y'\]: found an object of type NoneType"),
    ([[1.0, 2], [3]], ArgumentError, "rows of several lengths"),
    ((lambda v: v[:1], None), ExecutionError, r"the tangent of 'None/y' returned shape \(1, 2\); expected \(2, 2\)"),
    ((None, lambda w: "abc"), ExecutionError, r"the adjoint of 'None/y' returned shape \(\)"),
]


@pytest.mark.parametrize(
    ("value", "kind", "message"), WRONG_IN_A_CYCLE, ids=[case[2][:30] for case in WRONG_IN_A_CYCLE]
)
def test_wrong_values_in_a_cycle_are_refused(value: Any, kind: type[Exception], message: str) -> None:
    total = accumulator(CYCLE, ["x"], [None])
    with pytest.raises(kind, match=message):
        total({**CYCLE, (None, "y"): value})


WRONG_SOLVERS = {"list": [1], "nothing": {"y": None}, "function": {"y": id}, "half a pair": {"y": (np.asarray, None)}}


@pytest.mark.parametrize("solvers", WRONG_SOLVERS.values(), ids=WRONG_SOLVERS)
def test_wrong_solvers_are_refused(solvers: Any) -> None:
    with pytest.raises(ArgumentError, match="solvers: found"):
        accumulate(CYCLE, ["x"], [None], solvers=solvers)


def test_a_cycle_without_entries_is_solved() -> None:
    blocks = {("y", "x"): np.ones((0, 2)), ("y", "y"): np.ones((0, 0)), ("z", "y"): np.ones((3, 0))}
    assert accumulate(blocks, ["x"], ["z"])["z", "x"].tolist() == np.zeros((3, 2)).tolist()


def test_other_mistakes_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"inputs: found \['x'\], which no block names"):
        accumulate(CYCLE, [["x"]], [None])  # type: ignore[list-item]
    with pytest.raises(ArgumentError, match="found dtype float16"):
        accumulate({("y", "x"): np.ones((2, 2), np.float16)}, ["x"], ["y"])
    with pytest.raises(ArgumentError, match=r"blocks: found .*; expected a mapping"):
        accumulator(CYCLE, ["x"], [None])(None)  # type: ignore[arg-type]
    result = chainplan.plan(chainplan.from_spec({"chain": [{"name": "d", "shape": [3, 3], "structure": "diagonal"}]}))
    with pytest.raises(ExecutionError, match="dtype float16, of which no entries are listed; pass float32"):
        chainplan.execute(result, {"d": np.eye(3, dtype=np.float16)})
