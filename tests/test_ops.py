"""Every op of the table against difference quotients, complex steps and the dot-product identity."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest

from chainplan.ops import OPS, Edge, Op
from tests.dense_edges import composed, dense

Array = np.ndarray[Any, np.dtype[Any]]
CASES = [(op, shapes) for kind in OPS.values() for op, shapes in kind.examples()]
IDS = [f"{op!r} {shapes}".replace(" ", "") for op, shapes in CASES]
every_case = pytest.mark.parametrize(("op", "shapes"), CASES, ids=IDS)


def point(op: Op, shapes: tuple[tuple[int, ...], ...], seed: int = 0) -> list[Array]:
    rng = np.random.default_rng(seed)
    if op.positive:
        return [np.asarray(0.5 + rng.random(shape)) for shape in shapes]
    return [np.asarray(rng.standard_normal(shape)) for shape in shapes]


def linearised(op: Op, arguments: list[Array]) -> tuple[Array, tuple[Edge, ...], tuple[Any, ...]]:
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
    for name, kind in OPS.items():
        assert kind.name == name
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


@every_case
def test_edges_make_complex_steps(op: Op, shapes: tuple[tuple[int, ...], ...]) -> None:
    if not op.analytic:
        pytest.skip(f"'{op.name}' takes no complex arguments")
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


MISFITS: list[tuple[Op, tuple[tuple[int, ...], ...], str]] = [
    (OPS["add"](), ((3,), (4,)), "equal ones"),
    (OPS["softmax"](), ((),), "at least one axis"),
]


@pytest.mark.parametrize(("op", "shapes", "expected"), MISFITS, ids=[f"{op.name}{s}" for op, s, _ in MISFITS])
def test_misfits_say_what_was_expected(op: Op, shapes: tuple[tuple[int, ...], ...], expected: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        op.shape(*shapes)
    text = str(caught.value)
    assert text.startswith("found ")
    assert expected in text
    assert text.endswith(".")
