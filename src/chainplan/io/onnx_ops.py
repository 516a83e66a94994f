"""The table of operators of ONNX: which op of `programs.ops` has the derivative of a node, or which block it has.

A translation looks at shapes, attributes and constant arguments only, and gives None where a node has a form that it
does not know; then the node is matrix-free. What differs in the layout of constant arguments alone, such as a weight
that is stored transposed, does not change the block of the other argument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from chainplan._util.arrays import Array
from chainplan.programs.ops import RESULT_VERTEX, Op, OpEdge
from chainplan.programs.ops.arithmetic import AddOp, DivideOp, MultiplyOp, SubtractOp
from chainplan.programs.ops.base import ArrayShape
from chainplan.programs.ops.conv import Conv1d, Conv2d
from chainplan.programs.ops.layer_norm import LayerNorm
from chainplan.programs.ops.linear import Linear
from chainplan.programs.ops.matmul import Matmul
from chainplan.programs.ops.max_pool import MaxPool
from chainplan.programs.ops.reductions import Cumsum, Mean, Sum
from chainplan.programs.ops.reorder import Transpose
from chainplan.programs.ops.slicing import Concat, Gather, Slice, SplitPart
from chainplan.programs.ops.softmax import LogSoftmax, Softmax


@dataclass(frozen=True)
class OnnxNode:
    """A node as its translation sees it: shapes of arguments and of one result, attributes, constant arguments.

    `varying` are the positions of arguments with derivatives, `result` is the number of the result.
    """

    kind: str
    attributes: Mapping[str, Any]
    shapes: Sequence[ArrayShape]
    shape: ArrayShape
    varying: frozenset[int]
    constants: Mapping[int, Array]
    result: int = 0
    results: int = 1
    version: int = 21

    def numbers(self, name: str, position: int | None = None) -> list[int] | None:
        """Return whole numbers that an attribute or a constant argument lists; None where there are none."""
        value = self.attributes.get(name)
        if value is None and position is not None and position in self.constants:
            value = self.constants[position].ravel().tolist()
        if isinstance(value, int):
            return [value]
        return None if value is None else [int(number) for number in value]


Translation = tuple[Op, Sequence[ArrayShape], Sequence[int]]
"""An op, the shapes of its arguments, and the position of each among the arguments of the node."""


def _binary(op: Op) -> Callable[[OnnxNode], Translation | None]:
    return lambda node: (op, node.shapes[:2], (0, 1)) if len(node.shapes) == 2 else None


def _gemm(node: OnnxNode) -> Translation | None:
    x, weight = node.shapes[:2]
    transposed = bool(node.attributes.get("transB", 0))
    if node.attributes.get("transA", 0) or len(weight) != 2 or (1 in node.varying and not transposed):
        return None
    weight = weight if transposed else weight[::-1]
    if 2 in node.varying and node.shapes[2] != weight[:1]:
        return None
    if 2 in node.varying:
        return Linear(), (x, weight, weight[:1]), (0, 1, 2)
    return Linear(bias=False), (x, weight), (0, 1)


def _matmul(node: OnnxNode) -> Translation | None:
    x, weight = node.shapes
    if len(weight) == 2 and x and 1 not in node.varying:
        return Linear(bias=False), (x, weight[::-1]), (0, 1)
    return (Matmul(), (x, weight), (0, 1)) if len(x) > 1 and len(weight) > 1 else None


def _conv(node: OnnxNode) -> Translation | None:
    given = node.attributes
    pads, strides = set(given.get("pads", [0])), set(given.get("strides", [1]))
    plain = set(given.get("dilations", [1])) == {1} and given.get("group", 1) == 1
    if not plain or len(pads) > 1 or len(strides) > 1 or given.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        return None
    kind = {1: Conv1d, 2: Conv2d}.get(len(node.shapes[0]) - 2)
    if kind is None:
        return None
    count = min(3, len(node.shapes))
    op = kind(stride=strides.pop(), padding=pads.pop(), bias=count == 3)
    return op, node.shapes[:count], range(count)


def _max_pool(node: OnnxNode) -> Translation | None:
    given = node.attributes
    window = tuple(given.get("kernel_shape", ()))
    plain = not any(given.get("pads", [0])) and set(given.get("dilations", [1])) == {1} and not given.get("ceil_mode")
    if not plain or node.results > 1 or given.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        return None
    stride = tuple(given.get("strides", [1] * len(window)))
    return MaxPool(window=window, stride=stride), node.shapes[:1], (0,)


def _over_last(op: Op) -> Callable[[OnnxNode], Translation | None]:
    def translated(node: OnnxNode) -> Translation | None:
        axis = node.attributes.get("axis", -1 if node.version >= 13 else 1)
        last = axis in (-1, len(node.shapes[0]) - 1)
        return (op, node.shapes[:1], (0,)) if last else None

    return translated


def _reduction(kind: type[Sum] | type[Mean]) -> Callable[[OnnxNode], Translation | None]:
    """Translate a sum over all axes, over one, or over the last ones, which are then taken as one."""

    def translated(node: OnnxNode) -> Translation | None:
        shape = node.shapes[0]
        axes = node.numbers("axes", 1)
        if node.kind.startswith("Global"):
            axes = list(range(2, len(shape)))
        if axes is None:
            return kind(), (shape,), (0,)
        axes = sorted(axis % max(1, len(shape)) for axis in axes)
        if len(axes) == 1:
            return kind(axis=axes[0]), (shape,), (0,)
        if axes == list(range(len(shape) - len(axes), len(shape))):
            first = len(shape) - len(axes)
            return kind(axis=-1), ((*shape[:first], prod(shape[first:])),), (0,)
        return None

    return translated


def _split(node: OnnxNode) -> Translation | None:
    axis = node.attributes.get("axis", 0)
    parts = node.numbers("split", 1)
    if parts is not None and len(set(parts)) > 1:
        return None
    return SplitPart(parts=node.results, part=node.result, axis=axis), node.shapes[:1], (0,)


def _slice(node: OnnxNode) -> Translation | None:
    starts, ends, axes = node.numbers("starts", 1), node.numbers("ends", 2), node.numbers("axes", 3)
    steps = node.numbers("steps", 4) or [1]
    if starts is None or ends is None or len(starts) != 1:
        return None
    axis, length = (axes or [0])[0], node.shapes[0][(axes or [0])[0]]
    start, stop, step = slice(starts[0], ends[0], steps[0]).indices(length)
    return (Slice(start=start, stop=stop, step=step, axis=axis), node.shapes[:1], (0,)) if step > 0 else None


def _gather(node: OnnxNode) -> Translation | None:
    indices, axis = node.numbers("", 1), node.attributes.get("axis", 0)
    if indices is None or 0 not in node.varying:
        return None
    length = node.shapes[0][axis]
    return Gather(indices=tuple(i % length for i in indices), axis=axis), node.shapes[:1], (0,)


def _layer_norm(node: OnnxNode) -> Translation | None:
    axis = node.attributes.get("axis", -1)
    last = axis in (-1, len(node.shapes[0]) - 1) and len(node.shapes) == 3
    return (LayerNorm(), node.shapes[:3], (0, 1, 2)) if last else None


def _cumsum(node: OnnxNode) -> Translation | None:
    axis = node.numbers("", 1)
    plain = axis is not None and not node.attributes.get("reverse") and not node.attributes.get("exclusive")
    return (Cumsum(axis=axis[0]), node.shapes[:1], (0,)) if plain and axis else None


TRANSLATIONS: dict[str, Callable[[OnnxNode], Translation | None]] = {
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Conv": _conv,
    "MaxPool": _max_pool,
    "Add": _binary(AddOp()),
    "Sub": _binary(SubtractOp()),
    "Mul": _binary(MultiplyOp()),
    "Div": _binary(DivideOp()),
    "Softmax": _over_last(Softmax()),
    "LogSoftmax": _over_last(LogSoftmax()),
    "ReduceSum": _reduction(Sum),
    "ReduceMean": _reduction(Mean),
    "GlobalAveragePool": _reduction(Mean),
    "Concat": lambda node: (Concat(axis=node.attributes["axis"]), node.shapes, range(len(node.shapes))),
    "Split": _split,
    "Slice": _slice,
    "Gather": _gather,
    "Transpose": lambda node: (
        Transpose(axes=tuple(node.attributes.get("perm", range(len(node.shapes[0]))[::-1]))),
        node.shapes[:1],
        (0,),
    ),
    "LayerNormalization": _layer_norm,
    "CumSum": _cumsum,
}
"""Operators of ONNX that an op has."""
_ELEMENTWISE = (
    "Relu", "Sigmoid", "Tanh", "Exp", "Log", "Sqrt", "Softplus", "Gelu", "LeakyRelu", "Elu", "Selu", "Celu", "PRelu",
    "HardSigmoid", "HardSwish", "Mish", "Softsign", "ThresholdedRelu", "Erf", "Abs", "Neg", "Reciprocal", "Clip", "Sin",
    "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "Swish", "BatchNormalization",
)  # fmt: skip
"""Operators whose block is a diagonal where the first argument alone varies."""
_SAME_ENTRIES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Cast")
"""Operators that leave the entries as they are."""


def node_edges(node: OnnxNode) -> tuple[tuple[OpEdge, ...], Sequence[int]] | None:
    """Return the edges of a node and the arguments that their sources stand for; None where no translation fits."""
    count = prod(node.shape)
    if node.varying == {0} and prod(node.shapes[0]) == count:
        if node.kind in _ELEMENTWISE:
            return (OpEdge(0, RESULT_VERTEX, count, count, "diagonal"),), (0,)
        if node.kind in _SAME_ENTRIES:
            return (OpEdge(0, RESULT_VERTEX, count, count, "identity"),), (0,)
    translate = TRANSLATIONS.get(node.kind)
    try:
        found = None if translate is None else translate(node)
        if found is None or prod(found[0].shape(*found[1])) != count:
            return None
        return found[0].edges(*found[1]), found[2]
    except (ValueError, IndexError, TypeError, KeyError, AttributeError, ZeroDivisionError):
        return None  # a form of the node that the op does not have


def price(node: OnnxNode) -> int:
    """Return the fma of one tangent or adjoint of a node without a translation, by the shapes of what it reads."""
    sizes, count = [prod(shape) for shape in node.shapes], prod(node.shape)
    weight = node.shapes[1] if len(node.shapes) > 1 else ()
    if node.kind == "Conv":
        return count * prod(weight[1:])
    if node.kind == "ConvTranspose":
        return sizes[0] * prod(weight[1:])
    if node.kind in ("Gemm", "MatMul"):
        return count * (node.shapes[0][-1] if node.shapes[0] else 1)
    if node.kind in ("MaxPool", "AveragePool", "LpPool"):
        return count * prod(map(int, node.attributes.get("kernel_shape", (1,))))
    if node.kind in ("LSTM", "GRU", "RNN"):
        return prod(node.shapes[0][:2]) * sum(sizes[1:3])
    return count + sum(sizes[position] for position in node.varying)
