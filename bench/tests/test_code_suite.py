"""The suite of scalar code: its functions, how its peers are asked, and its report."""

from __future__ import annotations

from dataclasses import replace

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
from chainplan.codegen import from_jax  # noqa: E402
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
