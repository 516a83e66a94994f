"""The predicted time of a program: what PyTorch executes of it, operation by operation.

Plans and modes are compared by what will run, so that both are traced to graphs and read by one rule. Starting an
operation takes a time of its own; then come its multiply-adds, its evaluations and the bytes that it moves. In a batch
every operation that depends on an argument does its work once for each point, and takes longer to start under
`torch.vmap`. An accelerator has rates of its own. Only ratios of predictions are used.
"""

from __future__ import annotations

import operator
from collections import Counter
from math import prod

from torch import Tensor
from torch.fx import GraphModule, Node
from torch.utils._pytree import tree_leaves

from chainplan.torch.accelerator_rates import ACCELERATOR_SECONDS
from chainplan.torch.operations import LAID_OUT, LINEAR_ALGEBRA, MATRIX_PRODUCTS, VIEWS, name_of, names
from chainplan.torch.types import Value

UNIT_SECONDS = {
    "views": 2e-6,
    "batched_views": 2e-6,
    "starts": 2.5e-6,
    "batched_starts": 2.5e-6,
    "fma": 7e-11,
    "thin_fma": 1.2e-10,
    "near_bytes": 1.5e-11,
    "read_bytes": 4e-11,
    "written_bytes": 6e-11,
    "far_bytes": 3e-10,
    "evaluated": 3e-9,
    "gathered": 9e-10,
    "linalg_fma": 1.6e-10,
    "linalg_starts": 2.6e-6,
    "others": 1.4e-10,
}
"""Seconds per unit of each kind of work on a CPU: operations, multiply-adds, bytes or entries."""

THIN_SIDE = 4
"""A matrix product with a side below this one runs at the speed of memory."""
MAX_NEAR_BYTES, MAX_KEPT_BYTES = 3 << 18, 1 << 22
"""The bytes of the largest tensor that stays in a cache, and of the largest whose memory is used again when freed."""

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
    unit_seconds = UNIT_SECONDS if _runs_on_cpu(graph) else ACCELERATOR_SECONDS
    return sum(unit_seconds[kind] * amount for kind, amount in work_of(graph, batch).items())


def _runs_on_cpu(graph: GraphModule) -> bool:
    """Say whether all arguments of a program are on the CPU."""
    given = [node.meta.get("val") for node in graph.graph.nodes if node.op == "placeholder"]
    return all(tensor.device.type == "cpu" for tensor in _tensors(given))


def work_of(graph: GraphModule, batch: int = 1) -> Counter[str]:
    """Count the work of a program, by the kinds of `UNIT_SECONDS`."""
    reached: set[Node] = {node for node in graph.graph.nodes if node.op == "placeholder"}
    work: Counter[str] = Counter()
    for node in graph.graph.nodes:
        if node.op != "call_function" or node.target is operator.getitem:
            continue
        depends = any(operand in reached for operand in node.all_input_nodes)
        if depends:
            reached.add(node)
        _count(work, node, batch if depends else 1)
    return work


def _count(work: Counter[str], node: Node, batch: int) -> None:
    """Count an operation, done for each point of a batch."""
    name, batched = name_of(node), "batched_" if batch > 1 else ""
    if name in VIEWS and not _copies(node):
        work[f"{batched}views"] += 1
        return
    work[f"{batched}starts"] += 1
    for tensor in _tensors([operand.meta.get("val") for operand in node.all_input_nodes]):
        size = batch * _stored(tensor)
        work["near_bytes" if size <= MAX_NEAR_BYTES else "read_bytes"] += size
    for tensor in _tensors(node.meta.get("val")):
        size = batch * _stored(tensor)
        near, kept = size <= MAX_NEAR_BYTES, size <= MAX_KEPT_BYTES
        work["near_bytes" if near else "written_bytes" if kept else "far_bytes"] += size
    kind, amount = _own_work(name, node)
    work[kind] += batch * amount
    if kind == "linalg_fma":
        work["linalg_starts"] += batch * prod(node.all_input_nodes[0].meta["val"].shape[:-2])


def _copies(node: Node) -> bool:
    """Say whether a view cannot be one, because its operand is not laid out so: it copies then."""
    if name_of(node) not in LAID_OUT:
        return False
    operand = node.args[0]
    value, own = (getattr(one, "meta", {}).get("val") for one in (operand, node))
    if not isinstance(value, Tensor) or not isinstance(own, Tensor):
        return False
    return bool(value.untyped_storage()._cdata != own.untyped_storage()._cdata)


def _own_work(name: str, node: Node) -> tuple[str, int]:
    """Count what an operation computes, without starting it or moving bytes."""
    operands = [operand.meta.get("val") for operand in node.all_input_nodes]
    out = sum(value.numel() for value in _tensors(node.meta.get("val")))
    if name in MATRIX_PRODUCTS:
        left, right = operands[-2:] if len(operands) > 1 else 2 * operands
        m, k, n = left.shape[-2] if left.ndim > 1 else 1, left.shape[-1], right.shape[-1] if right.ndim > 1 else 1
        wide = left.element_size() // 4 or 1
        return "thin_fma" if min(m, k, n) < THIN_SIDE else "fma", wide * out * k
    if name in _SIMPLE or not name:
        return "others", 0
    if name in _EVALUATED:
        return "evaluated", out
    if name in _GATHERS:
        return "gathered", out
    if name.startswith("convolution"):
        kernel = node.args[2 if name.endswith("backward") else 1].meta["val"].shape
        largest = max(out, *(value.numel() for operand in operands for value in _tensors(operand)))
        return "fma", 2 * largest * prod(kernel) // max(1, kernel[0])
    if any(word in name for word in LINEAR_ALGEBRA) and operands and operands[0].ndim > 1:
        return "linalg_fma", max(out, operands[0].numel()) * operands[0].shape[-1]
    return "others", out


def _stored(value: Tensor) -> int:
    """Count the bytes of a tensor; what is spread out along an axis is stored once."""
    sizes = [n for n, stride in zip(value.shape, value.stride(), strict=True) if stride]
    return prod(sizes) * value.element_size()


def _tensors(value: Value) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
