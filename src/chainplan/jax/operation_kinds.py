"""What operations of a program do, as XLA's CPU backend sees them: which can be fused, and which entries they read."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from chainplan.jax.flat_program import LOOPS, Operation
from chainplan.jax.types import Shaped

MAX_JOINED = 8
"""The most operands of a concatenation that is fused."""


def names(text: str) -> frozenset[str]:
    """Return the names that a text lists."""
    return frozenset(text.split())


RESHAPES = names("reshape squeeze expand_dims bitcast_convert_type")
COPIES = names("copy stop_gradient reduce_precision optimization_barrier name")
JOINS = names("concatenate stack")
BRANCHES = JOINS | names("pad dynamic_update_slice")
"""Operations in which an entry comes from one of several places."""
SLICES = names("slice split unstack")
MOVES = RESHAPES | COPIES | BRANCHES | SLICES | names("broadcast_in_dim iota rev transpose dynamic_slice gather tile")
DEAR = names(
    "exp exp2 expm1 log log1p tanh logistic pow atan atan2 asin acos sinh cosh asinh acosh atanh erf erfc erf_inv "
    "lgamma digamma cbrt igamma sqrt rsqrt div rem"
)
"""What is never computed twice."""
_UNFUSED = (
    *("scatter", "dot_general", "conv", "sort", "cum", "custom", "fft", "rng", "random", "top_k", "arg"),
    "reduce_window",
)
LINALG = names("lu cholesky qr geqrf eigh svd eig householder_product triangular_solve")


def is_fusible(op: Operation) -> bool:
    """Say whether an operation can become a part of a kernel."""
    if op.name in LINALG | LOOPS or op.name.startswith(_UNFUSED):
        return False
    return len(op.outs) == 1 or op.name in SLICES


def reduces(op: Operation) -> bool:
    """Say whether an operation reduces an array over some axes."""
    return op.name.startswith("reduce_") and "axes" in op.params


def last_axis(shape: Sequence[int]) -> int | None:
    """Return the last axis with more than one entry."""
    return next((i for i in reversed(range(len(shape))) if shape[i] > 1), None)


def axis_of_operand(op: Operation, given: Sequence[int], made: Sequence[int], axis: int | None) -> int | None:
    """Return the axis of an operand along which it is read where the result is made along `axis`; None for none."""
    if axis is None:
        return None
    name = op.name
    if name == "transpose":
        return int(op.params["permutation"][axis])
    if name == "broadcast_in_dim":
        dims = tuple(op.params["broadcast_dimensions"])
        return dims.index(axis) if axis in dims and given[dims.index(axis)] > 1 else None
    if name == "stack":
        place = joined_axis(op)
        return None if axis == place else axis - (axis > place)
    if name == "unstack":
        return axis + (axis >= joined_axis(op))
    if name in RESHAPES:
        behind = prod(made[axis + 1 :])
        return next((i for i in range(len(given)) if given[i] > 1 and prod(given[i + 1 :]) == behind), None)
    if reduces(op):
        kept = [i for i in range(len(given)) if i not in op.params["axes"]]
        return kept[axis] if axis < len(kept) else last_axis(given)
    if len(given) != len(made):
        return last_axis(given)
    return axis if given[axis] > 1 else None


def is_long(op: Operation) -> bool:
    """Say whether an operation joins so many arrays that they are better written one by one."""
    return op.name in JOINS and len(op.ins) > MAX_JOINED


def joined_axis(op: Operation) -> int:
    """Return the axis along which an operation joins arrays or takes one apart."""
    return int(op.params["dimension" if "dimension" in op.params else "axis"])


def true_rank(aval: Shaped) -> int:
    """Count the axes along which an array has more than one entry."""
    return sum(side > 1 for side in aval.shape)
