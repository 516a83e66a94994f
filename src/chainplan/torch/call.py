"""Arguments and results as `torch.func.jacrev` takes and gives them: trees, several argnums, tensors beside them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from enum import Enum

import torch
from torch import Tensor
from torch._C import _functorch
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from chainplan.torch.surroundings import FOLLOWED_KINDS, PLAIN_KINDS, told_apart
from chainplan.torch.types import TensorTree


class TensorCall:
    """A function at its arguments, flattened: `function` takes all tensors among them and gives a list of tensors.

    `active` are the positions of the tensors to differentiate by, in the order of argnums; `followed` are the arguments
    that hold values of their own.
    """

    def __init__(
        self, f: Callable[..., TensorTree], argnums: int | tuple[int, ...], args: Sequence[TensorTree]
    ) -> None:
        self._f = f
        self._leaves, self._tree = tree_flatten(tuple(args))
        places = [argnums % len(args)] if isinstance(argnums, int) else [i % len(args) for i in argnums]
        numbered = [[i] * len(tree_flatten(arg)[0]) for i, arg in enumerate(args)]
        owners = [i for one in numbered for i in one]
        tensors = [i for i, leaf in enumerate(self._leaves) if isinstance(leaf, Tensor)]
        self.leaves = [self._leaves[i] for i in tensors]
        self.followed = [leaf for leaf in self._leaves if isinstance(leaf, FOLLOWED_KINDS)]
        self._static = [None if isinstance(leaf, Tensor) else leaf for leaf in self._leaves]
        self._tensors = tensors
        self.active = tuple(tensors.index(i) for place in places for i in range(len(owners)) if owners[i] == place)
        given = args[places[0]] if isinstance(argnums, int) else tuple(args[i] for i in places)
        self._given: TreeSpec = tree_flatten(given)[1]
        self._results: TreeSpec | None = None
        self._single = isinstance(given, Tensor)

    def function(self, *tensors: Tensor) -> list[Tensor]:
        """Call the function; its results must be tensors."""
        leaves = list(self._static)
        for i, tensor in zip(self._tensors, tensors, strict=True):
            leaves[i] = tensor
        results, self._results = tree_flatten(self._f(*tree_unflatten(leaves, self._tree)))
        if not results or not all(isinstance(y, Tensor) and y.is_floating_point() and y.numel() for y in results):
            raise TypeError("the results are not all real tensors")
        return results

    @property
    def plain(self) -> bool:
        """Whether there is one block, which is returned as it is."""
        return self._single and self._results is not None and self._results.is_leaf()

    def nested(self, blocks: Sequence[Tensor]) -> TensorTree:
        """Put Jacobian blocks, by result and argument, into the trees of the results and of the arguments."""
        assert self._results is not None, "the function has been called"
        count = len(self.active)
        rows = [list(blocks[i : i + count]) for i in range(0, len(blocks), count)]
        return tree_unflatten([tree_unflatten(row, self._given) for row in rows], self._results)


def key_of(args: Sequence[TensorTree]) -> tuple[Hashable, list[Tensor], int]:
    """Return what a program depends on, the tensors among the arguments, and the size of the batch that is in sight.

    Raises
    ------
    TypeError
        If an argument that is no tensor cannot be compared, or an object that may change.
    """
    leaves: list[TensorTree]
    tree: Hashable = None
    if all(type(arg) is Tensor for arg in args):
        leaves = list(args)
    else:
        leaves, tree = tree_flatten(tuple(args))
    key: list[Hashable] = [tree, torch.get_default_dtype(), torch._C._is_any_autocast_enabled()]
    tensors, batch = [], 1
    for leaf in leaves:
        if isinstance(leaf, Tensor):
            key.append((leaf.shape, leaf.dtype, leaf.device))
            tensors.append(leaf)
            if _functorch.is_functorch_wrapped_tensor(leaf):
                batch = max(batch, _batch_of(leaf))
        else:
            key.append(_static_key(leaf))
    key.append(batch)
    return tuple(key), tensors, batch


def _static_key(leaf: TensorTree) -> Hashable:
    """Return what tells an argument that is no tensor from others."""
    if not isinstance(leaf, (*PLAIN_KINDS, Enum, *FOLLOWED_KINDS)):
        raise TypeError("its attributes may change")
    return type(leaf), told_apart(leaf)


def _batch_of(leaf: Tensor) -> int:
    """Return the number of points that `torch.vmap` hides from a function."""
    points = 1
    while _functorch.is_functorch_wrapped_tensor(leaf):
        inner = _functorch.get_unwrapped(leaf)
        if _functorch.is_batchedtensor(leaf):
            points *= int(inner.shape[_functorch.maybe_get_bdim(leaf)])
        leaf = inner
    return points


def one_point(leaf: Tensor) -> Tensor | None:
    """Return the values of a tensor, at the first point of a batch; None where it has none."""
    while _functorch.is_functorch_wrapped_tensor(leaf):
        inner = _functorch.get_unwrapped(leaf)
        leaf = inner.select(_functorch.maybe_get_bdim(leaf), 0) if _functorch.is_batchedtensor(leaf) else inner
    return leaf.detach() if type(leaf) in (Tensor, torch.nn.Parameter) else None


def ordinary(args: Sequence[TensorTree], argnums: int | tuple[int, ...], leaves: Sequence[Tensor]) -> bool:
    """Say whether a Jacobian can be planned for these arguments; everything else is left to PyTorch."""
    places = (argnums,) if isinstance(argnums, int) else argnums
    if not places or any(not -len(args) <= i < len(args) for i in places):
        return False
    if len({i % len(args) for i in places}) < len(places):
        return False
    for i in places:
        given = tree_flatten(args[i])[0]
        if not given or not all(isinstance(x, Tensor) and x.is_floating_point() and x.numel() for x in given):
            return False
    if any(leaf.layout is not torch.strided or leaf.is_complex() or leaf.is_quantized for leaf in leaves):
        return False
    if any(type(leaf) not in (Tensor, torch.nn.Parameter) and one_point(leaf) is None for leaf in leaves):
        return False
    return not any(leaf.is_meta or torch.is_autocast_enabled(leaf.device.type) for leaf in leaves)
