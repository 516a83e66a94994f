"""What the examples say: Jacobians in closed form, costs by theory, nothing written out that need not be."""

from __future__ import annotations

import importlib.util
import tracemalloc
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from chainplan import execute, plan
from chainplan.io.read import read_spec
from chainplan.plans.bound import Status
from chainplan.plans.result import Result
from chainplan.programs.evaluation import evaluate, linearise
from chainplan.programs.point import draw_point
from chainplan.programs.program import Program
from tests.reference import ROOT

Array = np.ndarray[Any, np.dtype[Any]]


class Example:
    """An example of layers at the point of seed 0, planned and run."""

    def __init__(self, name: str) -> None:
        program = read_spec(ROOT / "examples" / "layers" / f"{name}.yaml")
        assert isinstance(program, Program)
        self.program, self.point = program, draw_point(program)
        evaluation = evaluate(program, self.point)
        self.values, self.jacobians = evaluation.values, linearise(evaluation)
        self.result: Result = plan(program.problem)
        assert self.result.plan is not None

    @property
    def fma(self) -> int:
        assert self.result.cost is not None
        return self.result.cost.fma

    def jacobian(self, output: str, variable: str, dense: bool = True) -> Array:
        assert self.result.plan is not None
        return execute(self.result.plan, self.jacobians, dense=dense)[output, variable]


def close(found: Array, expected: Array) -> bool:
    return found.shape == expected.shape and bool(np.allclose(found, expected, rtol=1e-11, atol=1e-13))


def test_logistic_regression_is_the_gradient_of_the_textbook() -> None:
    example = Example("logistic_regression")
    values = example.values
    error = (values["p"] - values["t"]) / 8
    assert close(example.jacobian("objective", "w"), (error @ values["X"] + 0.01 * values["w"])[None])
    assert close(example.jacobian("objective", "b"), error.sum()[None, None])
    assert example.result.status is Status.OPTIMAL
    assert example.fma < example.result.baselines.reverse < example.result.baselines.forward


def test_two_layers_with_weight_decay() -> None:
    """Dive into Deep Learning, section 5.3.3: the gradients of back propagation."""
    example = Example("mlp_weight_decay")
    v = example.values
    p = np.exp(v["o"] - v["o"].max())
    by_o = p / p.sum() * v["y"].sum() - v["y"]
    by_h = v["W2"].T @ by_o
    by_z = by_h * (1 - v["h"] ** 2)
    assert close(example.jacobian("objective", "W2"), (np.outer(by_o, v["h"]) + 0.01 * v["W2"]).reshape(1, -1))
    assert close(example.jacobian("objective", "W1"), (np.outer(by_z, v["x"]) + 0.01 * v["W1"]).reshape(1, -1))
    assert example.result.status is Status.OPTIMAL


def test_softmax_and_cross_entropy_make_the_difference_for_the_price_of_a_vector() -> None:
    example = Example("softmax_cross_entropy")
    difference = example.values["softmax1"] - example.values["cross_entropy1.target"]
    assert close(example.jacobian("cross_entropy1", "x"), difference[None])
    assert example.fma == 3 * 1000
    assert example.result.status is Status.OPTIMAL


def test_a_chain_of_a_million_entries_is_never_written_out() -> None:
    example = Example("elementwise_chain")
    n = 1_000_000
    assert example.fma == 4 * n
    assert example.result.status is Status.OPTIMAL
    tracemalloc.start()
    try:
        diagonal = example.jacobian("sqrt1", "x", dense=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert diagonal.shape == (n,)
    assert peak < 5 * 8 * n
    x = example.point["x"]
    inner = np.exp(2 * np.tanh(x))
    sigmoid = 1 / (1 + np.exp(-inner))
    expected = 0.5 / np.sqrt(sigmoid) * sigmoid * (1 - sigmoid) * inner * 2 * (1 - np.tanh(x) ** 2)
    assert np.abs(diagonal - expected).max() <= 1e-13


def test_three_adjoint_solves_do_for_three_outputs() -> None:
    example = Example("linear_solve")
    v = example.values
    rows = np.linalg.inv(v["A"])[[0, 7, 29]]
    assert np.allclose(example.jacobian("kept", "b"), rows, rtol=1e-9, atol=1e-10)
    by_a = -rows[:, :, None] * v["x"]
    expected = (by_a * (1 - v["bent"] ** 2)).reshape(3, -1)
    assert np.allclose(example.jacobian("kept", "p"), expected, rtol=1e-9, atol=1e-10)
    once_for_all_rows, adjoint_solves, products = 30 * 30, 3 * 30 * 30, 3 * 30 * 30
    assert example.fma == once_for_all_rows + adjoint_solves + products
    assert example.result.baselines.forward > 100 * example.fma


def test_singular_values_of_a_product() -> None:
    example = Example("singular_values")
    v = example.values
    u, _, turned = np.linalg.svd(v["product"], full_matrices=False)
    by_product = np.einsum("ik,kj->kij", u, turned)
    assert np.allclose(example.jacobian("sigma", "a"), (by_product @ v["b"].T).reshape(5, -1), atol=1e-12)
    assert np.allclose(example.jacobian("sigma", "b"), (v["a"].T @ by_product).reshape(5, -1), atol=1e-12)


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("forward_or_reverse", ROOT / "examples" / "forward_or_reverse.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_forward_and_reverse_cross_where_m_is_n() -> None:
    planned = script().planned
    for m in range(1, 1001):
        baselines, cost = planned(m).baselines, planned(m).cost
        assert (baselines.forward, baselines.reverse) == (100 * 100 * m, 100 * m * m)
        assert cost.fma == min(baselines.forward, baselines.reverse)
        assert (baselines.reverse < baselines.forward) == (m < 100)


def test_the_script_prints_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    script().main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["m", "forward", "reverse", "plan"]
    assert lines[-1].split() == ["1000", "10,000,000", "100,000,000", "10,000,000"]
