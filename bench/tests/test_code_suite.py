"""The suite of scalar code: its functions, how its peers are asked, and its report."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

casadi = pytest.importorskip("casadi")
pytest.importorskip("sympy")
jax = pytest.importorskip("jax")

from bench.code.casadi_lines import casadi_lines  # noqa: E402
from bench.code.peers import casadi_codes, sympy_code  # noqa: E402
from bench.code.report import code_claims, code_report_text  # noqa: E402
from bench.code.run import CODE_SUITES, CodeSuite, measured  # noqa: E402
from bench.code.table import FUNCTIONS  # noqa: E402
from bench.rows import CodeRow, from_csv, to_csv  # noqa: E402
from chainplan.codegen import ScalarProgram, from_jax  # noqa: E402
from chainplan.codegen.compiler import compilers  # noqa: E402

ROW = CodeRow("f", 3, 2, 5, 4, 8, 10, 10, 9, 12, 0.1, 0.01, 1.0, 9e-8, 1e-7, 1e-9, 2e-9, 1e-6, 3e-5, 1e-8, 1e-7, 1e-16)


def test_there_are_24_functions_of_finite_values_within_their_ranges() -> None:
    assert len(FUNCTIONS) == 24
    for function in FUNCTIONS.values():
        x = function.points(2)
        assert x.shape == (2, function.n)
        assert np.isfinite(np.asarray(function.call(x[0]))).all(), function.name


@pytest.mark.parametrize("name", ["pose3", "cart-pole"])
def test_peers_compute_the_same_and_are_counted(name: str) -> None:
    function = FUNCTIONS[name]
    program = from_jax(function.call, function.points(1)[0])
    x = function.points(1, seed=3)[0]
    expected = program.jacobian().evaluate(x)[-1]
    for code in casadi_codes(program).values():
        assert np.abs(code.function(x)[1].full() - expected).max() <= 1e-14 * np.abs(expected).max()
        assert code.operations > program.operations
        lines = casadi_lines(code.function)
        assert lines.operations == code.operations
        for found, held in zip(lines.evaluate(x), code.function(x), strict=True):
            assert np.abs(found - np.array(held.nonzeros())).max() <= 1e-14 * np.abs(found).max()


def test_an_unknown_instruction_of_casadi_is_named() -> None:
    x = casadi.SX.sym("x")
    with pytest.raises(ValueError, match="found CasADi's instruction FMOD"):
        casadi_lines(casadi.Function("f", [x], [casadi.fmod(x, 2)]))


def test_sympy_counts_and_is_ended() -> None:
    program = from_jax(lambda x: x[:1] * jax.numpy.sin(x[1:]), np.ones(2))
    assert sympy_code(program, 20.0).operations == 4
    large = FUNCTIONS["quadrotor-step"]
    assert sympy_code(from_jax(large.call, large.points(1)[0]), 0.1).operations is None


@pytest.mark.skipif(not list(compilers()), reason="no C compiler on this machine")
def test_a_function_is_measured() -> None:
    suite = replace(CodeSuite().quick(), rounds=1, batch_rounds=1, sympy_seconds=0.1)
    with jax.enable_x64(True):
        row = measured(FUNCTIONS["cart-pole"], suite)
    assert row.operations < row.casadi_best
    assert row.difference < 1e-12
    assert min(row.c_seconds, row.casadi_c_seconds, row.vector_seconds, row.casadi_vector_seconds) > 0
    assert min(row.call_seconds, row.jax_seconds, row.batch_seconds, row.jax_batch_seconds) > 0


def test_the_report_says_what_is_reached() -> None:
    rows = [ROW, replace(ROW, instance="g", operations=9, sympy_operations=None)]
    _, read = from_csv(to_csv({"suite": "code"}, rows, CodeRow), CodeRow)
    assert read == rows
    text = code_report_text(CODE_SUITES["code"], {"suite": "code"}, rows)
    assert "| operations over CasADi's | 2 | 0.849 | ≤ 0.78: missed | 0.900 | – |" in text
    assert "| C alone over CasADi's, time | 2 | 0.900 | ≤ 0.95: reached | 0.900 | ≤ 1.05: reached |" in text
    assert "> 1 s" in text
    assert code_claims(rows)[0].figure == "0.849, 0.900"


def test_only_names_of_functions_are_taken() -> None:
    assert CodeSuite().only(["torques"]).functions == ("torques3", "torques6", "torques7")
    with pytest.raises(ValueError, match="expected the beginning of one of pose3"):
        CodeSuite().only(["nothing"])


MAIN = """
#include <stdio.h>
static double x[{inputs}][11], v[{values}][11], j[{entries}][11], x1[{inputs}], v1[{values}], j1[{entries}];
int main(void) {{
    for (int k = 0; k < {inputs}; ++k)
        for (int l = 0; l < 11; ++l)
            if (scanf("%lf", &x[k][l]) != 1) return 1;
    code_batch(11, x[0], v[0], j[0]);
    for (int k = 0; k < {inputs}; ++k) x1[k] = x[k][0];
    code(x1, v1, j1);
    for (int k = 0; k < {entries}; ++k) printf("%.17g %.17g %.17g\\n", j1[k], j[k][0], j[k][10]);
    return 0;
}}
"""


@pytest.mark.nightly
@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_programs_equal_jax_and_their_c_is_clean(name: str, tmp_path: Path) -> None:
    function = FUNCTIONS[name]
    with jax.enable_x64(True):
        points = function.points(100, seed=2)
        expected = np.asarray(jax.jit(jax.vmap(jax.jacfwd(function.call)))(points))
        program = from_jax(function.call, points[0]).jacobian()
    found = program.evaluate(points)[-1]
    assert (np.abs(found - expected).max((1, 2)) <= 1e-12 * np.abs(expected).max((1, 2))).all()
    assert_clean(program, points[:11], tmp_path)


def assert_clean(program: ScalarProgram, points: np.ndarray, folder: Path) -> None:
    """C gives the values under sanitizers, and compiles without a warning."""
    value, jacobian = program.outputs
    sizes = {"inputs": program.input_size, "values": value.size, "entries": len(jacobian.entries)}
    (folder / "code.c").write_text(program.c_source("code", sparse=True) + MAIN.format(**sizes))
    flags = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O1", "-fsanitize=undefined,address"]
    command = ["gcc", *flags, "-fno-sanitize-recover=all", "-o", "code", "code.c", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    given = " ".join(map(repr, points.T.ravel().tolist()))
    told = subprocess.run(["./code"], cwd=folder, check=True, capture_output=True, text=True, input=given).stdout
    found = np.array(told.split(), float).reshape(-1, 3).T
    kept = program.evaluate(points)[1].reshape(11, -1)[:, list(jacobian.entries)]
    assert np.abs(found - kept[[0, 0, 10]]).max() <= 1e-12 * np.abs(kept).max()
