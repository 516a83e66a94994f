"""Second derivatives of layers: what ops say of themselves, complex steps, and differences of the gradient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chainplan.errors import PointError, SpecError
from chainplan.io.read import program
from chainplan.programs.evaluation import evaluate
from chainplan.programs.ops import OPS, Op
from chainplan.programs.ops.elementwise import Elementwise
from chainplan.programs.point import draw_point
from chainplan.programs.second import second_values
from chainplan_cli.main import main
from tests.test_ops import CASES, every_case, jacobians, point


@every_case
def test_the_jacobian_of_an_op_changes_with_the_argument_unless_it_is_affine(
    op: Op, shapes: tuple[tuple[int, ...], ...]
) -> None:
    if isinstance(op, Elementwise):
        return
    arguments = point(op, shapes)
    for which in range(len(arguments)):
        moved = list(arguments)
        moved[which] = arguments[which] + 1e-6 * np.random.default_rng(1).random(arguments[which].shape)
        before, after = jacobians(op, arguments)[which], jacobians(op, moved)[which]
        change = float(np.abs(after - before).max(initial=0)) / 1e-6
        assert change < 1e-6 or not op.affine_in(which), which


def test_some_ops_are_affine_and_some_are_not() -> None:
    said = {op.affine_in(0) for op, _ in CASES}
    assert said == {True, False}
    assert all(not kind().affine_in(0) for kind in OPS.values() if issubclass(kind, Elementwise))


@pytest.mark.parametrize("word", sorted(word for word, kind in OPS.items() if issubclass(kind, Elementwise)))
def test_elementwise_second_derivatives_are_differences_of_the_derivative(word: str) -> None:
    made = program({"input": {"x": 6}, "layers": [{"op": word}], "derivative": 2})
    at = draw_point(made, seed=1)
    if OPS[word].positive:
        at = {"x": np.abs(at["x"]) + 0.5}
    (found,) = second_values(evaluate(made, at)).values()
    op, h = made.layers[0].op, 1e-5
    assert isinstance(op, Elementwise)
    up, down = at["x"] + h, at["x"] - h
    expected = (op.derivative(up, op.function(up)) - op.derivative(down, op.function(down))) / (2 * h)
    assert np.allclose(found, expected, rtol=1e-6, atol=1e-8)


LAYERS = """
derivative: 2
input: {{x: 5{batch}}}
layers:
  - {{op: linear, out: 4}}
  - {{op: tanh}}
  - {{op: linear, out: 3}}
  - {{op: sigmoid}}
  - {{op: {last}}}
"""


@pytest.mark.parametrize("last", ["squared_error", "cross_entropy, from_logits: true", "sum", "exp"])
@pytest.mark.parametrize("batch", ["", ", batch: 2"])
def test_run_compares_with_differences_of_the_gradient(
    last: str, batch: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "layers.yaml"
    spec.write_text(LAYERS.format(batch=batch, last=last))
    assert main(["run", str(spec)]) == 0
    out = capsys.readouterr().out
    assert "max(|H|, |J|)" in out
    assert out.count("valid") == 2


def test_differences_find_a_wrong_second_derivative(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tmp_path / "layers.yaml"
    spec.write_text(LAYERS.format(batch="", last="sum"))
    monkeypatch.setattr("chainplan.programs.second._slope", lambda *args: np.ones(args[2].size))
    assert main(["run", str(spec)]) == 1
    assert "NOT VALID" in capsys.readouterr().out


@every_case
def test_what_is_affine_in_all_arguments_together_has_constant_jacobians(
    op: Op, shapes: tuple[tuple[int, ...], ...]
) -> None:
    if len(shapes) > 1 and all(map(op.affine_in, range(len(shapes)))):
        arguments = point(op, shapes)
        moved = [a + np.random.default_rng(1).random(a.shape) for a in arguments]
        pairs = zip(jacobians(op, arguments), jacobians(op, moved), strict=True)
        assert op.jointly_affine == all(np.allclose(before, after) for before, after in pairs)


def test_residuals_and_branches_are_compared_with_differences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "residual.yaml"
    spec.write_text(
        "derivative: 2\ninput: {x: 3}\nlayers:\n"
        "  - {op: tanh, name: a}\n  - {op: add, name: b, from: [a, x]}\n  - {op: exp, name: c}\n"
        "  - {op: concat, name: d, from: [c, a]}\n  - {op: linear, out: 2}\n  - {op: sigmoid}\n"
    )
    assert main(["run", str(spec)]) == 0
    assert capsys.readouterr().out.count("valid") == 2


@pytest.mark.parametrize(
    "layers",
    [
        [{"op": "linear", "out": 3}, {"op": "softmax"}],
        [{"op": "tanh", "name": "a"}, {"op": "multiply", "from": ["a", "x"]}],
        [{"op": "layer_norm"}],
    ],
)
def test_mixed_second_derivatives_of_layers_are_refused(layers: list[dict[str, object]]) -> None:
    with pytest.raises(SpecError, match=r"layers\[\d\] .*mixed second derivatives"):
        program({"input": {"x": 2}, "layers": layers, "derivative": 2})


def test_layers_that_have_only_functions_are_refused() -> None:
    made = program({"input": {"x": [3, 2]}, "layers": [{"op": "singular_values"}], "derivative": 2})
    with pytest.raises(PointError, match="singular_values1"):
        second_values(evaluate(made, draw_point(made, seed=0)))
