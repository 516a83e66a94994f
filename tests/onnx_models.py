"""Models in ONNX for the tests, made by onnx.helper: an architecture each, with weights that are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def model(
    nodes: Sequence[tuple[str, Sequence[str], Sequence[str], dict[str, Any]]],
    inputs: dict[str, Sequence[int | str]],
    outputs: dict[str, Sequence[int | str]],
    weights: dict[str, Any],
    opset: int = 17,
) -> bytes:
    """The bytes of a model; weights are arrays, or shapes of arrays that are drawn."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    tensors = []
    for name, given in weights.items():
        array = given if isinstance(given, np.ndarray) else rng.standard_normal(given).astype(np.float32)
        tensors.append(numpy_helper.from_array(array, name))
    takes_in, gives_out = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in side.items()]
        for side in (inputs, outputs)
    )
    made = [helper.make_node(kind, takes, gives, **options) for kind, takes, gives, options in nodes]
    graph = helper.make_graph(made, "model", takes_in, gives_out, tensors)
    found = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return bytes(found.SerializeToString())


def lenet() -> bytes:
    nodes: list[tuple[str, list[str], list[str], dict[str, Any]]] = [
        ("Conv", ["x", "w1", "b1"], ["c1"], {"kernel_shape": [5, 5], "pads": [2, 2, 2, 2]}),
        ("Relu", ["c1"], ["r1"], {}),
        ("MaxPool", ["r1"], ["p1"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Conv", ["p1", "w2", "b2"], ["c2"], {"kernel_shape": [5, 5]}),
        ("Tanh", ["c2"], ["r2"], {}),
        ("MaxPool", ["r2"], ["p2"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Flatten", ["p2"], ["f"], {}),
        ("Gemm", ["f", "w3", "b3"], ["h"], {"transB": 1}),
        ("Sigmoid", ["h"], ["s"], {}),
        ("Gemm", ["s", "w4", "b4"], ["z"], {}),
        ("Softmax", ["z"], ["y"], {}),
    ]
    weights: dict[str, Any] = {"w1": (4, 1, 5, 5), "b1": (4,), "w2": (6, 4, 5, 5), "b2": (6,)}
    weights |= {"w3": (20, 24), "b3": (20,), "w4": (20, 10), "b4": (10,)}
    return model(nodes, {"x": [1, 1, 16, 16]}, {"y": [1, 10]}, weights)


def bottleneck() -> bytes:
    """Two autoencoders, one behind the other: wide, narrow, wide, narrow, wide."""
    nodes: list[tuple[str, list[str], list[str], dict[str, Any]]] = [
        ("MatMul", ["x", "w1"], ["h"], {}),
        ("Tanh", ["h"], ["t"], {}),
        ("MatMul", ["t", "w2"], ["m"], {}),
        ("MatMul", ["m", "w1"], ["n"], {}),
        ("MatMul", ["n", "w2"], ["y"], {}),
    ]
    return model(nodes, {"x": [1, 60]}, {"y": [1, 60]}, {"w1": (60, 3), "w2": (3, 60)})


def scorer() -> bytes:
    """A network with one output, for a batch of open size."""
    nodes: list[tuple[str, list[str], list[str], dict[str, Any]]] = [
        ("MatMul", ["x", "w1"], ["h"], {}),
        ("Relu", ["h"], ["r"], {}),
        ("MatMul", ["r", "w2"], ["y"], {}),
    ]
    return model(nodes, {"x": ["N", 60]}, {"y": ["N", 1]}, {"w1": (60, 8), "w2": (8, 1)})


def attention() -> bytes:
    """One head over 5 tokens, with a residual connection and what only some translations take."""
    nodes: list[tuple[str, list[str], list[str], dict[str, Any]]] = [
        ("LayerNormalization", ["x", "g", "b"], ["n"], {"axis": -1}),
        ("MatMul", ["n", "wq"], ["q"], {}),
        ("MatMul", ["n", "wk"], ["k"], {}),
        ("MatMul", ["n", "wv"], ["v"], {}),
        ("Transpose", ["k"], ["kt"], {"perm": [0, 2, 1]}),
        ("MatMul", ["q", "kt"], ["s"], {}),
        ("Div", ["s", "scale"], ["sd"], {}),
        ("Softmax", ["sd"], ["a"], {"axis": -1}),
        ("MatMul", ["a", "v"], ["o"], {}),
        ("Add", ["o", "x"], ["r"], {}),
        ("Split", ["r"], ["r1", "r2"], {"axis": 2}),
        ("Mul", ["r1", "r2"], ["m"], {}),
        ("ReduceMean", ["m"], ["e"], {"axes": [1]}),
        ("Slice", ["e", "from", "to", "along"], ["c"], {}),
        ("Concat", ["c", "e"], ["y"], {"axis": 2}),
    ]
    weights: dict[str, Any] = dict.fromkeys(("wq", "wk", "wv"), (6, 6))
    weights |= {"g": (6,), "b": (6,), "scale": np.array(2.4, np.float32)}
    weights |= {"from": np.array([1]), "to": np.array([3]), "along": np.array([2])}
    return model(nodes, {"x": [2, 5, 6]}, {"y": [2, 1, 5]}, weights)
