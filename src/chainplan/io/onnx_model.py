"""Reads models in ONNX as linearised DAGs: each node that an op of layers has gets its blocks, others are matrix-free.

What is read is what planning needs: shapes, attributes, and constants that say where entries go. A size that the model
leaves open, as that of a batch, counts as 1. Weights are constant, so that the Jacobian is that of the outputs by the
inputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, NoReturn

from chainplan.errors import ArgumentError, missing_extra
from chainplan.io.located.diagnostics import SpecMessages
from chainplan.io.located.nodes import shown
from chainplan.io.located.reader import unnamable
from chainplan.io.networkx_graph import first_line
from chainplan.io.noted import noted
from chainplan.io.onnx_ops import OnnxNode, node_edges, price
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem
from chainplan.programs.ops import RESULT_VERTEX, OpEdge
from chainplan.programs.ops.base import ArrayShape
from chainplan.structures import Block

if TYPE_CHECKING:
    import onnx

MAX_ONNX_CONSTANT_ENTRIES = 100_000
"""Entries of the largest constant whose values are looked at."""
_STEPWISE_OPERATORS = (
    "Shape",
    "Size",
    "ArgMax",
    "ArgMin",
    "NonZero",
    "Round",
    "Floor",
    "Ceil",
    "Sign",
    "IsNaN",
    "IsInf",
)
"""Operators without a derivative, or with one that is zero wherever there is one."""
_CONTROL_FLOW = ("If", "Loop", "Scan", "SequenceMap")


def read_onnx(data: bytes, messages: SpecMessages) -> Problem:
    """Read a model.

    Raises
    ------
    SpecError
        Where the file is broken, or has a node or a shape that planning cannot follow.
    """
    try:
        import onnx
        from onnx import shape_inference
    except ImportError:
        messages.fatal(0, 0, missing_extra("an ONNX model", "onnx", "onnx"))
    try:
        model = onnx.load_model_from_string(data)
        notes = tuple(_fixed(model))
        onnx.checker.check_model(model)
        model = shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:  # protobuf and onnx each raise errors of their own
        messages.fatal(0, 0, f"not an ONNX model: {first_line(error)}; expected one that onnx.checker accepts.")
    return _OnnxWalk(model, messages).problem(notes)


def _fixed(model: onnx.ModelProto) -> Iterator[str]:
    """Set the sizes of inputs that a model leaves open to 1, and say so."""
    constants = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        open_sizes = [d for d in value.type.tensor_type.shape.dim if not d.HasField("dim_value") or d.dim_value < 0]
        if open_sizes and value.name not in constants:
            names = ", ".join(f"'{shown(d.dim_param)}'" if d.dim_param else "one" for d in open_sizes)
            yield f"The model leaves sizes of '{shown(value.name)}' open ({names}); they count as 1."
        for size in open_sizes:
            size.dim_value = 1


class _OnnxWalk:
    """One walk over the nodes of a model, which collects vertices and elementals."""

    def __init__(self, model: onnx.ModelProto, messages: SpecMessages) -> None:
        self.model, self.messages = model, messages
        graph = model.graph
        self.shapes: dict[str, ArrayShape] = {t.name: tuple(t.dims) for t in graph.initializer}
        self.real: set[str] = set()
        self.constants: dict[str, onnx.TensorProto] = {t.name: t for t in graph.initializer}
        for value in (*graph.input, *graph.value_info, *graph.output):
            kind = value.type.tensor_type
            dims = [d.dim_value if d.HasField("dim_value") else -1 for d in kind.shape.dim]
            if kind.HasField("shape") and min(dims, default=0) >= 0:
                self.shapes[value.name] = tuple(dims)
            if kind.elem_type in (1, 10, 11, 16):  # float, float16, double, bfloat16
                self.real.add(value.name)
        self.version = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1)
        self.sizes: dict[str, int] = {}
        self.elementals: list[Elemental] = []
        self.counts: dict[str, int] = {}
        self.free: dict[str, int] = {}

    def problem(self, notes: tuple[str, ...]) -> Problem:
        """Make the problem of the model."""
        graph = self.model.graph
        inputs = [v.name for v in graph.input if v.name in self.real and v.name not in self.constants]
        outputs = list(dict.fromkeys(v.name for v in graph.output if v.name in self.real))
        if not inputs or not outputs:
            what = "inputs" if not inputs else "outputs"
            self._refuse(f"found no {what} of real numbers; expected a model with some. Export it with them.")
        for name in inputs:
            self.sizes[name] = self._size(name)
        for node in graph.node:
            self._node(node)
        for name in outputs:
            self.sizes.setdefault(name, self._size(name))
        for name in (*self.sizes, graph.name):
            if name and (why := unnamable(name)):
                self._refuse(f"the name '{shown(name)}' has {why}; expected a name that can be written. Rename it.")
        try:
            problem = Problem(
                Graph(self.sizes, tuple(inputs), tuple(outputs), tuple(self.elementals)), name=graph.name or None
            )
        except ArgumentError as error:
            self._refuse(str(error))
        if self.free:
            kinds = ", ".join(f"{shown(kind)} ({count})" for kind, count in sorted(self.free.items()))
            notes += (f"Matrix-free, and priced by the sizes of arguments and results: {kinds}.",)
        return noted(problem, notes, of_model=True)

    def _refuse(self, text: str) -> NoReturn:
        self.messages.fatal(0, 0, text)

    def _size(self, name: str) -> int:
        if name not in self.shapes:
            todo = "Fix the sizes of the inputs, and let onnx.shape_inference find the others."
            self._refuse(f"value '{shown(name)}' has no shape; expected one that follows from the inputs. {todo}")
        return prod(self.shapes[name])

    def _node(self, node: onnx.NodeProto) -> None:
        """Add the elementals of a node; one that no varying value reaches has none."""
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    self.constants[node.output[0]] = attribute.t
                    self.shapes[node.output[0]] = tuple(attribute.t.dims)
        if node.op_type in _CONTROL_FLOW:
            self._refuse(
                f"node '{shown(node.name)}' is '{node.op_type}'; expected no control flow. Export it unrolled."
            )
        varying = frozenset(i for i, name in enumerate(node.input) if name in self.sizes)
        if not varying or node.op_type in _STEPWISE_OPERATORS:
            return
        for number, output in enumerate(node.output):
            if output and output in self.real:
                self._result(node, number, varying)

    def _result(self, node: onnx.NodeProto, number: int, varying: frozenset[int]) -> None:
        """Add the elementals that lead to one result of a node."""
        output = node.output[number]
        seen = self._seen(node, number, varying)
        found = node_edges(seen)
        edges, arguments = ((), ()) if found is None else found
        self.sizes[output] = self._size(output)
        reached: dict[int | str, str] = {i: node.input[p] for i, p in enumerate(arguments) if p in varying}
        blocks: list[tuple[str, str, Block, OpEdge]] = []
        try:
            for edge in edges:
                if edge.source in reached:
                    target = output if edge.target == RESULT_VERTEX else f"{output}.{edge.target}"
                    reached[edge.target] = target
                    blocks.append((reached[edge.source], target, edge.block(), edge))
        except ValueError:  # a structure that lists too many indices
            found = None
        if found is None:
            self._matrix_free(node, output, seen)
            return
        for source, target, block, edge in blocks:
            self.sizes.setdefault(target, edge.rows)
            self._add(source, target, block, edge.tangent, edge.adjoint, edge.tape)

    def _matrix_free(self, node: onnx.NodeProto, output: str, seen: OnnxNode) -> None:
        self.free[node.op_type] = self.free.get(node.op_type, 0) + 1
        cost = price(seen)
        for source in dict.fromkeys(node.input[position] for position in sorted(seen.varying)):
            block = Block(self.sizes[output], self.sizes[source])
            self._add(source, output, block, cost, cost, sum(prod(seen.shapes[p]) for p in seen.varying))

    def _add(self, source: str, target: str, block: Block, tangent: int | None, adjoint: int | None, tape: int) -> None:
        name = f"{target}/{source}"
        count = self.counts[name] = self.counts.get(name, 0) + 1
        name = name if count == 1 else f"{name}#{count}"
        self.elementals.append(Elemental(name, source, target, block, tangent, adjoint, tape))

    def _seen(self, node: onnx.NodeProto, number: int, varying: frozenset[int]) -> OnnxNode:
        """Return what the translation of a node may look at."""
        import onnx

        for name in node.input:
            if name:
                self._size(name)
        constants = {
            position: onnx.numpy_helper.to_array(self.constants[name])
            for position, name in enumerate(node.input)
            if name in self.constants and prod(self.shapes[name]) <= MAX_ONNX_CONSTANT_ENTRIES
        }
        return OnnxNode(
            node.op_type,
            {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute},
            [self.shapes.get(name, ()) for name in node.input],
            self.shapes.get(node.output[number], ()),
            varying,
            constants,
            number,
            sum(map(bool, node.output)),
            self.version,
        )
