"""Every op of the table against difference quotients, complex steps and the dot-product identity."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest

from chainplan.errors import PointError
from chainplan.programs.ops import OPS, Op, OpEdge
from tests.dense_edges import composed, dense

Array = np.ndarray[Any, np.dtype[Any]]
CASES = [(op, shapes) for kind in OPS.values() for op, shapes in kind.examples()]
ANALYTIC = [case for case in CASES if case[0].analytic]


def name(op: Op, shapes: tuple[tuple[int, ...], ...]) -> str:
    return f"{op!r} {shapes}".replace(" ", "")


MADE: dict[str, Any] = {**OPS}
every_case = pytest.mark.parametrize(("op", "shapes"), CASES, ids=[name(*case) for case in CASES])


def point(op: Op, shapes: tuple[tuple[int, ...], ...], seed: int = 0) -> list[Array]:
    rng = np.random.default_rng(seed)
    if op.positive:
        return [np.asarray(0.5 + rng.random(shape)) for shape in shapes]
    return [np.asarray(rng.standard_normal(shape)) for shape in shapes]


def linearised(op: Op, arguments: list[Array]) -> tuple[Array, tuple[OpEdge, ...], tuple[Any, ...]]:
    value, kept = op.evaluate(*arguments)
    return value, op.edges(*(a.shape for a in arguments)), op.linearise(arguments, value, kept)


def jacobians(op: Op, arguments: list[Array]) -> list[Array]:
    value, edges, values = linearised(op, arguments)
    return composed(edges, values, [a.size for a in arguments], value.size)


def quotient(op: Op, arguments: list[Array], which: int, step: complex) -> Array:
    """Central differences for a real step, complex steps for an imaginary one."""
    columns = []
    for position in range(arguments[which].size):
        ends = []
        for sign in (1, -1) if step.imag == 0 else (1,):
            moved = np.array(arguments[which], complex if step.imag else float)
            moved.flat[position] += sign * (step if step.imag else step.real)
            ends.append(op.value(*arguments[:which], moved, *arguments[which + 1 :]).ravel())
        columns.append((ends[0] - ends[1]) / (2 * step.real) if step.imag == 0 else ends[0].imag / step.imag)
    return np.stack(columns, axis=1)


def test_every_op_has_examples_and_names_its_source() -> None:
    assert {op.name for op in OPS.values() if not op.analytic} == {"singular_values"}
    for word, kind in OPS.items():
        assert kind.name == word
        assert kind.examples()
        assert len(kind.formula) > 10
        assert kind.__doc__


@every_case
def test_the_shape_rule_is_that_of_the_value(op: Op, shapes: tuple[tuple[int, ...], ...]) -> None:
    assert op.value(*point(op, shapes)).shape == op.shape(*shapes)


@every_case
def test_edges_fit_each_other(op: Op, shapes: tuple[tuple[int, ...], ...]) -> None:
    sizes: dict[int | str, int] = {i: prod(shape) for i, shape in enumerate(shapes)}
    sizes[""] = prod(op.shape(*shapes))
    for edge in op.edges(*shapes):
        assert sizes.setdefault(edge.target, edge.rows) == edge.rows
        assert sizes[edge.source] == edge.cols


@every_case
def test_edges_make_central_differences(op: Op, shapes: tuple[tuple[int, ...], ...]) -> None:
    arguments = point(op, shapes)
    for which, found in enumerate(jacobians(op, arguments)):
        expected = quotient(op, arguments, which, 1e-5)
        assert np.abs(found - expected).max(initial=0) <= 1e-8 * max(1, np.abs(expected).max(initial=0))


@pytest.mark.parametrize(("op", "shapes"), ANALYTIC, ids=[name(*case) for case in ANALYTIC])
def test_edges_make_complex_steps(op: Op, shapes: tuple[tuple[int, ...], ...]) -> None:
    arguments = point(op, shapes)
    for which, found in enumerate(jacobians(op, arguments)):
        expected = quotient(op, arguments, which, 1e-30j)
        assert np.abs(found - expected).max(initial=0) <= 1e-12 * max(1, np.abs(expected).max(initial=0))


@every_case
def test_adjoints_are_the_transposes_of_tangents(op: Op, shapes: tuple[tuple[int, ...], ...]) -> None:
    _, edges, values = linearised(op, point(op, shapes))
    rng = np.random.default_rng(1)
    for edge, value in zip(edges, values, strict=True):
        if edge.explicit:
            continue
        tangent, adjoint = value
        v, w = rng.standard_normal((edge.cols, 3)), rng.standard_normal((2, edge.rows))
        assert tangent(v).shape == (edge.rows, 3)
        assert adjoint(w).shape == (2, edge.cols)
        assert np.allclose(w @ tangent(v), adjoint(w) @ v, rtol=1e-10, atol=1e-12)
        assert np.allclose(dense(edge, value), adjoint(np.eye(edge.rows)), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("word", ["conv1d", "conv2d", "linear", "max_pool"])
def test_what_is_too_large_to_list_is_matrix_free_and_equal(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from chainplan.programs.ops import conv, max_pool, shared_weight

    met = 0
    for case, shapes in OPS[word].examples():
        arguments = point(case, shapes)
        expected = jacobians(case, arguments)
        with monkeypatch.context() as patch:
            patch.setattr(conv, "MAX_LISTED_CONV_ENTRIES", 0)
            patch.setattr(max_pool, "MAX_LISTED_POOL_ENTRIES", 0)
            patch.setattr(shared_weight, "MAX_EXCHANGE_ENTRIES", 0)
            for edge in case.edges(*shapes):
                if not edge.explicit:
                    assert edge.target == ""
                    met += 1
                    entries = np.count_nonzero(expected[int(edge.source)])
                    assert edge.tangent == edge.adjoint
                    padded = "conv" in word and edge.source == 1
                    assert edge.tangent is not None
                    assert edge.tangent >= entries if padded else edge.tangent == entries
            for found, explicit in zip(jacobians(case, arguments), expected, strict=True):
                assert np.allclose(found, explicit, rtol=1e-12, atol=1e-12)
            test_adjoints_are_the_transposes_of_tangents(case, shapes)
    assert met


@every_case
def test_sparse_matrices_of_edges_are_the_dense_ones(op: Op, shapes: tuple[tuple[int, ...], ...]) -> None:
    from chainplan.programs.ops.matrix_free_pair import matrix

    _, edges, values = linearised(op, point(op, shapes))
    for edge, value in zip(edges, values, strict=True):
        if edge.explicit:
            assert (matrix(edge, value).toarray() == dense(edge, value)).all()


@pytest.mark.parametrize("word", ["sigmoid", "tanh", "softplus", "relu", "gelu", "softmax", "log_softmax"])
def test_values_and_derivatives_do_not_overflow(word: str) -> None:
    arguments = [np.array([1e3, -1e3, 0.0, 40.0])]
    with np.errstate(over="raise", invalid="raise"):
        value, _, values = linearised(OPS[word](), arguments)
    assert all(np.isfinite(array).all() for array in (value, *(v for v in values if v is not None)))


def test_softmax_is_a_diagonal_beside_rank_one() -> None:
    edges = OPS["softmax"]().edges((32, 10))
    assert [(e.source, e.target, e.rows, e.cols) for e in edges] == [
        (0, "", 320, 320),
        (0, "s", 32, 320),
        ("s", "", 320, 32),
    ]
    assert [e.structure for e in edges] == [
        "diagonal",
        {"block_diagonal": [32, 1, 10]},
        {"block_diagonal": [32, 10, 1]},
    ]


def test_a_batch_holds_one_weight() -> None:
    op = OPS["linear"]
    shapes = (32, 6), (4, 6), (4,)
    arguments = point(op(), shapes)
    _, edges, values = linearised(op(), arguments)
    assert edges[0].structure == {"block_diagonal": [32, 4, 6]}
    assert values[0].shape == (1, 4, 6)
    assert np.shares_memory(values[0], arguments[1])


def test_the_tangent_of_singular_values_says_where_it_comes_from() -> None:
    (edge,) = OPS["singular_values"]().edges((3, 2))
    assert "adjoint of its adjoint" in edge.note
    assert edge.tangent == edge.adjoint


def test_the_solve_reuses_the_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    import scipy.linalg

    op = OPS["linear_solve"]()
    arguments = point(op, ((3, 3), (3,)))
    value, kept = op.evaluate(*arguments)
    monkeypatch.setattr(scipy.linalg, "lu_factor", None)
    (tangent, _) = op.linearise(arguments, value, kept)[2]
    assert np.allclose(arguments[0] @ tangent(np.eye(3)), np.eye(3))


@pytest.mark.parametrize("matrix", [np.zeros((2, 2)), np.ones((3, 3)), np.diag([1.0, 0]), np.arange(9.0).reshape(3, 3)])
def test_a_singular_matrix_is_refused(matrix: Array) -> None:
    with pytest.raises(PointError, match=r"is singular .* expected an invertible one\. Choose another point\."):
        OPS["linear_solve"]().value(matrix, np.ones(len(matrix)))


def test_indices_are_bounded() -> None:
    with pytest.raises(ValueError, match="found 4,000,000 entries to be rearranged; expected at most 2,000,000"):
        OPS["transpose"]().edges((2000, 2000))[0].words()


MISFITS: list[tuple[Op, tuple[tuple[int, ...], ...], str]] = [
    (MADE["add"](), ((3,), (4,)), "equal ones"),
    (MADE["multiply"](), ((2, 3), (2,)), "equal ones"),
    (MADE["softmax"](), ((),), "at least one axis, [..., classes]"),
    (MADE["log_softmax"](), ((),), "at least one axis"),
    (MADE["linear"](out=3), ((4,), (3, 5), (3,)), "[3, 4]"),
    (MADE["linear"](out=3), ((4,), (2, 4), (2,)), "[3, 4]"),
    (MADE["linear"](), ((4,), (2, 4), (3,)), "[2]"),
    (MADE["linear"](), ((), (2, 4), (3,)), "at least one axis"),
    (MADE["conv2d"](), ((784,), (3, 1, 3, 3), (3,)), "at least 3 axes, [..., channels, height, width]"),
    (MADE["conv2d"](), ((1, 9, 9), (3, 2, 3, 3), (3,)), "[out, 1, kernel, kernel]"),
    (MADE["conv1d"](), ((1, 9), (3, 1, 10), (3,)), "a kernel that fits"),
    (MADE["conv1d"](stride=0), ((1, 9), (3, 1, 3), (3,)), "at least 1 and 0"),
    (MADE["conv1d"](), ((1, 9), (3, 1, 3), (2,)), "[3]"),
    (MADE["matmul"](), ((2, 3), (2, 3)), "3 rows"),
    (MADE["matmul"](), ((2, 3), ()), "at least one axis"),
    (MADE["matmul"](), ((2, 2, 3), (3, 3, 1)), "equal axes before the last two"),
    (MADE["sum"](2), ((2, 3),), "an axis from -2 to 1"),
    (MADE["mean"](0), ((),), "an argument with axes"),
    (MADE["cumsum"](), ((),), "at least one axis"),
    (MADE["concat"](), ((2, 3), (3, 3)), "but for axis 1"),
    (MADE["concat"](), ((), ()), "at least one axis"),
    (MADE["split"](3), ((2, 4),), "divide the 4 entries of axis 1"),
    (MADE["split"](2, 2), ((4,),), "one from 0 to 1"),
    (MADE["slice"](3, 2), ((4,),), "at least one"),
    (MADE["slice"](step=0), ((4,),), "at least 1"),
    (MADE["gather"]((0, 4)), ((4,),), "indices from 0 to 3"),
    (MADE["gather"](()), ((4,),), "indices from 0 to 3"),
    (MADE["reshape"]((2, 3)), ((5,),), "5 entries in both"),
    (MADE["reshape"]((-1, -1)), ((4,),), "one size at most being -1"),
    (MADE["transpose"]((0, 0)), ((2, 3),), "each of the axes 0 to 1 once"),
    (MADE["transpose"](), ((2,),), "at least 2 axes"),
    (MADE["max_pool"]((3,)), ((2,),), "a window that fits"),
    (MADE["max_pool"]((2, 2)), ((2,),), "at least 2 axes"),
    (MADE["max_pool"](()), ((2,),), "as many sizes in both"),
    (MADE["layer_norm"](), ((2, 3), (2,), (3,)), "[3]"),
    (MADE["cross_entropy"](), ((2, 3), (3,)), "that of the prediction"),
    (MADE["squared_error"](), ((), ()), "at least one axis"),
    (MADE["linear_solve"](), ((2, 3), (2,)), "a square one"),
    (MADE["linear_solve"](), ((2, 2), (3,)), "[2] or [2, columns]"),
    (MADE["singular_values"](), ((4,),), "a matrix, [m, n]"),
]
TOTAL = {op.name for op, _, _ in MISFITS} | {
    "sigmoid",
    "tanh",
    "relu",
    "exp",
    "log",
    "sqrt",
    "softplus",
    "gelu",
    "scale",
}
"""The ops that refuse some shapes, and those that take any."""


def test_every_op_refuses_or_takes_any_shape() -> None:
    alike = {"subtract": "add", "divide": "multiply"}
    assert {alike.get(word, word) for word in OPS} == TOTAL


@pytest.mark.parametrize(("op", "shapes", "expected"), MISFITS, ids=[f"{op.name}{s}" for op, s, _ in MISFITS])
def test_misfits_say_what_was_expected(op: Op, shapes: tuple[tuple[int, ...], ...], expected: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        op.shape(*shapes)
    text = str(caught.value)
    assert text.startswith("found ")
    assert expected in text
    assert text.endswith(".")


@pytest.mark.parametrize("op", [MADE["linear"](), MADE["conv2d"](out=2), MADE["conv1d"](kernel=(3,))], ids=repr)
def test_parameters_that_do_not_follow_are_asked_for(op: Op) -> None:
    with pytest.raises(ValueError, match=r"expected .*Add"):
        op.parameters((1, 5, 5))


@every_case
def test_parameters_fit_and_are_drawn(op: Op, shapes: tuple[tuple[int, ...], ...]) -> None:
    for given in range(1, len(shapes)):
        if op.variadic or (op.name in ("linear", "conv1d", "conv2d") and given == 1):
            continue
        found = op.parameters(*shapes[:given])
        wanted = {word: found[word] for word in op.takes()[given:] if word in found}
        if len(wanted) == len(op.takes()) - given:
            op.shape(*shapes[:given], *wanted.values())
        for word, shape in wanted.items():
            assert op.drawn(word, shape, np.random.default_rng(0)).shape == shape
