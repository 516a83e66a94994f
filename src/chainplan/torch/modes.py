"""PyTorch's own modes as functions of tensors: all rows or columns of a Jacobian, a chunk of seeds at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from chainplan.torch.trace import TensorFunction


def by_mode(function: TensorFunction, name: str, active: Sequence[int], chunk: int | None) -> TensorFunction:
    """Return what computes the blocks of a Jacobian by "jacfwd" or "jacrev", by result and argument.

    The blocks are of the dtypes that `torch.func.jacrev` gives them, those of the arguments.
    """

    def results(*leaves: Tensor) -> tuple[Tensor, ...]:
        return tuple(function(*leaves))

    if name == "jacrev":
        mode = torch.func.jacrev(results, tuple(active), chunk_size=chunk)
    elif chunk is None:
        mode = torch.func.jacfwd(results, tuple(active))
    else:
        return _forward_in_chunks(function, active, chunk)

    def blocks(*leaves: Tensor) -> list[Tensor]:
        rows = mode(*leaves)
        return [block.to(leaves[i].dtype) for row in rows for block, i in zip(row, active, strict=True)]

    return blocks


def _forward_in_chunks(function: TensorFunction, active: Sequence[int], chunk: int) -> TensorFunction:
    """Send a chunk of the columns of the identity of all arguments together at a time."""

    def blocks(*leaves: Tensor) -> list[Tensor]:
        inputs = tuple(leaves[i] for i in active)
        sizes = [x.numel() for x in inputs]

        def of_active(*given: Tensor) -> tuple[Tensor, ...]:
            full = list(leaves)
            for i, x in zip(active, given, strict=True):
                full[i] = x
            return tuple(function(*full))

        def column(seed: Tensor) -> tuple[Tensor, ...]:
            pieces = zip(torch.split(seed, sizes), inputs, strict=True)
            tangents = tuple(piece.reshape(x.shape).to(x.dtype) for piece, x in pieces)
            made: tuple[Tensor, ...] = torch.func.jvp(of_active, inputs, tangents)[1]
            return made

        eye = torch.eye(sum(sizes), dtype=inputs[0].dtype, device=inputs[0].device)
        outs = torch.func.vmap(column, out_dims=-1, chunk_size=chunk)(eye)
        found = []
        for out in outs:
            pieces = torch.split(out, sizes, -1)
            found += [p.reshape(*out.shape[:-1], *x.shape).to(x.dtype) for p, x in zip(pieces, inputs, strict=True)]
        return found

    return blocks
