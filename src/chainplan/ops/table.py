"""The table of ops. A new op is one class in a file beside this one and one line here."""

from __future__ import annotations

from chainplan.ops.arithmetic import Add, Divide, Multiply, Scale, Subtract
from chainplan.ops.base import Op
from chainplan.ops.elementwise import Exp, Gelu, Log, Relu, Sigmoid, Softplus, Sqrt, Tanh
from chainplan.ops.linear import Linear
from chainplan.ops.losses import CrossEntropy, SquaredError
from chainplan.ops.softmax import LogSoftmax, Softmax

_ALL: tuple[type[Op], ...] = (
    Linear,
    Sigmoid,
    Tanh,
    Relu,
    Exp,
    Log,
    Sqrt,
    Softplus,
    Gelu,
    Add,
    Subtract,
    Multiply,
    Divide,
    Scale,
    Softmax,
    LogSoftmax,
    CrossEntropy,
    SquaredError,
)

OPS: dict[str, type[Op]] = {op.name: op for op in _ALL}
