"""The predicted time of a program: what PyTorch executes of it, operation by operation.

Plans and modes are compared by what will run, so that both are traced to graphs and read by one rule. Starting an
operation takes a time of its own; then come its multiply-adds, its evaluations and the bytes that it moves. In a batch
every operation that depends on an argument does its work once for each point. Only ratios of predictions are used.
"""

from __future__ import annotations

from math import prod

from torch import Tensor
from torch.fx import GraphModule, Node
from torch.utils._pytree import tree_leaves

from chainplan.torch.operations import LAID_OUT, LINEAR_ALGEBRA, MATRIX_PRODUCTS, VIEWS, name_of, names
from chainplan.torch.types import Value

UNIT_SECONDS = {
    "view": 1.5e-6,
    "start": 3e-6,
    "fma": 6e-11,
    "vector_fma": 1.2e-10,
    "byte": 1e-10,
    "slow": 3e-9,
    "gathered": 1.5e-9,
    "linalg": 3e-10,
    "linalg_start": 1e-5,
    "unknown": 1e-9,
}
"""Seconds for each kind of work: starting an operation, a multiply-add, a byte, an entry."""

THIN_SIDE = 4
"""A matrix product with a side below this one runs at the speed of memory."""

_SIMPLE = names(
    "add sub mul div neg abs relu maximum minimum where gt lt ge le eq ne square reciprocal sqrt clamp "
    "threshold_backward tanh_backward sigmoid_backward sum mean amax amin cat stack clone copy "
    "constant_pad_nd zeros ones full new_zeros eye logical_not logical_and logical_or bitwise_not "
    "_to_copy masked_fill addcmul sgn sign fill rsub rsqrt"
)
_EVALUATED = names(
    "sin cos tan tanh exp log sigmoid erf pow atan asin acos sinh cosh log1p expm1 gelu silu softplus "
    "_softmax _log_softmax gelu_backward silu_backward native_layer_norm _softmax_backward_data atan2 "
    "logsumexp"
)
_GATHERS = names("index_select gather index index_add scatter index_put embedding scatter_add")


def predicted_seconds(graph: GraphModule, batch: int = 1) -> float:
    """Predict the seconds that a call of a program takes, on a batch of that many points."""
    reached: set[Node] = {node for node in graph.graph.nodes if node.op == "placeholder"}
    total = 0.0
    for node in graph.graph.nodes:
        if node.op != "call_function":
            continue
        depends = any(operand in reached for operand in node.all_input_nodes)
        if depends:
            reached.add(node)
        total += _seconds(node, batch if depends else 1)
    return total


def _seconds(node: Node, batch: int) -> float:
    name = name_of(node)
    if not name:
        return (
            0.0
            if "getitem" in str(node.target)
            else UNIT_SECONDS["start"] + batch * UNIT_SECONDS["byte"] * _bytes(node)
        )
    if name in VIEWS and not _copies(node):
        return UNIT_SECONDS["view"]
    return UNIT_SECONDS["start"] + batch * (_work(name, node) + UNIT_SECONDS["byte"] * _bytes(node))


def _copies(node: Node) -> bool:
    """Say whether a view cannot be one, because its operand is not laid out so: it copies then."""
    if name_of(node) not in LAID_OUT:
        return False
    operand = node.args[0]
    value, own = (getattr(one, "meta", {}).get("val") for one in (operand, node))
    if not isinstance(value, Tensor) or not isinstance(own, Tensor):
        return False
    return bool(value.untyped_storage()._cdata != own.untyped_storage()._cdata)


def _work(name: str, node: Node) -> float:
    """Predict the seconds of what an operation computes, without starting it or moving bytes."""
    out = sum(value.numel() for value in _tensors(node.meta.get("val")))
    if name in MATRIX_PRODUCTS:
        left, right = (
            [operand.meta["val"] for operand in node.all_input_nodes[-2:]]
            if len(node.all_input_nodes) > 1
            else 2 * [node.all_input_nodes[0].meta["val"]]
        )
        k = left.shape[-1]
        thin = min(left.shape[-2] if left.ndim > 1 else 1, k, right.shape[-1] if right.ndim > 1 else 1) < THIN_SIDE
        wide = 2 if left.element_size() == 8 else 1
        return float(wide * out * k) * UNIT_SECONDS["vector_fma" if thin else "fma"]
    if name in _SIMPLE:
        return 0.0
    if name in _EVALUATED:
        return out * UNIT_SECONDS["slow"]
    if name in _GATHERS:
        return out * UNIT_SECONDS["gathered"]
    first = node.all_input_nodes[0].meta.get("val") if node.all_input_nodes else None
    if name.startswith("convolution"):
        kernel = node.args[2 if name.endswith("backward") else 1].meta["val"].shape
        grown = max(
            out, *(value.numel() for operand in node.all_input_nodes for value in _tensors(operand.meta["val"]))
        )
        return grown * prod(kernel) / max(1, kernel[0]) * 2 * UNIT_SECONDS["fma"]
    if any(word in name for word in LINEAR_ALGEBRA) and isinstance(first, Tensor) and first.ndim > 1:
        matrices = prod(first.shape[:-2])
        steps = max(out, first.numel()) * int(first.shape[-1])
        return matrices * UNIT_SECONDS["linalg_start"] + steps * UNIT_SECONDS["linalg"]
    return out * UNIT_SECONDS["unknown"]


def _bytes(node: Node) -> int:
    """Count the bytes that an operation reads and writes."""
    made = [node.meta.get("val"), *(operand.meta.get("val") for operand in node.all_input_nodes)]
    return sum(_stored(value) for one in made for value in _tensors(one))


def _stored(value: Tensor) -> int:
    """Count the bytes of a tensor; what is spread out along an axis is stored once."""
    sizes = [n for n, stride in zip(value.shape, value.stride(), strict=True) if stride]
    return prod(sizes) * value.element_size()


def _tensors(value: Value) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
