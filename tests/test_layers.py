"""Programs of layers: the grammar and its messages, values and Jacobians at a point, the command line."""

from __future__ import annotations

import json
import random
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainplan import execute, plan
from chainplan.errors import ExecutionError, PointError, SpecError
from chainplan.io.read import from_spec, from_text, read
from chainplan.io.read import program as made
from chainplan.plans.steps import Plan
from chainplan.programs.evaluation import evaluate, linearise
from chainplan.programs.ops import OPS
from chainplan.programs.point import draw_point, load_point
from chainplan.programs.program import Program
from chainplan.validation.finite_differences import MAX_COMPARED_COLUMNS, RELATIVE_TOLERANCE, compare
from chainplan.validation.validate import validate
from tests.reference import ROOT
from tests.test_cli import run

SLOW = {"transformer_block"}
"""Examples on which the exact search uses up its time."""
EXAMPLES = [
    pytest.param(path, id=path.stem, marks=[pytest.mark.nightly] if path.stem in SLOW else [])
    for path in sorted((ROOT / "examples" / "layers").glob("*.yaml"))
]
Spec = dict[str, Any]


def require_right(program: Program, seed: int = 0) -> None:
    """Plan, forward and reverse order agree with the oracle, and the plan with central differences."""
    point = draw_point(program, seed)
    jacobians = linearise(evaluate(program, point))
    found = plan(program.problem, seed=seed)
    assert found.plan is not None
    validation = validate(program.problem, found.plan, jacobians)
    assert validation.valid, validation.verdict
    compared = compare(program, point, found.plan, jacobians, seed)
    assert compared.valid, compared


def simple(*items: Spec, **more: Any) -> Program:
    return made({"input": {"x": 3, "batch": 2}, "layers": list(items), **more})


# Grammar


def test_names_and_shapes() -> None:
    program = simple({"op": "linear", "out": 4}, {"op": "sigmoid", "name": "act"}, {"op": "linear", "out": 1})
    assert [layer.name for layer in program.layers] == ["linear1", "act", "linear2"]
    assert program.shapes["linear1"] == (2, 4)
    assert program.shapes["linear1.weight"] == (4, 3)
    assert program.layers[0].sources == ("x", "linear1.weight", "linear1.bias")
    assert program.outputs == ("linear2",)
    assert program.problem.graph.inputs == ("x",)
    assert [e.name for e in program.problem.graph.elementals] == ["linear1/x", "act/linear1", "linear2/act"]


def test_inner_vertices_are_named_after_the_layer() -> None:
    graph = simple({"op": "softmax"}).problem.graph
    assert dict(graph.sizes) == {"x": 6, "softmax1": 6, "softmax1.s": 2}


def test_inputs_may_have_shapes_and_stand_outside_the_batch() -> None:
    program = made(
        {
            "input": {"x": [3, 4], "w": {"shape": [4], "batch": False}, "s": [], "batch": 5},
            "layers": [{"op": "multiply", "from": ["x", "w"]}],
        }
    )
    assert [program.shapes[name] for name in "xws"] == [(5, 3, 4), (4,), (5,)]


def test_the_same_input_twice_adds_up() -> None:
    program = simple({"op": "multiply", "from": ["x", "x"]})
    assert [e.name for e in program.problem.graph.elementals] == ["multiply1/x", "multiply1/x#2"]
    point = draw_point(program)
    found = plan(program.problem)
    assert found.plan is not None
    jacobian = execute(found.plan, linearise(evaluate(program, point)), dense=False)["multiply1", "x"]
    assert np.array_equal(jacobian, 2 * point["x"].ravel())


def test_parameters_are_variables_where_asked_for_and_constants_otherwise() -> None:
    items = {"op": "linear", "out": 4}, {"op": "softmax"}, {"op": "cross_entropy"}
    program = simple(*items, with_respect_to=["linear1.weight", "linear1.bias"])
    assert program.problem.graph.inputs == ("linear1.weight", "linear1.bias")
    assert "x" not in program.problem.graph.sizes
    require_right(program)
    everything = simple(*items, with_respect_to=["x", "linear1.weight", "linear1.bias", "cross_entropy1.target"])
    assert len(everything.problem.graph.inputs) == 4
    require_right(everything)


def test_a_weight_may_be_fed_to_two_layers() -> None:
    first, second = {"op": "linear", "out": 3, "bias": False}, {"op": "linear", "bias": False}
    program = simple(first, {**second, "from": ["linear1", "linear1.weight"]}, with_respect_to=["linear1.weight"])
    require_right(program)


def test_several_outputs_may_be_intermediates() -> None:
    program = simple({"op": "exp"}, {"op": "sum"}, outputs=["exp1", "sum1"])
    assert program.problem.graph.outputs == ("exp1", "sum1")
    require_right(program)


def test_a_spec_of_layers_is_a_plain_problem() -> None:
    spec = {"name": "n", "input": {"x": 3}, "layers": [{"op": "exp"}], "limits": {"memory": 9}}
    problem = from_spec(spec)
    assert (problem.name, problem.memory) == ("n", 9)
    assert from_spec(problem.to_spec()) == problem


def test_an_output_that_depends_on_no_variable_has_no_jacobian() -> None:
    spec = {"input": {"x": 3, "c": 3}, "layers": [{"op": "exp", "from": "x"}, {"op": "exp", "from": "c"}]}
    program = made({**spec, "with_respect_to": ["x"], "outputs": ["exp1", "exp2"]})
    found = plan(program.problem)
    assert found.plan is not None
    assert [o.output for o in found.plan.outputs] == ["exp1"]


def test_options_are_read_by_their_types() -> None:
    program = made(
        {
            "input": {"x": [2, 6, 6]},
            "layers": [
                {"op": "conv2d", "out": 2, "kernel": 3, "padding": 1, "bias": False},
                {"op": "max_pool", "window": [2, 2]},
                {"op": "transpose", "axes": [1, 2, 0]},
                {"op": "slice", "start": -2, "axis": 0},
                {"op": "scale", "by": 0.5},
                {"op": "gather", "indices": 1},
                {"op": "reshape", "to": [-1]},
                {"op": "layer_norm", "affine": False, "eps": 1e-3},
            ],
        }
    )
    assert program.shapes["reshape1"] == (6,)
    require_right(program)


ONE: Spec = {"layers": [{"op": "relu"}]}


def of(*items: Any, **more: Any) -> Spec:
    return {"input": {"x": 4}, "layers": [*items], **more}


BAD: list[tuple[str, Spec, list[str]]] = [
    ("conv2d on a vector", {"input": {"x": 784}, "layers": [{"op": "conv2d", "out": 3, "kernel": 3}]},
     ["layers[0] 'conv2d1' (conv2d): found shape [784]; expected at least 3 axes, [..., channels, height, width]. "
      "Insert a 'reshape' before it."]),
    ("an unknown op", of({"op": "sofmax"}),
     ["layers[0].op is 'sofmax'; expected one of ", "Did you mean 'softmax'?"]),
    ("an unknown option", of({"op": "linear", "out": 2, "baias": True}),
     ["layers[0] has the unknown key 'baias'; expected one of 'op', 'name', 'from', 'out', 'bias'.", "'bias'?"]),
    ("a needed option", of({"op": "split"}), ["layers[0] has no 'parts'", "Add 'parts'."]),
    ("no op", of({"name": "a"}), ["layers[0] has no 'op'"]),
    ("a layer that is text", {"input": {"x": 3}, "layers": ["relu"]},
     ["layers[0] is the text 'relu'; expected a mapping"]),
    ("a strange op", of({"op": [1]}), ["layers[0].op is a list of 1; expected the name"]),
    ("an unknown source", {"input": {"state": 3}, "layers": [{"op": "relu", "from": "stat"}]},
     ["layers[0].from is 'stat'; expected an input, a parameter or an earlier layer. Did you mean 'state'?"]),
    ("a later layer", of({"op": "add", "from": ["x", "b"]}, {"op": "relu", "name": "b"}),
     ["layers[0].from[1] is 'b'; expected an input, a parameter or an earlier layer."]),
    ("too few sources", of({"op": "add"}),
     ["layers[0] 'add1' (add): found 1 values fed to it; expected 2: x, y. Name them in 'from'."]),
    ("too many sources", of({"op": "relu", "from": ["x", "x"]}),
     ["found 2 values fed to it; expected 1: x."]),
    ("an empty from", of({"op": "relu", "from": []}), ["from is empty; expected at least one"]),
    ("which input", {"input": {"x": 3, "y": 3}, **ONE}, ["there are 2 inputs; expected one. Add 'from'."]),
    ("a name twice", of({"op": "relu", "name": "x"}),
     ["layers[0].name is 'x', which is taken; expected unique names. Rename one."]),
    ("a name with a dot", of({"op": "relu", "name": "a.b"}),
     ["layers[0].name is 'a.b'; expected at most 60 letters, digits"]),
    ("a mismatched add", {"input": {"x": 3, "y": 4}, "layers": [{"op": "add", "from": ["x", "y"]}]},
     ["found shapes [3] and [4]; expected equal ones"]),
    ("a reshape", {"input": {"x": 5}, "layers": [{"op": "reshape", "to": [2, 3]}]},
     ["found [5] to become [2, 3]; expected 5"]),
    ("a split", of({"op": "split", "parts": 3}), ["expected 'parts' to divide the 4 entries"]),
    ("no out", of({"op": "linear"}), ["expected one of them. Add the size of the result as 'out'."]),
    ("no layers", {"input": {"x": 4}, "layers": []}, ["layers is empty; expected at least one layer. Add one."]),
    ("no key layers", {"input": {"x": 4}}, ["the spec has no 'layers'"]),
    ("no input", {"layers": [{"op": "relu"}]}, ["the spec has no 'input'"]),
    ("an empty input", {"input": {"batch": 3}, **ONE}, ["input names no input; expected at least one."]),
    ("an input that is a list", {"input": [3], **ONE}, ["input is a list of 1; expected a mapping"]),
    ("size 0", {"input": {"x": 0}, **ONE}, ["input.x is 0; expected a size of at least 1."]),
    ("batch 0", {"input": {"x": 1, "batch": 0}, **ONE}, ["input.batch is 0; expected a size of at least 1."]),
    ("a size that is text", {"input": {"x": "a"}, **ONE}, ["input.x is the text 'a'; expected a whole number"]),
    ("an input's batch", {"input": {"x": {"shape": 3, "batch": 3}}, **ONE},
     ["input.x.batch is 3; expected true or false."]),
    ("a bad input name", {"input": {"x/y": 3}, **ONE}, ["input has a key that is 'x/y'; expected at most 60"]),
    ("a chain too", {"chain": [1, 2], "input": {"x": 3}, **ONE}, ["the spec has the unknown key 'chain'"]),
    ("an unknown output", of({"op": "relu"}, outputs=["relu2"]),
     ["outputs[0] is 'relu2'; expected a layer. Did you mean 'relu1'?"]),
    ("an input as output", of({"op": "relu"}, outputs=["x"]), ["outputs[0] is 'x'; expected a layer."]),
    ("an output twice", of({"op": "relu"}, outputs=["relu1", "relu1"]), ["which stands twice"]),
    ("no outputs", of({"op": "relu"}, outputs=[]), ["outputs is empty; expected at least one name."]),
    ("an unknown variable", of({"op": "relu"}, with_respect_to=["relu1"]),
     ["with_respect_to[0] is 'relu1'; expected an input or a parameter. Name one of x."]),
    ("a float for a whole number", of({"op": "split", "parts": 2.5}), ["parts is 2.5; expected a whole number."]),
    ("text for a number", of({"op": "scale", "by": "a"}), ["by is the text 'a'; expected a finite number."]),
    ("an infinite number", of({"op": "scale", "by": float("inf")}), ["by is inf; expected a finite number."]),
    ("a number for a flag", of({"op": "linear", "out": 2, "bias": 1}), ["bias is 1; expected true or false."]),
    ("text in a list", of({"op": "gather", "indices": [0, "a"]}), ["indices[1] is the text 'a'; expected a whole"]),
    ("too many entries", {"input": {"x": [1, 10**10], "y": [10**10, 1]}, "layers": [{"op": "add", "from": ["x", "y"]}]},
     ["entries; expected 1 to 10^12. Correct the sizes."]),
    ("too many to rearrange", {"input": {"x": [2000, 2000]}, "layers": [{"op": "transpose"}]},
     ["found 4,000,000 entries to be rearranged; expected at most 2,000,000"]),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "expected"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_one_mistake_is_one_message(spec: Spec, expected: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        made(spec)
    assert len(caught.value.messages) == 1, caught.value.messages
    message = caught.value.messages[0]
    assert message.startswith("spec: ")
    for text in expected:
        assert text in message
    assert message.endswith((".", "?"))


def test_all_mistakes_are_told_with_their_places(tmp_path: Path) -> None:
    path = tmp_path / "layers.yaml"
    text = "input: {x: 784, batch: 32}\nlayers:\n  - {op: conv2d, out: 4, kernel: 3}\n  - {op: sofmax}\n"
    text += "  - {op: linear, ot: 3, from: x}\n  - {op: split, from: x, parts: 3}\noutput: [x]\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        read(path)
    places = [message.split(": ")[0].rsplit("/", 1)[1] for message in caught.value.messages]
    assert places == [f"layers.yaml:{place}" for place in ("3:5", "4:10", "5:18", "6:5", "7:1")]


# At a point


@pytest.mark.parametrize("seed", range(12))
def test_random_programs_agree_with_differences(seed: int) -> None:
    require_right(made(random_spec(seed)), seed)


@pytest.mark.parametrize("seed", [332, 1281, 2174])
def test_cancellation_is_told_apart_from_a_wrong_order(seed: int) -> None:
    program = made(random_spec(seed))
    jacobians = linearise(evaluate(program, draw_point(program, seed)))
    found = plan(program.problem, seed=seed).plan
    assert found is not None
    validation = validate(program.problem, found, jacobians)
    assert validation.valid
    assert "valid but for cancellation: " in validation.verdict
    halves = Plan(found.graph, found.steps, found.outputs[1:])
    validation = validate(program.problem, halves, jacobians)
    assert not validation.valid
    assert "NOT VALID: plan" in validation.verdict


def random_spec(seed: int) -> Spec:
    """A DAG of smooth ops on matrices of one size; every op of one or two arguments that keeps the shape."""
    rng = random.Random(seed)
    n, names = rng.randint(2, 4), ["x", "y"]
    one = ["sigmoid", "tanh", "exp", "softplus", "gelu", "softmax", "log_softmax", "layer_norm", "cumsum", "transpose"]
    two = ["add", "subtract", "multiply", "matmul"]
    items: list[Spec] = []
    for i in range(rng.randint(3, 7)):
        if rng.random() < 0.5:
            item: Spec = {"op": rng.choice(two), "from": rng.choices(names, k=2)}
        else:
            item = {"op": rng.choice(one), "from": rng.choice(names[-2:])}
        items += [{**item, "name": f"v{2 * i}"}, {"op": "tanh", "name": f"v{2 * i + 1}"}]
        names.append(f"v{2 * i + 1}")
    return {"input": {"x": [n, n], "y": [n, n]}, "layers": items, "outputs": names[-2:]}


@pytest.mark.parametrize("op", OPS)
def test_every_op_is_a_layer(op: str) -> None:
    for case, shapes in OPS[op].examples():
        fed = {f"a{i}": list(shape) for i, shape in enumerate(shapes)}
        options = {name: list(v) if isinstance(v, tuple) else v for name, v in vars(case).items() if v is not None}
        program = made({"input": fed, "layers": [{"op": op, "from": list(fed), **options}]})
        assert program.layers[0].op == case
        require_right(program, 1)


def test_the_point_depends_on_the_seed_alone() -> None:
    program = simple({"op": "linear", "out": 2})
    first, second, other = draw_point(program, 1), draw_point(program, 1), draw_point(program, 2)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["x"], other["x"])
    given = draw_point(program, 1, {"x": np.zeros((2, 3))})
    assert not given["x"].any()
    assert np.array_equal(given["linear1.weight"], first["linear1.weight"])


def test_a_point_is_read_from_a_file(tmp_path: Path) -> None:
    program, path = simple({"op": "linear", "out": 2}), tmp_path / "p.npz"
    arrays: dict[str, Any] = {"x": np.ones((2, 3)), "linear1.weight": np.ones((2, 3), np.int32)}
    np.savez(path, **arrays)
    point = draw_point(program, 0, load_point(str(path), program))
    bias = point["linear1.bias"]
    assert np.array_equal(evaluate(program, point).values["linear1"], 3 + np.stack([bias, bias]))


@pytest.mark.parametrize(
    ("name", "array", "expected"),
    [
        ("z", np.ones(3), "'z' is no input or parameter; expected some of x, linear1.weight, linear1.bias"),
        ("linear1.wieght", np.ones(3), "Did you mean 'linear1.weight'?"),
        ("x", np.ones(3), "the array for 'x' has shape (3,); expected (2, 3)."),
        ("x", np.ones((2, 3), complex), "has dtype complex128; expected real numbers."),
    ],
)
def test_points_that_do_not_fit(name: str, array: Any, expected: str, tmp_path: Path) -> None:
    program, path = simple({"op": "linear", "out": 2}), tmp_path / "p.npz"
    np.savez(path, **{name: array})
    with pytest.raises(ExecutionError) as caught:
        load_point(str(path), program)
    assert expected in str(caught.value)
    assert not isinstance(caught.value, PointError)


def test_a_layer_without_a_value_is_named() -> None:
    program = simple({"op": "scale", "by": -1.0}, {"op": "log", "name": "bad"})
    with pytest.raises(PointError) as caught:
        evaluate(program, draw_point(program))
    expected = (
        "layer 'bad' (log): the value is nan at [0, 0] (6 of 6 entries are not finite); expected finite numbers; "
    )
    assert str(caught.value) == expected + "this op takes positive arguments. Choose another point."


def test_a_layer_without_a_derivative_is_named() -> None:
    program = simple({"op": "sqrt"})
    point = {"x": np.array([[1.0, 0, 1], [1, 1, 1]])}
    with pytest.raises(PointError, match=r"layer 'sqrt1' \(sqrt\): the derivative is inf at \[1\]"):
        linearise(evaluate(program, point))


def test_a_singular_solve_is_named() -> None:
    program = made({"input": {"a": [2, 2], "b": 2}, "layers": [{"op": "linear_solve", "from": ["a", "b"]}]})
    with pytest.raises(PointError, match=r"layer 'linear_solve1' \(linear_solve\): the matrix of 2 x 2 is singular"):
        evaluate(program, {"a": np.ones((2, 2)), "b": np.ones(2)})


def test_differences_are_sampled_and_notice_a_wrong_jacobian() -> None:
    program = made({"input": {"x": 200}, "layers": [{"op": "exp"}]})
    point = draw_point(program)
    jacobians = linearise(evaluate(program, point))
    found = plan(program.problem).plan
    assert found is not None
    right = compare(program, point, found, jacobians)
    assert (right.columns, right.compared, right.evaluations) == (200, MAX_COMPARED_COLUMNS, 400)
    assert right.valid
    wrong = compare(program, point, found, {"exp1/x": 1.00001 * jacobians["exp1/x"]})
    assert not wrong.valid
    assert wrong.difference > RELATIVE_TOLERANCE


KINKED = [
    ([{"op": "relu"}], "relu1", [0.0, 1.0, -1.0, 0.0], "'relu1' (relu) has no derivative at 2 of its 4 entries"),
    ([{"op": "relu"}], "relu1", [1e-9, 1.0, -1.0, 2.0], "'relu1' (relu) turns within the step of the differences at 1"),
    (
        [{"op": "max_pool", "window": [2]}],
        "max_pool1",
        [1.0, 1.0, 2.0, 1.0],
        "(max_pool) has no derivative at 1 of its 2",
    ),
    (
        [{"op": "reshape", "to": [2, 2]}, {"op": "singular_values"}],
        "singular_values1",
        [2.0, 0.0, 0.0, 2.0],
        "(singular_values) has no derivative at 2 of its 2 entries",
    ),
]


@pytest.mark.parametrize(("layers", "name", "x", "said"), KINKED)
def test_at_a_kink_the_layer_is_named_and_errors_elsewhere_still_show(
    layers: list[Spec], name: str, x: list[float], said: str
) -> None:
    """Differences cross the kink; what lies before and behind it is judged by them as ever."""
    items = [{"op": "scale", "by": 2.0}, *layers, {"op": "exp", "name": "end"}]
    program, point = made({"input": {"x": 4}, "layers": items}), {"x": np.array(x)}
    jacobians = linearise(evaluate(program, point))
    found = plan(program.problem).plan
    assert found is not None
    right = compare(program, point, found, jacobians)
    assert right.valid
    assert len(right.kinks) == 1
    assert said in right.kinks[0]
    scaled, last = "scale1/x", f"end/{name}"
    for wrong in ({scaled: 1.001 * jacobians[scaled]}, {last: 1.001 * jacobians[last]}):
        judged = compare(program, point, found, {**jacobians, **wrong})
        assert not judged.valid
        assert not judged.kinks


def test_a_wrong_slope_at_a_kink_is_an_error() -> None:
    """The slope is that of the op: 0 for a relu at 0, and no other one, however many would be as good."""
    program, point = made({"input": {"x": 3}, "layers": [{"op": "relu"}]}), {"x": np.array([0.0, 1.0, 2.0])}
    found = plan(program.problem).plan
    assert found is not None
    assert compare(program, point, found, {"relu1/x": np.array([0.0, 1.0, 1.0])}).kinks
    assert not compare(program, point, found, {"relu1/x": np.array([0.0, 0.0, 1.0])}).valid
    assert not compare(program, point, found, {"relu1/x": np.array([-3.0, 1.0, 1.0])}).valid


def test_run_says_that_the_derivative_is_undefined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, point = tmp_path / "kink.yaml", tmp_path / "point.npz"
    spec.write_text("input: {x: 3}\nlayers: [{op: relu}]\n", encoding="utf-8")
    np.savez(point, x=np.array([0.0, 1.0, -1.0]))
    code, out, _ = run(capsys, "run", str(spec), "--point", str(point))
    assert code == 0
    assert "NOT VALID" not in out
    expected = "undefined at this point: layer 'relu1' (relu) has no derivative at 1 of its 3 entries; along the slopes"
    assert expected in out


def test_large_jacobians_are_judged_by_directions() -> None:
    program = made({"input": {"x": 100_000}, "layers": [{"op": "exp"}, {"op": "tanh"}]})
    jacobians = linearise(evaluate(program, draw_point(program)))
    found = plan(program.problem).plan
    assert found is not None
    right = validate(program.problem, found, jacobians)
    assert right.valid
    assert "max(|J|·V)" in right.verdict
    assert all(row.peak_bytes < 10**7 for row in right.rows)


def test_a_wrong_large_jacobian_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from chainplan.validation import tolerance as judges

    program = simple({"op": "linear", "out": 4}, {"op": "softmax"}, {"op": "sum", "axis": 0})
    jacobians = linearise(evaluate(program, draw_point(program)))
    found = plan(program.problem).plan
    assert found is not None
    monkeypatch.setattr(judges, "MAX_ORACLE_ENTRIES", 0)
    judged = judges.judge(program.problem.graph, jacobians)
    assert isinstance(judged, judges.DirectionsJudge)
    assert judged.difference(judged.run(found, jacobians)) < 1e-14
    changed = {**jacobians, "linear1/x": 1.001 * jacobians["linear1/x"]}
    assert judged.difference(judged.run(found, changed)) > 1e-6


# The command line


@pytest.mark.parametrize("path", EXAMPLES)
def test_examples_plan_check_and_run(path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    saved = str(tmp_path / "plan.json")
    assert run(capsys, "plan", str(path), "--format", "json", "-o", saved)[0] == 0
    problem = json.loads(Path(saved).read_text(encoding="utf-8"))["problem"]
    assert "layers" not in problem
    assert run(capsys, "check", saved)[0] == 0
    code, out, _ = run(capsys, "run", str(path), "--seed", "1")
    assert code == 0
    assert "\n  valid: " in out
    total = sum(prod(read_program(path).shapes[v]) for v in read_program(path).variables)
    assert f"{2 * total:,} evaluations" in out
    assert f"columns: valid: max|diff| <= {RELATIVE_TOLERANCE:.1e}" in out


def read_program(path: Path) -> Program:
    from chainplan.io.read import read_spec

    found = read_spec(path)
    assert isinstance(found, Program)
    return found


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "layers.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_exit_codes_of_bad_points(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    undefined = write(tmp_path, "input: {x: 3}\nlayers: [{op: scale, by: -1}, {op: log}]\n")
    code, _, err = run(capsys, "run", undefined)
    assert code == 1
    assert err.startswith("chainplan: layer 'log1' (log): the value is nan at [0]")
    singular = write(tmp_path, "input: {a: [2, 2], b: 2}\nlayers: [{op: linear_solve, from: [a, b]}]\n")
    np.savez(tmp_path / "p.npz", a=np.ones((2, 2)))
    code, _, err = run(capsys, "run", singular, "--point", str(tmp_path / "p.npz"))
    assert code == 1
    assert len(err.splitlines()) == 1
    np.savez(tmp_path / "p.npz", a=np.full((2, 2), np.nan))
    assert run(capsys, "run", singular, "--point", str(tmp_path / "p.npz"))[0] == 1
    np.savez(tmp_path / "p.npz", a=np.ones((3, 2)))
    assert run(capsys, "run", singular, "--point", str(tmp_path / "p.npz"))[0] == 2
    misfit = write(tmp_path, "input: {x: 784}\nlayers: [{op: conv2d, out: 3, kernel: 3}]\n")
    code, _, err = run(capsys, "run", misfit)
    assert code == 2
    assert err.startswith(f"{misfit}:2:10: layers[0] 'conv2d1' (conv2d): found shape [784]")


def test_a_jacobian_that_fits_nowhere_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write(tmp_path, "input: {x: 10000000}\nlayers: [{op: mean}, {op: add, from: [x, mean1]}]\n")
    code, _, err = run(capsys, "run", path)
    assert code == 2
    assert "the largest block of the plan takes 800,000,000,000,000 bytes as float64; this machine has" in err


def test_options_that_do_not_fit(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write(tmp_path, "input: {x: 3}\nlayers: [{op: exp}]\n")
    assert "--point" in run(capsys, "run", path, "--jacobians", "j.npz")[2]
    assert "float64" in run(capsys, "run", path, "--dtype", "int64")[2]
    chain = str(ROOT / "examples" / "seed_chain.yaml")
    code, _, err = run(capsys, "run", chain, "--point", "p.npz")
    assert code == 2
    assert "--jacobians" in err


def test_the_plan_says_that_a_tangent_is_made_of_two_adjoints(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(ROOT / "examples" / "layers" / "singular_values.yaml")
    for command in ("plan", "run"):
        assert (
            "note: sigma/product (singular_values): its tangent is the adjoint of its adjoint"
            in run(capsys, command, path)[1]
        )


@pytest.mark.parametrize("number", ["٣", "1_0", "nan", "inf", "1e999", "0x1", "--1"])
def test_numbers_are_written_in_ascii_digits(number: str) -> None:
    with pytest.raises(SpecError, match="expected a finite number"):
        from_text(f"input: {{x: 3}}\nlayers: [{{op: scale, by: {number}}}]")
    assert from_text("input: {x: 3}\nlayers: [{op: scale, by: -.5e1}]").graph.elementals
