"""Whether a program computes what PyTorch differentiates: compared with one adjoint of the function at one point.

A graph does not say everything about a function: a derivative of the user's own (`torch.autograd.Function`), or a part
that runs without gradients, looks like any other. A random row tells them apart, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from chainplan.torch.trace import TensorFunction

TensorBlocks = Callable[..., Sequence[Tensor]]
"""Computes the blocks of a Jacobian from the arguments."""


def agrees(
    function: TensorFunction,
    leaves: Sequence[Tensor],
    active: Sequence[int],
    blocks_of: TensorBlocks,
) -> bool:
    """Say whether the blocks of a program give the adjoint that PyTorch gives, at a point and for a random row.

    Where the function has no value at the point, PyTorch is to say so.
    """
    try:
        return _agrees(function, leaves, active, blocks_of)
    except Exception:  # what a function of the user's own raises at a point may be anything
        return False


def _agrees(
    function: TensorFunction,
    leaves: Sequence[Tensor],
    active: Sequence[int],
    blocks_of: TensorBlocks,
) -> bool:
    with torch.enable_grad():
        leaves = [leaf.detach().clone() for leaf in leaves]
        ends = [leaves[i].requires_grad_() for i in active]
        results = function(*(leaf.clone() for leaf in leaves))
        if any(_has_own_rule(result) for result in results):
            return False
        draw = torch.Generator().manual_seed(0)
        rows = [torch.randn(y.shape, generator=draw, dtype=torch.float64).to(y.dtype).to(y.device) for y in results]
        pairs = [(y, row) for y, row in zip(results, rows, strict=True) if y.requires_grad]
        pulled: Sequence[Tensor | None] = [None] * len(ends)
        if pairs:
            pulled = torch.autograd.grad([y for y, _ in pairs], ends, [row for _, row in pairs], allow_unused=True)
    with torch.no_grad():
        blocks = [block.detach() for block in blocks_of(*(leaf.detach() for leaf in leaves))]
        return all(_same_row(adjoint, rows, blocks[k :: len(ends)]) for k, adjoint in enumerate(pulled))


def agrees_in_batch(leaves: Sequence[Tensor], blocks_of: TensorBlocks) -> bool:
    """Say whether a program gives the same under `torch.vmap` as at each of two points, near the one that is given.

    Batching rules of PyTorch may be wrong, as that of `linalg_lu_solve` is where factors are batched.
    """
    try:
        return _agrees_in_batch(leaves, blocks_of)
    except Exception:  # an operation that cannot be batched may raise anything
        return False


def _agrees_in_batch(leaves: Sequence[Tensor], blocks_of: TensorBlocks) -> bool:
    steps = [1 + 1e-3 * torch.arange(2, dtype=leaf.dtype, device=leaf.device) for leaf in leaves]
    pairs = [
        leaf.detach() * step.reshape(-1, *[1] * leaf.ndim) if leaf.is_floating_point() else torch.stack([leaf] * 2)
        for leaf, step in zip(leaves, steps, strict=True)
    ]
    with torch.no_grad():
        both = torch.func.vmap(blocks_of)(*pairs)
        for point in range(2):
            alone = blocks_of(*(pair[point] for pair in pairs))
            for ours, theirs in zip(both, alone, strict=True):
                limit = torch.finfo(theirs.dtype).eps ** 0.5 * max(float(theirs.abs().max()), 1e-300)
                if not (ours[point] - theirs).abs().max() <= limit:
                    return False
    return True


def _same_row(adjoint: Tensor | None, rows: Sequence[Tensor], blocks: Sequence[Tensor]) -> bool:
    """Compare an adjoint with the sum of rows times blocks."""
    flat = torch.cat([block.reshape(row.numel(), -1) for row, block in zip(rows, blocks, strict=True)])
    whole = torch.cat([row.reshape(-1).to(flat.dtype) for row in rows])
    found, scale = whole @ flat, whole.abs() @ flat.abs()
    expected = torch.zeros_like(found) if adjoint is None else adjoint.reshape(-1).to(found.dtype)
    if not torch.equal(found.isfinite(), expected.isfinite()):
        return False
    finite = found.isfinite()
    apart = (found - expected)[finite].abs().max() if finite.any() else found.new_zeros(())
    limit = torch.finfo(found.dtype).eps ** 0.5
    largest = scale[finite].max() if finite.any() else found.new_zeros(())
    return bool(apart <= limit * max(float(largest), torch.finfo(found.dtype).tiny))


def _has_own_rule(result: Tensor) -> bool:
    """Say whether a result depends on a function with a derivative of the user's own."""
    seen, todo = set(), [result.grad_fn]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            return True
        seen.add(node)
        todo.extend(following for following, _ in node.next_functions)
    return False
