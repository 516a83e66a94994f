"""The table of ops. A new op is one class in a file beside this one and one line here."""

from __future__ import annotations

from chainplan.ops.arithmetic import Add, Divide, Multiply, Scale, Subtract
from chainplan.ops.base import Op
from chainplan.ops.conv import Conv1d, Conv2d
from chainplan.ops.elementwise import Exp, Gelu, Log, Relu, Sigmoid, Softplus, Sqrt, Tanh
from chainplan.ops.layer_norm import LayerNorm
from chainplan.ops.linear import Linear
from chainplan.ops.linear_solve import LinearSolve
from chainplan.ops.losses import CrossEntropy, SquaredError
from chainplan.ops.matmul import Matmul
from chainplan.ops.max_pool import MaxPool
from chainplan.ops.parts import Concat, Gather, Slice, Split
from chainplan.ops.reductions import Cumsum, Mean, Sum
from chainplan.ops.reorder import Reshape, Transpose
from chainplan.ops.singular_values import SingularValues
from chainplan.ops.softmax import LogSoftmax, Softmax

_ALL: tuple[type[Op], ...] = (
    Linear,
    Conv1d,
    Conv2d,
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
    Matmul,
    Sum,
    Mean,
    Cumsum,
    Concat,
    Split,
    Slice,
    Gather,
    Reshape,
    Transpose,
    MaxPool,
    Softmax,
    LogSoftmax,
    LayerNorm,
    CrossEntropy,
    SquaredError,
    LinearSolve,
    SingularValues,
)

OPS: dict[str, type[Op]] = {op.name: op for op in _ALL}
