"""Names for what the front-end handles where PyTorch has none: trees, operands, indices that are known."""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Value = typing.Any
"""A tensor, a number or whatever else an operation takes."""
TensorTree = Value
"""A tree of PyTorch: tensors, or tuples, lists and dicts of trees."""
TreeFunction = Callable[..., TensorTree]
"""A function of trees that gives a tree."""
OperandValues = Sequence[Value]
"""The values of the operands of a node, in order."""
Index = NDArray[np.int64]
"""Indices that are known while a function is traced."""
