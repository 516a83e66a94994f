"""Shifts in time: the algebra of runs, the kernels on coefficients, and what may be given and asked for."""

from __future__ import annotations

import copy
import pickle
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

import chainplan
from chainplan.costs.timed import WEIGHTED_COST
from chainplan.errors import ArgumentError, ExecutionError, SpecError
from chainplan.io.plan_file import parse_plan
from chainplan.kernels.convert import as_form, as_matrix, as_sparse, from_matrix, from_sparse, transposed
from chainplan.kernels.products import product_kernel, sum_kernel
from chainplan.kernels.storage import StorageForm, form
from chainplan.structures import (
    PLAIN_STRUCTURES,
    Block,
    OnDiagonal,
    Shifts,
    Structure,
    Zero,
    product,
    product_fma,
    total,
)
from chainplan.structures.shifts import shifts_of
from chainplan.values.draw import draw
from tests.structures import fitting

seeds = st.integers(0, 10**9)
sizes = st.sampled_from([1, 2, 3, 5, 8])
OF_SHIFTS = [PLAIN_STRUCTURES[word] for word in ("identity", "negated_identity", "scaled_identity")]


def shifts(rng: random.Random, rows: int, cols: int, others: bool = False) -> Structure:
    """Random shifts, or now and then another structure whose products with them are shifts."""
    if others and rng.random() < 0.3:
        others_too: list[Structure] = [Zero(), *(OF_SHIFTS if rows == cols else ())]
        return rng.choice(others_too)
    found = fitting(rng, "shifts", rows, cols)
    assert found is not None
    return found


def integers(rng: np.random.Generator, block: Block) -> Any:
    """Whole coefficients of a block of shifts or of a multiple of the identity."""
    if isinstance(block.structure, Shifts):
        return rng.integers(-9, 10, len(block.structure.runs))
    return rng.integers(-9, 10, ()) if form(block) is StorageForm.SCALED_IDENTITY else None


@given(seeds, sizes, sizes, sizes, sizes)
def test_shifts_are_a_semiring_run_by_run(seed: int, n: int, k: int, l: int, m: int) -> None:  # noqa: E741
    rng = random.Random(seed)
    a, b, c = shifts(rng, m, l), shifts(rng, l, k), shifts(rng, k, n)
    d, e = shifts(rng, l, k), shifts(rng, l, k)
    p: Any = product
    t: Any = total
    assert p(p(a, b), c) == p(a, p(b, c))
    assert p(a, t(b, d)) == t(p(a, b), p(a, d))
    assert p(t(b, d), c) == t(p(b, c), p(d, c))
    assert t(b, d) == t(d, b)
    assert t(t(b, d), e) == t(b, t(d, e))
    assert t(b, b) == b
    assert p(a, b).transpose() == p(b.transpose(), a.transpose())
    assert t(b, d).transpose() == t(b.transpose(), d.transpose())


@given(seeds, sizes, sizes, sizes)
def test_coefficients_multiply_and_add_as_matrices_do(seed: int, n: int, k: int, m: int) -> None:
    rng, draw = np.random.default_rng(seed), random.Random(seed)
    left, right = Block(m, k, shifts(draw, m, k, True)), Block(k, n, shifts(draw, k, n, True))
    other = Block(m, k, shifts(draw, m, k, True))
    a, b, c = (integers(rng, block) for block in (left, right, other))
    x, y, z = (as_matrix(value, block, np.int64) for value, block in ((a, left), (b, right), (c, other)))
    made, summed = left.times(right), left.plus(other)
    assert isinstance(made.structure, Shifts | Zero | OnDiagonal)
    assert (as_matrix(product_kernel(left, right)(a, b), made, np.int64) == x @ y).all()
    assert (as_matrix(sum_kernel(left, other)(a, c, np.int64), summed, np.int64) == x + z).all()
    assert (as_matrix(transposed(a, left), left.transpose(), np.int64) == x.T).all()
    if isinstance(left.structure, Shifts):
        assert (as_sparse(a, left, None).toarray() == x).all()
        assert (from_matrix(x, left) == a).all()
        assert (from_sparse(csr_array(x), left) == a).all()
        assert as_form(a, left, StorageForm.SHIFTS, left, None) is a


def test_a_lead_behind_a_lag_loses_a_row_and_the_other_way_round_the_last() -> None:
    lag, lead = Shifts(((-1, 1, 300),), 300, 300), Shifts(((1, 0, 299),), 300, 300)
    assert product(lag, lead) == Shifts(((0, 1, 300),), 300, 300)
    assert product(lead, lag) == Shifts(((0, 0, 299),), 300, 300)
    both = total(product(lag, lead), product(lead, lag))  # type: ignore[arg-type]
    assert both == Shifts(((0, 0, 1), (0, 1, 299), (0, 299, 300)), 300, 300)
    assert both.to_spec(300, 300) == {"shifts": [[0, 0, 299], [0, 1, 1], [0, 299]]}


@pytest.mark.parametrize("periods", [10**3, 10**12])
def test_a_product_takes_coefficients_alone_at_any_length(periods: int) -> None:
    n = periods
    blocks = [Block(n, n, shifts_of(((-1, 1, n), (0, 0, n), (i, 0, n - i)), n, n)) for i in (1, 2)]
    made = blocks[0].times(blocks[1])
    assert made.nnz == 6 * n - 9
    assert product_fma(*blocks) == 9 * n - 13
    assert WEIGHTED_COST.multiply(*blocks) < 5000
    found = product_kernel(*blocks)(np.array([2, 3, 5]), np.array([7, 11, 13]))
    spec = made.structure.to_spec(n, n)
    assert isinstance(spec, dict)
    runs = [-2, -1, [0, 0, 1], [0, n - 1], [1, 0, n - 2], [1, 1], 2, 3]
    assert (spec["shifts"], found.tolist()) == (runs, [14, 43, 68, 33, 55, 81, 39, 65])


CHAIN = {
    "chain": [
        {"name": "A", "shape": [6, 6], "structure": {"shifts": [-1, 0, [2, 1]]}},
        {"name": "s", "shape": [6, 6], "structure": "scaled_identity"},
        {"name": "B", "shape": [6, 6], "structure": {"shifts": [-2, [1, 0, 2]]}},
    ]
}
A = np.diag([2, 2, 2, 2, 2], -1) + 3 * np.eye(6, dtype=int) + np.diag([0, 5, 5, 5], 2)
B = np.diag([7, 7, 7, 7], -2) + np.diag([4, 4, 4, 0, 0], 1)


@pytest.mark.parametrize(
    "last", [[], [{"name": "D", "shape": [3, 6]}], [{"name": "D", "shape": [6, 6], "structure": "diagonal"}]]
)
@pytest.mark.parametrize(
    "given_a",
    [
        A,
        csr_array(A),
        np.array([2, 3, 5]),
        chainplan.ShiftsBlock({-1: 2, 0: 3, (2, 1): 5}),
        chainplan.ShiftsBlock({0: 3, (2, 1): 5, -1: 2}),
    ],
    ids=["matrix", "sparse", "coefficients", "block", "unordered"],
)
def test_a_chain_runs_on_whatever_gives_the_shifts(given_a: Any, last: list[Any]) -> None:
    problem = chainplan.from_spec({"chain": [*CHAIN["chain"], *last]})
    values = {"A": given_a, "s": np.array(2), "B": chainplan.ShiftsBlock({-2: 7, (1, 0, 2): 4})}
    expected = 2 * B @ A
    if last:
        values["D"] = np.arange(1, 7) if "structure" in last[0] else np.arange(18).reshape(3, 6)
        expected = (np.diag(values["D"]) if values["D"].ndim == 1 else values["D"]) @ expected
    for solver in ("auto", "forward", "reverse"):
        result = chainplan.plan(problem, solver=solver)
        saved = parse_plan(chainplan.render(result, "json"), "plan.json")
        assert chainplan.check(saved, problem).total == result.cost.fma  # type: ignore[union-attr]
        for found in (chainplan.execute(result, values), chainplan.prepare(result)(values)):
            (matrix,) = found.values()
            assert (matrix == expected).all()
        held: Any = next(iter(chainplan.execute(result, values, dense=False).values()))
        if isinstance(held, chainplan.ShiftsBlock):
            held = held.matrix(6, 6)
        written: Any = held if isinstance(held, np.ndarray) else held.toarray()
        assert (written == expected).all()
        assert (next(iter(chainplan.reference_jacobian(problem, values).values())) == expected).all()


WRONG: list[tuple[Any, str]] = [
    (A + np.eye(6, k=4, dtype=int), "nonzeros outside 'shifts -1,0,2'"),
    (A + np.diag([1, 0, 0, 0, 0], -1), "is not shifts -1,0,2"),
    (np.ones(4), r"has shape \(4,\); expected \(6, 6\) or \(3,\), one coefficient for each shift"),
    (chainplan.ShiftsBlock({3: 1.0}), "nonzeros outside"),
    (chainplan.ShiftsBlock({(0, 1): 1.0}), "is not shifts"),
]


@pytest.mark.parametrize(("value", "message"), WRONG, ids=["outside", "uneven", "length", "offset", "cut"])
def test_what_are_no_such_shifts_is_refused(value: Any, message: str) -> None:
    result = chainplan.plan(chainplan.from_spec(CHAIN))
    values = {"A": value, "s": 2.0, "B": B}
    for run in (chainplan.execute, lambda plan, given: chainplan.prepare(plan)(given)):
        with pytest.raises(ExecutionError, match=message):
            run(result, values)


@pytest.mark.parametrize(
    ("coefficients", "size", "message"),
    [
        ({"-1": 0.5}, None, "expected a mapping from shifts to numbers"),
        ({(0, -1): 0.5}, None, "expected a mapping from shifts to numbers"),
        ([1, 2], None, "expected a mapping from shifts to numbers"),
        ({0: "half"}, None, r"coefficients\[0\]: found 'half'; expected a number"),
        ({0: 1.0}, 0, "size: found 0"),
    ],
)
def test_a_wrong_block_says_what_was_expected(coefficients: Any, size: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        chainplan.ShiftsBlock(coefficients, size)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ([0, -1], "every entry once"),
        ([[0, 0, 3], [0, 2]], "every entry once"),
        ([6], "offset 6 has none in a block of 6 x 6"),
        ([[1, 3, 2]], "offset 1 has none"),
        ([[1, -1]], "ascending offsets"),
        (["next"], "ascending offsets"),
    ],
)
def test_a_wrong_spec_says_what_was_expected(argument: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        chainplan.from_spec({"chain": [{"shape": [6, 6], "structure": {"shifts": argument}}]})


def test_a_model_of_lags_and_leads_is_composed_of_coefficients() -> None:
    periods = 40
    lag, lead, mixed = {-1: 0.5, 0: 1.0}, {1: -0.3, 0: 0.2}, {-2: 0.1, (1, 3): 0.7, (0, 2): 0.4, 0: 0.1}
    blocks = {
        ("h", "x"): chainplan.ShiftsBlock(lag, periods),
        ("g", "h"): chainplan.ShiftsBlock(lead),
        ("y", "h"): chainplan.ShiftsBlock(mixed),
        ("y", "g"): 2.0,
        ("y", "x"): chainplan.ShiftsBlock(lag),
    }
    accumulator = chainplan.accumulator(blocks, ["x"], ["y"])
    plan = accumulator.result.plan
    assert plan is not None
    names = {typed.block.structure.name for typed in chainplan.replay(plan).blocks}
    assert names <= {"shifts", "scaled_identity"}
    full = {place: getattr(b, "matrix", lambda m, n: 2.0 * np.eye(m))(periods, periods) for place, b in blocks.items()}
    x = {place: np.asarray(m.toarray() if not isinstance(m, np.ndarray) else m) for place, m in full.items()}
    h = x["h", "x"]
    expected = (x["y", "h"] + x["y", "g"] @ x["g", "h"]) @ h + x["y", "x"]
    for _ in range(2):
        assert np.allclose(accumulator(blocks)["y", "x"], expected, rtol=1e-13, atol=1e-13)
    for given_as in (x, {place: csr_array(matrix) for place, matrix in x.items()}):
        assert np.allclose(accumulator(given_as)["y", "x"], expected, rtol=1e-13, atol=1e-13)


def test_coefficients_cannot_be_changed_behind_the_block() -> None:
    given = {-1: 0.5, 0: 1.0}
    block = chainplan.ShiftsBlock(given, 3)
    before = block.matrix(3, 3).toarray()
    given[-1] = 7.0
    changed: Any
    for changed in (block, pickle.loads(pickle.dumps(block)), copy.deepcopy(block)):
        with pytest.raises(TypeError):
            changed.coefficients[-1] = 7.0
        with pytest.raises(ValueError, match="read-only"):
            changed.numbers[0] = 7.0
        assert changed.coefficients == block.coefficients
        np.testing.assert_array_equal(changed.matrix(3, 3).toarray(), before)
    made = chainplan.accumulate({("y", "x"): block}, ["x"], ["y"], dense=False)["y", "x"]
    assert isinstance(made, chainplan.ShiftsBlock)
    with pytest.raises(ValueError, match="read-only"):
        made.numbers[0] = 7.0


def test_lags_beyond_the_periods_are_zero() -> None:
    blocks = {("h", "x"): chainplan.ShiftsBlock({-3: 1.0}, 5), ("y", "h"): chainplan.ShiftsBlock({-2: 1.0, 9: 4.0})}
    assert not chainplan.accumulate(blocks, ["x"], ["y"])["y", "x"].any()
    assert chainplan.ShiftsBlock({9: 4.0}).matrix(5, 5).nnz == 0


@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128", "int64"])
@pytest.mark.parametrize("reach", [0, 3], ids=["written out", "as arrays"])
def test_prepared_models_of_shifts_equal_the_product_of_matrices(dtype: str, reach: int) -> None:
    rng = random.Random(reach)
    wide = list(range(-reach, reach + 1)) or [-1, 2]
    kinds: list[Any] = [*[{"shifts": wide}] * 6, {"shifts": [0]}, "scaled_identity", "negated_identity"]
    for last in (
        [],
        [{"edge": ["v5", "v6"], "name": "D"}],
        [{"edge": ["v5", "v6"], "structure": "diagonal", "name": "D"}],
    ):
        sizes = {f"v{i}": 8 for i in range(7)}
        edges = [(i, i + 1) for i in range(5)] + [(i, i + 2) for i in range(4)]
        drawn = zip(edges, rng.sample(kinds, len(edges)), strict=True)
        jacobians = [{"edge": [f"v{i}", f"v{j}"], "structure": kind} for (i, j), kind in drawn]
        end = f"v{5 + bool(last)}"
        spec = {"sizes": sizes, "inputs": ["v0"], "outputs": [end], "jacobians": [*jacobians, *last]}
        if not last:
            del sizes["v6"]
        problem = chainplan.from_spec({"dag": spec})
        result = chainplan.plan(problem, budget=2.0)
        values = {name: value.astype(dtype) for name, value in draw(problem.graph, 1, np.int64).items()}
        (expected,) = chainplan.reference_jacobian(problem, values).values()
        run = chainplan.prepare(result)
        for given_as in (values, values):
            found: Any = run(given_as)[end, "v0"]
            assert np.array_equal(found, expected)
        (held,) = chainplan.prepare(result, dense=False)(values).values()
        if not last:
            assert isinstance(held, chainplan.ShiftsBlock)
            written: Any = held.matrix(8, 8).toarray()
            assert held.dtype == dtype
            assert (written == expected).all()


@pytest.mark.parametrize("periods", [12, 20_000])
def test_a_long_chain_of_shifts_is_planned_exactly(periods: int) -> None:
    rng = random.Random(periods)
    chain = [{"shape": [periods] * 2, "structure": {"shifts": sorted(rng.sample(range(-3, 4), 2))}} for _ in range(6)]
    problem = chainplan.from_spec({"chain": chain})
    best = chainplan.plan(problem)
    assert best.status is chainplan.Status.OPTIMAL
    assert best.cost == chainplan.plan(problem, solver="exhaustive").cost
    if periods < 100:
        patterns = (e.block.structure.pattern(periods, periods) for e in problem.graph.chain)
        listed = [one | {"structure": {"sparse": pattern}} for one, pattern in zip(chain, patterns, strict=True)]
        assert best.cost == chainplan.plan(chainplan.from_spec({"chain": listed})).cost


def written_out(block: Any, size: int) -> Any:
    """A block of a model as a matrix."""
    if isinstance(block, chainplan.ShiftsBlock):
        return block.matrix(size, size).toarray()
    return block * np.eye(size) if isinstance(block, float) else block


@pytest.mark.parametrize("kinds", ["even", "bands"])
def test_large_models_among_dense_blocks_need_no_lists(kinds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainplan.structures.resolve._surely_fit", lambda edges: False)
    monkeypatch.setattr("chainplan.structures.resolve._patterns_fit", lambda edges, order: pytest.fail("listed"))
    rng, draw_kind = np.random.default_rng(0), random.Random(3)
    n = 9
    band = np.triu(np.tril(np.arange(1.0, 82).reshape(n, n), 1), -1)
    others: list[Any] = [2.0, rng.integers(1, 5, (n, n)).astype(float), *([band] if kinds == "bands" else [])]
    for turn in range(20):
        blocks: dict[Any, Any] = {}
        for i in range(6):
            for j in {i - 1, draw_kind.randrange(i)} if i else ():
                lags = {draw_kind.randint(-3, 3): float(draw_kind.randint(1, 4)) for _ in range(2)}
                blocks[i, j] = chainplan.ShiftsBlock(lags, n) if draw_kind.random() < 0.6 else draw_kind.choice(others)
        total = chainplan.accumulator(blocks, [0], [5], budget=0.2)
        found = total(blocks)[5, 0]
        written = {place: written_out(block, n) for place, block in blocks.items()}
        reached = {0: np.eye(n)}
        for i in range(1, 6):
            reached[i] = sum((written[i, j] @ reached[j] for j in range(i) if (i, j) in written), np.zeros((n, n)))
        assert np.array_equal(found, reached[5]), turn
        assert chainplan.check(total.result, total.result.problem).total == total.result.cost.fma  # type: ignore[union-attr]
