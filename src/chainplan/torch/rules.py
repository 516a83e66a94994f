"""The rules: which elemental Jacobians an operation has, by its name, in one table.

A new rule is one function, and one line in `OPERATION_RULES` for each operation. A rule answers None where it does not
fit; that node, like every operation without a rule, is then matrix-free (`rules_matrix_free`), so that no operation
ever fails. The rules ask PyTorch itself for what they need: the derivative of an elementwise function is its tangent of
ones, and a function that moves entries is given their numbers. Entries are in row-major order throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod

import numpy as np

from chainplan.torch.edges import (
    ActiveNode,
    SlopeValues,
    TorchEdge,
    blocks_edge,
    diagonal_edge,
    pick_edge,
    scatter_edge,
    sign_edge,
)
from chainplan.torch.forms import parts
from chainplan.torch.operations import names
from chainplan.torch.rules_indexing import accumulated, axes_of, copied, moved
from chainplan.torch.rules_matrix import dot, matrix_product
from chainplan.torch.rules_normalise import group_norm, layer_norm, log_softmax, softmax

OperationRule = Callable[[ActiveNode], list[TorchEdge] | None]

ELEMENTWISE_OPERATIONS = names(
    "abs acos acosh add addcdiv addcmul asin asinh atan atan2 atanh celu clamp clamp_max clamp_min cos "
    "cosh deg2rad digamma div elu erf erfc erfinv exp exp2 expm1 fmax fmin fmod frac gelu hardsigmoid "
    "hardswish hardtanh hypot i0 leaky_relu lerp lgamma log log10 log1p log2 log_sigmoid_forward "
    "logaddexp logaddexp2 logit masked_fill maximum minimum mish mul nan_to_num neg pow rad2deg "
    "reciprocal relu relu6 remainder rsqrt rsub selu sgn sigmoid silu sin sinc sinh softplus softshrink "
    "special_entr special_log_ndtr special_ndtr special_ndtri special_xlog1py sqrt square sub tan tanh "
    "threshold where xlogy"
)
"""The operations of which every entry of the result depends on one entry of each operand."""

CONSTANT_OPERATIONS = names("ceil detach floor heaviside round sign trunc")
"""The operations whose derivative is zero wherever it exists."""

OPERATION_SIGNS = {"neg": (-1,), "add": (1, 1), "sub": (1, -1)}
"""By the name of an operation: its derivative with respect to each operand, 1 or -1."""


def elementwise(active: ActiveNode) -> list[TorchEdge] | None:
    """Make a diagonal for each operand; its entries are the tangents of ones. Smaller operands are spread out first."""
    shape = active.out_shape
    rows = prod(shape)
    edges: list[TorchEdge] = []
    for position in active.ins:
        own, size = active.shape(position), active.size(position)
        source: int | str = position
        sign = _sign(active, position)
        if size != rows:
            index = np.broadcast_to(np.arange(size).reshape(own), shape).ravel()
            source = 0 if sign == 1 else f"spread{position}"
            edges.append(pick_edge(position, source, index, size))
            if sign == 1:
                continue
        edges.append(
            sign_edge(source, 0, rows, sign) if sign else diagonal_edge(source, 0, rows, _slopes(active, position))
        )
    return edges


def _slopes(active: ActiveNode, position: int) -> SlopeValues:
    """Return what computes the derivatives by an operand, spread out first where it is smaller than the result."""
    if active.shape(position) == active.out_shape:
        return active.slopes(position)
    spread = active.slopes(position)
    return lambda values: spread([x.expand(active.out_shape) if i == position else x for i, x in enumerate(values)])


def _sign(active: ActiveNode, position: int) -> int:
    """Return the derivative by an operand where it is known to be 1 or -1, 0 where it depends on the values."""
    known = OPERATION_SIGNS.get(active.name)
    if known is None or active.given.get("alpha", 1) != 1:
        return 0
    return known[position]


def first_alone(active: ActiveNode) -> list[TorchEdge] | None:
    """Make the edge of an operation that is elementwise in its first operand, None where it depends on others."""
    return [diagonal_edge(0, active.outs[0], active.size(0), active.slopes(0))] if active.ins == (0,) else None


def batch_norm(active: ActiveNode) -> list[TorchEdge] | None:
    """Make the edge of a normalisation by given statistics, which is elementwise."""
    if active.ins != (0,) or active.given.get("training"):
        return None
    return [diagonal_edge(0, 0, active.size(0), active.weights(0))]


def constant(active: ActiveNode) -> list[TorchEdge]:
    """Make no edge: the derivative is zero."""
    return []


def same(active: ActiveNode) -> list[TorchEdge] | None:
    """Make the edge of an operation that keeps all entries in their order."""
    return [sign_edge(0, 0, active.size(0))] if active.ins == (0,) else None


def reduction(active: ActiveNode, weighted: bool = True) -> list[TorchEdge] | None:
    """Make the edges of a reduction: each entry goes to one entry of the result, its weight is its adjoint of ones."""
    if active.ins != (0,) or active.outs != (0,):
        return None
    shape, rows = active.shape(0), prod(active.out_shape)
    axes = axes_of(active.given.get("dim"), len(shape))
    kept = [1 if i in axes else n for i, n in enumerate(shape)]
    if prod(kept) != rows:
        return None
    index = np.broadcast_to(np.arange(rows).reshape(kept), shape).ravel()
    if not weighted:
        return [scatter_edge(0, 0, index, rows)]
    weights = active.weights(0)
    if rows == 1:
        return [
            blocks_edge(0, 0, 1, 1, active.size(0), False, lambda given: parts(1, weights(given).reshape(1, 1, -1)))
        ]
    return [diagonal_edge(0, "weighted", active.size(0), weights), scatter_edge("weighted", 0, index, rows)]


OPERATION_RULES: dict[str, OperationRule] = {
    **dict.fromkeys(ELEMENTWISE_OPERATIONS, elementwise),
    **dict.fromkeys(CONSTANT_OPERATIONS, constant),
    **dict.fromkeys(("alias", "clone", "contiguous", "view", "_unsafe_view", "reshape", "unsqueeze", "squeeze"), same),
    **dict.fromkeys(("_to_copy", "lift_fresh_copy", "view_copy", "squeeze_copy", "unsqueeze_copy", "alias_copy"), same),
    "_reshape_copy": same,
    "copy": copied,
    **dict.fromkeys(("permute", "transpose", "t", "expand", "slice", "select", "diagonal", "unfold", "narrow"), moved),
    **dict.fromkeys(("permute_copy", "transpose_copy", "t_copy", "expand_copy", "slice_copy", "select_copy"), moved),
    **dict.fromkeys(("cat", "stack", "split", "split_with_sizes", "unsafe_split", "unbind", "chunk"), moved),
    **dict.fromkeys(("roll", "flip", "repeat", "constant_pad_nd", "tril", "triu", "diag_embed", "as_strided"), moved),
    **dict.fromkeys(("index", "index_select", "gather", "embedding", "take", "_unsafe_index"), moved),
    **dict.fromkeys(
        ("slice_scatter", "select_scatter", "diagonal_scatter", "index_put", "index_copy", "scatter"), moved
    ),
    **dict.fromkeys(("index_add", "scatter_add"), accumulated),
    "sum": partial(reduction, weighted=False),
    **dict.fromkeys(("mean", "amax", "amin", "max", "min", "prod", "logsumexp", "var", "std", "norm"), reduction),
    **dict.fromkeys(("linalg_vector_norm", "median", "nanmedian", "aminmax", "nansum"), reduction),
    **dict.fromkeys(("mm", "bmm", "mv", "addmm", "addmv", "baddbmm"), matrix_product),
    "dot": dot,
    **dict.fromkeys(("_softmax", "_safe_softmax"), softmax),
    "_log_softmax": log_softmax,
    "native_layer_norm": layer_norm,
    "native_group_norm": group_norm,
    **dict.fromkeys(("native_batch_norm", "_native_batch_norm_legit_no_training"), batch_norm),
    "native_dropout": first_alone,
}
"""By the name of an operation: the rule that makes its elemental Jacobians, or None where it does not fit."""


def structured(active: ActiveNode) -> list[TorchEdge] | None:
    """Make the edges by the rule of the operation, None where the node is to be matrix-free."""
    rule = OPERATION_RULES.get(active.name)
    return None if rule is None else rule(active)
