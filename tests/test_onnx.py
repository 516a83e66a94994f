"""Models in ONNX: the blocks against difference quotients of onnx's own evaluation, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan.errors import SpecError
from chainplan.io.onnx_ops import TRANSLATIONS
from chainplan.io.read import read, read_spec
from chainplan.values.draw import draw
from chainplan_cli.main import main
from tests import onnx_models

pytest.importorskip("onnx", reason="onnx is not installed; pip install '.[onnx]'")
MODELS = {"lenet": onnx_models.lenet, "bottleneck": onnx_models.bottleneck, "attention": onnx_models.attention}


def quotients(data: bytes) -> Any:
    """The Jacobian of the single output by the single input at a drawn point, by central differences."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    found = onnx.load_model_from_string(data)
    run = ReferenceEvaluator(found)
    name = found.graph.input[0].name
    shape = [d.dim_value or 1 for d in found.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    columns = []
    for i in range(x.size):
        moved = [x.copy(), x.copy()]
        for sign, value in zip((1, -1), moved, strict=True):
            value.ravel()[i] += sign * 0.05
        ends = [np.asarray(next(iter(run.run(None, {name: value}))), float).ravel() for value in moved]
        columns.append((ends[0] - ends[1]) / 0.1)
    return np.array(columns).T


def pattern(problem: chainplan.Problem) -> Any:
    """The entries of the Jacobian that the blocks allow, by boolean products along the graph."""
    graph = problem.graph
    (source,), (output,) = graph.inputs, graph.outputs
    held = {source: np.eye(graph.sizes[source], dtype=bool)}
    for vertex in graph.order:
        for e in graph.into.get(vertex, []):
            if e.source in held:
                block = e.block.structure.pattern(e.block.rows, e.block.cols).toarray() != 0
                made = (block.astype(int) @ held[e.source].astype(int)) > 0
                held[vertex] = held.get(vertex, np.zeros_like(made)) | made
    return held[output]


@pytest.mark.parametrize("name", ["bottleneck", "attention"])
def test_no_nonzero_of_a_model_is_outside_of_its_blocks(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.onnx"
    path.write_bytes(MODELS[name]())
    jacobian = quotients(MODELS[name]())
    allowed = pattern(read(path))
    assert allowed.shape == jacobian.shape
    assert not (np.abs(jacobian) > 1e-4)[~allowed].any()
    assert (np.abs(jacobian) > 1e-4).mean() > 0.5 * allowed.mean()


AT = np.array([-4, 9, 1])
CASES: dict[str, tuple[list[tuple[str, list[str], list[str], dict[str, Any]]], list[int], dict[str, Any]]] = {
    "Gemm": ([("Gemm", ["x", "w"], ["y"], {"transB": 1, "alpha": 0.5})], [2, 4], {"w": (3, 4)}),
    "MatMul": ([("MatMul", ["x", "w"], ["y"], {})], [2, 3, 4], {"w": (4, 5)}),
    "Conv": ([("Conv", ["x", "w"], ["y"], {"strides": [2, 2], "pads": [1] * 4})], [1, 2, 5, 5], {"w": (3, 2, 3, 3)}),
    "Conv in one axis": ([("Conv", ["x", "w"], ["y"], {})], [1, 2, 7], {"w": (3, 2, 3)}),
    "Conv in groups": ([("Conv", ["x", "w"], ["y"], {"group": 2})], [1, 2, 4, 4], {"w": (2, 1, 3, 3)}),
    "MaxPool": ([("MaxPool", ["x"], ["y"], {"kernel_shape": [2, 2]})], [1, 2, 4, 4], {}),
    "Add": ([("Add", ["x", "w"], ["y"], {})], [2, 3], {"w": (3,)}),
    "Sub": ([("Sub", ["w", "x"], ["y"], {})], [2, 3], {"w": (4, 2, 3)}),
    "Mul": ([("Mul", ["x", "x"], ["y"], {})], [2, 3], {}),
    "Div": ([("Div", ["w", "x"], ["y"], {})], [2, 3], {"w": (3,)}),
    "Softmax": ([("Softmax", ["x"], ["y"], {})], [2, 3], {}),
    "Softmax elsewhere": ([("Softmax", ["x"], ["y"], {"axis": 0})], [2, 3], {}),
    "LogSoftmax": ([("LogSoftmax", ["x"], ["y"], {"axis": 1})], [2, 3], {}),
    "ReduceSum": ([("ReduceSum", ["x", "at"], ["y"], {})], [2, 3, 2], {"at": np.array([1])}),
    "ReduceMean": ([("ReduceMean", ["x"], ["y"], {"axes": [1, 2], "keepdims": 0})], [2, 3, 2], {}),
    "GlobalAveragePool": ([("GlobalAveragePool", ["x"], ["y"], {})], [1, 2, 3, 3], {}),
    "Concat": ([("Concat", ["x", "x"], ["y"], {"axis": 1})], [2, 3], {}),
    "Split": ([("Split", ["x"], ["a", "y"], {"axis": 1})], [2, 4], {}),
    "Slice": ([("Slice", ["x", "f", "t", "a"], ["y"], {})], [2, 6], {"f": AT[:1], "t": AT[1:2], "a": AT[2:]}),
    "Gather": ([("Gather", ["x", "i"], ["y"], {"axis": 1})], [2, 4], {"i": np.array([3, -4])}),
    "Transpose": ([("Transpose", ["x"], ["y"], {})], [2, 3, 2], {}),
    "LayerNormalization": ([("LayerNormalization", ["x", "g", "b"], ["y"], {})], [2, 4], {"g": (4,), "b": (4,)}),
    "CumSum": ([("CumSum", ["x", "a"], ["y"], {})], [2, 4], {"a": np.array(1)}),
    "Reshape": ([("Reshape", ["x", "s"], ["y"], {})], [2, 6], {"s": np.array([3, 4])}),
    "LeakyRelu": ([("LeakyRelu", ["x"], ["y"], {})], [2, 3], {}),
    "a matrix-free one": ([("LRN", ["x"], ["y"], {"size": 3})], [1, 4, 2, 2], {}),
}  # fmt: skip
FREE = {"Conv in groups", "Softmax elsewhere", "a matrix-free one"}


def written(name: str) -> bytes:
    """The model of a case, with an output of the rank that its evaluation has; sizes are left to be inferred."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    nodes, shape, weights = CASES[name]
    bare = onnx.load_model_from_string(onnx_models.model(nodes, {"x": shape}, {"y": []}, weights))
    (value, *_) = list(ReferenceEvaluator(bare).run(None, {"x": np.ones(shape, np.float32)}))
    sizes = [f"n{i}" for i in range(np.ndim(value))]
    return onnx_models.model(nodes, {"x": shape}, {"y": sizes}, weights)


@pytest.mark.parametrize("name", CASES)
def test_every_translation_against_difference_quotients(name: str, tmp_path: Path) -> None:
    path = tmp_path / "one.onnx"
    data = written(name)
    path.write_bytes(data)
    problem = read(path)
    jacobian, allowed = quotients(data), pattern(problem)
    assert allowed.shape == jacobian.shape
    assert not (np.abs(jacobian) > 1e-4)[~allowed].any()
    assert any("Matrix-free" in note for note in getattr(problem, "notes", ())) == (name in FREE)
    if name not in FREE | {"MaxPool", "Reshape", "CumSum"}:
        assert (np.abs(jacobian) > 1e-4).sum() == allowed.sum()


def test_every_translation_has_a_case() -> None:
    kinds = {node[0] for nodes, _, _ in CASES.values() for node in nodes}
    assert set(TRANSLATIONS) <= kinds


def test_lenet_has_the_sizes_and_prices_of_the_same_layers(tmp_path: Path) -> None:
    """Against a spec of layers, written by hand."""
    path = tmp_path / "lenet.onnx"
    path.write_bytes(onnx_models.lenet())
    layers = [
        {"op": "conv2d", "out": 4, "kernel": [5, 5], "padding": 2}, {"op": "relu"},
        {"op": "max_pool", "window": [2, 2]},
        {"op": "conv2d", "out": 6, "kernel": [5, 5]}, {"op": "tanh"}, {"op": "max_pool", "window": [2, 2]},
        {"op": "reshape", "to": [1, 24]}, {"op": "linear", "out": 20}, {"op": "sigmoid"}, {"op": "linear", "out": 10},
        {"op": "softmax"},
    ]  # fmt: skip
    spec = chainplan.program({"input": {"x": [1, 1, 16, 16]}, "layers": layers}).problem
    found = read(path)
    assert sorted(found.graph.sizes.values()) == sorted(spec.graph.sizes.values())
    assert chainplan.plan(found).price == chainplan.plan(spec).price
    assert chainplan.plan(found).baselines == chainplan.plan(spec).baselines


def test_the_command_says_where_reverse_order_is_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sentence = "Reverse order is the best order that was found"
    for name, best in (("scorer", True), ("bottleneck", False)):
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(onnx_models.scorer() if best else onnx_models.bottleneck())
        result = chainplan.plan(read(path))
        assert result.price is not None
        assert (result.price == result.baselines.reverse) == best
        assert result.price <= result.baselines.best
        assert main(["plan", str(path)]) == 0
        said = capsys.readouterr().out
        assert (sentence in said) == best
        assert ("The model leaves sizes of 'x' open ('N'); they count as 1." in said) == best


def test_run_says_that_weights_are_not_looked_at_and_takes_true_jacobians(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, values = tmp_path / "bottleneck.onnx", tmp_path / "jacobians.npz"
    path.write_bytes(onnx_models.bottleneck())
    assert main(["run", str(path)]) == 0
    assert "random float64 Jacobians, seed 0\n  the weights of the model are not looked at" in capsys.readouterr().out
    held = draw(read(path).graph, 1)
    arrays: Any = {name: np.asarray(held[name]) for name in held}
    np.savez(values, **arrays)
    assert main(["run", str(path), "--jacobians", str(values)]) == 0
    said = capsys.readouterr().out
    assert f"Jacobians of {values}\n" in said
    assert "not looked at" not in said


def loop() -> bytes:
    import onnx

    found = onnx.load_model_from_string(onnx_models.bottleneck())
    branch = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["b"])],
        "b",
        [],
        [onnx.helper.make_tensor_value_info("b", 1, [1, 200])],
    )
    found.graph.initializer.append(onnx.helper.make_tensor("c", onnx.TensorProto.BOOL, [], [1]))
    found.graph.node.insert(0, onnx.helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch))
    return bytes(found.SerializeToString())


def without_shapes() -> bytes:
    nodes: list[tuple[str, list[str], list[str], dict[str, Any]]] = [
        ("Unique", ["x"], ["u"], {}),
        ("Relu", ["u"], ["y"], {}),
    ]
    return onnx_models.model(nodes, {"x": [4]}, {"y": ["n"]}, {})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: b"", "not an ONNX model"),
        (lambda: b"chain: [1, 2]", "not an ONNX model"),
        (lambda: onnx_models.lenet()[:400], "not an ONNX model"),
        (loop, "is 'If'; expected no control flow"),
        (without_shapes, "value 'u' has no shape"),
    ],
)
def test_broken_models_are_refused(
    make: Callable[[], bytes], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(make())
    assert main(["plan", str(path)]) == 2
    capsys.readouterr()
    with pytest.raises(SpecError, match=message):
        read_spec(path)


def test_without_onnx_its_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.onnx").write_bytes(onnx_models.bottleneck())
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(SpecError, match=r"pip install '\.\[onnx\]'"):
        read(tmp_path / "a.onnx")


def test_a_plan_of_a_model_is_proven_again(tmp_path: Path) -> None:
    path, saved = tmp_path / "attention.onnx", tmp_path / "plan.json"
    path.write_bytes(onnx_models.attention())
    assert prod(read(path).graph.sizes[v] for v in ("x", "y")) == 60 * 10
    assert main(["plan", str(path), "--budget", "1", "--format", "json", "-o", str(saved)]) == 0
    assert main(["check", str(saved), "--budget", "1"]) == 0
