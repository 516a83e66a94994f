"""Scalar programs and their Jacobians: against complex steps, JAX, SymPy and CasADi, and through every target."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan.codegen import from_casadi, from_layers, from_sympy
from chainplan.codegen import jacobian as jacobian_module
from chainplan.codegen.compiler import compilers
from chainplan.codegen.operations import OPERATIONS
from chainplan.codegen.order_search import improved
from chainplan.codegen.orders import ORDERS, followed
from chainplan.codegen.program import ScalarProgram
from chainplan.codegen.scalar_graph import ScalarGraph
from chainplan.codegen.sources import layers as sources_layers
from chainplan.codegen.sources import real
from chainplan.codegen.straight_line import InputArray, Line, OutputArray
from chainplan.codegen.targets.registry import TARGETS
from chainplan.errors import ArgumentError, SpecError
from chainplan.programs.ops.registry import OPS
from chainplan_cli.emit import EMIT_TARGETS
from chainplan_cli.main import main
from tests.oracles import complex_step

TOLERANCE = 1e-12
SEEDS = (0, 1, 2, 3, 5, 14)
"""Random programs that together use every operation."""
WITHOUT_DERIVATIVES = 1
"""A random program whose Jacobian is zero everywhere."""
REFUSED_OPS = {"linear_solve", "singular_values"}
needs_compiler = pytest.mark.skipif(not list(compilers()), reason="no C compiler on this machine")


def scalar_program(drawn: complex_step.RandomProgram) -> ScalarProgram:
    size = len(drawn.outputs)
    lines = tuple(Line(*line) for line in drawn.lines)
    output = OutputArray("value", (size,), tuple(range(size)), drawn.outputs)
    return ScalarProgram("drawn", (InputArray("x", (drawn.inputs,)),), drawn.constants, lines, (output,))


def apart(found: Any, expected: Any) -> float:
    """The largest difference, relative to the largest entry."""
    assert np.shape(found) == np.shape(expected)
    return float(np.abs(np.asarray(found) - expected).max(initial=0) / max(np.abs(expected).max(initial=0), 1e-3))


def furthest_apart(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference at any point, relative to the largest entry there."""
    assert found.shape == expected.shape
    axes = tuple(range(1, found.ndim))
    return float((np.abs(found - expected).max(axes) / np.maximum(np.abs(expected).max(axes), 1e-3)).max())


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINPLAN_CACHE", str(tmp_path / "cache"))


def differs(seed: int) -> float:
    """The largest difference from complex steps at a hundred points."""
    drawn, point = complex_step.draw(seed)
    points = np.array(point) + np.random.default_rng(seed).uniform(-1, 1, (100, drawn.inputs))
    found = scalar_program(drawn).jacobian().evaluate(points)
    expected = [complex_step.values(drawn, list(map(complex, x))) for x in points.tolist()]
    derivatives = [complex_step.jacobian(drawn, x) for x in points.tolist()]
    return max(map(furthest_apart, found, (np.real(expected), np.array(derivatives))))


def test_random_programs_equal_complex_steps() -> None:
    assert max(map(differs, SEEDS)) < TOLERANCE


@pytest.mark.nightly
def test_a_thousand_random_programs_equal_complex_steps() -> None:
    assert max(map(differs, range(1000))) < TOLERANCE


def test_random_programs_use_every_operation() -> None:
    used = {name for seed in SEEDS for name, _ in complex_step.draw(seed)[0].lines}
    assert used == set(OPERATIONS) - {"recip"}


def test_every_order_gives_the_same_jacobian(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, point = complex_step.draw(1)
    program, expected = scalar_program(drawn), np.array(complex_step.jacobian(drawn, point))
    for name, order in ORDERS.items():
        monkeypatch.setattr(jacobian_module, "ORDERS", {name: order})
        assert apart(program.jacobian().evaluate(np.array(point))[1], expected) < TOLERANCE, name


def test_the_shortest_candidate_is_kept_and_operations_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    from chainplan.codegen import jacobian

    programs = [scalar_program(complex_step.draw(seed)[0]) for seed in (0, 3, 5)]
    made = [program.jacobian() for program in programs]
    monkeypatch.setattr(jacobian_module, "ORDERS", {"forward": ORDERS["forward"]})
    monkeypatch.setattr(jacobian_module, "solver_orders", lambda graph, start: {})
    monkeypatch.setattr(jacobian_module, "improved", lambda order, price, priced: order)
    alone = [program.jacobian().operations for program in programs]
    for one, by_forward in zip(made, alone, strict=True):
        assert one.counts is not None
        finished = [count.operations for count in one.counts.values() if count.operations is not None]
        assert one.operations == len(one.lines) == min(finished) <= by_forward
        assert jacobian.LEAST_FINISHED <= len(finished) <= jacobian.MOST_FINISHED
        assert {*ORDERS, "plan"} < set(one.counts)
    assert sum(one.operations for one in made) < sum(alone)


def test_orders_of_solvers_give_the_same_jacobian(monkeypatch: pytest.MonkeyPatch) -> None:
    from chainplan.codegen.solver_orders import solver_orders

    names = set()
    for seed in range(6):
        drawn, point = complex_step.draw(seed)
        program = scalar_program(drawn)
        expected = np.array(complex_step.jacobian(drawn, point))
        found: dict[str, list[int]] = {}

        def kept(graph: ScalarGraph, start: Sequence[int], found: dict[str, list[int]] = found) -> dict[str, list[int]]:
            found |= solver_orders(graph, start)
            assert all(sorted(order) == sorted(graph.inner) for order in found.values())
            return {}

        monkeypatch.setattr(jacobian_module, "solver_orders", kept)
        program.jacobian()
        for name, order in found.items():
            names.add(name.split(",")[0])
            monkeypatch.setattr(jacobian_module, "ORDERS", {name: partial(followed, order=order)})
            monkeypatch.setattr(jacobian_module, "solver_orders", lambda graph, start: {})
            assert apart(program.jacobian().evaluate(np.array(point))[1], expected) < TOLERANCE, name
        monkeypatch.undo()
    assert len(names) > 3


def test_common_factors_and_shared_terms_are_found() -> None:
    sp = pytest.importorskip("sympy")
    a, b, c, d = sp.symbols("a b c d")
    with sp.evaluate(False):
        program = from_sympy([a * b + a * c + a * d, sp.sin(b + c), (d + b) + c], [a, b, c, d])
    assert program.operations == 9
    values = program.jacobian()
    point = np.array([0.3, 0.7, 1.1, -0.4])
    assert apart(values.evaluate(point)[0], program.evaluate(point)[0]) < TOLERANCE
    assert [line.operation for line in values.lines].count("add") == 2


# --- folding


def test_signs_constants_and_equal_values_cost_nothing() -> None:
    sp = pytest.importorskip("sympy")
    x, y, z = sp.symbols("x y z")
    with sp.evaluate(False):
        one, other = (x - y) * z, z * (y - x)
    assert [line.operation for line in from_sympy([one, other], [x, y, z]).lines] == ["sub", "mul", "neg"]
    assert from_sympy([sp.Integer(2) * 3 + 0 * x, x * 1], [x]).operations == 0


def test_a_reciprocal_is_shared_and_a_single_one_is_a_quotient() -> None:
    sp = pytest.importorskip("sympy")
    x, y, z = sp.symbols("x y z")
    shared = from_sympy([x / z, y / z, x * y / z], [x, y, z])
    assert [line.operation for line in shared.lines].count("div") == 1
    assert [line.operation for line in from_sympy([x / z], [x, z]).lines] == ["div"]


def test_second_derivatives_that_are_equal_are_one_value() -> None:
    sp = pytest.importorskip("sympy")
    x = sp.symbols("x:3")
    program = from_sympy(sp.exp(x[0] * x[1]) * sp.sin(x[1] * x[2]) / x[2], x).jacobian().jacobian()
    hessian = program.outputs[-1]
    assert (hessian.name, hessian.shape, hessian.by) == ("hessian", (1, 3, 3), (("x",), ("x",)))
    entries = dict(zip(hessian.entries, hessian.values, strict=True))
    assert all(entries[3 * j + k] == entries[3 * k + j] for j in range(3) for k in range(3))
    third = program.jacobian().outputs[-1]
    assert (third.name, third.shape, len(set(third.values))) == ("derivative3", (1, 3, 3, 3), 10)


def test_patterns_list_rows_and_columns_of_nonzeros() -> None:
    sp = pytest.importorskip("sympy")
    x, y, z = sp.symbols("x y z")
    jacobian = from_sympy([x * y, z + 1, sp.Integer(3)], [x, y, z]).jacobian().outputs[-1]
    assert list(zip(jacobian.rows, jacobian.cols, strict=True)) == [(0, 0), (0, 1), (1, 2)]


# --- sources


LARGE_OPS = {"conv1d"}
LAYERS = [pytest.param(n, marks=[pytest.mark.nightly] * (n in LARGE_OPS)) for n in sorted(set(OPS) - REFUSED_OPS)]


@pytest.mark.parametrize("name", LAYERS)
def test_layers_equal_their_evaluation_and_reference(name: str) -> None:
    from chainplan.programs.program import Program, applied

    op, shapes = OPS[name].examples()[0]
    if sum(map(prod, shapes)) > 60:
        pytest.skip("large example")
    names = tuple(f"x{k}" for k in range(len(shapes)))
    layer = applied("y", op, names, shapes, set(names))
    held = {**dict(zip(names, shapes, strict=True)), "y": op.shape(*shapes)}
    layers = Program((layer,), held, names, {}, names, ("y",))
    rng = np.random.default_rng(0)
    point = {n: rng.uniform(0.5, 1.5, s) for n, s in zip(names, shapes, strict=True)}
    evaluation = chainplan.evaluate(layers, point)
    value, jacobian = from_layers(layers).jacobian().evaluate(*point.values())
    reference = chainplan.reference_jacobian(layers.problem, chainplan.linearise(evaluation))
    blocks = [reference["y", n] for n in names] if isinstance(reference, dict) else [reference]
    assert apart(value, evaluation.values["y"]) < TOLERANCE
    assert apart(jacobian, np.concatenate([np.asarray(b).reshape(value.size, -1) for b in blocks], 1)) < TOLERANCE


@pytest.mark.parametrize("name", sorted(REFUSED_OPS))
def test_layers_that_branch_are_refused_by_name(name: str) -> None:
    with pytest.raises(SpecError, match=f"layer '{name}1' .{name}.: found an op that branches"):
        from_layers(
            {"input": {"x": [3, 3], "y": 3}, "layers": [{"op": name, "from": ["x", "y"][: 1 + (name[0] == "l")]}]}
        )


def test_layers_are_differentiated_by_their_variables() -> None:
    spec = {"input": {"x": 2}, "layers": [{"op": "linear", "out": 3}, {"op": "tanh"}]}
    program = from_layers(spec)
    assert [i.name for i in program.inputs] == ["x", "linear1_weight", "linear1_bias"]
    assert program.jacobian().outputs[-1].by == (("x",),)
    assert program.jacobian(wrt="linear1_bias", with_value=False).outputs[0].shape == (3, 3)


def test_sympy_functions_and_branches_equal_sympy() -> None:
    sp = pytest.importorskip("sympy")
    x, y, z = symbols = sp.symbols("x y z", real=True)
    written = [
        x * y / z + sp.sin(x) ** 2,
        sp.exp(-x) * sp.sqrt(y) - sp.log(z) ** 3,
        sp.Piecewise((x**2, x < y), (z, True)),
        sp.Max(x, y) * sp.Min(y, z),
        sp.Abs(x - y) ** sp.Rational(3, 2) + sp.pi * sp.tan(x) + x ** sp.Float(0.3),
        sp.atan2(x, y) + sp.acos(x / 3) + sp.asin(y / 3) + sp.erf(x) + sp.cosh(x) * sp.sinh(y) + sp.cot(z),
    ]
    program, derivatives = from_sympy(written, symbols).jacobian(), sp.Matrix(written).jacobian(symbols)
    points = np.random.default_rng(0).uniform(0.2, 1.5, (100, 3))
    expected = sp.lambdify(symbols, derivatives, "scipy")
    for point, jacobian in zip(points, program.evaluate(points)[1], strict=True):
        assert apart(jacobian, expected(*point)) < TOLERANCE


def test_casadi_functions_equal_casadi() -> None:
    ca = pytest.importorskip("casadi")
    x, u = ca.SX.sym("x", 3), ca.SX.sym("u", 2, 2)
    y = ca.vertcat(ca.sin(x[0]) * u[0, 1] / x[1], ca.if_else(x[0] < x[1], x[2] ** 2, u[1, 0]), ca.fmax(x[0], u[1, 1]))
    function = ca.Function("f", [x, u], [y, ca.mtimes(u, u)], ["x", "u"], ["y", "uu"])
    made = from_casadi(function).jacobian(of="y")
    by_x = ca.Function("j", [x, u], [ca.jacobian(y, x)])
    rng = np.random.default_rng(0)
    xs, us = rng.uniform(0.2, 1.5, (100, 3)), rng.uniform(0.2, 1.5, (100, 2, 2))
    for x0, u0, value, uu, jacobian in zip(xs, us, *made.evaluate(xs, us), strict=True):
        assert apart(value, np.array(function(x0, u0)[0])[:, 0]) < TOLERANCE
        assert apart(uu, u0 @ u0) < TOLERANCE
        assert apart(jacobian[:, :3], np.array(by_x(x0, u0))) < TOLERANCE


# --- targets


@pytest.fixture(scope="module")
def drawn_jacobians() -> list[tuple[ScalarProgram, np.ndarray]]:
    made = []
    for seed in range(5):
        drawn, point = complex_step.draw(seed)
        points = np.array(point) + np.linspace(0, 0.1, 101)[:, None]
        made.append((scalar_program(drawn).jacobian(), points))
    return made


@needs_compiler
def test_compiled_code_equals_evaluation(drawn_jacobians: list[tuple[ScalarProgram, np.ndarray]]) -> None:
    for program, points in drawn_jacobians[2:4]:
        run, expected = program.compile(), program.evaluate(points)
        assert run.target == "c"
        for found, wanted in zip(run.batch(points), expected, strict=True):
            assert apart(found, wanted) < TOLERANCE
        for k in (0, 77):
            for found, wanted in zip(run(points[k]), program.evaluate(points[k]), strict=True):
                assert apart(found, wanted) < TOLERANCE


@pytest.mark.parametrize("core", ["1", "0"], ids=["array call", "ctypes"])
def test_numba_code_equals_evaluation(core: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setenv("CHAINPLAN_COMPILED", core)
    names = [name for name in OPERATIONS if name != "recip"]
    lines = tuple(Line(name, tuple(range(OPERATIONS[name].arity))) for name in names)
    output = OutputArray("y", (len(names), 2), tuple(range(0, 2 * len(names), 2)), tuple(range(4, 4 + len(names))))
    program = ScalarProgram("f", (InputArray("x", (3,)),), (2.0,), lines, (output,))
    run = program.compile("numba")
    points = np.array([[0.3, 0.7, 0.2], [0.7, 0.3, -0.2], [-0.5, -0.5, 0.0], [0.0, 0.0, 1.0], [-7.5, 2.5, 3.0]])
    expected = program.evaluate(points)[0]
    for found in (run.batch(points), np.array([run(x) for x in points])):
        assert np.allclose(found, expected, rtol=1e-14, atol=1e-300, equal_nan=True)
    assert run.target == "numba"


def test_numba_refuses_long_programs() -> None:
    pytest.importorskip("numba")
    lines = tuple(Line("sin", (k,)) for k in range(3000))
    program = ScalarProgram("f", (InputArray("x", ()),), (), lines, (OutputArray("y", (), (0,), (3000,)),))
    with pytest.raises(ArgumentError, match="found 'numba' for 3,000 operations; expected at most 2,000"):
        program.compile("numba")


def test_python_code_equals_evaluation(drawn_jacobians: list[tuple[ScalarProgram, np.ndarray]]) -> None:
    for program, points in drawn_jacobians:
        run, expected = program.compile("python"), program.evaluate(points)
        for found, wanted in zip(run.batch(points), expected, strict=True):
            assert apart(found, wanted) < TOLERANCE
        for found, wanted in zip(run(points[3]), program.evaluate(points[3]), strict=True):
            assert apart(found, wanted) < TOLERANCE


def test_casadi_functions_equal_evaluation(drawn_jacobians: list[tuple[ScalarProgram, np.ndarray]]) -> None:
    pytest.importorskip("casadi")
    for program, points in drawn_jacobians:
        made = program.casadi()
        again = from_casadi(made)
        for found, wanted in zip(again.evaluate(points[2]), program.evaluate(points[2]), strict=True):
            assert apart(np.reshape(found, wanted.shape), wanted) < TOLERANCE


def by_sympy(program: ScalarProgram, point: np.ndarray) -> np.ndarray:
    """Compute all outputs, one behind the other, by the replacements and the expressions that are left."""
    sp = pytest.importorskip("sympy")
    replacements, outputs = program.sympy()
    names, held = [sp.Symbol(f"x_{k}", real=True) for k in range(program.input_size)], list(point)
    for symbol, expression in replacements:
        held.append(float(sp.lambdify(names, expression, "scipy")(*held)))
        names.append(symbol)
    return np.array([sp.lambdify(names, e, "scipy")(*held) for o in outputs for e in sp.flatten(o)], float)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "recip"])
def test_every_operation_is_one_of_sympy(name: str) -> None:
    operands = tuple(range(OPERATIONS[name].arity))
    program = ScalarProgram(
        "f", (InputArray("x", (3,)),), (), (Line(name, operands),), (OutputArray("y", (), (0,), (3,)),)
    )
    for point in ([0.3, 0.7, 0.2], [0.6, 0.5, -0.1]):
        assert apart(by_sympy(program, np.array(point)), np.ravel(program.evaluate(np.array(point))[0])) < TOLERANCE


def test_sympy_expressions_equal_evaluation() -> None:
    sp = pytest.importorskip("sympy")
    x = sp.symbols("x:4")
    written = [sp.exp(x[0] * x[1]) / x[2], sp.sin(x[0] * x[1]) * x[3] ** 3, sp.Max(x[0] * x[1], x[2]), x[3] / x[2]]
    program, point = from_sympy(written, x).jacobian(), np.array([0.3, 0.7, 1.2, -0.4])
    assert program.sympy()[0]
    assert apart(by_sympy(program, point), np.concatenate([w.ravel() for w in program.evaluate(point)])) < TOLERANCE


def test_sympy_expressions_of_branches_on_branches_and_of_long_chains() -> None:
    pytest.importorskip("sympy")
    chain = tuple(Line("sin" if k % 2 else "mul", (1 + k,) if k % 2 else (1 + k, 0)) for k in range(1500))
    long = ScalarProgram("long", (InputArray("x", (2,)),), (), chain, (OutputArray("y", (), (0,), (1501,)),))
    branches = [scalar_program(complex_step.draw(seed)[0]) for seed in (1, 33)]
    for program in (*branches, long):
        point = np.linspace(-0.9, 1.4, program.input_size)
        expected = np.concatenate([np.ravel(v) for v in program.evaluate(point)])
        assert apart(by_sympy(program, point), expected) < TOLERANCE


MAIN = """
#include <stdio.h>
#include <stdlib.h>
int main(void) {{
    double *x = malloc({inputs} * sizeof *x), *v = malloc({values} * sizeof *v), *j = malloc({entries} * sizeof *j);
    for (int k = 0; k < {inputs}; ++k) x[k] = 0.3;
    code_batch({points}, x, v, j);
    code(x, v, j);
    for (int k = 0; k < {entries} / {points}; ++k) printf("%.17g\\n", j[k]);
    free(x), free(v), free(j);
    return 0;
}}
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine")
@pytest.mark.parametrize(
    "seeds", [(3, WITHOUT_DERIVATIVES), pytest.param(range(30), marks=pytest.mark.nightly)], ids=str
)
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_c_is_clean_under_warnings_and_sanitizers(seeds: Sequence[int], sparse: bool, tmp_path: Path) -> None:
    for seed in seeds:
        program = scalar_program(complex_step.draw(seed)[0]).jacobian()
        jacobian = program.outputs[1]
        kept = jacobian.entries if sparse else tuple(range(jacobian.size))
        sizes = {"inputs": program.input_size * 11, "values": program.outputs[0].size * 11, "points": 11}
        text = program.c_source("code", sparse=sparse) + MAIN.format(**sizes, entries=len(kept) * 11)
        (tmp_path / "code.c").write_text(text)
        flags = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O1", "-fsanitize=undefined,address"]
        command = ["gcc", *flags, "-fno-sanitize-recover=all", "-o", "code", "code.c", "-lm"]
        subprocess.run(command, cwd=tmp_path, check=True)
        told = subprocess.run(["./code"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
        wanted = program.evaluate(np.full(program.input_size, 0.3))[1].ravel()[list(kept)]
        assert apart(np.array(told.split(), float), wanted) < TOLERANCE


def test_sparse_c_lists_the_places_of_nonzeros() -> None:
    sp = pytest.importorskip("sympy")
    x, y, z = sp.symbols("x y z")
    text = from_sympy([x * y, z + 1, sp.Integer(3)], [x, y, z]).jacobian().c_source("f", sparse=True)
    assert "const int f_jacobian_rows[3] = {\n    0, 0, 1,\n};" in text
    assert "const int f_jacobian_cols[3] = {\n    0, 1, 2,\n};" in text
    assert "of its 9 entries the 3 at f_jacobian_rows and f_jacobian_cols" in text
    assert "jacobian[2] = 1.0;" in text


def test_c_keeps_the_order_of_operations_in_nested_expressions(tmp_path: Path) -> None:
    lines = [
        Line("sub", (1, 2)),
        Line("sub", (0, 3)),
        Line("div", (1, 2)),
        Line("mul", (0, 5)),
        Line("neg", (6,)),
        Line("sub", (4, 7)),
        Line("lt", (0, 1)),
        Line("select", (9, 8, 2)),
        Line("add", (0, 10)),
    ]
    inputs, output = (InputArray("x", (3,)),), OutputArray("y", (), (0,), (11,))
    text = ScalarProgram("f", inputs, (), tuple(lines), (output,)).c_source()
    assert "x[0] - (x[1] - x[2]) - (-(x[0] * (x[1] / x[2])))" in text
    assert "((double)(x[0] < x[1])) != 0.0 ?" in text or "((double)(x[0] < x[1]) != 0.0 ?" in text


@pytest.mark.skipif(shutil.which("cc") is None, reason="no cc on this machine")
def test_every_name_of_an_input_is_one_that_c_and_python_take(tmp_path: Path) -> None:
    names = ("sin", "t0", "points", "double", "a1", "math")
    inputs = tuple(InputArray(name, ()) for name in names)
    lines = tuple(Line("mul", (k, k + 1)) for k in range(5))
    program = ScalarProgram("f", inputs, (), lines, (OutputArray("y", (5,), (0, 1, 2, 3, 4), (6, 7, 8, 9, 10)),))
    (tmp_path / "f.c").write_text(program.c_source())
    subprocess.run(["cc", "-c", "-Wall", "-Werror", "f.c"], cwd=tmp_path, check=True)
    numbers = np.arange(1.0, 7.0)
    assert program.compile("python")(*numbers).tolist() == (numbers[:-1] * numbers[1:]).tolist()


@pytest.mark.nightly
def test_the_compiler_of_ziglang_is_taken_where_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ziglang")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [command[1:] for command in compilers()] == [("-m", "ziglang", "cc")]
    drawn, point = complex_step.draw(7)
    program = scalar_program(drawn).jacobian()
    run = program.compile()
    assert run.target == "c"
    assert apart(run(np.array(point))[1], program.evaluate(np.array(point))[1]) < TOLERANCE


@needs_compiler
def test_threads_may_call_one_compiled_program() -> None:
    drawn, point = complex_step.draw(7)
    program = scalar_program(drawn).jacobian()
    run, wrong = program.compile(), list[int]()

    def calls(shift: float) -> None:
        x = np.array(point) + shift
        expected = program.evaluate(x)[1]
        wrong.extend(k for k in range(100) if apart(run(x)[1], expected) > TOLERANCE)

    threads = [threading.Thread(target=calls, args=(0.01 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@needs_compiler
def test_objects_are_kept_and_not_trusted_where_others_could_write_them(tmp_path: Path) -> None:
    program = scalar_program(complex_step.draw(1)[0])
    program.compile()
    folder = tmp_path / "cache" / "code"
    (made,) = folder.iterdir()
    before = made.stat().st_mtime_ns
    program.compile()
    assert [path.stat().st_mtime_ns for path in folder.iterdir()] == [before]
    assert folder.stat().st_mode & 0o077 == made.stat().st_mode & 0o077 == 0
    made.chmod(0o777)
    program.compile()
    assert made.stat().st_mtime_ns != before
    assert made.stat().st_mode & 0o077 == 0


@needs_compiler
def test_code_is_compiled_where_the_cache_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CHAINPLAN_CACHE", str(tmp_path / "file" / "cache"))
    drawn, point = complex_step.draw(1)
    program = scalar_program(drawn)
    run = program.compile()
    assert run.target == "c"
    assert apart(run(np.array(point)), program.evaluate(np.array(point))[0]) < TOLERANCE


def test_without_a_compiler_the_code_runs_as_python(monkeypatch: pytest.MonkeyPatch) -> None:
    from chainplan.codegen import compiler

    monkeypatch.setattr(compiler, "compilers", lambda: iter([("no-such-compiler",)]))
    drawn, point = complex_step.draw(2)
    program = scalar_program(drawn)
    with pytest.warns(UserWarning, match="no C compiler was found"):
        run = program.compile()
    assert run.target == "python"
    assert apart(run(np.array(point)), program.evaluate(np.array(point))[0]) < TOLERANCE


# --- misuse


def test_wrong_arguments_are_named() -> None:
    program = scalar_program(complex_step.draw(2)[0])
    size = program.input_size
    with pytest.raises(ArgumentError, match="wrt: found 'y'; expected some of x"):
        program.jacobian(wrt="y")
    with pytest.raises(ArgumentError, match=r"of: found 'values'; expected some of value\. Did you mean 'value'"):
        program.jacobian(of="values")
    with pytest.raises(ArgumentError, match="name: found '3d'; expected letters"):
        program.c_source("3d")
    with pytest.raises(ArgumentError, match="found 2 arrays; expected one for each of x"):
        program.evaluate(np.zeros(size), np.zeros(size))
    for run in (program.compile("python"),):
        with pytest.raises(ArgumentError, match=rf"x: found an array of shape .{size + 1},.; expected .{size},"):
            run(np.zeros(size + 1))
        with pytest.raises(ArgumentError, match="expected one axis of them"):
            run.batch(np.zeros(size))
    with pytest.raises(ArgumentError, match="target: found 'fortran'; expected one of c, numba, python"):
        program.compile("fortran")
    with pytest.raises(SpecError, match="expected at most 100,000 in scalar code"):
        from_layers({"input": {"x": 1000}, "layers": [{"op": "linear", "out": 1000}]})


def test_hopeless_orders_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss of many inputs is differentiated by orders that form few products; one that has none is refused."""
    layers = [{"op": "softmax"}, {"op": "cross_entropy"}]
    loss = from_layers({"input": {"x": 40}, "layers": layers, "with_respect_to": ["x"]})
    whole = loss.jacobian()
    assert {"forward", "reverse"} <= set(whole.counts or {})
    monkeypatch.setattr(jacobian_module, "MAX_EDGE_PRODUCTS", (10, 2_000))
    bounded = loss.jacobian()
    assert "reverse" in (bounded.counts or {})
    assert "forward" not in (bounded.counts or {})
    point = np.linspace(-1, 1, 40), np.full(40, 0.025)
    assert apart(bounded.evaluate(*point)[-1], whole.evaluate(*point)[-1]) < TOLERANCE
    monkeypatch.setattr(jacobian_module, "MAX_EDGE_PRODUCTS", (10, 20))
    with pytest.raises(SpecError, match="found a derivative of 1 x 40 that takes more than 20 products in each order"):
        loss.jacobian()
    monkeypatch.setattr(jacobian_module, "MAX_COMPARED_OPERATIONS", 0)
    monkeypatch.setattr(jacobian_module, "MAX_EDGE_PRODUCTS", (10, 2_000))
    alone = loss.jacobian()
    assert sum(count.operations is not None for count in (alone.counts or {}).values()) == 1
    assert apart(alone.evaluate(*point)[-1], whole.evaluate(*point)[-1]) < TOLERANCE


def test_programs_of_too_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real, "MAX_VALUES", 100)
    monkeypatch.setattr(sources_layers, "MAX_VALUES", 100)
    with pytest.raises(SpecError, match=r"layer 'linear2' \(linear\): found more than 100 values up to here"):
        from_layers({"input": {"x": 4}, "layers": [{"op": "linear", "out": 4}, {"op": "linear", "out": 6}]})


def test_moves_are_not_tried_where_each_rewrites_a_long_program() -> None:
    """A constant derivative writes no operation, and eliminating its vertices still takes time."""

    def priced(order: Sequence[int]) -> int:
        pytest.fail(f"an order of {len(order)} vertices is written")

    assert improved(range(4_000), 0, priced) == list(range(4_000))


@pytest.mark.nightly
@pytest.mark.parametrize("path", sorted(Path("examples").glob("**/*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_written_or_refused(path: Path, tmp_path: Path) -> None:
    assert main(["emit", str(path), "-o", str(tmp_path / "code.c")]) in (0, 2)


def test_latex_is_equations_of_small_programs() -> None:
    sp = pytest.importorskip("sympy")
    x, y = sp.symbols("x y")
    program = from_sympy([x * y, sp.sin(x * y) / y], [x, y], "wave")
    comment, *lines = program.latex().splitlines()
    assert comment.startswith("% wave: 3 operations, written by chainplan ")
    assert lines == [
        r"\begin{align*}",
        r"t_{0} &= x_{0} x_{1} \\",
        r"\mathrm{value} &= \left[\begin{matrix}t_{0}\\\frac{\sin{\left(t_{0} \right)}}{x_{1}}\end{matrix}\right]",
        r"\end{align*}",
    ]
    assert r"\mathrm{jacobian} &= \left[\begin{matrix}x_{1} & x_{0}\\" in program.jacobian().latex()
    many = ScalarProgram("f", program.inputs, (), (Line("sin", (0,)),) * 201, program.outputs)
    with pytest.raises(ArgumentError, match="latex: found 201 operations; expected at most 200"):
        many.latex()


def test_every_target_has_a_source() -> None:
    assert set(EMIT_TARGETS) == set(TARGETS)
    program = scalar_program(complex_step.draw(2)[0]).jacobian()
    for target in TARGETS.values():
        assert f"{program.operations:,} operations" in target.source(program, "code")
